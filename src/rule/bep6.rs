//! BEP 6: the fast extension.

use super::bep3::out_of_range;
use super::judge::Context;
use super::table::Ruling;
use super::view::{block, ended, they_offer, we_offer};
use crate::session::timers::OPENING;
use crate::session::{AnswerHow, Duty, Event, EventKind, Session, Stand, StrayKind};
use crate::wire::{Capability, Kind};

/// BEP 6, "Modifications to the semantics of existing messages": fast messages need the bit of
/// both ends. This is a target that offers the extension to a tester that does not.
pub fn fast_needs_our_bit(event: &Event, session: &Session, _: &Context) -> Ruling {
    let concerns = they_offer(session, Capability::Fast) && !we_offer(session, Capability::Fast);
    unnegotiated(event, session, concerns, "our handshake")
}

/// BEP 6, "Modifications to the semantics of existing messages": a target that does not offer the
/// extension does not use it.
pub fn fast_needs_own_bit(event: &Event, session: &Session, _: &Context) -> Ruling {
    let concerns = !they_offer(session, Capability::Fast);
    unnegotiated(event, session, concerns, "its handshake")
}

const FAST: [Kind; 5] = [
    Kind::SuggestPiece,
    Kind::HaveAll,
    Kind::HaveNone,
    Kind::RejectRequest,
    Kind::AllowedFast,
];

/// What a target that dials says before it has our handshake is judged by that handshake, at the
/// end.
fn unnegotiated(event: &Event, session: &Session, concerns: bool, whose: &str) -> Ruling {
    if !concerns || session.established_at().is_none() {
        return Ruling::NotApplicable;
    }
    let early = FAST.into_iter().find(|kind| session.was_early(*kind));
    match event.observation.kind() {
        Some(kind) if FAST.contains(&kind) => Ruling::Broken(format!(
            "{}, and {whose} does not set the fast bit",
            kind.name()
        )),
        _ if ended(event, session) && early.is_some() => Ruling::Broken(format!(
            "{} before our handshake, and {whose} does not set the fast bit",
            early.map_or("a fast message", Kind::name)
        )),
        // Messages have come, and none of these.
        _ if ended(event, session) && session.theirs().first_typed().is_some() => Ruling::Held,
        _ => Ruling::NotApplicable,
    }
}

/// BEP 6, "Have All/Have None": exactly one of have_all, have_none and bitfield, immediately after
/// the handshake. First counts among ids 0–8 and 13–17: every client sends its extension handshake
/// before. 15 s are "immediately" enough for slow ticks.
pub fn availability_once_and_first(event: &Event, session: &Session, _: &Context) -> Ruling {
    if !session.fast() {
        return Ruling::NotApplicable;
    }
    match &event.kind {
        EventKind::Availability(availability) => match (availability.nth, availability.behind) {
            (1, None) => Ruling::Held,
            (1, Some(kind)) => Ruling::Broken(format!(
                "{} behind {}",
                availability_name(event),
                kind.name()
            )),
            (nth, _) => Ruling::Broken(format!(
                "{} is number {nth} of bitfield, have_all and have_none",
                availability_name(event)
            )),
        },
        EventKind::Overdue(Duty::Availability) => Ruling::Broken(format!(
            "none of bitfield, have_all and have_none within {} s",
            OPENING.as_secs()
        )),
        _ if event.typed == 1 => Ruling::Broken(format!(
            "{} before any of bitfield, have_all and have_none",
            session
                .theirs()
                .first_typed()
                .map_or("a message", Kind::name)
        )),
        _ => Ruling::NotApplicable,
    }
}

fn availability_name(event: &Event) -> &'static str {
    event.observation.kind().map_or("availability", Kind::name)
}

/// BEP 6, "Suggest Piece": a suggestion names a piece of the torrent. One that the sender lacks
/// itself is no error.
pub fn suggest_in_range(event: &Event, session: &Session, _: &Context) -> Ruling {
    match event.kind {
        EventKind::Suggest { index, in_range } => {
            Ruling::check(in_range, || out_of_range("suggestion", index, session))
        }
        _ => Ruling::NotApplicable,
    }
}

