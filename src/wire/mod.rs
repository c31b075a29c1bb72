//! Bytes ⇄ frames ⇄ messages, and the tables that define them.
//!
//! Nothing here knows a clock, a socket or a session. A [`Frame`] is a length prefix and its
//! bytes, a [`Message`] is a frame that fits a known shape, an [`ExtensionMessage`] is the payload
//! of an `extended` message once the negotiated ids are known. Look next at `session`.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods
)]

pub mod bencode;
pub mod describe;
pub mod dissect;
pub mod escape;
pub mod extension;
pub mod field;
pub mod frame;
#[cfg(feature = "arbitrary")]
mod generate;
pub mod handshake;
pub mod hex;
pub mod identity;
pub mod message;
pub mod registry;
pub mod walk;

pub use extension::{ExtendedHandshake, ExtensionMessage};
pub use field::{Field, FieldType, FieldValue};
pub use frame::{DecodeError, Frame, FrameDecoder, FrameError, RawFrame};
pub use handshake::{Handshake, HandshakeDecoder, HandshakeError, Reserved};
pub use identity::{InfoHash, PeerId};
pub use message::{BlockRef, ExtId, HashRange, Message, PieceIndex, UnknownId};
pub use registry::{Capability, Cite, ExtensionSpec, Kind, MessageSpec, ReservedBit};
pub use walk::{Sink, Source};
