//! BEP 3, "peer protocol" and "peer messages": handshake, frames, availability, choke, requests.

use std::time::Duration;

use super::judge::Context;
use super::table::Ruling;
use super::view::{block, ended};
use crate::requirement::Role;
use crate::session::{
    AnswerHow, AvailabilityKind, Duty, Event, EventKind, Session, Stand, StrayKind,
};
use crate::torrent::BLOCK_LEN;
use crate::trace::What;
use crate::wire::{Capability, HandshakeError, Kind, Message, PeerId, Reserved};

/// A silence of this length is worth a keep-alive to some client (BitTorrent-protocol: 55 s).
const IDLE: Duration = Duration::from_secs(45);
/// The first four bytes of a handshake.
const HANDSHAKE_AS_PREFIX: u32 = u32::from_be_bytes(*b"\x13Bit");
/// Chokes soon behind their unchoke on one connection that prove nothing.
const QUICK_CHOKES_BORNE: u32 = 3;
/// Repeats of choke and unchoke on one connection that prove nothing, beside those that our
/// messages may have caused.
const REPEATS_BORNE: u64 = 4;
/// A request that waits this long may be repeated: clients give up on blocks after 20 s.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// BEP 3, "peer protocol": byte 19, protocol name, reserved bytes, info hash, peer id. Openings of
/// a target that dials may be encrypted and are not judged, unless they begin like a handshake; after
/// another info hash of ours the target may send what it likes. A peer id is the target's own.
pub fn handshake_layout(event: &Event, session: &Session, context: &Context) -> Ruling {
    match &event.observation.what {
        What::Handshake(handshake) if comes_back(handshake.peer_id, session, context) => {
            Ruling::Broken("the peer id is our own, sent back".to_owned())
        }
        What::Handshake(handshake) => {
            let hash = session.torrent().info_hash();
            Ruling::check(handshake.info_hash == hash, || {
                format!("info hash {} instead of {hash}", handshake.info_hash)
            })
        }
        What::BadHandshake(error) if session.initiator() && !begins_with_frame(error) => {
            Ruling::Broken(error.to_string())
        }
        What::BadHandshake(error) if begins_like_one(error) => Ruling::Broken(error.to_string()),
        _ => Ruling::NotApplicable,
    }
}

/// Whether the target has answered with the id that a tester gave. A case may give it the target's
/// own id, and a client that is watched may have dialled itself.
fn comes_back(peer_id: PeerId, session: &Session, context: &Context) -> bool {
    let ours = session.ours().handshake().map(|h| h.peer_id);
    session.initiator()
        && ours == Some(peer_id)
        && peer_id.0.starts_with(b"-BS")
        && !context.peer_ids.values().any(|id| *id == peer_id)
}

/// Whether five bytes of a handshake are right. The key of an encrypted opening is random.
fn begins_like_one(error: &HandshakeError) -> bool {
    matches!(error, HandshakeError::WrongProtocol { offset, .. } if *offset >= 5)
}

/// BEP 3, "peer protocol": the handshake comes first. A stream that begins with a zero byte begins
/// with a length prefix; openings of a target that dials may be encrypted and are not judged.
pub fn nothing_before_handshake(event: &Event, session: &Session, _: &Context) -> Ruling {
    match &event.observation.what {
        What::Handshake(_) => Ruling::Held,
        What::BadHandshake(error) if session.initiator() && begins_with_frame(error) => {
            Ruling::Broken("the stream begins with a length prefix".to_owned())
        }
        _ => Ruling::NotApplicable,
    }
}

fn begins_with_frame(error: &HandshakeError) -> bool {
    matches!(error, HandshakeError::WrongLength { actual: 0 })
}

/// BEP 3, "peer messages": each message has the payload of its id. Bitfields, whose length depends
/// on the torrent, have a rule of their own; ids that nobody knows have no length.
pub fn frame_lengths(event: &Event, _: &Session, _: &Context) -> Ruling {
    match &event.observation.what {
        What::Message(Message::Unknown { .. }) => Ruling::NotApplicable,
        What::Message(_) => Ruling::Held,
        What::Undecodable(error) => Ruling::Broken(error.to_string()),
        _ => Ruling::NotApplicable,
    }
}

