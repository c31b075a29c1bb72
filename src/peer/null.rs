//! Null peers: trivial processes that must pass nothing (DESIGN 8).

/// One null peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NullKind {
    /// Refuses connections.
    Refuses,
    /// Accepts and closes at once.
    AcceptsAndCloses,
    /// Resets at the first bytes.
    Resets,
    /// Reads and never writes.
    Silent,
    /// Sends back what it reads.
    Echoes,
    /// Sends seeded garbage.
    Garbage,
    /// Handshake, then closes.
    HandshakeThenCloses,
    /// Handshake, then closes at the next message.
    HandshakeThenClosesAtMessage,
    /// Handshake, then says nothing.
    HandshakeThenMute,
    /// Handshake and opening messages, then closes.
    OpensThenCloses,
    /// Handshake and opening messages, then says nothing.
    OpensThenMute,
    /// Opening messages and an unchoke, then says nothing.
    UnchokesThenMute,
    /// Opening messages and an unchoke; rejects every request.
    RejectsEverything,
}

impl NullKind {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Refuses,
        Self::AcceptsAndCloses,
        Self::Resets,
        Self::Silent,
        Self::Echoes,
        Self::Garbage,
        Self::HandshakeThenCloses,
        Self::HandshakeThenClosesAtMessage,
        Self::HandshakeThenMute,
        Self::OpensThenCloses,
        Self::OpensThenMute,
        Self::UnchokesThenMute,
        Self::RejectsEverything,
    ];

    /// Name in reports and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Refuses => "refuses",
            Self::AcceptsAndCloses => "accepts-and-closes",
            Self::Resets => "resets",
            Self::Silent => "silent",
            Self::Echoes => "echoes",
            Self::Garbage => "garbage",
            Self::HandshakeThenCloses => "handshake-then-closes",
            Self::HandshakeThenClosesAtMessage => "handshake-then-closes-at-message",
            Self::HandshakeThenMute => "handshake-then-mute",
            Self::OpensThenCloses => "opens-then-closes",
            Self::OpensThenMute => "opens-then-mute",
            Self::UnchokesThenMute => "unchokes-then-mute",
            Self::RejectsEverything => "rejects-everything",
        }
    }
}
