//! The tables: every message, reserved bit, extension and capability, once each.

mod fields;

use super::field::Field;

pub use fields::*;

/// Where a definition comes from: BEP number and the anchor of its heading on bittorrent.org.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cite {
    /// BEP number.
    pub bep: u16,
    /// Anchor of the heading.
    pub heading: &'static str,
}

impl Cite {
    /// Builds a citation.
    pub const fn new(bep: u16, heading: &'static str) -> Self {
        Self { bep, heading }
    }
}

/// What both ends must have negotiated before a message may be sent.
/// [`RESERVED_BITS`] says which bit offers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Capability {
    /// BEP 6, reserved bit 7/0x04.
    Fast,
    /// BEP 10, reserved bit 5/0x10.
    Extended,
    /// BEP 5, reserved bit 7/0x01.
    Dht,
    /// BEP 52, reserved bit 7/0x10.
    V2,
}

/// Every kind of message a scenario can name. Kinds from `ExtendedHandshake` on travel inside
/// `extended` and need the negotiated ids to be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// An empty frame.
    KeepAlive,
    /// BEP 3, id 0.
    Choke,
    /// BEP 3, id 1.
    Unchoke,
    /// BEP 3, id 2.
    Interested,
    /// BEP 3, id 3.
    NotInterested,
    /// BEP 3, id 4.
    Have,
    /// BEP 3, id 5.
    Bitfield,
    /// BEP 3, id 6.
    Request,
    /// BEP 3, id 7.
    Piece,
    /// BEP 3, id 8.
    Cancel,
    /// BEP 5, id 9.
    Port,
    /// BEP 6, id 13.
    SuggestPiece,
    /// BEP 6, id 14.
    HaveAll,
    /// BEP 6, id 15.
    HaveNone,
    /// BEP 6, id 16.
    RejectRequest,
    /// BEP 6, id 17.
    AllowedFast,
    /// BEP 10, id 20, whatever is in it.
    Extended,
    /// BEP 52, id 21.
    HashRequest,
    /// BEP 52, id 22.
    Hashes,
    /// BEP 52, id 23.
    HashReject,
    /// An id that no table row has.
    Unknown,
    /// BEP 10, extended id 0.
    ExtendedHandshake,
    /// BEP 9, `msg_type` 0.
    UtMetadataRequest,
    /// BEP 9, `msg_type` 1.
    UtMetadataData,
    /// BEP 9, `msg_type` 2.
    UtMetadataReject,
    /// A ut_metadata message with another `msg_type`.
    UtMetadataUnknown,
    /// BEP 11.
    UtPex,
    /// BEP 54.
    LtDonthave,
}

impl Kind {
    /// Every kind, in the order of the table.
    pub const ALL: &'static [Self] = &KINDS;

    /// The row that defines this kind.
    #[expect(
        clippy::indexing_slicing,
        reason = "`table_is_in_order` checks at compile time that the row is there"
    )]
    pub const fn spec(self) -> &'static MessageSpec {
        &MESSAGES[self as usize]
    }

    /// Name in scenarios and reports.
    #[inline]
    pub const fn name(self) -> &'static str {
        self.spec().name
    }

    /// Message id on the wire; `None` for keep-alives, unknown ids and extension payloads.
    #[inline]
    pub const fn id(self) -> Option<u8> {
        self.spec().id
    }

    /// The kind of that name.
    pub fn by_name(name: &str) -> Option<Self> {
        let row = MESSAGES.iter().find(|row| row.name == name)?;
        Some(row.kind)
    }

    /// The kind with that message id.
    #[inline]
    pub const fn by_id(id: u8) -> Option<Self> {
        #[expect(
            clippy::indexing_slicing,
            reason = "the array has a place for every u8"
        )]
        KIND_BY_ID[id as usize]
    }

    /// The table's names, for "did you mean".
    pub fn names() -> impl Iterator<Item = &'static str> {
        MESSAGES.iter().map(|row| row.name)
    }

    /// Whether it travels inside `extended`.
    pub const fn is_extension(self) -> bool {
        self.spec().extension.is_some()
    }

    /// The name in `m`; empty for the extended handshake, `None` outside `extended`.
    pub const fn extension(self) -> Option<&'static str> {
        self.spec().extension
    }
}

/// One row of the message table.
#[derive(Debug)]
pub struct MessageSpec {
    /// The kind this row defines.
    pub kind: Kind,
    /// Message id on the wire; `None` for keep-alives, unknown ids and extension payloads.
    pub id: Option<u8>,
    /// Name in scenarios and reports.
    pub name: &'static str,
    /// Fields in wire order: exactly what the two walks visit.
    pub fields: &'static [&'static Field],
    /// For a message that is one dictionary: the keys we know, all optional. Others are allowed.
    pub keys: &'static [&'static Field],
    /// Where it is defined.
    pub cite: Cite,
    /// What must have been negotiated.
    pub needs: Option<Capability>,
    /// For extension payloads: the name in `m` (`ut_metadata`); empty for the handshake itself.
    pub extension: Option<&'static str>,
}