/// BEP 3, "peer protocol": "an alternating stream of length prefixes and messages". A prefix that
/// no message can have shows that the stream has lost step. A frame that is cut off by the end of
/// the connection is nobody's fault.
pub fn stream_in_step(event: &Event, session: &Session, _: &Context) -> Ruling {
    match &event.observation.what {
        // A second handshake where a frame belongs, in answer to one of ours.
        What::OverLimit { length } if event.tainted && *length == HANDSHAKE_AS_PREFIX => {
            Ruling::NotApplicable
        }
        What::OverLimit { length } => Ruling::Broken(format!(
            "length prefix {length} at byte {} of the stream",
            event.observation.offset
        )),
        _ if ended(event, session) && session.theirs().last_at().is_some() => Ruling::Held,
        _ => Ruling::NotApplicable,
    }
}

/// BEP 3, "peer messages": the bytes of a block are those of the torrent. Blocks that lie outside
/// the torrent, and torrents whose content we lack, cannot be compared; what comes for a request
/// outside a piece, or of a piece that was not announced, is left to the case.
pub fn block_bytes(event: &Event, _: &Session, _: &Context) -> Ruling {
    match &event.kind {
        EventKind::Answer(answer)
            if answer.entry.marks.out_of_range || answer.entry.marks.not_announced =>
        {
            Ruling::NotApplicable
        }
        EventKind::Answer(answer) if answer.compared => match answer.corrupt {
            None => Ruling::Held,
            Some(at) => Ruling::Broken(format!(
                "byte {at} of the block for {} differs from the torrent",
                block(&answer.entry.block)
            )),
        },
        _ => Ruling::NotApplicable,
    }
}

/// BEP 3, "peer messages": a keep-alive is a message of length zero. A message of an unknown id
/// without payload, after a silence, is taken for a wrong one.
pub fn keep_alive_is_empty(event: &Event, _: &Session, _: &Context) -> Ruling {
    match &event.observation.what {
        What::Message(Message::KeepAlive) => Ruling::Held,
        What::Message(Message::Unknown { id, payload })
            if payload.is_empty() && event.gap >= IDLE =>
        {
            Ruling::Broken(format!(
                "a message of unknown id {} without payload after {} s of silence",
                id.get(),
                event.gap.as_secs()
            ))
        }
        _ => Ruling::NotApplicable,
    }
}

/// BEP 3, "peer messages": keep-alives "generally" every two minutes. 130 s of silence break it;
/// closing before is the target's right.
pub fn keep_alive_gap(event: &Event, _: &Session, _: &Context) -> Ruling {
    match &event.kind {
        EventKind::Overdue(Duty::KeepAlive) => {
            Ruling::Broken(format!("nothing for {} s", event.gap.as_secs()))
        }
        _ if event.observation.kind().is_some() && event.gap >= IDLE => Ruling::Held,
        _ => Ruling::NotApplicable,
    }
}

/// BEP 3, "peer messages": "choking is a notification that no data will be sent". Judged by the
/// order on the wire: the request went out while the target was choking, and no unchoke came
/// before the piece. Pieces that the target has allowed fast are left out, as are pieces that a
/// request from before the choke could have brought, and answers to requests that were wrong
/// otherwise.
pub fn no_piece_while_choking(event: &Event, session: &Session, _: &Context) -> Ruling {
    let EventKind::Answer(answer) = &event.kind else {
        return Ruling::NotApplicable;
    };
    if answer.how == AnswerHow::Reject {
        return Ruling::NotApplicable;
    }
    if !answer.entry.choked {
        return Ruling::Held;
    }
    let index = answer.entry.block.index;
    let allowed = session.fast() && session.allowed_fast().contains(&index);
    if allowed || answer.ambiguous || answer.entry.marks.beside_choke() {
        return Ruling::NotApplicable;
    }
    Ruling::Broken(format!(
        "piece for {}, which was requested under choke, without an unchoke",
        block(&answer.entry.block)
    ))
}

