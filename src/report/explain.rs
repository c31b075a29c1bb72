//! One requirement, rule or case in prose.

/// A requirement as reports quote it.
#[derive(Debug, Clone, Copy)]
pub struct Citation {
    /// BEP number.
    pub bep: u16,
    /// Heading under which the sentence stands.
    pub heading: &'static str,
    /// The exact words, where the BEP has any.
    pub quote: Option<&'static str>,
    /// What is asked for, in our words.
    pub statement: &'static str,
    /// The id.
    pub id: &'static str,
}

impl Citation {
    /// `BEP 6, "Reject Request" (B6-RJ-01)`.
    pub fn place(&self) -> String {
        format!("BEP {}, \"{}\" ({})", self.bep, self.heading, self.id)
    }
}

/// Looks `id` up in the catalogue.
pub fn citation(_id: &str) -> Option<Citation> {
    None
}
