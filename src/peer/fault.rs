//! Switchable defects of the reference peer. Each row names the requirements it breaks.

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
    /// Requirements that cannot but break with it.
    pub also: &'static [&'static str],
}

/// All defects, by area.
pub fn all() -> impl Iterator<Item = &'static FaultSpec> {
    [].into_iter()
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
}