/// BEP 3, "peer messages": choke and unchoke are states, saying one again is allowed and does
/// nothing. Clients do it once for an interest of ours, or with a round of their choking; more than
/// a few repeats within a second each are a loop.
pub fn choke_repeats(event: &Event, session: &Session, _: &Context) -> Ruling {
    match event.kind {
        EventKind::Choking {
            choking,
            redundant: true,
            haste,
        } => {
            let asked =
                session.ours().count(Kind::Interested) + session.ours().count(Kind::Request);
            Ruling::check(u64::from(haste) <= REPEATS_BORNE + asked, || {
                let name = if choking { "choke" } else { "unchoke" };
                format!("{name} again, repeat {haste} within a second of the message before")
            })
        }
        EventKind::Choking { .. } => Ruling::Held,
        _ => Ruling::NotApplicable,
    }
}

/// BEP 3, "peer messages": "fibrillation" is choking and unchoking quickly. A few quick chokes come
/// with new connections or a choke of ours; what counts is that they go on.
pub fn no_fibrillation(event: &Event, session: &Session, _: &Context) -> Ruling {
    match event.kind {
        EventKind::Choking {
            choking: true,
            redundant: false,
            haste,
        } => Ruling::check(haste <= QUICK_CHOKES_BORNE, || {
            format!("choke number {haste} within 5 s of the unchoke before it")
        }),
        // Whoever unchokes and leaves it at that does well.
        _ if ended(event, session) && session.theirs().count(Kind::Unchoke) > 0 => Ruling::Held,
        _ => Ruling::NotApplicable,
    }
}

/// BEP 3, "peer protocol": connections start out choked, so a target has no reason to ask before
/// our first unchoke. Pieces that we have allowed fast may be asked for.
pub fn starts_choked(event: &Event, session: &Session, _: &Context) -> Ruling {
    let EventKind::Request(asked) = &event.kind else {
        return Ruling::NotApplicable;
    };
    if session.ours().count(Kind::Unchoke) > 0 {
        return match asked.choke {
            // The very first request shows that it has waited.
            Stand::Right if session.ledger_theirs().asked() == 1 => Ruling::Held,
            _ => Ruling::NotApplicable,
        };
    }
    if asked.allowed_fast || allows_fast(session) {
        return Ruling::NotApplicable;
    }
    Ruling::Broken(format!(
        "request for {} before our first unchoke",
        block(&asked.entry.block)
    ))
}

/// BEP 3, "peer messages": no requests after a choke. Requests on their way when the choke was
/// sent are legal: only what comes once the target must have read it is judged.
pub fn stops_when_choked(event: &Event, session: &Session, _: &Context) -> Ruling {
    if session.ours().count(Kind::Unchoke) == 0 || session.ours().count(Kind::Choke) == 0 {
        return Ruling::NotApplicable;
    }
    match &event.kind {
        EventKind::Request(asked) => match asked.choke {
            Stand::Right => Ruling::Held,
            Stand::Wrong if !asked.allowed_fast && !allows_fast(session) => {
                Ruling::Broken(format!(
                    "request for {} though it must have read our choke",
                    block(&asked.entry.block)
                ))
            }
            Stand::Wrong | Stand::Crossing => Ruling::NotApplicable,
        },
        _ if ended(event, session) && session.choking_sent() && session.choking_known() => {
            Ruling::Held
        }
        _ => Ruling::NotApplicable,
    }
}

/// With pieces allowed fast the question is which ones are asked for: `bep6` has that rule.
fn allows_fast(session: &Session) -> bool {
    session.fast() && !session.ours().allowed_fast().is_empty()
}

/// BEP 3, "peer protocol": a peer that wants nothing says so, and a complete one wants nothing.
/// Complete is who has announced every piece on this connection; a seed with deselected files or
/// one that hides pieces is not.
pub fn seed_asks_nothing(event: &Event, session: &Session, _: &Context) -> Ruling {
    match &event.kind {
        EventKind::Interest {
            interested: true,
            complete: true,
            ..
        } => Ruling::Broken("interested, having announced every piece".to_owned()),
        EventKind::Request(asked) if asked.complete => Ruling::Broken(format!(
            "request for {}, having announced every piece",
            block(&asked.entry.block)
        )),
        _ if ended(event, session) && session.theirs().complete() => Ruling::Held,
        _ => Ruling::NotApplicable,
    }
}

