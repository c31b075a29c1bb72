//! Defects of choke, interest, availability, requests and pieces (BEP 3).

use bytes::Bytes;

use super::framing::{and, opens};
use super::{Alter, Effect, FaultSpec, Nth, Quirk, React, Seen, Sent, Wire, on, send};
use crate::torrent::PieceSet;
use crate::wire::{BlockRef, Kind, Message};

pub(super) const FAULTS: &[FaultSpec] = &[
    // Choke and interest.
    FaultSpec::new(
        "serves-while-choking",
        &["B3-RQ-13"],
        "Serves requests of a peer without fast that it is choking.",
        Effect::Quirk(Quirk::ServesWhileChoked),
    )
    .seed(),
    FaultSpec::new(
        "serves-while-choking-with-fast",
        &["B3-CH-02", "B6-RJ-01"],
        "Serves requests of a peer with fast that it is choking.",
        Effect::Quirk(Quirk::ServesWhileChokedFast),
    )
    .seed(),
    FaultSpec::new(
        "choke-state-leaks-across-connections",
        &["B3-RQ-13"],
        "Serves a choked peer without fast once another was unchoked.",
        Effect::Quirk(Quirk::LeaksChokeState),
    )
    .seed(),
    FaultSpec::new(
        "repeats-requests-at-unchoke",
        &["B3-CH-04"],
        "A repeated unchoke makes it send its requests again.",
        Effect::Quirk(Quirk::UnchokeRepeats),
    )
    .leech(),
    FaultSpec::new(
        "counts-chokes",
        &["B3-CH-05"],
        "Needs as many unchokes as there were chokes.",
        Effect::Quirk(Quirk::CountsChokes),
    )
    .leech(),
    FaultSpec::new(
        "closes-on-piece-behind-choke",
        &["B3-CH-08"],
        "Closes when a piece comes right behind a choke.",
        Effect::Quirk(Quirk::ClosesOnLatePiece),
    )
    .leech(),
    FaultSpec::new(
        "forgets-blocks-dropped-by-choke",
        &["B3-PC-01"],
        "Never asks again for what a choke threw away.",
        Effect::Quirk(Quirk::ForgetsDroppedByChoke),
    )
    .leech(),
    FaultSpec::new(
        "never-interested-in-seeds",
        &["B3-IN-01"],
        "Is not interested in seeds without fast.",
        send(
            |s| {
                let conn = s.peer.conn;
                s.is(Kind::Interested) && !conn.agreed.fast && conn.their_pieces.is_full()
            },
            Alter::Drop,
        ),
    )
    .leech(),
    FaultSpec::new(
        "have-raises-no-interest",
        &["B3-IN-03", "B6-HA-05"],
        "Is not interested when a peer gets its first piece.",
        Effect::Quirk(Quirk::HaveRaisesNoInterest),
    )
    .leech(),
    FaultSpec::new(
        "interested-seed",
        &["B3-IN-05"],
        "Is interested although it has everything.",
        Effect::Quirk(Quirk::SeedInterested),
    )
    .seed(),
    FaultSpec::new(
        "closes-on-repeated-interest",
        &["B3-IN-06"],
        "Closes at the third interested in a row.",
        Effect::On {
            when: |s| s.is(Kind::Interested) && s.peer.conn.them.interested,
            nth: Nth::After(1),
            react: React::Close,
        },
    ),
    // Availability.
    FaultSpec::new(
        "choke-before-bitfield",
        &["B3-BF-01"],
        "Sends a choke before its bitfield.",
        send(
            plain_bitfield,
            Alter::Other(|s| {
                let bitfield = Wire::Message(s.message.clone());
                vec![Wire::Message(Message::Choke), bitfield]
            }),
        ),
    )
    .seed(),
    FaultSpec::new(
        "bitfield-too-long",
        &["B3-BF-02"],
        "Sends a bitfield with a byte too many.",
        send(
            plain_bitfield,
            Alter::Other(|s| bitfield(s, |bits| bits.push(0))),
        ),
    )
    .seed(),
    FaultSpec::new(
        "bitfield-with-spare-bits",
        &["B3-BF-03"],
        "Sets the spare bits of its bitfield.",
        send(
            plain_bitfield,
            Alter::Other(|s| {
                bitfield(s, |bits| {
                    if let Some(last) = bits.last_mut() {
                        *last = 0xff;
                    }
                })
            }),
        ),
    )
    .seed(),
    FaultSpec::new(
        "sends-bitfield-twice",
        &["B3-BF-06"],
        "Sends its bitfield a second time when it unchokes.",
        send(
            |s| s.is(Kind::Unchoke) && !s.peer.conn.agreed.fast,
            Alter::Other(|s| {
                let bits = s.peer.store.have().to_bitfield();
                and(s, Message::Bitfield { bits })
            }),
        ),
    )
    .seed(),
    FaultSpec::new(
        "requests-spare-piece",
        &["B3-BF-09"],
        "Takes spare bits for pieces and requests one.",
        on(
            |s| match s.message() {
                Some(Message::Bitfield { bits }) => {
                    PieceSet::from_bitfield(bits, s.pieces()).is_err()
                        && bits.len() == s.peer.torrent.geometry().bitfield_len()
                }
                _ => false,
            },
            React::SayInstead(|s| {
                let block = BlockRef::new(s.pieces(), 0, 16_384);
                vec![
                    Wire::Message(Message::Interested),
                    Wire::Message(Message::Request(block)),
                ]
            }),
        ),
    )
    .leech(),
    FaultSpec::new(
        "dies-of-late-bitfield",
        &["B3-BF-10"],
        "Ends when a bitfield comes behind other messages.",
        on(
            |s| s.is(Kind::Bitfield) && said_more(s) && !s.peer.conn.availability_seen,
            React::Exit,
        ),
    ),
    FaultSpec::new(
        "deaf-after-second-bitfield",
        &["B3-BF-11"],
        "Reads nothing any more after a second bitfield.",
        on(
            |s| {
                let before = s.peer.conn.stats.received.of(Kind::Bitfield).messages;
                s.is(Kind::Bitfield) && before > 1 && !said_more(s)
            },
            React::Deafen,
        ),
    ),
    FaultSpec::new(
        "dies-of-empty-bitfield",
        &["B3-BF-12"],
        "Ends at a bitfield without a byte.",
        on(
            |s| matches!(s.message(), Some(Message::Bitfield { bits }) if bits.is_empty()),
            React::Exit,
        ),
    ),
    FaultSpec::new(
        "closes-on-zero-bitfield",
        &["B3-BF-13"],
        "Closes when a bitfield names no piece.",
        on(
            |s| match s.message() {
                Some(Message::Bitfield { bits }) => {
                    !bits.is_empty()
                        && bits.iter().all(|byte| *byte == 0)
                        && !s.peer.conn.availability_seen
                }
                _ => false,
            },
            React::Close,
        ),
    ),
    FaultSpec::new(
        "closes-without-bitfield",
        &["B3-BF-14"],
        "Closes when a peer without fast is interested before any bitfield.",
        on(
            |s| {
                let conn = s.peer.conn;
                s.is(Kind::Interested) && !conn.agreed.fast && !conn.availability_seen
            },
            React::Close,
        ),
    )
    .also(&["B3-TO-06", "B3-RQ-07"]),
    FaultSpec::new(
        "ignores-have-behind-bitfield",
        &["B3-BF-15"],
        "Believes the bitfield and no have behind it.",
        Effect::Quirk(Quirk::IgnoresLaterHave),
    )
    .leech(),
    FaultSpec::new(
        "closes-on-extended-handshake-behind-bitfield",
        &["B3-BF-16"],
        "Closes when the extended handshake comes behind the bitfield.",
        on(
            |s| {
                let conn = s.peer.conn;
                let bitfield = conn.stats.received.of(Kind::Bitfield).messages > 0;
                s.hello().is_some() && bitfield && conn.their_extended.is_none()
            },
            React::Close,
        ),
    ),
    FaultSpec::new(
        "never-says-have",
        &["B3-HV-01"],
        "Does not announce what it has downloaded.",
        Effect::Quirk(Quirk::NoHave),
    )
    .leech(),
    FaultSpec::new(
        "announces-corrupt-piece",
        &["B3-HV-02"],
        "Announces a piece whose hash is wrong.",
        Effect::Quirk(Quirk::HaveBeforeHash),
    )
    .leech(),
    FaultSpec::new(
        "dies-of-have-out-of-range",
        &["B3-HV-03"],
        "Ends at a have for a piece that there is not.",
        on(
            |s| matches!(s.message(), Some(Message::Have { index }) if *index >= s.pieces()),
            React::Exit,
        ),
    ),
    FaultSpec::new(
        "closes-on-duplicate-have",
        &["B3-HV-04"],
        "Closes when a piece is announced again.",
        on(
            |s| match s.message() {
                Some(Message::Have { index }) => s.peer.conn.their_pieces.get(*index),
                _ => false,
            },
            React::Close,
        ),
    ),
    FaultSpec::new(
        "announces-out-of-range",
        &["B3-HV-05"],
        "Announces a piece that there is not.",
        send(
            opens,
            Alter::Other(|s| {
                let index = s.peer.torrent.geometry().pieces();
                and(s, Message::Have { index })
            }),
        ),
    ),
    // Requests.
    FaultSpec::new(
        "serves-one-block-twice",
        &["B3-RQ-17", "B3-RQ-02"],
        "The first block on a connection without fast is sent twice.",
        Effect::Send {
            which: |s| s.is(Kind::Piece) && !s.peer.conn.agreed.fast,
            nth: Nth::First,
            alter: Alter::Twice,
        },
    )
    .seed(),
    FaultSpec::new(
        "loses-one-answer",
        &["B3-RQ-02"],
        "The 20th block that answers a burst of some 64 without fast is never sent.",
        Effect::Send {
            which: |s| {
                let conn = s.peer.conn;
                let asked = conn.stats.received.of(Kind::Request).messages;
                s.is(Kind::Piece) && !conn.agreed.fast && (65..70).contains(&asked)
            },
            nth: Nth::Only(20),
            alter: Alter::Drop,
        },
    )
    .seed(),
    FaultSpec::new(
        "pads-last-block",
        &["B3-RQ-03", "B3-RQ-17"],
        "Sends the short last block with the length of the others when it is asked for early.",
        send(
            |s| match s.message {
                Message::Piece { index, block, .. } => {
                    let geometry = s.peer.torrent.geometry();
                    let asked = s.peer.conn.stats.received.of(Kind::Request).messages;
                    let early = (3..5).contains(&asked);
                    *index == geometry.last() && last_block(&geometry, block.len()) && early
                }
                _ => false,
            },
            Alter::Other(|s| {
                let Message::Piece {
                    index,
                    begin,
                    block,
                } = s.message
                else {
                    return Vec::new();
                };
                let mut padded = block.to_vec();
                padded.resize(16_384, 0);
                piece(*index, *begin, padded)
            }),
        ),
    )
    .seed(),
    FaultSpec::new(
        "serves-past-end",
        &["B3-RQ-04", "B3-RQ-05", "B3-RQ-09"],
        "Serves what there is of a block that reaches past the end of its piece.",
        Effect::Quirk(Quirk::ServesPastEnd),
    )
    .seed(),
    FaultSpec::new(
        "serves-overflowing-request",
        &["B3-RQ-05"],
        "Serves a request whose begin and length overflow.",
        on(
            |s| {
                let overflows = |b: BlockRef| b.begin.checked_add(b.length).is_none();
                s.request()
                    .is_some_and(|b| overflows(b) && b.index < s.pieces())
            },
            React::SayInstead(zeros),
        ),
    )
    .seed(),
    FaultSpec::new(
        "serves-piece-out-of-range",
        &["B3-RQ-06"],
        "Serves zeros for a piece that there is not.",
        on(
            |s| s.request().is_some_and(|b| b.index >= s.pieces()),
            React::SayInstead(zeros),
        ),
    )
    .seed(),
    FaultSpec::new(
        "serves-missing-piece",
        &["B3-RQ-07", "B6-RJ-20", "B3-FR-24"],
        "Serves zeros for a piece that it lacks.",
        Effect::Quirk(Quirk::ServesMissing),
    )
    .leech(),
    FaultSpec::new(
        "cuts-long-requests",
        &["B3-RQ-09"],
        "Serves the first 16 KiB of a longer request.",
        Effect::Quirk(Quirk::TruncatesLong),
    )
    .seed(),
    FaultSpec::new(
        "serves-a-block-once",
        &["B3-RQ-15"],
        "Ignores a request for what it has sent before.",
        Effect::Quirk(Quirk::ServesOnce),
    )
    .seed(),
    FaultSpec::new(
        "serves-wrong-bytes",
        &["B3-FR-24", "B3-RQ-20"],
        "Sends the first block of a piece for each of its blocks.",
        Effect::Quirk(Quirk::WrongOffset),
    )
    .seed(),
    FaultSpec::new(
        "cancel-drops-everything",
        &["B3-CN-01"],
        "A cancel throws away all requests of a peer without fast.",
        Effect::Quirk(Quirk::CancelDropsAll),
    )
    .seed(),
    FaultSpec::new(
        "closes-on-needless-cancel",
        &["B3-CN-02"],
        "Closes when a cancel names nothing that is pending.",
        on(
            |s| match s.message() {
                Some(Message::Cancel(block)) => {
                    s.peer.conn.uploads.iter().all(|u| u.block != *block)
                }
                _ => false,
            },
            React::Close,
        ),
    )
    .also(&["B3-CN-01"]),
    FaultSpec::new(
        "never-serves-cancelled-block",
        &["B3-CN-03"],
        "Ignores a request for a block that was cancelled before.",
        Effect::Quirk(Quirk::ForgetsAfterCancel),
    )
    .seed(),
    FaultSpec::new(
        "cancels-what-it-never-asked-for",
        &["B3-CN-04"],
        "Cancels a block that it has not requested.",
        Effect::Send {
            which: |s| s.is(Kind::Request),
            nth: Nth::First,
            alter: Alter::Other(|s| {
                let block = s.block().unwrap_or(BlockRef::new(0, 0, 0));
                let other = BlockRef { length: 1, ..block };
                and(s, Message::Cancel(other))
            }),
        },
    )
    .leech(),
    // Pieces.
    FaultSpec::new(
        "never-requests-last-piece",
        &["B3-PC-01"],
        "Leaves the last piece out.",
        Effect::Quirk(Quirk::LeavesLastPiece),
    )
    .leech(),
    FaultSpec::new(
        "requests-past-end",
        &["B3-PC-02"],
        "Requests a block behind the end of a piece, of peers that bear many requests.",
        Effect::Send {
            which: |s| s.is(Kind::Request) && s.peer.conn.their_reqq.is_none_or(|n| n > 100),
            nth: Nth::First,
            alter: Alter::Other(|s| {
                let block = s.block().unwrap_or(BlockRef::new(0, 0, 0));
                let size = s.peer.torrent.geometry().piece_size(block.index);
                let begin = size.unwrap_or(0);
                and(s, Message::Request(BlockRef { begin, ..block }))
            }),
        },
    )
    .leech(),
    FaultSpec::new(
        "requests-unannounced-piece",
        &["B3-PC-03"],
        "Requests a piece that nobody has announced.",
        Effect::Send {
            which: |s| s.is(Kind::Request) && unannounced(s).is_some(),
            nth: Nth::First,
            alter: Alter::Other(|s| {
                let block = unannounced(s).unwrap_or(BlockRef::new(0, 0, 0));
                and(s, Message::Request(block))
            }),
        },
    )
    .leech(),
    FaultSpec::new(
        "mirrors-bitfield",
        &["B3-PC-03"],
        "Reads the bits of a bitfield least significant first.",
        Effect::Quirk(Quirk::MirrorsBitfield),
    )
    .leech(),
    FaultSpec::new(
        "requests-twice",
        &["B3-PC-05"],
        "Sends its second request twice, to peers that bear many.",
        Effect::Send {
            which: |s| s.is(Kind::Request) && s.peer.conn.their_reqq.is_none_or(|n| n > 100),
            nth: Nth::Only(2),
            alter: Alter::Twice,
        },
    )
    .leech(),
    FaultSpec::new(
        "closes-on-blocks-out-of-order",
        &["B3-PC-06"],
        "Closes when a block comes before an older request is answered.",
        on(
            |s| match s.message() {
                Some(Message::Piece { index, begin, .. }) => {
                    let mut pending = s.peer.conn.pending.iter();
                    let place =
                        pending.position(|p| (p.block.index, p.block.begin) == (*index, *begin));
                    place.is_some_and(|place| place > 1)
                }
                _ => false,
            },
            React::Close,
        ),
    )
    .leech(),
    FaultSpec::new(
        "refuses-block-in-many-segments",
        &["B3-PC-07"],
        "Closes when a block comes in more than 64 segments.",
        Effect::Quirk(Quirk::ClosesOnManySegments),
    )
    .leech(),
    FaultSpec::new(
        "never-checks-hashes",
        &["B3-PC-08", "B3-HV-02"],
        "Keeps pieces without looking at their hash.",
        Effect::Quirk(Quirk::SkipsHash),
    )
    .leech(),
    FaultSpec::new(
        "forgets-corrupt-piece",
        &["B3-PC-08"],
        "Never asks again for a piece whose hash was wrong.",
        Effect::Quirk(Quirk::ForgetsCorrupt),
    )
    .leech(),
    FaultSpec::new(
        "keeps-unrequested-blocks",
        &["B3-PC-09", "B6-RJ-10"],
        "Keeps blocks that it never asked for, and does not look at hashes.",
        Effect::Quirk(Quirk::KeepsUnrequested),
    )
    .leech(),
    FaultSpec::new(
        "dies-of-block-out-of-range",
        &["B3-PC-10"],
        "Ends when a block comes that there is not.",
        on(
            |s| match s.message() {
                Some(Message::Piece {
                    index,
                    begin,
                    block,
                }) => {
                    let length = u32::try_from(block.len()).unwrap_or(u32::MAX);
                    let block = BlockRef::new(*index, *begin, length);
                    length > 0 && length < 65_536 && !s.peer.torrent.geometry().contains(&block)
                }
                _ => false,
            },
            React::Exit,
        ),
    )
    .leech(),
    FaultSpec::new(
        "keeps-blocks-of-wrong-length",
        &["B3-PC-11"],
        "Takes a block of another length for the one it asked for.",
        Effect::Quirk(Quirk::AcceptsWrongLength),
    )
    .leech()
    .also(&["B3-FR-24"]),
    FaultSpec::new(
        "counts-short-blocks",
        &["B3-PC-11"],
        "Pads a block that is too short, and counts it until the hash of the piece fails.",
        Effect::Quirk(Quirk::CountsShortBlocks),
    )
    .leech(),
    FaultSpec::new(
        "dies-of-duplicate-block",
        &["B3-PC-13"],
        "Ends when a block comes again.",
        on(
            |s| match s.message() {
                Some(Message::Piece {
                    index,
                    begin,
                    block,
                }) => {
                    let conn = s.peer.conn;
                    let asked = conn.pending.iter().map(|p| p.block);
                    let late = conn.lapsed.iter().map(|(b, _)| *b);
                    let got = s.peer.store.has_block(*index, *begin);
                    let wanted = asked
                        .chain(late)
                        .any(|b| (b.index, b.begin) == (*index, *begin));
                    got && !wanted && !block.is_empty() && !conn.agreed.fast
                }
                _ => false,
            },
            React::Exit,
        ),
    )
    .leech(),
    FaultSpec::new(
        "dies-of-huge-block",
        &["B3-PC-18"],
        "Ends at a block of a megabyte.",
        on(
            |s| matches!(s.message(), Some(Message::Piece { block, .. }) if block.len() >= 65_536),
            React::Exit,
        ),
    )
    .leech(),
    FaultSpec::new(
        "hangs-behind-late-piece",
        &["B3-PC-10"],
        "Does nothing any more after a block for a piece that there is not.",
        on(
            |s| matches!(s.message(), Some(Message::Piece { index, .. }) if *index >= s.pieces()),
            React::Hang,
        ),
    )
    .leech(),
];