/// Every message, once, in the order of [`Kind`].
pub static MESSAGES: [MessageSpec; 28] = [
    MessageSpec {
        kind: Kind::KeepAlive,
        id: None,
        name: "keep_alive",
        fields: &[],
        keys: &[],
        cite: Cite::new(3, "peer-protocol"),
        needs: None,
        extension: None,
    },
    MessageSpec {
        kind: Kind::Choke,
        id: Some(0),
        name: "choke",
        fields: &[],
        keys: &[],
        cite: Cite::new(3, "peer-messages"),
        needs: None,
        extension: None,
    },
    MessageSpec {
        kind: Kind::Unchoke,
        id: Some(1),
        name: "unchoke",
        fields: &[],
        keys: &[],
        cite: Cite::new(3, "peer-messages"),
        needs: None,
        extension: None,
    },
    MessageSpec {
        kind: Kind::Interested,
        id: Some(2),
        name: "interested",
        fields: &[],
        keys: &[],
        cite: Cite::new(3, "peer-messages"),
        needs: None,
        extension: None,
    },
    MessageSpec {
        kind: Kind::NotInterested,
        id: Some(3),
        name: "not_interested",
        fields: &[],
        keys: &[],
        cite: Cite::new(3, "peer-messages"),
        needs: None,
        extension: None,
    },
    MessageSpec {
        kind: Kind::Have,
        id: Some(4),
        name: "have",
        fields: &[&INDEX],
        keys: &[],
        cite: Cite::new(3, "peer-messages"),
        needs: None,
        extension: None,
    },
    MessageSpec {
        kind: Kind::Bitfield,
        id: Some(5),
        name: "bitfield",
        fields: &[&BITS],
        keys: &[],
        cite: Cite::new(3, "peer-messages"),
        needs: None,
        extension: None,
    },
    MessageSpec {
        kind: Kind::Request,
        id: Some(6),
        name: "request",
        fields: &[&INDEX, &BEGIN, &LENGTH],
        keys: &[],
        cite: Cite::new(3, "peer-messages"),
        needs: None,
        extension: None,
    },
    MessageSpec {
        kind: Kind::Piece,
        id: Some(7),
        name: "piece",
        fields: &[&INDEX, &BEGIN, &BLOCK],
        keys: &[],
        cite: Cite::new(3, "peer-messages"),
        needs: None,
        extension: None,
    },
    MessageSpec {
        kind: Kind::Cancel,
        id: Some(8),
        name: "cancel",
        fields: &[&INDEX, &BEGIN, &LENGTH],
        keys: &[],
        cite: Cite::new(3, "peer-messages"),
        needs: None,
        extension: None,
    },
    MessageSpec {
        kind: Kind::Port,
        id: Some(9),
        name: "port",
        fields: &[&PORT],
        keys: &[],
        cite: Cite::new(5, "bittorrent-protocol-extension"),
        needs: Some(Capability::Dht),
        extension: None,
    },
    MessageSpec {
        kind: Kind::SuggestPiece,
        id: Some(13),
        name: "suggest_piece",
        fields: &[&INDEX],
        keys: &[],
        cite: Cite::new(6, "suggest-piece"),
        needs: Some(Capability::Fast),
        extension: None,
    },
    MessageSpec {
        kind: Kind::HaveAll,
        id: Some(14),
        name: "have_all",
        fields: &[],
        keys: &[],
        cite: Cite::new(6, "have-all-have-none"),
        needs: Some(Capability::Fast),
        extension: None,
    },
    MessageSpec {
        kind: Kind::HaveNone,
        id: Some(15),
        name: "have_none",
        fields: &[],
        keys: &[],
        cite: Cite::new(6, "have-all-have-none"),
        needs: Some(Capability::Fast),
        extension: None,
    },
    MessageSpec {
        kind: Kind::RejectRequest,
        id: Some(16),
        name: "reject_request",
        fields: &[&INDEX, &BEGIN, &LENGTH],
        keys: &[],
        cite: Cite::new(6, "reject-request"),
        needs: Some(Capability::Fast),
        extension: None,
    },
    MessageSpec {
        kind: Kind::AllowedFast,
        id: Some(17),
        name: "allowed_fast",
        fields: &[&INDEX],
        keys: &[],
        cite: Cite::new(6, "allowed-fast"),
        needs: Some(Capability::Fast),
        extension: None,
    },
    MessageSpec {
        kind: Kind::Extended,
        id: Some(20),
        name: "extended",
        fields: &[&EXT_ID, &PAYLOAD],
        keys: &[],
        cite: Cite::new(10, "extension-message"),
        needs: Some(Capability::Extended),
        extension: None,
    },
    MessageSpec {
        kind: Kind::HashRequest,
        id: Some(21),
        name: "hash_request",
        fields: &[&PIECES_ROOT, &BASE_LAYER, &INDEX, &LENGTH, &PROOF_LAYERS],
        keys: &[],
        cite: Cite::new(52, "peer-messages"),
        needs: Some(Capability::V2),
        extension: None,
    },
    MessageSpec {
        kind: Kind::Hashes,
        id: Some(22),
        name: "hashes",
        fields: &[
            &PIECES_ROOT,
            &BASE_LAYER,
            &INDEX,
            &LENGTH,
            &PROOF_LAYERS,
            &HASHES,
        ],
        keys: &[],
        cite: Cite::new(52, "peer-messages"),
        needs: Some(Capability::V2),
        extension: None,
    },
    MessageSpec {
        kind: Kind::HashReject,
        id: Some(23),
        name: "hash_reject",
        fields: &[&PIECES_ROOT, &BASE_LAYER, &INDEX, &LENGTH, &PROOF_LAYERS],
        keys: &[],
        cite: Cite::new(52, "peer-messages"),
        needs: Some(Capability::V2),
        extension: None,
    },
    MessageSpec {
        kind: Kind::Unknown,
        id: None,
        name: "unknown",
        fields: &[&ID, &PAYLOAD],
        keys: &[],
        cite: Cite::new(4, "reserved-message-ids"),
        needs: None,
        extension: None,
    },
    MessageSpec {
        kind: Kind::ExtendedHandshake,
        id: None,
        name: "extended_handshake",
        fields: &[&DICT],
        keys: &[
            &M,
            &METADATA_SIZE,
            &P,
            &REQQ,
            &V,
            &YOURIP,
            &IPV4,
            &IPV6,
            &E,
            &UPLOAD_ONLY,
            &COMPLETE_AGO,
        ],
        cite: Cite::new(10, "handshake-message"),
        needs: Some(Capability::Extended),
        extension: Some(""),
    },
    MessageSpec {
        kind: Kind::UtMetadataRequest,
        id: None,
        name: "ut_metadata_request",
        fields: &[&METADATA_PIECE],
        keys: &[],
        cite: Cite::new(9, "request"),
        needs: Some(Capability::Extended),
        extension: Some("ut_metadata"),
    },
    MessageSpec {
        kind: Kind::UtMetadataData,
        id: None,
        name: "ut_metadata_data",
        fields: &[&METADATA_PIECE, &TOTAL_SIZE, &DATA],
        keys: &[],
        cite: Cite::new(9, "data"),
        needs: Some(Capability::Extended),
        extension: Some("ut_metadata"),
    },
    MessageSpec {
        kind: Kind::UtMetadataReject,
        id: None,
        name: "ut_metadata_reject",
        fields: &[&METADATA_PIECE],
        keys: &[],
        cite: Cite::new(9, "reject"),
        needs: Some(Capability::Extended),
        extension: Some("ut_metadata"),
    },
    MessageSpec {
        kind: Kind::UtMetadataUnknown,
        id: None,
        name: "ut_metadata_unknown",
        fields: &[&MSG_TYPE, &UNKNOWN_METADATA_PIECE],
        keys: &[],
        cite: Cite::new(9, "extension-message"),
        needs: Some(Capability::Extended),
        extension: Some("ut_metadata"),
    },
    MessageSpec {
        kind: Kind::UtPex,
        id: None,
        name: "ut_pex",
        fields: &[&DICT],
        keys: &[&ADDED, &ADDED_F, &ADDED6, &ADDED6_F, &DROPPED, &DROPPED6],
        cite: Cite::new(11, "protocol-extension"),
        needs: Some(Capability::Extended),
        extension: Some("ut_pex"),
    },
    MessageSpec {
        kind: Kind::LtDonthave,
        id: None,
        name: "lt_donthave",
        fields: &[&INDEX],
        keys: &[],
        cite: Cite::new(54, "protocol-encoding"),
        needs: Some(Capability::Extended),
        extension: Some("lt_donthave"),
    },
];

