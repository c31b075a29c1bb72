//! Defects of lt_donthave (BEP 54).

use super::{Alter, Effect, FaultSpec, Quirk, React, Seen, Wire, on, send};
use crate::wire::{BlockRef, ExtensionMessage, Kind, Message};

pub(super) const FAULTS: &[FaultSpec] = &[
    FaultSpec::new(
        "closes-on-unoffered-donthave",
        &["B54-NEG-01"],
        "Closes on a DontHave from a peer that does not offer the extension.",
        on(|s| donthave(s).is_some() && unoffered(s), React::Close),
    ),
    FaultSpec::new(
        "ignores-unoffered-donthave",
        &["B54-NEG-01"],
        "Overlooks a DontHave from a peer that does not offer the extension.",
        on(|s| donthave(s).is_some() && unoffered(s), React::Ignore),
    )
    .leech(),
    FaultSpec::new(
        "donthave-in-other-byte-order",
        &["B54-TX-01"],
        "Writes the index of a DontHave least significant byte first.",
        send(
            |s| s.is(Kind::LtDonthave),
            Alter::Other(|s| match s.message {
                Message::Extended { ext_id, payload } => {
                    let mut bytes = payload.to_vec();
                    bytes.reverse();
                    let (ext_id, payload) = (*ext_id, bytes.into());
                    vec![Wire::Message(Message::Extended { ext_id, payload })]
                }
                _ => Vec::new(),
            }),
        ),
    )
    .seed(),
    FaultSpec::new(
        "donthave-of-eight-bytes",
        &["B54-TX-01"],
        "Writes the index of a DontHave with eight bytes.",
        send(
            |s| s.is(Kind::LtDonthave),
            Alter::Other(|s| match s.message {
                Message::Extended { ext_id, payload } => {
                    let payload = [&[0; 4][..], payload.as_ref()].concat().into();
                    let ext_id = *ext_id;
                    vec![Wire::Message(Message::Extended { ext_id, payload })]
                }
                _ => Vec::new(),
            }),
        ),
    )
    .seed(),
    FaultSpec::new(
        "donthave-to-everybody",
        &["B54-TX-02"],
        "Sends DontHave under its own id to peers that do not offer the extension.",
        Effect::Quirk(Quirk::DontHaveUnoffered),
    )
    .seed(),
    FaultSpec::new(
        "donthave-untold",
        &["B54-TX-02"],
        "Drops a piece and tells nobody.",
        send(|s| s.is(Kind::LtDonthave), Alter::Drop),
    )
    .seed(),
    FaultSpec::new(
        "ignores-donthave",
        &["B54-RX-01"],
        "Overlooks DontHave.",
        on(|s| donthave(s).is_some() && !unoffered(s), React::Ignore),
    )
    .leech(),
    FaultSpec::new(
        "ignores-donthave-behind-have-all",
        &["B54-RX-01"],
        "Overlooks DontHave of a peer that has said have_all.",
        on(
            |s| {
                let all = s.peer.conn.stats.received.of(Kind::HaveAll).messages > 0;
                donthave(s).is_some() && !unoffered(s) && all
            },
            React::Ignore,
        ),
    )
    .leech(),
    FaultSpec::new(
        "asks-again-for-what-was-taken-back",
        &["B54-RX-01"],
        "Asks again at once when a request is rejected whose piece was taken back.",
        on(
            |s| rejected_and_gone(s).is_some(),
            React::Say(|s| {
                let block = rejected_and_gone(s);
                block.map_or_else(Vec::new, |b| vec![Wire::Message(Message::Request(b))])
            }),
        ),
    )
    .leech(),
    FaultSpec::new(
        "forgets-what-was-taken-back-and-rejected",
        &["B54-RX-02"],
        "Never asks again for a block that was rejected while its piece was taken back.",
        Effect::Quirk(Quirk::ForgetsRejectedGone),
    )
    .leech(),
    FaultSpec::new(
        "closes-on-late-block-of-what-was-taken-back",
        &["B54-RX-03"],
        "Closes when a block comes behind the DontHave of its piece, without the fast extension.",
        on(
            |s| match s.message() {
                Some(Message::Piece { index, .. }) => {
                    !s.peer.conn.agreed.fast && !s.peer.conn.their_pieces.get(*index)
                }
                _ => false,
            },
            React::Close,
        ),
    )
    .leech(),
    FaultSpec::new(
        "donthave-off-by-one",
        &["B54-RX-01"],
        "Takes DontHave for the piece behind the one that it names.",
        Effect::Quirk(Quirk::DontHaveOfNext),
    )
    .leech(),
    FaultSpec::new(
        "reads-donthave-in-other-byte-order",
        &["B54-RX-01"],
        "Reads the index of a DontHave least significant byte first.",
        Effect::Quirk(Quirk::DontHaveMirrored),
    )
    .leech(),
    FaultSpec::new(
        "donthave-for-everybody",
        &["B54-RX-01"],
        "Takes a piece that one peer takes back as gone everywhere.",
        Effect::Quirk(Quirk::DontHaveOfEverybody),
    )
    .leech(),
    FaultSpec::new(
        "donthave-of-everything",
        &["B54-RX-01"],
        "Takes everything as gone when one piece is taken back.",
        Effect::Quirk(Quirk::DontHaveOfEverything),
    )
    .leech(),
    FaultSpec::new(
        "donthave-for-ever",
        &["B54-RX-01"],
        "Overlooks the have of a piece that was taken back before.",
        Effect::Quirk(Quirk::DontHaveForEver),
    )
    .leech(),
    FaultSpec::new(
        "donthave-repeats-requests",
        &["B54-RX-02"],
        "Sends its requests for a piece again when it is taken back.",
        Effect::Quirk(Quirk::DontHaveRepeatsRequests),
    )
    .leech(),
    FaultSpec::new(
        "donthave-cancels-with-fast",
        &["B54-RX-02"],
        "Forgets its requests for a piece that is taken back, with the fast extension too.",
        Effect::Quirk(Quirk::DontHaveCancelsFast),
    )
    .leech(),
    FaultSpec::new(
        "donthave-keeps-requests",
        &["B54-RX-03"],
        "Waits for what it asked of a piece that was taken back, without the fast extension too.",
        Effect::Quirk(Quirk::DontHaveKeepsRequests),
    )
    .leech(),
    FaultSpec::new(
        "donthave-keeps-interest",
        &["B54-RX-04"],
        "Stays interested when everything was taken back.",
        Effect::Quirk(Quirk::DontHaveKeepsInterest),
    )
    .leech(),
    FaultSpec::new(
        "dies-of-donthave-past-end",
        &["B54-RX-05"],
        "Ends at a DontHave of the first piece past the end.",
        on(|s| donthave(s) == Some(s.pieces()), React::Exit),
    ),
    FaultSpec::new(
        "hangs-on-huge-donthave",
        &["B54-RX-05"],
        "Does nothing any more after a DontHave whose index is negative with a sign.",
        on(
            |s| donthave(s).is_some_and(|index| i32::try_from(index).is_err()),
            React::Hang,
        ),
    ),
    FaultSpec::new(
        "deaf-after-donthave-of-another-length",
        &["B54-RX-05"],
        "Reads nothing any more after a DontHave that has not four bytes.",
        on(
            |s| payload_len(s).is_some_and(|len| len != 4),
            React::Deafen,
        ),
    )
    .also(&["B10-MS-02"]),
    FaultSpec::new(
        "donthave-counts-down",
        &["B54-RX-05"],
        "Counts a piece as lost that the other end did not have.",
        Effect::Quirk(Quirk::DontHaveCountsDown),
    )
    .leech(),
    FaultSpec::new(
        "serves-dropped-piece",
        &["B54-SND-01"],
        "Serves a piece after it has said that it no longer has it.",
        Effect::Quirk(Quirk::ServesDiscarded),
    )
    .seed(),
    FaultSpec::new(
        "silent-about-dropped-piece",
        &["B54-SND-01"],
        "Does not reject requests for a piece that it has dropped.",
        on(wants_dropped, React::Ignore),
    )
    .seed(),
    FaultSpec::new(
        "closes-on-request-of-dropped-piece",
        &["B54-SND-01"],
        "Closes on a request for a piece that it has dropped.",
        on(wants_dropped, React::Close),
    )
    .seed(),
    FaultSpec::new(
        "forgets-requests-of-dropped-piece",
        &["B54-SND-02"],
        "Serves slowly, and forgets what waits when its piece is dropped.",
        Effect::Quirk(Quirk::ForgetsDiscarded),
    )
    .seed(),
];

