//! Byte streams to and from other peers, over real sockets.
//!
//! [`Sockets`] holds many TCP connections of one owner, who polls it for what happened and tells it
//! what to write; it knows nothing of messages. A tester (`engine::driver`) and a served process
//! (`target::serve`) are its two owners. Options of single sockets are in `tcp`.

pub mod blocking;
mod conn;
mod sockets;
mod tcp;

pub use conn::DialError;
pub use sockets::{Event, Incoming, ListenerId, Sockets};
