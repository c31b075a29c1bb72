//! One entry of the catalogue.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::level::Level;

/// One testable sentence about what a peer does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// Its stable name.
    pub id: RequirementId,
    /// How binding it is.
    pub level: Level,
    /// The BEP it belongs to.
    pub bep: u16,
    /// Anchor of the BEP's heading on bittorrent.org, as in `reject-request`.
    pub heading: String,
    /// The BEP's own words, at most [`MAX_QUOTE_WORDS`]. Every must and should has them.
    pub quote: Option<String>,
    /// Where it was seen, if no sentence of the BEP supports it.
    pub source: Option<String>,
    /// What is required, in our words.
    pub statement: String,
    /// What goes wrong where it is broken.
    pub why: String,
    /// What is done to find out, and what breaks it.
    pub judged: String,
    /// What usually is the matter with a client that breaks it.
    pub causes: String,
    /// Clients known to differ, with their versions.
    pub known: Vec<String>,
    /// Targets it binds.
    pub role: Role,
    /// Who has opened the connection, seen from the target.
    pub direction: Direction,
    /// What both ends must have negotiated.
    pub needs: Vec<Need>,
    /// What it is about.
    pub area: Area,
    /// 1: quick and decisive; 2: second wave; 3: slow, load or for information.
    pub tier: u8,
    /// Others without which it cannot be judged: a target that breaks one of them may seem to break
    /// this one as well.
    pub presumes: Vec<String>,
    /// What judges it.
    pub status: Status,
}

/// Longest quote, in words: the phrase on which the judgement turns.
pub const MAX_QUOTE_WORDS: usize = 25;

impl Requirement {
    /// Where its heading stands on bittorrent.org.
    pub fn url(&self) -> String {
        format!(
            "https://www.bittorrent.org/beps/bep_{:04}.html#{}",
            self.bep, self.heading
        )
    }
}

/// Name of a requirement that is in the catalogue, as in `B6-RJ-01`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(transparent)]
#[schemars(transparent)]
pub struct RequirementId(pub(super) &'static str);

impl RequirementId {
    /// Its text.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for RequirementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

impl fmt::Debug for RequirementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl AsRef<str> for RequirementId {
    fn as_ref(&self) -> &str {
        self.0
    }
}

/// Targets that an entry binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Seeds and leeches.
    Any,
    /// A target that has every piece.
    Seed,
    /// A target that lacks pieces.
    Leech,
}

/// Who has opened the connection, seen from the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Either end.
    Either,
    /// The tester has dialled.
    Accepts,
    /// The target has dialled.
    Dials,
}

/// What both ends must have negotiated for an entry to apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// BEP 6.
    Fast,
    /// BEP 10.
    Extended,
    /// BEP 5.
    Dht,
    /// BEP 9.
    UtMetadata,
    /// BEP 11.
    UtPex,
    /// BEP 54.
    LtDonthave,
}

/// What an entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Area {
    /// The first 68 bytes.
    Handshake,
    /// Length prefixes, ids and payload lengths.
    Framing,
    /// BEP 6.
    Fast,
    /// BEP 10 and what is negotiated through it.
    Extended,
    /// Timeouts and keep-alives.
    Timing,
    /// Choke, interest and availability.
    State,
    /// Requests and cancels.
    Request,
    /// Blocks and their bytes.
    Piece,
    /// BEP 5.
    Dht,
    /// BEP 27.
    Private,
    /// Much of everything.
    Load,
    /// BEP 16.
    Superseed,
    /// BEP 40.
    Priority,
    /// BEP 9.
    Metadata,
    /// BEP 54.
    Donthave,
    /// BEP 11.
    Pex,
}

/// What judges an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Steps of cases that cite it.
    Cases,
    /// A rule that watches every connection.
    Rule,
    /// Nothing, for this reason.
    Untestable {
        /// Which kind of reason.
        reason: Untestable,
        /// The reason.
        because: String,
    },
    /// Nothing yet, for want of this.
    Waiting {
        /// What it needs.
        needs: Missing,
        /// What it would take.
        because: String,
    },
}

/// What btspec cannot do yet, and an entry needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Missing {
    /// A target that was started from a magnet link and has to fetch the info dictionary.
    #[serde(rename = "role magnet")]
    RoleMagnet,
}

/// Why nothing can judge an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Untestable {
    /// It does not show in what the peers exchange.
    NotOnWire,
    /// It shows on a transport that we do not speak.
    OtherTransport,
    /// It takes days to show.
    NeedsDays,
    /// It takes a clock that both ends trust.
    NeedsTrustInClock,
    /// It takes two peers that cooperate.
    TwoSided,
}

/// Words that name the values of the catalogue's fields.
macro_rules! words {
    ($($type:ident { $($variant:ident = $word:literal),+ $(,)? })+) => {$(
        impl $type {
            /// The word for it in files and reports.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }
    )+};
}

words! {
    Role { Any = "any", Seed = "seed", Leech = "leech" }
    Direction { Either = "either", Accepts = "accepts", Dials = "dials" }
    Need {
        Fast = "fast", Extended = "extended", Dht = "dht", UtMetadata = "ut_metadata",
        UtPex = "ut_pex", LtDonthave = "lt_donthave",
    }
    Area {
        Handshake = "handshake", Framing = "framing", Fast = "fast", Extended = "extended",
        Timing = "timing", State = "state", Request = "request", Piece = "piece", Dht = "dht",
        Private = "private", Load = "load", Superseed = "superseed", Priority = "priority",
            Metadata = "metadata", Donthave = "donthave",
            Pex = "pex",
    }
    Missing { RoleMagnet = "role magnet" }
    Untestable {
        NotOnWire = "not-on-wire", OtherTransport = "other-transport", NeedsDays = "needs-days",
        NeedsTrustInClock = "needs-trust-in-clock", TwoSided = "two-sided",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_words_of_the_files() {
        fn same(value: impl Serialize + fmt::Display) {
            let word = serde_json::to_value(&value).unwrap();
            assert_eq!(word, value.to_string());
        }
        same(Role::Any);
        same(Direction::Dials);
        same(Need::UtMetadata);
        same(Need::LtDonthave);
        same(Area::Handshake);
        same(Area::Donthave);
        same(Missing::RoleMagnet);
        same(Untestable::NeedsTrustInClock);
        same(Untestable::NotOnWire);
    }
}
