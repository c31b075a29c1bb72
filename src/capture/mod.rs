//! Captures: connections as packets in a file that Wireshark opens, and files of packets as
//! connections.
//!
//! [`CaptureWriter`] writes pcapng: each connection is a TCP stream with a three-way handshake,
//! sequence numbers and checksums. [`packets`](file::packets) takes pcapng and pcap files apart and
//! [`conversations`] puts the TCP streams in them together again. Nothing here knows what a message
//! is: look at `wire` for that.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods
)]

pub mod conversation;
pub mod file;
mod link;
pub mod listing;
pub mod stream;
pub mod write;

pub use conversation::{Conversation, Conversations, conversations};
pub use file::{CaptureError, is_capture};
pub use stream::{End, Gap, Stream};
pub use write::{CaptureWriter, TcpConn};
