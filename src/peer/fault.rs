//! Switchable defects of the reference peer. Each row names the requirements it breaks.
//!
//! A defect changes one reaction and nothing else. Most are one row of a table: what goes out is
//! altered (`Effect::Send`, `Effect::Hello`), what comes in gets another reaction
//! (`Effect::On`), a setting is unsound (`Effect::Set`). The few that need code of their own
//! are a `Quirk` that the peer asks for where it matters.

mod availability;
mod choking;
mod dht;
mod dialling;
mod donthave;
mod exchange;
mod extended;
mod fast;
mod framing;
mod geometry;
mod handshake;
mod hook;
mod late;
mod load;
mod metadata;
mod private;
mod request;
mod state;
mod superseed;
mod timing;
mod transfer;

use super::config::Settings;

pub(super) use hook::{Alter, Defects, Nth, Quirk, React, Seen, Sent, View, What, Wire};

/// Roles in which a fault can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultRole {
    /// Only a seed shows it.
    Seed,
    /// Only a leech shows it.
    Leech,
    /// Both show it.
    Any,
}

/// One row of the catalogue of defects.
#[derive(Debug)]
pub struct FaultSpec {
    /// Name in words: `drops-cancelled-request`.
    pub name: &'static str,
    /// Ids of the requirements that it breaks, at most three.
    pub breaks: &'static [&'static str],
    /// What the peer then does, in one sentence.
    pub doc: &'static str,
    /// Who shows it.
    pub role: FaultRole,
    /// Whether it shows only on connections that the peer dials.
    pub dials: bool,
    /// Requirements that cannot but break with it.
    pub also: &'static [&'static str],
    /// What is different.
    pub(super) effect: Effect,
}

/// How a defect works.
#[derive(Debug)]
pub(super) enum Effect {
    /// Settings that no sound peer has.
    Set(fn(&mut Settings)),
    /// Another handshake. The number counts connections from 1.
    Hello(fn(u32, &mut Vec<u8>)),
    /// Messages that go out otherwise.
    Send {
        /// Which messages.
        which: fn(&Sent<'_>) -> bool,
        /// Which of those, counted on each connection.
        nth: Nth,
        /// What happens to them.
        alter: Alter,
    },
    /// Another reaction to something that comes in.
    On {
        /// To what.
        when: fn(&Seen<'_>) -> bool,
        /// Which of those, counted on each connection.
        nth: Nth,
        /// What happens.
        react: React,
    },
    /// Code of its own.
    Quirk(Quirk),
}

impl FaultSpec {
    const fn new(
        name: &'static str,
        breaks: &'static [&'static str],
        doc: &'static str,
        effect: Effect,
    ) -> Self {
        Self {
            name,
            breaks,
            doc,
            role: FaultRole::Any,
            dials: false,
            also: &[],
            effect,
        }
    }

    const fn seed(mut self) -> Self {
        self.role = FaultRole::Seed;
        self
    }

    const fn leech(mut self) -> Self {
        self.role = FaultRole::Leech;
        self
    }

    const fn dialling(mut self) -> Self {
        self.dials = true;
        self
    }

    const fn also(mut self, also: &'static [&'static str]) -> Self {
        self.also = also;
        self
    }
}

/// An effect on every message that `which` names.
const fn send(which: fn(&Sent<'_>) -> bool, alter: Alter) -> Effect {
    Effect::Send {
        which,
        nth: Nth::Every,
        alter,
    }
}

/// A reaction whenever `when` says so.
const fn on(when: fn(&Seen<'_>) -> bool, react: React) -> Effect {
    Effect::On {
        when,
        nth: Nth::Every,
        react,
    }
}

const AREAS: &[&[FaultSpec]] = &[
    handshake::FAULTS,
    dialling::FAULTS,
    framing::FAULTS,
    geometry::FAULTS,
    fast::FAULTS,
    extended::FAULTS,
    metadata::FAULTS,
    donthave::FAULTS,
    dht::FAULTS,
    exchange::FAULTS,
    private::FAULTS,
    timing::FAULTS,
    late::FAULTS,
    state::FAULTS,
    choking::FAULTS,
    availability::FAULTS,
    transfer::FAULTS,
    load::FAULTS,
    superseed::FAULTS,
    request::FAULTS,
];

/// All defects, by area.
pub fn all() -> impl Iterator<Item = &'static FaultSpec> {
    AREAS.iter().copied().flatten()
}

/// The defect of that name.
pub fn by_name(name: &str) -> Option<&'static FaultSpec> {
    all().find(|fault| fault.name == name)
}

/// The defects that are switched on in one peer; mostly none or one.
#[derive(Debug, Clone, Default)]
pub struct FaultSet {
    on: Vec<&'static FaultSpec>,
}

impl FaultSet {
    /// No defect.
    pub fn none() -> Self {
        Self::default()
    }

    /// One defect.
    pub fn one(fault: &'static FaultSpec) -> Self {
        Self { on: vec![fault] }
    }

    /// Adds a defect.
    #[must_use]
    pub fn with(mut self, fault: &'static FaultSpec) -> Self {
        self.on.push(fault);
        self
    }

    /// The defects.
    pub fn iter(&self) -> impl Iterator<Item = &'static FaultSpec> + '_ {
        self.on.iter().copied()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.on.is_empty()
    }
}