const KINDS: [Kind; MESSAGES.len()] = {
    let mut kinds = [Kind::KeepAlive; MESSAGES.len()];
    let mut at = 0;
    #[expect(
        clippy::indexing_slicing,
        reason = "evaluated at compile time: out of range would not build"
    )]
    while at < MESSAGES.len() {
        assert!(MESSAGES[at].kind as usize == at, "a row is out of order");
        kinds[at] = MESSAGES[at].kind;
        at += 1;
    }
    kinds
};

const KIND_BY_ID: [Option<Kind>; 256] = {
    let mut by_id = [None; 256];
    let mut at = 0;
    #[expect(
        clippy::indexing_slicing,
        reason = "evaluated at compile time: out of range would not build"
    )]
    while at < MESSAGES.len() {
        if let Some(id) = MESSAGES[at].id {
            assert!(by_id[id as usize].is_none(), "two rows have the same id");
            by_id[id as usize] = Some(MESSAGES[at].kind);
        }
        at += 1;
    }
    by_id
};

/// A reserved bit of the handshake.
#[derive(Debug, PartialEq, Eq)]
pub struct ReservedBit {
    /// Which of the eight bytes.
    pub byte: usize,
    /// The bit in that byte.
    pub mask: u8,
    /// Name in scenarios and reports.
    pub name: &'static str,
    /// What it negotiates, if we know how.
    pub capability: Option<Capability>,
    /// One line for the docs.
    pub doc: &'static str,
}

