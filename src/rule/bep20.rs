//! BEP 20: peer id conventions.

use super::judge::Context;
use super::table::Ruling;
use crate::session::{Event, Session};
use crate::trace::What;
use crate::wire::PeerId;
use crate::wire::escape::peer_text;

/// BEP 20, "Peer ID Conventions": dash style, letter style or mainline. Others are reported:
/// anonymous modes draw ids at random.
pub fn peer_id_convention(event: &Event, _: &Session, _: &Context) -> Ruling {
    let What::Handshake(handshake) = &event.observation.what else {
        return Ruling::NotApplicable;
    };
    Ruling::check(conventional(&handshake.peer_id), || {
        format!(
            "peer id `{}` follows no known convention",
            peer_text(&handshake.peer_id.0)
        )
    })
}

/// BEP 20, "Peer ID Conventions": "the remaining bytes are random", so a process started anew has
/// another id. Without a restart there is nothing to compare.
pub fn peer_id_changes(event: &Event, _: &Session, context: &Context) -> Ruling {
    let What::Handshake(handshake) = &event.observation.what else {
        return Ruling::NotApplicable;
    };
    if context.earlier_peer_ids.is_empty() {
        return Ruling::NotApplicable;
    }
    Ruling::check(
        !context.earlier_peer_ids.contains(&handshake.peer_id),
        || {
            format!(
                "peer id `{}` as before the restart",
                peer_text(&handshake.peer_id.0)
            )
        },
    )
}

/// Whether the id follows a known convention: `-TR3000-`, `S587Q----`, `M7-10-0--`.
fn conventional(id: &PeerId) -> bool {
    dash_style(&id.0) || letter_style(&id.0) || mainline(&id.0)
}

fn dash_style(id: &[u8]) -> bool {
    match id {
        [b'-', a, b, version @ .., _, _, _, _, _, _, _, _, _, _, _, _] => {
            let named = a.is_ascii_alphanumeric() && b.is_ascii_alphanumeric();
            named && version.len() == 5 && version.iter().all(u8::is_ascii_graphic)
        }
        _ => false,
    }
}

/// One letter, five characters of version filled up with dashes, three dashes.
fn letter_style(id: &[u8]) -> bool {
    match id {
        [
            name,
            version @ ..,
            b'-',
            b'-',
            b'-',
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
        ] => {
            let of_version = |c: &u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.');
            name.is_ascii_alphanumeric() && version.iter().all(of_version)
        }
        _ => false,
    }
}

/// One letter and three numbers or more of one or two digits, each with a dash behind.
fn mainline(id: &[u8]) -> bool {
    let [name, rest @ ..] = id else {
        return false;
    };
    let mut groups = rest.split(|c| *c == b'-').take(3);
    let number =
        |group: &[u8]| matches!(group.len(), 1 | 2) && group.iter().all(u8::is_ascii_digit);
    name.is_ascii_alphabetic() && groups.all(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_three_conventions() {
        for id in [
            b"-TR3000-abcdefghijkl",
            b"-lt0D80-abcdefghijkl",
            b"-UL-0001-12345678901",
            b"-DE203s-abcdefghijkl",
            b"S587Q----abcdefghijk",
            b"M7-10-0--abcdefghijk",
            b"A2-1-36-0-abcdefghij",
        ] {
            assert!(conventional(&PeerId(*id)), "{}", peer_text(id));
        }
        for id in [b"abcdefghijklmnopqrst", &[0; 20], &[0xff; 20]] {
            assert!(!conventional(&PeerId(*id)), "{}", peer_text(id));
        }
    }
}
