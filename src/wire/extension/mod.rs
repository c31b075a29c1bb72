//! Payloads of `extended` messages: BEP 10's handshake, ut_metadata (9), ut_pex (11), lt_donthave (54).
//!
//! Which payload a message carries depends on the ids that were negotiated, so the caller names the
//! extension. Dictionaries keep their order, repeats and unknown keys.

mod handshake;
mod message;
mod pex;

pub use handshake::{ExtendedHandshake, KeyFlaw, KeyProblem};
pub use message::ExtensionMessage;
pub use pex::PexMessage;
