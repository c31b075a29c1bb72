//! The first 68 bytes.

use super::{Reach, text};
use crate::wire::registry::RESERVED_BITS;
use crate::wire::{Capability, Handshake, HandshakeDecoder, HandshakeError, Reserved, describe};

/// Bytes from the start of a stream: written back as they came, refused as early as they can be,
/// and every reserved bit either known or named as unknown.
pub fn handshake(input: &[u8]) -> Reach {
    let mut reached = Reach::new();
    let mut decoder = HandshakeDecoder::new();
    let taken = decoder.push(input);
    assert_eq!(decoder.raw(), input[..taken]);
    assert!(taken <= Handshake::LEN);
    refused_once_refused_for_ever(&input[..taken]);
    match decoder.handshake() {
        Ok(Some(handshake)) => {
            assert_eq!(encoded(&handshake)[..], input[..taken]);
            assert_eq!(decoder.info_hash(), Some(handshake.info_hash));
            assert_eq!(decoder.needed(), 0);
            reached.insert("handshake");
            reserved_bits_are_told_apart(&handshake.reserved, &mut reached);
            reached.insert(peer_id(&handshake));
            text::is_one_line(&handshake.to_string());
            text::is_one_line(&handshake.peer_id.to_string());
        }
        Ok(None) => {
            assert_eq!(taken, input.len());
            assert!(decoder.needed() > 0);
            assert_eq!(decoder.info_hash().is_some(), taken >= 48);
            reached.insert("unfinished handshake");
        }
        Err(problem) => {
            text::is_one_line(&problem.to_string());
            reached.insert(error(&problem));
        }
    }
    reached
}

/// Kinds of refusal.
pub(super) const ERRORS: [&str; 2] = [
    "handshake with a wrong length",
    "handshake with a wrong protocol",
];

pub(super) fn reachable() -> Vec<&'static str> {
    let mut all = vec!["handshake", "unfinished handshake", "unknown bit"];
    all.extend(["client named", "client unnamed"]);
    all.extend(ERRORS);
    all.extend(RESERVED_BITS.iter().map(|bit| bit.name));
    all
}

pub(super) fn error(error: &HandshakeError) -> &'static str {
    match error {
        HandshakeError::WrongLength { .. } => ERRORS[0],
        HandshakeError::WrongProtocol { .. } => ERRORS[1],
    }
}

/// A prefix that is refused is refused in the same way whatever follows.
fn refused_once_refused_for_ever(bytes: &[u8]) {
    let mut refused = None;
    for end in 0..=bytes.len() {
        let now = Handshake::check(&bytes[..end]).err();
        assert!(refused.is_none() || now.is_some(), "forgiven at {end}");
        refused = refused.or(now);
    }
}

fn reserved_bits_are_told_apart(reserved: &Reserved, reached: &mut Reach) {
    let mut rebuilt = Reserved::default();
    for bit in reserved.known() {
        assert!(reserved.has_bit(bit));
        rebuilt.set_bit(bit);
        reached.insert(bit.name);
    }
    for (byte, mask) in reserved.unknown() {
        assert_eq!(rebuilt.0[byte] & mask, 0, "a bit known and unknown");
        rebuilt.0[byte] |= mask;
        reached.insert("unknown bit");
    }
    assert_eq!(&rebuilt, reserved, "bits lost");
    for &capability in Capability::ALL {
        let mut other = *reserved;
        other.set(capability);
        assert!(other.has(capability));
        assert_eq!(
            other.and(reserved).has(capability),
            reserved.has(capability)
        );
        other.clear(capability);
        assert!(!other.has(capability));
        if !reserved.has(capability) {
            assert_eq!(&other, reserved);
        }
    }
    text::is_one_line(&describe::reserved(reserved));
}

fn peer_id(handshake: &Handshake) -> &'static str {
    match handshake.peer_id.client() {
        Some(client) => {
            text::is_one_line(&client);
            assert!(!client.is_empty());
            "client named"
        }
        None => "client unnamed",
    }
}

fn encoded(handshake: &Handshake) -> [u8; Handshake::LEN] {
    #[cfg(fuzz_selftest)]
    if handshake.reserved.0[2] == 0x81 {
        let mut other = *handshake;
        other.reserved.0[2] = 0;
        return other.encode();
    }
    handshake.encode()
}
