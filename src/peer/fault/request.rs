//! Defects of answers to requests and cancels (BEP 3), beside those of `state`.

use bytes::{BufMut, Bytes, BytesMut};

use super::{Alter, Effect, FaultSpec, Nth, Quirk, React, Seen, Sent, View, Wire, on, send};
use crate::torrent::BLOCK_LEN;
use crate::wire::{BlockRef, Kind, Message};

pub(super) const FAULTS: &[FaultSpec] = &[
    // Answers.
    FaultSpec::new(
        "answers-on-another-connection",
        &["B3-RQ-01", "B3-RQ-17"],
        "Sends a block to whoever was unchoked last.",
        Effect::Quirk(Quirk::AnswersElsewhere),
    )
    .seed(),
    FaultSpec::new(
        "serves-nothing-after-second-unchoke",
        &["B3-RQ-01"],
        "Ignores the requests of a peer without fast that it has choked once.",
        on(
            |s| {
                let conn = s.peer.conn;
                let chokes = conn.stats.sent.of(Kind::Choke).messages;
                s.is(Kind::Request) && !conn.agreed.fast && !conn.us.choking && chokes > 0
            },
            React::Ignore,
        ),
    )
    .seed(),
    FaultSpec::new(
        "index-in-wrong-byte-order",
        &["B3-RQ-01", "B3-RQ-17"],
        "Writes the index of the first block behind piece 255 with its bytes swapped, without fast.",
        Effect::Send {
            which: |s| {
                let last = s.peer.torrent.geometry().last();
                let far = index(s) > 255 && index(s) < last && begins(s) > 0;
                far && early(s) && !s.peer.conn.agreed.fast
            },
            nth: Nth::First,
            alter: Alter::Other(|s| altered(s, |index, _, _| *index = index.swap_bytes())),
        },
    )
    .seed(),
    FaultSpec::new(
        "swaps-two-answers",
        &["B3-FR-24"],
        "The bytes of every fourth block are those of the block before it.",
        send(
            |s| pieces_sent(s) % 4 == 3 && begins(s) > 0,
            Alter::Other(|s| {
                altered_with(s, |view, index, _, block| {
                    let length = u32::try_from(block.len()).unwrap_or(0);
                    let before = view.torrent.block(&BlockRef::new(index, 0, length));
                    before.map(|b| b.to_vec())
                })
            }),
        ),
    )
    .seed(),
    FaultSpec::new(
        "last-block-a-byte-short",
        &["B3-RQ-03", "B3-RQ-17"],
        "Leaves out the last byte of the torrent when it is asked for early.",
        send(
            |s| ends_torrent(s) && early(s) && asked(s) > 2,
            Alter::Other(|s| {
                altered(s, |_, _, block| {
                    block.pop();
                })
            }),
        ),
    )
    .seed(),
    FaultSpec::new(
        "ignores-short-last-block",
        &["B3-RQ-03"],
        "Gives no answer to the request of the short last block when it comes early, without fast.",
        on(
            |s| {
                let geometry = s.peer.torrent.geometry();
                let last = geometry.last();
                let tail = geometry.blocks(last).last();
                let conn = s.peer.conn;
                let asked = conn.stats.received.of(Kind::Request).messages;
                let early = asked <= EARLY && !conn.agreed.fast;
                s.request().is_some_and(|block| Some(block) == tail && early)
            },
            React::Ignore,
        ),
    )
    .seed(),
    FaultSpec::new(
        "serves-last-block-once",
        &["B3-RQ-15"],
        "Ignores the second request of the short last block.",
        Effect::On {
            when: |s| {
                let last = s.peer.torrent.geometry().last();
                let block = s.request();
                block.is_some_and(|b| b.index == last && b.length < BLOCK_LEN)
            },
            nth: Nth::After(1),
            react: React::Ignore,
        },
    )
    .seed(),
    FaultSpec::new(
        "two-equal-requests-cancel-out",
        &["B3-RQ-14"],
        "A request that is pending already takes the pending one back.",
        Effect::Quirk(Quirk::TogglesRequests),
    )
    .seed(),
    FaultSpec::new(
        "early-request-spoils-block",
        &["B3-RQ-16"],
        "Never serves what a peer without fast asked for before its unchoke.",
        Effect::Quirk(Quirk::ForgetsEarly),
    )
    .seed(),
    FaultSpec::new(
        "holds-150-answers",
        &["B3-RQ-18"],
        "Drops what it is to send to a peer without fast beyond 150 blocks.",
        on(
            |s| {
                let conn = s.peer.conn;
                s.is(Kind::Request) && !conn.agreed.fast && conn.uploads.len() >= 150
            },
            React::Ignore,
        ),
    )
    .seed(),
    FaultSpec::new(
        "dies-of-request-without-interest",
        &["B3-RQ-19"],
        "Ends at a request behind not_interested.",
        on(
            |s| {
                let conn = s.peer.conn;
                let said = conn.stats.received.of(Kind::NotInterested).messages > 0;
                // In the same write: the choke that not_interested led to is all that waits.
                s.is(Kind::Request) && said && !conn.them.interested && conn.out.len() == CHOKE_LEN
            },
            React::Exit,
        ),
    )
    .seed(),
    FaultSpec::new(
        "shifts-one-block",
        &["B3-FR-24"],
        "The second block of one piece in the middle is shifted by a byte.",
        send(
            |s| index(s) == SOMEWHERE && begins(s) > 0,
            Alter::Other(|s| {
                altered(s, |_, _, block| {
                    block.rotate_left(1);
                })
            }),
        ),
    )
    .seed(),
    FaultSpec::new(
        "lacks-one-piece-that-it-announced",
        &["B3-RQ-20"],
        "Gives no answer to requests of one piece in the middle.",
        on(
            |s| s.request().is_some_and(|block| block.index == SOMEWHERE),
            React::Ignore,
        ),
    )
    .seed(),
    // Requests for what there is not.
    FaultSpec::new(
        "pads-past-end",
        &["B3-RQ-04"],
        "Fills up with zeros what reaches past the end of the last piece.",
        on(
            |s| {
                let geometry = s.peer.torrent.geometry();
                let last = geometry.last();
                let size = geometry.piece_size(last).unwrap_or(0);
                let over = |b: BlockRef| b.begin < size && b.length <= BLOCK_LEN && b.length > 0;
                plain(s).is_some_and(|b| b.index == last && over(b) && !geometry.contains(&b))
            },
            React::SayInstead(|s| {
                let block = s.request().unwrap_or(BlockRef::new(0, 0, 0));
                piece(block, vec![0; block.length as usize])
            }),
        ),
    )
    .seed(),
    FaultSpec::new(
        "serves-into-next-piece",
        &["B3-RQ-04"],
        "Goes on in the next piece where a request crosses the end of one.",
        on(
            |s| {
                let geometry = s.peer.torrent.geometry();
                let size = geometry.piece_len();
                plain(s).is_some_and(|b| {
                    b.length > 0
                        && b.length <= BLOCK_LEN
                        && b.begin < size
                        && b.index < geometry.last()
                        && !geometry.contains(&b)
                })
            },
            React::SayInstead(contiguous),
        ),
    )
    .seed(),
    FaultSpec::new(
        "begin-is-signed",
        &["B3-RQ-05"],
        "Takes a begin above 2^31 for a negative offset.",
        on(
            |s| {
                let signed = |b: BlockRef| b.begin.cast_signed() < 0 && b.length <= BLOCK_LEN;
                s.request()
                    .is_some_and(|b| signed(b) && b.index > 1 && b.index < s.pieces())
            },
            React::SayInstead(|s| {
                let block = s.request().unwrap_or(BlockRef::new(0, 0, 0));
                let start =
                    u64::from(block.index) * u64::from(s.peer.torrent.geometry().piece_len());
                let back = u64::from(block.begin.wrapping_neg());
                let read = bytes(&s.peer, start.saturating_sub(back), block.length);
                piece(block, read)
            }),
        ),
    )
    .seed(),
    FaultSpec::new(
        "hangs-on-longest-request",
        &["B3-RQ-05"],
        "Does nothing any more after a request of 2^32 - 1 bytes inside a piece.",
        on(
            |s| {
                let inside = |b: BlockRef| b.begin > 0 && b.length == u32::MAX;
                s.request()
                    .is_some_and(|b| inside(b) && b.index < s.pieces())
            },
            React::Hang,
        ),
    )
    .seed(),
    FaultSpec::new(
        "index-in-two-bytes",
        &["B3-RQ-06"],
        "Serves the piece of an index's lower 16 bits.",
        on(
            |s| {
                let low = |b: BlockRef| b.index > 0xffff && (b.index & 0xffff) < s.pieces();
                plain(s).is_some_and(|b| low(b) && b.length <= BLOCK_LEN)
            },
            React::SayInstead(|s| {
                let block = s.request().unwrap_or(BlockRef::new(0, 0, 0));
                let index = block.index & 0xffff;
                let read = s.peer.torrent.block(&BlockRef { index, ..block });
                piece(block, read.unwrap_or_default())
            }),
        ),
    )
    .seed(),
    FaultSpec::new(
        "offset-in-32-bits",
        &["B3-RQ-06"],
        "Lets the offset of a piece wrap at 4 GiB.",
        on(
            |s| {
                let piece_len = s.peer.torrent.geometry().piece_len();
                s.request().is_some_and(|b| {
                    let wrapped = b.index.wrapping_mul(piece_len);
                    b.index >= s.pieces() && wrapped == 0 && b.index.is_power_of_two()
                })
            },
            React::SayInstead(|s| {
                let block = s.request().unwrap_or(BlockRef::new(0, 0, 0));
                piece(block, bytes(&s.peer, 0, block.length.min(BLOCK_LEN)))
            }),
        ),
    )
    .seed(),
    FaultSpec::new(
        "zero-length-is-whole-piece",
        &["B3-RQ-08"],
        "Sends the rest of the piece for a request of no bytes.",
        on(
            |s| {
                let geometry = s.peer.torrent.geometry();
                let rest = |b: BlockRef| {
                    let size = geometry.piece_size(b.index);
                    size.is_some_and(|size| b.begin < size)
                };
                plain(s).is_some_and(|b| b.length == 0 && rest(b))
            },
            React::SayInstead(|s| {
                let block = s.request().unwrap_or(BlockRef::new(0, 0, 0));
                let size = s.peer.torrent.geometry().piece_size(block.index);
                let length = size.unwrap_or(0).saturating_sub(block.begin);
                let read = s.peer.torrent.block(&BlockRef { length, ..block });
                piece(block, read.unwrap_or_default())
            }),
        ),
    )
    .seed(),
    FaultSpec::new(
        "hangs-on-zero-length",
        &["B3-RQ-08"],
        "Does nothing any more after a request of no bytes without fast.",
        on(
            |s| {
                let fast = s.peer.conn.agreed.fast;
                s.request().is_some_and(|b| b.length == 0 && !fast)
            },
            React::Hang,
        ),
    )
    .seed(),
    // Lengths and offsets.
    FaultSpec::new(
        "serves-long-in-parts",
        &["B3-RQ-09"],
        "Answers a long request without fast with several blocks.",
        on(
            |s| {
                let fast = s.peer.conn.agreed.fast;
                let geometry = s.peer.torrent.geometry();
                let long = |b: BlockRef| b.length > BLOCK_LEN && geometry.contains(&b);
                s.request().is_some_and(|b| !fast && long(b))
            },
            React::SayInstead(|s| {
                let block = s.request().unwrap_or(BlockRef::new(0, 0, 0));
                let starts = (0..block.length).step_by(BLOCK_LEN as usize);
                let parts = starts.flat_map(|start| {
                    let length = BLOCK_LEN.min(block.length.saturating_sub(start));
                    let part = BlockRef::new(block.index, block.begin + start, length);
                    piece(part, s.peer.torrent.block(&part).unwrap_or_default())
                });
                parts.collect()
            }),
        ),
    )
    .seed(),
    FaultSpec::new(
        "serves-across-pieces",
        &["B3-RQ-10"],
        "Serves requests of more than 128 KiB, across pieces if need be.",
        on(
            |s| {
                let some = |b: BlockRef| b.length > 131_072 && b.length < 1 << 20;
                s.request().is_some_and(some)
            },
            React::SayInstead(contiguous),
        ),
    )
    .seed(),
    FaultSpec::new(
        "aligns-begin",
        &["B3-RQ-11", "B3-RQ-17"],
        "Rounds the begin of a block down to a multiple of 16 KiB.",
        send(
            |s| !begins(s).is_multiple_of(BLOCK_LEN),
            Alter::Other(|s| altered(s, |_, begin, _| *begin -= *begin % BLOCK_LEN)),
        ),
    )
    .seed(),
    FaultSpec::new(
        "crosses-no-block",
        &["B3-RQ-11", "B3-RQ-17"],
        "Cuts an answer where the next 16 KiB begin.",
        send(
            |s| {
                let inside = begins(s) % BLOCK_LEN;
                inside + block_len(s) > BLOCK_LEN
            },
            Alter::Other(|s| {
                altered(s, |_, begin, block| {
                    let room = BLOCK_LEN - *begin % BLOCK_LEN;
                    block.truncate(room as usize);
                })
            }),
        ),
    )
    .seed(),
    FaultSpec::new(
        "rounds-length-up",
        &["B3-RQ-12", "B3-RQ-11", "B3-RQ-17"],
        "Fills up an answer below 16 KiB to a multiple of 512 bytes.",
        send(
            |s| !block_len(s).is_multiple_of(512) && !ends_torrent(s),
            Alter::Other(|s| {
                altered_with(s, |view, index, begin, block| {
                    let length = block.len().next_multiple_of(512);
                    let length = u32::try_from(length).unwrap_or(BLOCK_LEN);
                    let more = view.torrent.block(&BlockRef::new(index, begin, length));
                    more.map(|b| b.to_vec())
                })
            }),
        ),
    )
    .seed(),
    FaultSpec::new(
        "hangs-on-one-byte",
        &["B3-RQ-12"],
        "Does nothing any more after a request of one byte.",
        on(|s| s.request().is_some_and(|b| b.length == 1), React::Hang),
    )
    .seed(),
    // Choke.
    FaultSpec::new(
        "serves-behind-second-choke",
        &["B3-RQ-13"],
        "Serves a peer without fast that it has unchoked once, choked or not.",
        Effect::Quirk(Quirk::ServesAfterFirstUnchoke),
    )
    .seed(),
    // Cancels.
    FaultSpec::new(
        "cancel-takes-another-block-of-piece",
        &["B3-CN-01"],
        "A cancel takes back the oldest request of the piece.",
        Effect::Quirk(Quirk::CancelsByPiece),
    )
    .seed(),
    FaultSpec::new(
        "cancel-takes-newest",
        &["B3-CN-01"],
        "A cancel takes back the newest request.",
        Effect::Quirk(Quirk::CancelsNewest),
    )
    .seed(),
    FaultSpec::new(
        "cancel-ignores-length",
        &["B3-CN-01"],
        "A cancel takes back the request of its place, whatever its length.",
        Effect::Quirk(Quirk::CancelsAnyLength),
    )
    .seed(),
    FaultSpec::new(
        "cancel-reaches-other-connections",
        &["B3-CN-01"],
        "A cancel takes back the same request of every peer without fast, for good.",
        Effect::Quirk(Quirk::CancelsEverywhere),
    )
    .seed(),
    FaultSpec::new(
        "deaf-after-late-cancel",
        &["B3-CN-02"],
        "Reads nothing any more after a cancel of what it has sent.",
        on(
            |s| match s.message() {
                Some(Message::Cancel(block)) => {
                    let conn = s.peer.conn;
                    let served = conn.stats.sent.of(Kind::Piece).messages > 0;
                    let exists = s.peer.torrent.geometry().contains(block);
                    served && exists && conn.uploads.is_empty() && !conn.agreed.fast
                }
                _ => false,
            },
            React::Deafen,
        ),
    )
    .seed(),
    FaultSpec::new(
        "dies-of-cancel-out-of-range",
        &["B3-CN-02"],
        "Ends at a cancel of a piece that there is not.",
        on(
            |s| matches!(s.message(), Some(Message::Cancel(block)) if block.index >= s.pieces()),
            React::Exit,
        ),
    ),
    FaultSpec::new(
        "serves-no-cancelled-block-later",
        &["B3-CN-03"],
        "Ignores a request of a block that was cancelled some time before.",
        on(
            |s| {
                let cancels = s.peer.conn.stats.received.of(Kind::Cancel);
                let quiet = cancels.messages > 1 && !s.peer.conn.agreed.fast;
                let asked = s.peer.conn.uploads.is_empty();
                s.request().is_some_and(|b| quiet && asked && b.index == 2)
                    && s.peer.conn.stats.sent.of(Kind::Piece).messages > 1
            },
            React::Ignore,
        ),
    )
    .seed(),
];

