//! Every requirement, by id and by BEP.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::entry::{Requirement, RequirementId};
use super::load::load;
use super::nearest::nearest;

/// Every requirement.
#[derive(Debug)]
pub struct Catalogue {
    beps: Vec<Bep>,
    entries: Vec<Requirement>,
    by_id: HashMap<&'static str, usize>,
}

/// A BEP with requirements in the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bep {
    /// Its number.
    pub number: u16,
    /// Its title on bittorrent.org.
    pub title: String,
}

/// The catalogue of this build.
pub fn catalogue() -> &'static Catalogue {
    static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
    CATALOGUE.get_or_init(|| {
        #[expect(
            clippy::expect_used,
            reason = "the data is compiled in, and a test reads all of it"
        )]
        load(FILES).expect("requirements/ is sound")
    })
}

impl Catalogue {
    pub(super) fn new(beps: Vec<Bep>, entries: Vec<Requirement>) -> Self {
        let ids = entries.iter().enumerate();
        let by_id = ids.map(|(n, entry)| (entry.id.as_str(), n)).collect();
        Self {
            beps,
            entries,
            by_id,
        }
    }

    /// The entry of this id.
    pub fn get(&self, id: &str) -> Option<&Requirement> {
        self.entries.get(*self.by_id.get(id)?)
    }

    /// The id as the catalogue has it, if it has it.
    pub fn id(&self, id: &str) -> Option<RequirementId> {
        self.get(id).map(|entry| entry.id)
    }

    /// The id that was probably meant by one that is not in the catalogue.
    pub fn nearest(&self, id: &str) -> Option<RequirementId> {
        let ids = self.entries.iter().map(|entry| entry.id.as_str());
        self.id(nearest(id, ids)?)
    }

    /// Every entry, by BEP and then in the order of its file.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Requirement> {
        self.entries.iter()
    }

    /// The entries of one BEP.
    pub fn of_bep(&self, number: u16) -> impl Iterator<Item = &Requirement> {
        self.iter().filter(move |entry| entry.bep == number)
    }

    /// The BEPs with entries, ascending.
    pub fn beps(&self) -> &[Bep] {
        &self.beps
    }
}

/// `requirements/`, by BEP.
static FILES: &[(&str, &str)] = &[
    (
        "bep_0003.yaml",
        include_str!("../../requirements/bep_0003.yaml"),
    ),
    (
        "bep_0004.yaml",
        include_str!("../../requirements/bep_0004.yaml"),
    ),
    (
        "bep_0005.yaml",
        include_str!("../../requirements/bep_0005.yaml"),
    ),
    (
        "bep_0006.yaml",
        include_str!("../../requirements/bep_0006.yaml"),
    ),
    (
        "bep_0009.yaml",
        include_str!("../../requirements/bep_0009.yaml"),
    ),
    (
        "bep_0010.yaml",
        include_str!("../../requirements/bep_0010.yaml"),
    ),
    (
        "bep_0011.yaml",
        include_str!("../../requirements/bep_0011.yaml"),
    ),
    (
        "bep_0016.yaml",
        include_str!("../../requirements/bep_0016.yaml"),
    ),
    (
        "bep_0020.yaml",
        include_str!("../../requirements/bep_0020.yaml"),
    ),
    (
        "bep_0021.yaml",
        include_str!("../../requirements/bep_0021.yaml"),
    ),
    (
        "bep_0027.yaml",
        include_str!("../../requirements/bep_0027.yaml"),
    ),
    (
        "bep_0040.yaml",
        include_str!("../../requirements/bep_0040.yaml"),
    ),
    (
        "bep_0054.yaml",
        include_str!("../../requirements/bep_0054.yaml"),
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashSet};

    use super::*;

    /// Headings of the BEPs, as `bep_0006#reject-request`.
    static ANCHORS: &str = include_str!("../../requirements/anchors.txt");

    #[test]
    fn reads_every_file_in_the_folder() {
        load(FILES).unwrap();
        let folder = std::fs::read_dir("requirements").unwrap();
        let found: BTreeSet<_> = folder
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".yaml"))
            .collect();
        let listed: BTreeSet<_> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(found, listed);
        for ((name, _), bep) in FILES.iter().zip(catalogue().beps()) {
            assert_eq!(*name, format!("bep_{:04}.yaml", bep.number));
            assert!(catalogue().of_bep(bep.number).count() > 0);
        }
    }

    #[test]
    fn headings_are_those_of_the_beps() {
        let anchors: HashSet<_> = ANCHORS.lines().collect();
        for entry in catalogue().iter() {
            let anchor = format!("bep_{:04}#{}", entry.bep, entry.heading);
            assert!(anchors.contains(anchor.as_str()), "{}: {anchor}", entry.id);
        }
    }

    #[test]
    fn statements_are_our_own_sentences() {
        for entry in catalogue().iter() {
            for text in [&entry.statement, &entry.why, &entry.judged, &entry.causes] {
                assert!(text.ends_with('.'), "{}: {text}", entry.id);
                assert!(!text.contains('\n'), "{}: {text}", entry.id);
                let quote = entry.quote.as_deref().unwrap_or("\0");
                assert!(!text.contains(quote), "{}: {text}", entry.id);
            }
        }
    }

    #[test]
    fn known_clients_have_versions() {
        for entry in catalogue().iter() {
            for known in &entry.known {
                let version = known.split_once(' ').map(|(_, version)| version);
                let version = version.is_some_and(|v| v.contains(|c: char| c.is_ascii_digit()));
                assert!(version, "{}: {known}", entry.id);
            }
        }
    }

    #[test]
    fn finds_entries_by_id() {
        let entry = catalogue().get("B6-RJ-01").unwrap();
        assert_eq!((entry.id.as_str(), entry.bep), ("B6-RJ-01", 6));
        assert_eq!(catalogue().get("B6-RJ-1"), None);
        let nearest = catalogue().nearest("B6-RJ-O1").unwrap();
        assert_eq!(nearest.as_str(), "B6-RJ-01");
        assert_eq!(catalogue().nearest("rubbish"), None);
    }
}