/// The reserved bits that BEP 4 lists.
pub static RESERVED_BITS: &[ReservedBit] = &[
    ReservedBit {
        byte: 0,
        mask: 0x80,
        name: "azureus",
        capability: None,
        doc: "Azureus messaging protocol",
    },
    ReservedBit {
        byte: 2,
        mask: 0x08,
        name: "location_aware",
        capability: None,
        doc: "location-aware protocol",
    },
    ReservedBit {
        byte: 5,
        mask: 0x10,
        name: "extended",
        capability: Some(Capability::Extended),
        doc: "extension protocol (BEP 10)",
    },
    ReservedBit {
        byte: 5,
        mask: 0x02,
        name: "extension_negotiation_2",
        capability: None,
        doc: "extension negotiation protocol, upper bit",
    },
    ReservedBit {
        byte: 5,
        mask: 0x01,
        name: "extension_negotiation_1",
        capability: None,
        doc: "extension negotiation protocol, lower bit",
    },
    ReservedBit {
        byte: 7,
        mask: 0x01,
        name: "dht",
        capability: Some(Capability::Dht),
        doc: "DHT (BEP 5)",
    },
    ReservedBit {
        byte: 7,
        mask: 0x02,
        name: "xbt_pex",
        capability: None,
        doc: "XBT peer exchange",
    },
    ReservedBit {
        byte: 7,
        mask: 0x04,
        name: "fast",
        capability: Some(Capability::Fast),
        doc: "fast extension (BEP 6)",
    },
    ReservedBit {
        byte: 7,
        mask: 0x08,
        name: "nat_traversal",
        capability: None,
        doc: "NAT traversal",
    },
    ReservedBit {
        byte: 7,
        mask: 0x10,
        name: "v2",
        capability: Some(Capability::V2),
        doc: "upgrade of a hybrid torrent to v2 (BEP 52)",
    },
];

impl Capability {
    /// Every capability.
    pub const ALL: &'static [Self] = &[Self::Fast, Self::Extended, Self::Dht, Self::V2];

    /// The row of [`RESERVED_BITS`] that offers it.
    pub fn bit(self) -> Option<&'static ReservedBit> {
        RESERVED_BITS
            .iter()
            .find(|bit| bit.capability == Some(self))
    }

    /// Name in scenarios and reports: that of its bit.
    pub fn name(self) -> &'static str {
        self.bit().map_or("", |bit| bit.name)
    }

    /// The capability of that name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|it| it.name() == name)
    }
}

/// An extension that is negotiated by name in `m`.
#[derive(Debug, PartialEq, Eq)]
pub struct ExtensionSpec {
    /// Name in `m`.
    pub name: &'static str,
    /// BEP number, if it has one.
    pub bep: Option<u16>,
    /// Kinds of its payloads; none for an extension that is recognised by name only.
    pub kinds: &'static [Kind],
}

/// The extensions we know by name.
pub static EXTENSIONS: &[ExtensionSpec] = &[
    ExtensionSpec {
        name: "ut_metadata",
        bep: Some(9),
        kinds: &[
            Kind::UtMetadataRequest,
            Kind::UtMetadataData,
            Kind::UtMetadataReject,
            Kind::UtMetadataUnknown,
        ],
    },
    ExtensionSpec {
        name: "ut_pex",
        bep: Some(11),
        kinds: &[Kind::UtPex],
    },
    ExtensionSpec {
        name: "lt_donthave",
        bep: Some(54),
        kinds: &[Kind::LtDonthave],
    },
    ExtensionSpec {
        name: "upload_only",
        bep: Some(21),
        kinds: &[],
    },
    ExtensionSpec {
        name: "share_mode",
        bep: None,
        kinds: &[],
    },
    ExtensionSpec {
        name: "ut_holepunch",
        bep: Some(55),
        kinds: &[],
    },
];

impl ExtensionSpec {
    /// The extension of that name.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        EXTENSIONS.iter().find(|extension| extension.name == name)
    }
}
