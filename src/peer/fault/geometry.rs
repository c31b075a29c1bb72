//! Defects that show with torrents of a certain shape.

use super::{Alter, Effect, FaultSpec, React, Seen, Sent, Wire, on, send};
use crate::torrent::BLOCK_LEN;
use crate::wire::{BlockRef, Kind, Message};

pub(super) const FAULTS: &[FaultSpec] = &[
    FaultSpec::new(
        "bitfield-of-a-byte-more",
        &["B3-BF-02"],
        "Sends a byte too many when eight divides the number of pieces.",
        send(
            |s| s.is(Kind::Bitfield) && s.peer.torrent.geometry().spare_bits() == 0,
            Alter::Other(|s| match s.message {
                Message::Bitfield { bits } => {
                    let bits = [&bits[..], &[0]].concat().into();
                    vec![Wire::Message(Message::Bitfield { bits })]
                }
                _ => Vec::new(),
            }),
        ),
    ),
    FaultSpec::new(
        "last-piece-of-no-length",
        &["B3-RQ-03"],
        "Takes the last piece for empty when the piece length divides the total.",
        on(ask_of_whole_last, React::Ignore),
    )
    .seed(),
    FaultSpec::new(
        "never-asks-for-a-whole-last-piece",
        &["B3-PC-01"],
        "Asks for nothing of the last piece when the piece length divides the total.",
        send(
            |s| {
                let geometry = s.peer.torrent.geometry();
                let last = s
                    .block()
                    .is_some_and(|block| block.index == geometry.last());
                s.is(Kind::Request) && last && geometry.last_len() == geometry.piece_len()
            },
            Alter::Drop,
        ),
    )
    .leech()
    .also(&["B3-CN-04"]),
    FaultSpec::new(
        "offset-in-sixteen-bits",
        &["B3-FR-24"],
        "Reads a block at the lower sixteen bits of its offset.",
        send(
            |s| cut(s).is_some(),
            Alter::Other(|s| cut(s).map_or_else(Vec::new, |message| vec![Wire::Message(message)])),
        ),
    )
    .also(&["B3-PC-01"]),
    FaultSpec::new(
        "sixty-four-blocks-a-piece",
        &["B3-PC-01"],
        "Asks for the first 64 blocks of a piece and no others.",
        send(
            |s| s.is(Kind::Request) && s.block().is_some_and(|block| block.begin >= 64 << 14),
            Alter::Drop,
        ),
    )
    .leech()
    .also(&["B3-CN-04"]),
    FaultSpec::new(
        "serves-sixty-four-blocks-a-piece",
        &["B3-RQ-01"],
        "Serves the first 64 blocks of a piece and no others.",
        on(
            |s| {
                let piece_len = s.peer.torrent.geometry().piece_len();
                let far = (64 << 14)..piece_len;
                s.request().is_some_and(|block| far.contains(&block.begin))
            },
            React::Ignore,
        ),
    )
    .seed(),
    FaultSpec::new(
        "serves-no-piece-at-once",
        &["B3-RQ-01"],
        "Ignores a request for a whole piece but the last.",
        on(
            |s| {
                let geometry = s.peer.torrent.geometry();
                s.request().is_some_and(|block| {
                    let whole = geometry.piece_size(block.index) == Some(block.length);
                    whole && block.index != geometry.last() && block.length <= BLOCK_LEN
                })
            },
            React::Ignore,
        ),
    )
    .seed(),
    FaultSpec::new(
        "serves-up-to-the-end-of-the-piece",
        &["B3-RQ-10"],
        "Serves a request of any length that its piece is long enough for.",
        Effect::Set(|s| s.max_request = u32::MAX),
    )
    .seed(),
];

/// A request for the last piece, which is as long as the others.
fn ask_of_whole_last(seen: &Seen<'_>) -> bool {
    let geometry = seen.peer.torrent.geometry();
    let last = seen
        .request()
        .is_some_and(|block| block.index == geometry.last());
    last && geometry.last_len() == geometry.piece_len()
}

/// The block that is read where its offset is cut.
fn cut(sent: &Sent<'_>) -> Option<Message> {
    let Message::Piece {
        index,
        begin,
        block,
    } = sent.message
    else {
        return None;
    };
    let (index, begin) = (*index, *begin);
    let length = u32::try_from(block.len()).ok()?;
    let read = BlockRef::new(index, begin & 0xffff, length);
    let block = sent.peer.torrent.block(&read).filter(|_| begin > 0xffff)?;
    Some(Message::Piece {
        index,
        begin,
        block,
    })
}