/// A bitfield to a peer without fast.
fn plain_bitfield(sent: &Sent<'_>) -> bool {
    sent.is(Kind::Bitfield) && !sent.peer.conn.agreed.fast
}

fn bitfield(sent: &Sent<'_>, change: impl Fn(&mut Vec<u8>)) -> Vec<Wire> {
    let Message::Bitfield { bits } = sent.message else {
        return Vec::new();
    };
    let mut bits = bits.to_vec();
    change(&mut bits);
    let bits = bits.into();
    vec![Wire::Message(Message::Bitfield { bits })]
}

fn piece(index: u32, begin: u32, block: impl Into<Bytes>) -> Vec<Wire> {
    vec![Wire::Message(Message::Piece {
        index,
        begin,
        block: block.into(),
    })]
}

/// Zeros for what was asked, at most a block of them.
fn zeros(seen: &Seen<'_>) -> Vec<Wire> {
    let block = seen.request().unwrap_or(BlockRef::new(0, 0, 0));
    let length = block.length.min(16_384) as usize;
    piece(block.index, block.begin, vec![0; length])
}

/// A block of a piece that the other end has not announced and that we lack.
fn unannounced(sent: &Sent<'_>) -> Option<BlockRef> {
    let theirs = &sent.peer.conn.their_pieces;
    let mut missing = theirs.missing().filter(|i| !sent.peer.store.have().get(*i));
    sent.peer.torrent.geometry().block(missing.next()?, 0)
}

fn last_block(geometry: &crate::torrent::Geometry, length: usize) -> bool {
    let last = geometry.last();
    let blocks = geometry.block_count(last);
    let block = geometry.block(last, blocks.saturating_sub(1));
    block.is_some_and(|b| b.length as usize == length && b.length < 16_384)
}

/// Whether more than availability came before.
fn said_more(seen: &Seen<'_>) -> bool {
    let received = &seen.peer.conn.stats.received;
    received.of(Kind::Interested).messages + received.of(Kind::Have).messages > 0
}
