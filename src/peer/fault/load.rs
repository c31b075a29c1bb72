//! Defects that show only under load.

use super::{Effect, FaultSpec, Nth, Quirk, React};
use crate::wire::Kind;

pub(super) const FAULTS: &[FaultSpec] = &[
    FaultSpec::new(
        "closes-on-many-haves",
        &["LD-01"],
        "Closes at the 8,000th have of a connection.",
        nth(Kind::Have, 8_000, React::Close),
    ),
    FaultSpec::new(
        "keeps-every-have",
        &["LD-01"],
        "Keeps 16 KiB for each have.",
        Effect::Quirk(Quirk::Leaks(Kind::Have, 16 << 10)),
    ),
    FaultSpec::new(
        "dies-of-changing-interest",
        &["LD-02"],
        "Ends at the 3,000th interested of a connection.",
        nth(Kind::Interested, 3_000, React::Exit),
    ),
    FaultSpec::new(
        "hangs-at-changing-chokes",
        &["LD-03"],
        "Does nothing any more after the 3,000th unchoke of a connection.",
        nth(Kind::Unchoke, 3_000, React::Hang),
    )
    .leech(),
    FaultSpec::new(
        "dies-of-many-requests",
        &["LD-04"],
        "Ends at the 3,500th request of a connection.",
        nth(Kind::Request, 3_500, React::Exit),
    )
    .seed(),
    FaultSpec::new(
        "keeps-every-request",
        &["LD-04"],
        "Keeps a block and a half for each request.",
        Effect::Quirk(Quirk::Leaks(Kind::Request, 24 << 10)),
    )
    .seed(),
    FaultSpec::new(
        "hangs-at-many-keep-alives",
        &["LD-05"],
        "Does nothing any more after the 50,000th keep-alive of a connection.",
        nth(Kind::KeepAlive, 50_000, React::Hang),
    ),
    FaultSpec::new(
        "closes-on-many-cancels",
        &["LD-06"],
        "Closes at the 900th cancel of a connection.",
        nth(Kind::Cancel, 900, React::Close),
    ),
    FaultSpec::new(
        "dies-of-many-extended-handshakes",
        &["LD-07"],
        "Ends at the 150th extended handshake of a connection.",
        Effect::On {
            when: |s| s.hello().is_some(),
            nth: Nth::Only(150),
            react: React::Exit,
        },
    ),
    FaultSpec::new(
        "keeps-every-extended-handshake",
        &["LD-07"],
        "Keeps a mebibyte for each extended message.",
        Effect::Quirk(Quirk::Leaks(Kind::Extended, 1 << 20)),
    ),
    FaultSpec::new(
        "never-looks-at-the-last-of-many",
        &["LD-08"],
        "Accepts connections beyond 32 and never looks at them.",
        Effect::Quirk(Quirk::IgnoresBeyond(32)),
    ),
    FaultSpec::new(
        "dies-when-full",
        &["B40-01"],
        "Ends when a connection comes that does not fit.",
        Effect::Quirk(Quirk::DiesWhenFull),
    ),
    FaultSpec::new(
        "half-open-connections-fill-it",
        &["LD-09"],
        "Never looks at connections beyond 64.",
        Effect::Quirk(Quirk::IgnoresBeyond(64)),
    ),
    FaultSpec::new(
        "stalls-with-a-stalled-reader",
        &["LD-10"],
        "Reads nothing while somebody does not read what it sends.",
        Effect::Quirk(Quirk::StallsOnFull),
    )
    .seed(),
    FaultSpec::new(
        "keeps-every-connection",
        &["LD-11"],
        "Keeps half a mebibyte of each connection that has ended.",
        Effect::Quirk(Quirk::LeaksConnections(1 << 19)),
    ),
    FaultSpec::new(
        "hangs-at-many-small-messages",
        &["LD-12"],
        "Does nothing any more after the 65,536th frame of a connection.",
        Effect::On {
            when: |s| s.frame().is_some() && !s.is(Kind::KeepAlive),
            nth: Nth::Only(65_536),
            react: React::Hang,
        },
    ),
];

/// A reaction to the `count`th message of a kind on a connection.
const fn nth(kind: Kind, count: u32, react: React) -> Effect {
    let when = match kind {
        Kind::Have => |s: &super::Seen<'_>| s.is(Kind::Have),
        Kind::Interested => |s: &super::Seen<'_>| s.is(Kind::Interested),
        Kind::Unchoke => |s: &super::Seen<'_>| s.is(Kind::Unchoke),
        Kind::Request => |s: &super::Seen<'_>| s.is(Kind::Request),
        Kind::Cancel => |s: &super::Seen<'_>| s.is(Kind::Cancel),
        _ => |s: &super::Seen<'_>| s.is(Kind::KeepAlive),
    };
    Effect::On {
        when,
        nth: Nth::Only(count),
        react,
    }
}