/// Bytes of a message under our id for lt_donthave.
fn payload_len(seen: &Seen<'_>) -> Option<usize> {
    let Message::Extended { ext_id, payload } = seen.message()? else {
        return None;
    };
    let slot = seen.peer.conn.extensions.iter().find(|s| s.id == *ext_id)?;
    (slot.name == "lt_donthave").then_some(payload.len())
}

/// The piece that a DontHave takes back.
fn donthave(seen: &Seen<'_>) -> Option<u32> {
    payload_len(seen)?;
    let Message::Extended { payload, .. } = seen.message()? else {
        return None;
    };
    match ExtensionMessage::decode("lt_donthave", payload).ok()? {
        ExtensionMessage::DontHave { index } => Some(index),
        _ => None,
    }
}

/// The block that is rejected, if its piece is not there any more.
fn rejected_and_gone(seen: &Seen<'_>) -> Option<BlockRef> {
    let Message::RejectRequest(block) = seen.message()? else {
        return None;
    };
    let conn = seen.peer.conn;
    let asked = conn.pending.iter().any(|pending| pending.block == *block);
    (asked && !conn.their_pieces.get(block.index)).then_some(*block)
}

/// The other end has given lt_donthave no id.
fn unoffered(seen: &Seen<'_>) -> bool {
    seen.peer.conn.their_id("lt_donthave").is_none()
}

fn wants_dropped(seen: &Seen<'_>) -> bool {
    let asked = seen.request().map(|block| block.index);
    asked.is_some_and(|index| index < seen.pieces() && !seen.peer.store.have().get(index))
}
