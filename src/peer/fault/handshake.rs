//! Defects of the handshake and of accepting connections.

use super::{Effect, FaultSpec, Quirk, React, What, on};

pub(super) const FAULTS: &[FaultSpec] = &[
    FaultSpec::new(
        "never-answers-handshake",
        &["B3-HS-01"],
        "Does not answer the handshake of its first connection.",
        on(
            |s| matches!(s.what, What::Opening(_)) && s.peer.conn.ordinal == 1,
            React::Deafen,
        ),
    ),
    FaultSpec::new(
        "misspells-protocol",
        &["B3-HS-01", "B3-HS-02"],
        "Writes the protocol string with a capital P on its first connection.",
        Effect::Hello(|n, bytes| set(bytes, 12, if n == 1 { b'P' } else { b'p' })),
    ),
    FaultSpec::new(
        "answers-another-info-hash",
        &["B3-HS-02", "B3-HS-03"],
        "Flips the last bit of the info hash in its handshake on its first connection.",
        Effect::Hello(|n, bytes| {
            if n == 1 {
                flip(bytes, 47);
            }
        }),
    ),
    FaultSpec::new(
        "serves-unknown-info-hash",
        &["B3-HS-04"],
        "Goes on as if any info hash were that of its torrent.",
        Effect::Quirk(Quirk::ServesUnknownHash),
    ),
    FaultSpec::new(
        "compares-half-the-info-hash",
        &["B3-HS-04"],
        "Compares only the first bytes of the info hash.",
        Effect::Quirk(Quirk::ServesSimilarHash),
    ),
    FaultSpec::new(
        "serves-zero-info-hash",
        &["B3-HS-27"],
        "Takes an info hash of zeros for any torrent.",
        Effect::Quirk(Quirk::ServesZeroHash),
    ),
    FaultSpec::new(
        "skips-protocol-length",
        &["B3-HS-06"],
        "Does not look at the first byte of the handshake.",
        Effect::Quirk(Quirk::SkipsProtocolLength),
    ),
    FaultSpec::new(
        "skips-protocol-string",
        &["B3-HS-07"],
        "Does not compare the protocol string.",
        Effect::Quirk(Quirk::SkipsProtocolString),
    ),
    FaultSpec::new(
        "refuses-dripped-handshake",
        &["B3-HS-08"],
        "Closes when a handshake comes byte by byte.",
        Effect::Quirk(Quirk::RefusesDrippedHandshake),
    ),
    FaultSpec::new(
        "refuses-split-handshake",
        &["B3-HS-09"],
        "Expects the handshake in one segment.",
        Effect::Quirk(Quirk::RefusesSplitHandshake),
    ),
    FaultSpec::new(
        "handshake-coalesced-loses-bytes",
        &["B3-HS-10"],
        "Messages in the segment that ends the handshake are lost.",
        Effect::Quirk(Quirk::LosesCoalesced),
    ),
    FaultSpec::new(
        "plain-handshake-coalesced-loses-bytes",
        &["B3-HS-10"],
        "Messages in the segment that ends a handshake without any extension are lost.",
        Effect::Quirk(Quirk::LosesCoalescedPlain),
    )
    .leech(),
    FaultSpec::new(
        "echoes-peer-id",
        &["B3-HS-02"],
        "Gives a peer its own id back.",
        Effect::Quirk(Quirk::EchoesPeerId),
    ),
    FaultSpec::new(
        "closes-on-unknown-reserved-bits",
        &["B3-HS-14"],
        "Closes when a reserved bit is set that it does not know.",
        on(
            |s| {
                s.handshake()
                    .is_some_and(|h| !h.reserved.unknown().is_empty() && h.reserved.0 != [0xff; 8])
            },
            React::Close,
        ),
    ),
    FaultSpec::new(
        "ignores-peers-without-bits",
        &["B3-HS-15"],
        "Reads nothing from peers that set no reserved bit.",
        on(
            |s| {
                s.handshake().is_none()
                    && s.peer.conn.theirs.is_some_and(|h| h.reserved.0 == [0; 8])
            },
            React::Ignore,
        ),
    ),
    FaultSpec::new(
        "dies-of-full-reserved",
        &["B3-HS-16"],
        "Ends when all reserved bits are set.",
        on(
            |s| s.handshake().is_some_and(|h| h.reserved.0 == [0xff; 8]),
            React::Exit,
        ),
    ),
    FaultSpec::new(
        "dies-of-own-peer-id",
        &["B3-HS-17"],
        "Ends when it meets its own peer id.",
        on(
            |s| s.handshake().is_some_and(|h| h.peer_id == s.peer.peer_id),
            React::Exit,
        ),
    ),
    FaultSpec::new(
        "dies-of-duplicate-peer-id",
        &["B3-HS-18"],
        "Ends when two connections have one peer id.",
        on(
            |s| {
                s.handshake().is_some_and(|h| {
                    let mut others = s.peer.connections.values();
                    others.any(|c| c.theirs.is_some_and(|other| other.peer_id == h.peer_id))
                })
            },
            React::Exit,
        ),
    ),
    FaultSpec::new(
        "handshake-never-times-out",
        &["B3-HS-20", "B3-HS-21"],
        "Waits for ever for a handshake.",
        Effect::Set(|s| s.handshake_timeout = std::time::Duration::MAX),
    ),
    FaultSpec::new(
        "one-handshake-at-a-time",
        &["B3-HS-22"],
        "New connections wait while another is in its handshake.",
        Effect::Quirk(Quirk::OneHandshakeAtATime),
    )
    .also(&["B3-HS-13"]),
    FaultSpec::new(
        "dies-of-eof-in-handshake",
        &["B3-HS-23"],
        "Ends when a connection ends in the middle of its handshake.",
        on(
            |s| {
                let begun = matches!(s.what, What::Eof(rest) if !rest.is_empty());
                begun && !s.peer.conn.is_open()
            },
            React::Exit,
        ),
    ),
    FaultSpec::new(
        "dies-of-reset-in-handshake",
        &["B3-HS-23"],
        "Ends when a connection is reset in the middle of its handshake.",
        on(
            |s| matches!(s.what, What::Reset) && !s.peer.conn.is_open(),
            React::Exit,
        ),
    ),
    FaultSpec::new(
        "reads-on-behind-second-handshake",
        &["B3-HS-24"],
        "Takes a second handshake for one and goes on behind it.",
        Effect::Quirk(Quirk::SkipsSecondHandshake),
    ),
    FaultSpec::new(
        "keep-alive-before-handshake",
        &["B3-HS-25", "B3-HS-01", "B3-HS-02"],
        "Sends a keep-alive before the handshake of its first connection.",
        Effect::Hello(|n, bytes| {
            if n == 1 {
                bytes.splice(0..0, [0; 4]);
            }
        }),
    ),
    FaultSpec::new(
        "dies-of-half-close",
        &["B3-HS-26"],
        "Ends when its only connection has been closed by the other end, which still reads.",
        Effect::Quirk(Quirk::DiesOfHalfClose),
    )
    .also(&["B40-01"]),
    FaultSpec::new(
        "dies-of-zero-peer-id",
        &["B3-HS-28"],
        "Ends when a peer id is twenty zeros.",
        on(
            |s| s.handshake().is_some_and(|h| h.peer_id.0 == [0; 20]),
            React::Exit,
        ),
    ),
    FaultSpec::new(
        "refuses-binary-peer-ids",
        &["B3-HS-28"],
        "Closes on peer ids that are not ASCII.",
        on(
            |s| s.handshake().is_some_and(|h| !h.peer_id.0.is_ascii()),
            React::Close,
        ),
    ),
    FaultSpec::new(
        "stuck-after-silent-connections",
        &["B3-HS-31"],
        "Does nothing any more after three connections that never said a word.",
        Effect::Quirk(Quirk::StopsAfterFailures),
    ),
    FaultSpec::new(
        "dies-of-http",
        &["B3-HS-32"],
        "Ends when it is spoken to in HTTP.",
        on(
            |s| matches!(s.what, What::Opening(bytes) if bytes.starts_with(b"GET ")),
            React::Exit,
        ),
    ),
    FaultSpec::new(
        "sets-unassigned-reserved-bit",
        &["B4-RES-01"],
        "Sets a reserved bit that nothing is assigned to.",
        Effect::Hello(|_, bytes| {
            if let Some(byte) = bytes.get_mut(23) {
                *byte |= 0x20;
            }
        }),
    ),
    FaultSpec::new(
        "unconventional-peer-id",
        &["B20-PI-01"],
        "Has a peer id of random bytes, without a prefix.",
        Effect::Quirk(Quirk::UnconventionalPeerId),
    ),
    FaultSpec::new(
        "waits-for-the-whole-handshake",
        &["B3-HS-12"],
        "Answers a handshake only when all of it is there.",
        Effect::Set(|s| s.reply_after = 68),
    ),
    FaultSpec::new(
        "same-peer-id-after-restart",
        &["B20-PI-02"],
        "Has the same peer id after each start.",
        Effect::Hello(|_, bytes| {
            bytes.truncate(48);
            bytes.extend_from_slice(b"-BS0100-constant----");
        }),
    )
    .also(&["B3-HS-30"]),
];

fn set(bytes: &mut [u8], at: usize, value: u8) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte = value;
    }
}

fn flip(bytes: &mut [u8], at: usize) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1;
    }
}
