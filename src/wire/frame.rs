//! Length-prefixed frames, however the stream is cut.

use bytes::Bytes;

/// A length prefix and that many bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Everything behind the length prefix; empty for a keep-alive.
    pub body: Bytes,
}

/// Why framing of a stream ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// The prefix announces more than the limit; nothing was allocated for it.
    TooLong {
        /// Announced length.
        length: u32,
        /// Limit in force.
        limit: u32,
    },
}

/// Why a frame is not the message that its id promises.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The body has the wrong length.
    WrongLength {
        /// Name of the message.
        message: &'static str,
        /// What its shape asks for, without id.
        expected: usize,
        /// What came, without id.
        actual: usize,
    },
}

/// Cuts a stream into frames.
#[derive(Debug)]
pub struct FrameDecoder {}