/// A piece far from both ends, which only a whole download comes across.
const SOMEWHERE: u32 = 1010;
/// Requests of a connection that has just begun.
const EARLY: u64 = 4;
/// Bytes of a choke on the wire.
const CHOKE_LEN: usize = 5;

fn piece(block: BlockRef, bytes: impl Into<Bytes>) -> Vec<Wire> {
    vec![Wire::Message(Message::Piece {
        index: block.index,
        begin: block.begin,
        block: bytes.into(),
    })]
}

/// A request of a peer without fast.
fn plain(seen: &Seen<'_>) -> Option<BlockRef> {
    seen.request().filter(|_| !seen.peer.conn.agreed.fast)
}

/// The bytes that a request means if pieces follow each other without end.
fn contiguous(seen: &Seen<'_>) -> Vec<Wire> {
    let block = seen.request().unwrap_or(BlockRef::new(0, 0, 0));
    let piece_len = u64::from(seen.peer.torrent.geometry().piece_len());
    let start = u64::from(block.index) * piece_len + u64::from(block.begin);
    piece(block, bytes(&seen.peer, start, block.length))
}

/// Bytes of the torrent, wherever pieces begin.
fn bytes(peer: &View<'_>, start: u64, length: u32) -> Bytes {
    let piece_len = u64::from(peer.torrent.geometry().piece_len());
    let mut out = BytesMut::new();
    let mut at = start;
    let end = start + u64::from(length);
    while at < end {
        let index = u32::try_from(at / piece_len).unwrap_or(u32::MAX);
        let begin = u32::try_from(at % piece_len).unwrap_or(0);
        let room = u32::try_from((piece_len - at % piece_len).min(end - at)).unwrap_or(0);
        let size = peer.torrent.geometry().piece_size(index).unwrap_or(0);
        let length = room.min(size.saturating_sub(begin));
        match peer.torrent.block(&BlockRef::new(index, begin, length)) {
            Some(part) if !part.is_empty() => out.put_slice(&part),
            _ => break,
        }
        at += u64::from(length);
    }
    out.freeze()
}

