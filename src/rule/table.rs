//! The table of rules.

use super::judge::Context;
use super::{bep3, bep4, bep5, bep6, bep9, bep10, bep11, bep20, bep21, bep27, bep54};
use crate::session::{Event, Session};

/// A passive check on what the target sends.
#[derive(Debug)]
pub struct Rule {
    /// Name in words: `request-answered-once`. Its row in a report is `rule/NAME`.
    pub id: &'static str,
    /// The requirement it judges, which also has its level.
    pub requirement: &'static str,
    /// What it checks, on one line.
    pub title: &'static str,
    /// Judged on a tainted connection as well: whatever we sent, this holds for what comes.
    pub absolute: bool,
    /// The check.
    pub judge: fn(&Event, &Session, &Context) -> Ruling,
}

/// What a rule says about an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// The event does not concern it.
    NotApplicable,
    /// It was put to the test and holds.
    Held,
    /// It is broken. The text says what came, with the numbers that matter.
    Broken(String),
}

impl Ruling {
    /// Held if `holds`, else broken with the text.
    pub fn check(holds: bool, broken: impl FnOnce() -> String) -> Self {
        if holds {
            Self::Held
        } else {
            Self::Broken(broken())
        }
    }
}

type Check = fn(&Event, &Session, &Context) -> Ruling;

const fn rule(
    id: &'static str,
    requirement: &'static str,
    title: &'static str,
    judge: Check,
) -> Rule {
    Rule {
        id,
        requirement,
        title,
        absolute: false,
        judge,
    }
}

const fn absolute(rule: Rule) -> Rule {
    Rule {
        absolute: true,
        ..rule
    }
}

/// The rule with this name.
pub fn by_id(id: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.id == id)
}