/// BEP 3, "peer messages": a bitfield "is only ever sent as the first message", without the fast
/// extension, which has a rule of its own. Extension handshakes and port come first in every
/// client and do not count, a target that has nothing need not send one, a second one is another
/// rule's.
pub fn bitfield_first(event: &Event, session: &Session, context: &Context) -> Ruling {
    if session.established_at().is_none() || session.fast() {
        return Ruling::NotApplicable;
    }
    match &event.kind {
        EventKind::Availability(availability)
            if matches!(availability.kind, AvailabilityKind::Bitfield { .. })
                && availability.bitfields == 1 =>
        {
            match availability.behind {
                None => Ruling::Held,
                Some(kind) => Ruling::Broken(format!("bitfield behind {}", kind.name())),
            }
        }
        _ if ended(event, session)
            && context.role == Role::Seed
            && !session.availability_seen()
            && session.theirs().complete() =>
        {
            Ruling::Broken("every piece announced by have, and no bitfield".to_owned())
        }
        _ => Ruling::NotApplicable,
    }
}

/// BEP 3, "peer messages": one bit a piece, filled up to whole bytes.
pub fn bitfield_length(event: &Event, _: &Session, _: &Context) -> Ruling {
    match bitfield(event) {
        Some((len, expected, _)) => Ruling::check(len == expected, || {
            format!("bitfield of {len} bytes instead of {expected}")
        }),
        None => Ruling::NotApplicable,
    }
}

/// BEP 3, "peer messages": "spare bits at the end are set to zero". Only bitfields of the right
/// length, of torrents that leave bits over, have spare bits.
pub fn spare_bits(event: &Event, session: &Session, _: &Context) -> Ruling {
    match bitfield(event) {
        Some((len, expected, spare)) if len == expected && session.geometry().spare_bits() > 0 => {
            match spare {
                None => Ruling::Held,
                Some(bit) => Ruling::Broken(format!("spare bit {bit} of the bitfield is set")),
            }
        }
        _ => Ruling::NotApplicable,
    }
}

/// BEP 3, "peer messages": a bitfield comes once.
pub fn one_bitfield(event: &Event, _: &Session, _: &Context) -> Ruling {
    match &event.kind {
        EventKind::Availability(availability) if bitfield(event).is_some() => {
            Ruling::check(availability.bitfields == 1, || {
                format!("bitfield number {}", availability.bitfields)
            })
        }
        _ => Ruling::NotApplicable,
    }
}

fn bitfield(event: &Event) -> Option<(usize, usize, Option<u32>)> {
    match &event.kind {
        EventKind::Availability(availability) => match availability.kind {
            AvailabilityKind::Bitfield {
                len,
                expected,
                spare,
            } => Some((len, expected, spare)),
            AvailabilityKind::All | AvailabilityKind::None => None,
        },
        _ => None,
    }
}

/// BEP 3, "peer messages": a have names a piece of the torrent. Whether the sender has it cannot be
/// seen from here; a repeated one does no harm.
pub fn have_in_range(event: &Event, session: &Session, _: &Context) -> Ruling {
    match event.kind {
        EventKind::Have {
            index, in_range, ..
        } => Ruling::check(in_range, || out_of_range("have", index, session)),
        _ => Ruling::NotApplicable,
    }
}

pub(super) fn out_of_range(name: &str, index: u32, session: &Session) -> String {
    format!(
        "{name} of piece {index}, and the last piece is {}",
        session.geometry().last()
    )
}

/// BEP 3, "peer messages": a piece answers a request, with its index, begin and length. Cancelled
/// requests stay valid, and for 60 s those that a choke threw out. What comes of requests against
/// the rules is left to the case that made them.
pub fn piece_answers_request(event: &Event, _: &Session, _: &Context) -> Ruling {
    match &event.kind {
        EventKind::Answer(answer) => match answer.how {
            AnswerHow::Piece => Ruling::Held,
            AnswerHow::WrongLength { .. } if answer.entry.marks.any() => Ruling::NotApplicable,
            AnswerHow::WrongLength { actual } => Ruling::Broken(format!(
                "{actual} bytes for the request of {}",
                block(&answer.entry.block)
            )),
            AnswerHow::Reject => Ruling::NotApplicable,
        },
        EventKind::Stray(stray) if stray.kind == StrayKind::Piece => {
            if stray.excused {
                return Ruling::NotApplicable;
            }
            let why = if stray.second {
                "which was answered before"
            } else {
                "which was not requested"
            };
            Ruling::Broken(format!("piece for {}, {why}", block(&stray.block)))
        }
        _ => Ruling::NotApplicable,
    }
}