/// BEP 6, "Allowed Fast": an allowed piece is a piece of the torrent. Repeats do no harm.
pub fn allowed_fast_in_range(event: &Event, session: &Session, _: &Context) -> Ruling {
    match event.kind {
        EventKind::AllowedFast {
            index, in_range, ..
        } => Ruling::check(in_range, || out_of_range("allowed_fast", index, session)),
        _ => Ruling::NotApplicable,
    }
}

/// BEP 6, "Reject Request": a reject names one open request exactly. Second answers are
/// `request-answered-once`'s; what comes of requests against the rules is left to the case.
pub fn reject_echoes_request(event: &Event, session: &Session, _: &Context) -> Ruling {
    if !session.fast() {
        return Ruling::NotApplicable;
    }
    match &event.kind {
        EventKind::Answer(answer) if answer.how == AnswerHow::Reject => Ruling::Held,
        EventKind::Stray(stray)
            if stray.kind == StrayKind::Reject && !stray.excused && !stray.second =>
        {
            Ruling::Broken(match &stray.near {
                Some(near) => format!(
                    "reject of {}, and the request was for {}",
                    block(&stray.block),
                    block(&near.block)
                ),
                None => format!("reject of {}, which was not requested", block(&stray.block)),
            })
        }
        _ => Ruling::NotApplicable,
    }
}

/// BEP 6: "EXACTLY ONE response". Broken by a second answer, and by none within 60 s of the
/// request and of the last answer to any other. A cancelled request that is not answered is left
/// to the cases about cancel, one against the rules to the case that made it.
pub fn request_answered_once(event: &Event, session: &Session, _: &Context) -> Ruling {
    if !session.fast() {
        return Ruling::NotApplicable;
    }
    match &event.kind {
        EventKind::Answer(_) => Ruling::Held,
        EventKind::Stray(stray) if stray.second && !stray.excused => {
            let name = match stray.kind {
                StrayKind::Piece => "piece",
                StrayKind::Reject => "reject",
            };
            Ruling::Broken(format!(
                "{name} for {}, which was answered before",
                block(&stray.block)
            ))
        }
        EventKind::Overdue(Duty::Answer(entry)) => Ruling::Broken(format!(
            "no answer to the request for {} within {} s",
            block(&entry.block),
            event.observation.at.saturating_sub(entry.at).as_secs()
        )),
        _ => Ruling::NotApplicable,
    }
}

/// BEP 6, "Reject Request": who chokes rejects all requests. Blocks that were on their way to the
/// socket, or read from the disk, may still follow the choke; a queue that is served to its end
/// without a reject was not thrown away.
pub fn choke_rejects_the_queue(event: &Event, session: &Session, _: &Context) -> Ruling {
    let (EventKind::Answer(answer), Some(since)) = (&event.kind, session.since_choke()) else {
        return Ruling::NotApplicable;
    };
    if !session.fast() {
        return Ruling::NotApplicable;
    }
    match answer.how {
        AnswerHow::Reject if since.rejected == 1 => Ruling::Held,
        AnswerHow::Piece if since.served == SERVED_BEHIND_CHOKE && since.rejected == 0 => {
            Ruling::Broken(format!(
                "{SERVED_BEHIND_CHOKE} blocks that were requested before the choke came behind \
                 it, and no reject"
            ))
        }
        _ => Ruling::NotApplicable,
    }
}

/// 768 KiB: above what clients hand to the disk and to their send buffer ahead of time (500 KiB in
/// libtorrent).
const SERVED_BEHIND_CHOKE: u32 = 48;

/// BEP 6, "Allowed Fast": under choke, only pieces that we allowed are asked for. Requests on their
/// way when a choke was sent are legal.
pub fn choked_asks_allowed_only(event: &Event, session: &Session, _: &Context) -> Ruling {
    if !session.fast() || session.ours().allowed_fast().is_empty() {
        return Ruling::NotApplicable;
    }
    match &event.kind {
        EventKind::Request(asked) if asked.choke == Stand::Wrong => {
            Ruling::check(asked.allowed_fast, || {
                format!(
                    "request for {} under choke, and the piece is not allowed fast",
                    block(&asked.entry.block)
                )
            })
        }
        _ => Ruling::NotApplicable,
    }
}