/// Every rule, by BEP.
#[rustfmt::skip]
pub static RULES: &[Rule] = &[
    rule("handshake-layout", "B3-HS-02", "the handshake has the layout of BEP 3 and the torrent's info hash", bep3::handshake_layout),
    rule("nothing-before-handshake", "B3-HS-25", "the handshake is the first thing on a connection", bep3::nothing_before_handshake),
    absolute(rule("frame-lengths", "B3-FR-22", "every message has the length that belongs to its id", bep3::frame_lengths)),
    absolute(rule("stream-in-step", "B3-FR-24", "frames follow each other to the end of the stream", bep3::stream_in_step)),
    absolute(rule("block-bytes", "B3-FR-24", "blocks have the bytes of the torrent", bep3::block_bytes)),
    absolute(rule("keep-alive-is-empty", "B3-TO-02", "keep-alives are four zero bytes", bep3::keep_alive_is_empty)),
    rule("keep-alive-gap", "B3-TO-01", "something is sent at least every two minutes", bep3::keep_alive_gap),
    rule("no-piece-while-choking", "B3-CH-02", "no block for a request that was made under choke", bep3::no_piece_while_choking),
    rule("choke-repeats", "B3-CH-10", "choke and unchoke are not said over and over", bep3::choke_repeats),
    rule("no-fibrillation", "B3-CH-09", "a peer is not choked right behind each unchoke", bep3::no_fibrillation),
    rule("starts-choked", "B3-CH-01", "no request before the first unchoke", bep3::starts_choked),
    rule("stops-when-choked", "B3-CH-07", "no request once a choke was read", bep3::stops_when_choked),
    rule("seed-asks-nothing", "B3-IN-05", "a complete peer is not interested and requests nothing", bep3::seed_asks_nothing),
    rule("bitfield-first", "B3-BF-01", "without the fast extension a bitfield comes first", bep3::bitfield_first),
    absolute(rule("bitfield-length", "B3-BF-02", "a bitfield has one bit a piece, in whole bytes", bep3::bitfield_length)),
    absolute(rule("bitfield-spare-bits", "B3-BF-03", "spare bits of a bitfield are zero", bep3::spare_bits)),
    rule("one-bitfield", "B3-BF-06", "a bitfield is sent once", bep3::one_bitfield),
    absolute(rule("have-in-range", "B3-HV-05", "haves name pieces of the torrent", bep3::have_in_range)),
    rule("piece-answers-request", "B3-RQ-17", "every piece answers a request of ours", bep3::piece_answers_request),
    rule("cancel-of-own-request", "B3-CN-04", "a cancel names a request of the same connection", bep3::cancel_of_own_request),
    absolute(rule("request-in-range", "B3-PC-02", "requests lie inside a piece and ask for 16 KiB at most", bep3::request_in_range)),
    rule("request-of-announced", "B3-PC-03", "only pieces that we announced are requested", bep3::request_of_announced),
    rule("no-duplicate-request", "B3-PC-05", "an open request is not repeated", bep3::no_duplicate_request),
    rule("request-power-of-two", "B3-PC-19", "requests ask for a power of two, or up to an end", bep3::request_power_of_two),
    rule("reserved-bits-assigned", "B4-RES-01", "only reserved bits of BEP 4's table are set", bep4::reserved_bits_assigned),
    rule("message-ids-assigned", "B4-ID-01", "only message ids of BEP 4's table are sent", bep4::message_ids_assigned),
    rule("port-needs-dht-bit", "B5-PT-02", "port goes to peers that set the DHT bit", bep5::port_needs_dht_bit),
    rule("fast-needs-our-bit", "B6-NEG-01", "no fast messages to a peer without the fast bit", bep6::fast_needs_our_bit),
    rule("fast-needs-own-bit", "B6-NEG-03", "no fast messages from a peer without the fast bit", bep6::fast_needs_own_bit),
    rule("availability-once-and-first", "B6-HA-01", "exactly one of bitfield, have_all and have_none, and first", bep6::availability_once_and_first),
    absolute(rule("suggest-in-range", "B6-SU-05", "suggestions name pieces of the torrent", bep6::suggest_in_range)),
    absolute(rule("allowed-fast-in-range", "B6-AF-03", "allowed pieces are pieces of the torrent", bep6::allowed_fast_in_range)),
    rule("reject-echoes-request", "B6-RJ-02", "a reject names one open request exactly", bep6::reject_echoes_request),
    rule("request-answered-once", "B6-RJ-03", "every request gets one answer", bep6::request_answered_once),
    rule("choke-rejects-the-queue", "B6-RJ-04", "a choke rejects what is queued, instead of serving it", bep6::choke_rejects_the_queue),
    rule("choked-asks-allowed-only", "B6-RJ-19", "under choke only allowed pieces are requested", bep6::choked_asks_allowed_only),
    rule("metadata-size-beside-m", "B9-NEG-01", "metadata_size is told, and beside m", bep9::metadata_size_beside_m),
    rule("metadata-size-is-true", "B9-NEG-02", "metadata_size is the length of the info dictionary", bep9::metadata_size_is_true),
    rule("metadata-answered-once", "B9-REQ-01", "metadata answers name the piece that was asked for, once", bep9::metadata_answered_once),
    rule("metadata-block-length", "B9-DATA-01", "metadata pieces have 16 KiB, the last one the rest", bep9::metadata_block_length),
    rule("metadata-total-size", "B9-DATA-02", "total_size is the length of the info dictionary", bep9::metadata_total_size),
    absolute(rule("metadata-bytes", "B9-DATA-03", "metadata has the bytes of the info dictionary", bep9::metadata_bytes)),
    rule("metadata-well-formed", "B9-DATA-05", "ut_metadata messages have msg_type and piece", bep9::metadata_well_formed),
    rule("metadata-reject-is-bare", "B9-REJ-01", "nothing stands behind the dictionary of a metadata reject", bep9::metadata_reject_is_bare),
    rule("metadata-request-is-bare", "B9-FET-07", "a metadata request has two keys and nothing else", bep9::metadata_request_is_bare),
    rule("extended-needs-our-bit", "B10-NEG-01", "no extended messages to a peer without the bit", bep10::extended_needs_our_bit),
    rule("extended-handshake-comes", "B10-NEG-02", "the extended handshake comes right behind the handshake", bep10::extended_handshake_comes),
    absolute(rule("extended-handshake-is-a-dictionary", "B10-HS-01", "the extended handshake is one bencoded dictionary", bep10::extended_handshake_is_a_dictionary)),
    absolute(rule("dictionaries-sorted", "B10-HS-02", "keys of dictionaries are sorted and unique", bep10::dictionaries_sorted)),
    rule("m-ids-distinct", "B10-HS-03", "extensions have ids of their own, of one byte", bep10::m_ids_distinct),
    rule("known-keys-typed", "B10-HS-04", "known keys of the extended handshake have their types", bep10::known_keys_typed),
    rule("no-extension-before-ours", "B10-HS-07", "no extension message before our extended handshake", bep10::no_extension_before_ours),
    rule("our-ids-used", "B10-HS-08", "extension messages have the ids of our m", bep10::our_ids_used),
    rule("short-names", "B10-HS-09", "names of one or two bytes are those of the specification", bep10::short_names),
    rule("switched-off-is-unused", "B10-RX-04", "an extension that we set to 0 is not used towards us", bep10::switched_off_is_unused),
    absolute(rule("pex-lists-are-whole", "B11-FMT-01", "ut_pex lists whole compact contacts", bep11::pex_lists_are_whole)),
    absolute(rule("pex-flags-match", "B11-FMT-02", "ut_pex has one byte of flags a contact, or none", bep11::pex_flags_match)),
    absolute(rule("pex-has-a-list", "B11-FMT-03", "ut_pex has one of its four lists at least", bep11::pex_has_a_list)),
    absolute(rule("pex-flags-assigned", "B11-FMT-04", "ut_pex sets only flags of BEP 11's table", bep11::pex_flags_assigned)),
    absolute(rule("pex-lists-are-sets", "B11-ADD-03", "ut_pex names no contact twice", bep11::pex_lists_are_sets)),
    absolute(rule("pex-at-most-fifty", "B11-ADD-04", "ut_pex adds and drops 50 contacts at most", bep11::pex_at_most_fifty)),
    rule("pex-drops-what-it-added", "B11-DRP-02", "ut_pex drops only contacts that it added before", bep11::pex_drops_what_it_added),
    rule("pex-once-a-minute", "B11-RATE-01", "ut_pex comes no more than once a minute", bep11::pex_once_a_minute),
    rule("peer-id-convention", "B20-PI-01", "the peer id follows a known convention", bep20::peer_id_convention),
    rule("peer-id-changes", "B20-PI-02", "a process started anew has another peer id", bep20::peer_id_changes),
    rule("upload-only-asks-nothing", "B21-UO-02", "who says upload_only requests nothing", bep21::upload_only_asks_nothing),
    rule("private-torrent-no-pex", "B27-PV-01", "PEX names no peers of a private torrent", bep27::private_torrent_no_pex),
    rule("private-torrent-metadata", "B27-PV-05", "a private torrent's metadata is not offered", bep27::private_torrent_metadata),
    rule("donthave-of-announced", "B54-TX-01", "a DontHave names a piece that was announced", bep54::donthave_of_announced),
    rule("donthave-if-offered", "B54-TX-02", "DontHave goes to peers that offer lt_donthave", bep54::donthave_if_offered),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::requirement::{Status, catalogue};

    #[test]
    fn every_rule_cites_a_requirement_of_the_catalogue() {
        for rule in RULES {
            assert!(
                catalogue().get(rule.requirement).is_some(),
                "{}",
                rule.requirement
            );
        }
    }

    #[test]
    fn every_requirement_that_a_rule_judges_has_one() {
        for entry in catalogue().iter().filter(|e| e.status == Status::Rule) {
            assert!(
                RULES
                    .iter()
                    .any(|rule| rule.requirement == entry.id.as_str()),
                "{} has no rule",
                entry.id
            );
        }
    }

    #[test]
    fn names_are_unique_words() {
        let names: BTreeSet<&str> = RULES.iter().map(|rule| rule.id).collect();
        assert_eq!(names.len(), RULES.len());
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(names.iter().all(|name| name.chars().all(fits)));
        assert!(by_id("request-answered-once").is_some());
    }
}