/// BEP 3, "peer messages": a cancel names a request of the same connection, also one that is
/// answered meanwhile: the answer may cross it.
pub fn cancel_of_own_request(event: &Event, _: &Session, _: &Context) -> Ruling {
    match &event.kind {
        EventKind::Cancel { entry: Some(_), .. } => Ruling::Held,
        EventKind::Cancel {
            block: cancelled,
            entry: None,
            forgotten: false,
        } => Ruling::Broken(format!(
            "cancel of {}, which it never requested here",
            block(cancelled)
        )),
        _ => Ruling::NotApplicable,
    }
}

/// BEP 3, "peer messages": a request lies inside its piece, and "all current implementations use
/// 2^14".
pub fn request_in_range(event: &Event, _: &Session, _: &Context) -> Ruling {
    match &event.kind {
        EventKind::Request(asked) => {
            let marks = asked.entry.marks;
            Ruling::check(!marks.out_of_range && !marks.oversized, || {
                let why = if marks.out_of_range {
                    "no such range in a piece".to_owned()
                } else {
                    format!("more than {BLOCK_LEN} bytes")
                };
                format!("request for {}: {why}", block(&asked.entry.block))
            })
        }
        _ => Ruling::NotApplicable,
    }
}

/// BEP 3, "peer messages": a piece is requested from a peer that has announced it. Everything that
/// we ever announced counts, also what a later bitfield left out; what we took back by
/// lt_donthave counts until the target must have read that. Requests of pieces that do not exist
/// are another rule's.
pub fn request_of_announced(event: &Event, _: &Session, _: &Context) -> Ruling {
    match &event.kind {
        EventKind::Request(asked) if !asked.entry.marks.out_of_range => match asked.announced {
            Stand::Right => Ruling::Held,
            Stand::Crossing => Ruling::NotApplicable,
            Stand::Wrong => Ruling::Broken(format!(
                "request for {}, which we did not announce",
                block(&asked.entry.block)
            )),
        },
        _ => Ruling::NotApplicable,
    }
}

/// BEP 3, "peer messages": a request is not repeated while it is open. It may be after 20 s, after
/// a choke, a cancel, a reject, or when we sent something that may pass for its answer.
pub fn no_duplicate_request(event: &Event, _: &Session, _: &Context) -> Ruling {
    match &event.kind {
        EventKind::Request(asked) => match asked.open_since {
            Some(age) if age < REQUEST_TIMEOUT => Ruling::Broken(format!(
                "request for {} again after {} ms",
                block(&asked.entry.block),
                age.as_millis()
            )),
            _ => Ruling::Held,
        },
        _ => Ruling::NotApplicable,
    }
}

/// BEP 3, "peer messages": "length is generally a power of two unless it gets truncated by the end
/// of the file". Others are reported.
pub fn request_power_of_two(event: &Event, session: &Session, _: &Context) -> Ruling {
    match &event.kind {
        EventKind::Request(asked) if !asked.entry.marks.out_of_range => {
            let wanted = asked.entry.block;
            let end = wanted.begin.saturating_add(wanted.length);
            let to_the_end = session.geometry().piece_size(wanted.index) == Some(end);
            Ruling::check(wanted.length.is_power_of_two() || to_the_end, || {
                format!("request for {}", block(&wanted))
            })
        }
        _ => Ruling::NotApplicable,
    }
}

/// Bits that a tester may offer and that bring no messages with ids of their own.
pub(super) fn offers_private_ids(session: &Session) -> bool {
    let Some(ours) = session.ours().handshake() else {
        return false;
    };
    let usual = Reserved::with(&[
        Capability::Fast,
        Capability::Extended,
        Capability::Dht,
        Capability::V2,
    ]);
    ours.reserved.and(&usual) != ours.reserved
}
