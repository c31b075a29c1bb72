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
pub mod extension;
pub mod field;
pub mod frame;
pub mod handshake;
pub mod message;
pub mod registry;

pub use extension::ExtensionMessage;
pub use field::{Field, FieldType, FieldValue};
pub use frame::{DecodeError, Frame, FrameDecoder, FrameError};
pub use handshake::{Handshake, InfoHash, PeerId, Reserved};
pub use message::{BlockRef, ExtId, Message, PieceIndex};
pub use registry::{Capability, Cite, Kind, MessageSpec};