/// A piece with something else in it.
fn altered(sent: &Sent<'_>, change: impl Fn(&mut u32, &mut u32, &mut Vec<u8>)) -> Vec<Wire> {
    let Message::Piece {
        index,
        begin,
        block,
    } = sent.message
    else {
        return Vec::new();
    };
    let (mut index, mut begin, mut bytes) = (*index, *begin, block.to_vec());
    change(&mut index, &mut begin, &mut bytes);
    let length = u32::try_from(bytes.len()).unwrap_or(0);
    piece(BlockRef::new(index, begin, length), bytes)
}

/// A piece with other bytes, where there are some.
fn altered_with(
    sent: &Sent<'_>,
    other: impl Fn(&View<'_>, u32, u32, &Bytes) -> Option<Vec<u8>>,
) -> Vec<Wire> {
    let Message::Piece {
        index,
        begin,
        block,
    } = sent.message
    else {
        return Vec::new();
    };
    let bytes = other(&sent.peer, *index, *begin, block).unwrap_or_else(|| block.to_vec());
    let length = u32::try_from(bytes.len()).unwrap_or(0);
    piece(BlockRef::new(*index, *begin, length), bytes)
}

fn begins(sent: &Sent<'_>) -> u32 {
    match sent.message {
        Message::Piece { begin, .. } => *begin,
        _ => 0,
    }
}

fn index(sent: &Sent<'_>) -> u32 {
    match sent.message {
        Message::Piece { index, .. } => *index,
        _ => 0,
    }
}

fn block_len(sent: &Sent<'_>) -> u32 {
    match sent.message {
        Message::Piece { block, .. } => u32::try_from(block.len()).unwrap_or(u32::MAX),
        _ => 0,
    }
}

/// Whether few requests have come.
fn early(sent: &Sent<'_>) -> bool {
    asked(sent) <= EARLY
}

/// How many requests have come on the connection.
fn asked(sent: &Sent<'_>) -> u64 {
    sent.peer.conn.stats.received.of(Kind::Request).messages
}

fn pieces_sent(sent: &Sent<'_>) -> u64 {
    sent.peer.conn.stats.sent.of(Kind::Piece).messages
}

/// Whether a piece holds the last byte of the torrent, and few others.
fn ends_torrent(sent: &Sent<'_>) -> bool {
    let geometry = sent.peer.torrent.geometry();
    let last = geometry.last();
    let size = geometry.piece_size(last).unwrap_or(0);
    let end = begins(sent).saturating_add(block_len(sent));
    sent.is(Kind::Piece) && index(sent) == last && end == size && block_len(sent) < BLOCK_LEN
}
