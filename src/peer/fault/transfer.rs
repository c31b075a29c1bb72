//! Defects of downloading: which blocks are asked of whom, and what becomes of the answers.

use std::time::Duration;

use super::{Alter, Effect, FaultSpec, Quirk, React, Seen, Sent, View, Wire, on, send};
use crate::wire::{Kind, Message};

pub(super) const FAULTS: &[FaultSpec] = &[
    // Requests.
    FaultSpec::new(
        "stops-requesting",
        &["B3-PC-01"],
        "Requests nothing behind its 600th request on a connection.",
        Effect::Quirk(Quirk::StopsRequesting),
    )
    .leech(),
    FaultSpec::new(
        "requests-nothing-of-whom-it-dialled",
        &["B3-PC-01"],
        "Requests nothing on connections that it has opened.",
        Effect::Quirk(Quirk::RequestsNothingDialled),
    )
    .leech()
    .dialling(),
    FaultSpec::new(
        "one-request-at-a-time",
        &["B3-PC-04"],
        "Never has more than one request open.",
        Effect::Set(|s| s.pipeline = 1),
    )
    .leech(),
    FaultSpec::new(
        "one-request-at-a-time-behind-choke",
        &["B3-PC-04"],
        "Never has more than one request open on a connection that was choked once.",
        Effect::Quirk(Quirk::OneRequestAfterChoke),
    )
    .leech(),
    FaultSpec::new(
        "asks-for-odd-lengths",
        &["B3-PC-19"],
        "Asks for 12,000 bytes at a time.",
        Effect::Set(|s| s.block_len = 12_000),
    )
    .leech(),
    FaultSpec::new(
        "asks-in-ascending-order",
        &["B3-PC-21"],
        "Asks for pieces one after another.",
        Effect::Quirk(Quirk::Ascending),
    )
    .leech(),
    // Answers.
    FaultSpec::new(
        "takes-blocks-of-the-next-piece",
        &["B3-PC-06"],
        "Takes a block for the oldest one it asked for at that offset, also of the next piece.",
        Effect::Quirk(Quirk::IgnoresIndex),
    )
    .leech(),
    FaultSpec::new(
        "impatient-in-block",
        &["B3-PC-07"],
        "Closes when a block takes longer than two seconds.",
        Effect::Quirk(Quirk::ImpatientInBlock),
    )
    .leech(),
    FaultSpec::new(
        "dies-of-unexpected-block",
        &["B3-PC-09"],
        "Ends when a block comes before it has asked for any.",
        on(
            |s| {
                let conn = s.peer.conn;
                let asked = conn.stats.sent.of(Kind::Request).messages;
                s.is(Kind::Piece) && asked == 0 && !conn.agreed.fast
            },
            React::Exit,
        ),
    )
    .leech(),
    FaultSpec::new(
        "hangs-at-overflowing-block",
        &["B3-PC-10"],
        "Does nothing any more after a block whose place overflows.",
        on(
            |s| match s.message() {
                Some(Message::Piece { begin, block, .. }) => {
                    let length = u32::try_from(block.len()).unwrap_or(u32::MAX);
                    begin.checked_add(length).is_none_or(|end| end > 1 << 31)
                }
                _ => false,
            },
            React::Hang,
        ),
    )
    .leech(),
    FaultSpec::new(
        "dies-of-long-block",
        &["B3-PC-11"],
        "Ends when a block is longer than 16 KiB.",
        on(|s| (16_385..65_536).contains(&block_len(s)), React::Exit),
    )
    .leech(),
    FaultSpec::new(
        "hangs-at-short-block",
        &["B3-PC-11"],
        "Does nothing any more after a block of half the length that it asked for.",
        on(
            |s| {
                block_len(s) == 8_192
                    && s.peer.conn.pending.iter().any(|p| p.block.length == 16_384)
            },
            React::Hang,
        ),
    )
    .leech(),
    FaultSpec::new(
        "takes-empty-block-for-piece",
        &["B3-PC-12"],
        "Takes a piece for complete when a block without data comes.",
        Effect::Quirk(Quirk::EmptyBlockCounts),
    )
    .leech(),
    FaultSpec::new(
        "dies-of-empty-block",
        &["B3-PC-12"],
        "Ends when a block without data comes.",
        on(|s| s.is(Kind::Piece) && block_len(s) == 0, React::Exit),
    )
    .leech(),
    FaultSpec::new(
        "counts-duplicate-blocks",
        &["B3-PC-13"],
        "Counts a block that comes again towards its piece.",
        Effect::Quirk(Quirk::DuplicateCounts),
    )
    .leech()
    .also(&["B3-FR-24"]),
    // Data that is corrupt.
    FaultSpec::new(
        "checks-a-piece-once",
        &["B3-PC-08"],
        "Does not look at the hash of a piece that has failed before.",
        Effect::Quirk(Quirk::ChecksOnce),
    )
    .leech(),
    FaultSpec::new(
        "leaves-last-piece-unchecked",
        &["B3-PC-08"],
        "Takes the last piece of the torrent without looking at its hash.",
        Effect::Quirk(Quirk::SkipsLastHash),
    )
    .leech(),
    FaultSpec::new(
        "leaves-completing-piece-unchecked",
        &["B3-PC-08"],
        "Takes the piece that completes the torrent without looking at its hash.",
        Effect::Quirk(Quirk::SkipsCompletingHash),
    )
    .leech(),
    FaultSpec::new(
        "leaves-mixed-piece-unchecked",
        &["B3-PC-08"],
        "Takes a piece without looking at its hash if several peers gave blocks of it.",
        Effect::Quirk(Quirk::SkipsMixedHash),
    )
    .leech(),
    FaultSpec::new(
        "leaves-last-block-unchecked",
        &["B3-PC-08"],
        "Leaves the last block of a piece out of the check.",
        Effect::Quirk(Quirk::ChecksAllButLastBlock),
    )
    .leech(),
    FaultSpec::new(
        "serves-unchecked-blocks",
        &["B3-PC-08"],
        "Serves blocks of pieces that are not complete.",
        Effect::Quirk(Quirk::ServesUnchecked),
    )
    .leech(),
    FaultSpec::new(
        "serves-wrong-bytes-while-downloading",
        &["B3-PC-17"],
        "Sends the first bytes of a piece for whatever is less than a block.",
        Effect::Quirk(Quirk::WrongShortBlocks),
    )
    .leech(),
    FaultSpec::new(
        "asks-corrupt-source-for-ever",
        &["B3-PC-22"],
        "Never gives up on a peer that sends nothing but corrupt data.",
        Effect::Set(|s| s.corrupt_limit = u32::MAX),
    )
    .leech(),
    // Several peers.
    FaultSpec::new(
        "one-source-at-a-time",
        &["B3-PC-15"],
        "Requests nothing while another peer owes an answer.",
        Effect::Quirk(Quirk::OneSourceAtATime),
    )
    .leech(),
    FaultSpec::new(
        "waits-for-silent-peers",
        &["B3-PC-15"],
        "Never asks another peer for what one owes.",
        Effect::Set(|s| {
            s.request_timeout = Duration::from_secs(3600);
            s.end_game = false;
        }),
    )
    .leech(),
    FaultSpec::new(
        "closes-on-cancelled-block",
        &["B3-PC-14"],
        "Closes when a block comes that it has cancelled.",
        on(
            |s| match s.message() {
                Some(Message::Piece { index, begin, .. }) => {
                    let conn = s.peer.conn;
                    let mut late = conn.lapsed.iter().map(|(block, _)| block);
                    let known = late.any(|b| (b.index, b.begin) == (*index, *begin));
                    known && conn.stats.sent.of(Kind::Cancel).messages > 0
                }
                _ => false,
            },
            React::Close,
        ),
    )
    .leech(),
    FaultSpec::new(
        "never-cancels",
        &["B3-PC-16"],
        "Sends no cancel.",
        send(|s| s.is(Kind::Cancel), Alter::Drop),
    )
    .leech(),
    FaultSpec::new(
        "cancels-late",
        &["B3-PC-16"],
        "Sends a cancel after half a minute.",
        send(|s| s.is(Kind::Cancel), Alter::Late(Duration::from_secs(30))),
    )
    .leech(),
    FaultSpec::new(
        "no-end-game",
        &["B3-PC-20"],
        "Asks one peer only for its last blocks.",
        Effect::Set(|s| s.end_game = false),
    )
    .leech(),
    // At its end.
    FaultSpec::new(
        "says-nothing-of-the-end",
        &["B3-HV-01"],
        "Announces every piece but the one that completes the torrent.",
        send(|s| s.is(Kind::Have) && complete(s.peer), Alter::Drop),
    )
    .leech(),
    FaultSpec::new(
        "keeps-interest-when-complete",
        &["B3-IN-04"],
        "Loses no interest any more once it is complete.",
        send(
            |s| s.is(Kind::NotInterested) && complete(s.peer),
            Alter::Drop,
        ),
    )
    .leech(),
    FaultSpec::new(
        "interested-when-complete",
        &["B3-IN-05"],
        "Is interested in seeds that come once its download is complete.",
        on(
            |s| match s.message() {
                Some(Message::Bitfield { bits }) => {
                    let all = s.peer.torrent.geometry().pieces() as usize;
                    let ones: u32 = bits.iter().map(|byte| byte.count_ones()).sum();
                    complete(s.peer) && ones as usize == all
                }
                _ => false,
            },
            React::Say(|_| vec![Wire::Message(Message::Interested)]),
        ),
    )
    .leech(),
    FaultSpec::new(
        "reads-on-in-one-file",
        &["B3-FR-24", "B3-PC-01"],
        "Sends zeros for what of a block lies in another file than its first byte.",
        send(
            |s| cut(s).is_some(),
            Alter::Other(|s| {
                let (
                    Some(at),
                    Message::Piece {
                        index,
                        begin,
                        block,
                    },
                ) = (cut(s), s.message)
                else {
                    return Vec::new();
                };
                let mut bytes = block.to_vec();
                bytes.iter_mut().skip(at).for_each(|byte| *byte = 0);
                let (index, begin, block) = (*index, *begin, bytes.into());
                vec![Wire::Message(Message::Piece {
                    index,
                    begin,
                    block,
                })]
            }),
        ),
    ),
];

/// Bytes of a block; 0 for anything else.
fn block_len(seen: &Seen<'_>) -> usize {
    match seen.message() {
        Some(Message::Piece { block, .. }) => block.len(),
        _ => 0,
    }
}

fn complete(peer: View<'_>) -> bool {
    peer.store.complete()
}

/// Where in the block that is sent a file ends and the next one begins.
fn cut(sent: &Sent<'_>) -> Option<usize> {
    let Message::Piece {
        index,
        begin,
        block,
    } = sent.message
    else {
        return None;
    };
    let from = sent.peer.torrent.geometry().piece_offset(*index)? + u64::from(*begin);
    let inside = from + 1..from + block.len() as u64;
    let mut ends = sent.peer.torrent.metainfo().file_ends();
    let end = ends.find(|end| inside.contains(end))?;
    usize::try_from(end - from).ok()
}
