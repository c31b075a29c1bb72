//! YAML → requirements, strictly: the one file here that names the YAML crate.

use std::collections::HashSet;

use serde::Deserialize;

use super::catalogue::{Bep, Catalogue};
use super::entry::{
    Area, Direction, MAX_QUOTE_WORDS, Missing, Need, Requirement, RequirementId, Role, Status,
    Untestable,
};
use super::level::Level;

/// The catalogue's data is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogueError {
    /// Not YAML, or not in our form.
    #[error("{file}: {message}")]
    Form {
        /// The file.
        file: String,
        /// What the YAML reader says.
        message: String,
    },
    /// An entry that cannot stand.
    #[error("{file}: {id}: {flaw}")]
    Entry {
        /// The file.
        file: String,
        /// The entry.
        id: String,
        /// What is wrong with it.
        flaw: Flaw,
    },
}

/// What is wrong with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Flaw {
    /// Another entry has its id.
    #[error("the id is taken")]
    IdTaken,
    /// The id is not of the form `B6-RJ-01`, with the number of the file's BEP.
    #[error("the id is not B<bep>-<LETTERS>-<two digits>")]
    IdForm,
    /// A must or should without the BEP's words.
    #[error("a must or should needs a quote")]
    NoQuote,
    /// A practice that does not say where it was seen.
    #[error("a practice needs a source")]
    NoSource,
    /// Neither or both of quote and source.
    #[error("there must be either a quote or a source")]
    QuoteOrSource,
    /// A quote of too many words.
    #[error("the quote has {0} words, {MAX_QUOTE_WORDS} are allowed")]
    LongQuote(usize),
    /// A text without words.
    #[error("`{0}` is empty")]
    Empty(&'static str),
    /// A tier other than 1, 2 or 3.
    #[error("tier {0} is not 1, 2 or 3")]
    Tier(u8),
    /// The status `untestable` without the key, or the key with another status.
    #[error("the status `untestable` and the key of that name go together")]
    Untestable,
    /// It presumes itself, or an entry that does not exist.
    #[error("`presumes` names an entry that does not exist, or this one")]
    Presumes,
    /// The status `waiting` without the key, or the key with another status.
    #[error("the status `waiting` and the key of that name go together")]
    Waiting,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    bep: u16,
    title: String,
    requirements: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    level: Level,
    heading: String,
    quote: Option<String>,
    source: Option<String>,
    statement: String,
    why: String,
    judged: String,
    causes: String,
    #[serde(default)]
    known: Vec<String>,
    role: Role,
    direction: Direction,
    #[serde(default)]
    needs: Vec<Need>,
    area: Area,
    tier: u8,
    #[serde(default)]
    presumes: Vec<String>,
    status: StatusWord,
    untestable: Option<UntestableEntry>,
    waiting: Option<WaitingEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum StatusWord {
    Cases,
    Rule,
    Untestable,
    Waiting,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UntestableEntry {
    reason: Untestable,
    because: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WaitingEntry {
    needs: Missing,
    because: String,
}

/// Reads the files of a catalogue: names and texts, in the order in which entries are listed.
pub(super) fn load(files: &[(&str, &str)]) -> Result<Catalogue, CatalogueError> {
    let mut beps = Vec::new();
    let mut entries = Vec::new();
    let mut ids = HashSet::new();
    for (name, text) in files {
        let file: File = serde_yaml::from_str_with_options(text, options()).map_err(|e| {
            CatalogueError::Form {
                file: (*name).to_owned(),
                message: e.to_string(),
            }
        })?;
        beps.push(Bep {
            number: file.bep,
            title: file.title,
        });
        for entry in file.requirements {
            let id = entry.id.clone();
            let taken = !ids.insert(id.clone());
            let checked = match taken {
                true => Err(Flaw::IdTaken),
                false => requirement(file.bep, entry),
            };
            entries.push(checked.map_err(|flaw| CatalogueError::Entry {
                file: (*name).to_owned(),
                id,
                flaw,
            })?);
        }
    }
    for entry in &entries {
        let unknown = |id: &String| !ids.contains(id) || id == entry.id.as_str();
        if entry.presumes.iter().any(unknown) {
            return Err(CatalogueError::Entry {
                file: format!("bep_{:04}.yaml", entry.bep),
                id: entry.id.to_string(),
                flaw: Flaw::Presumes,
            });
        }
    }
    Ok(Catalogue::new(beps, entries))
}

fn options() -> serde_yaml::Options {
    serde_yaml::options! {
        merge_keys: serde_yaml::options::MergeKeyPolicy::Error,
        strict_booleans: true,
        with_snippet: false,
    }
}

fn requirement(bep: u16, entry: Entry) -> Result<Requirement, Flaw> {
    if !is_id(bep, &entry.id) {
        return Err(Flaw::IdForm);
    }
    let texts = [
        ("heading", &entry.heading),
        ("statement", &entry.statement),
        ("why", &entry.why),
        ("judged", &entry.judged),
        ("causes", &entry.causes),
    ];
    for (name, text) in texts {
        if text.trim().is_empty() {
            return Err(Flaw::Empty(name));
        }
    }
    backing(&entry)?;
    if !(1..=3).contains(&entry.tier) {
        return Err(Flaw::Tier(entry.tier));
    }
    let status = match (entry.status, entry.untestable, entry.waiting) {
        (StatusWord::Cases, None, None) => Status::Cases,
        (StatusWord::Rule, None, None) => Status::Rule,
        (StatusWord::Untestable, Some(UntestableEntry { reason, because }), None) => {
            Status::Untestable { reason, because }
        }
        (StatusWord::Waiting, None, Some(WaitingEntry { needs, because })) => {
            Status::Waiting { needs, because }
        }
        (StatusWord::Waiting, _, None) | (_, _, Some(_)) => return Err(Flaw::Waiting),
        _ => return Err(Flaw::Untestable),
    };
    Ok(Requirement {
        // The catalogue lives as long as the process, and so do the names in it.
        id: RequirementId(entry.id.leak()),
        level: entry.level,
        bep,
        heading: entry.heading,
        quote: entry.quote,
        source: entry.source,
        statement: entry.statement,
        why: entry.why,
        judged: entry.judged,
        causes: entry.causes,
        known: entry.known,
        role: entry.role,
        direction: entry.direction,
        needs: entry.needs,
        area: entry.area,
        tier: entry.tier,
        presumes: entry.presumes,
        status,
    })
}

/// No quote, no must; no source, no practice.
fn backing(entry: &Entry) -> Result<(), Flaw> {
    match (&entry.quote, &entry.source) {
        (None, _) if matches!(entry.level, Level::Must | Level::Should) => Err(Flaw::NoQuote),
        (_, None) if entry.level == Level::Practice => Err(Flaw::NoSource),
        (Some(_), Some(_)) | (None, None) => Err(Flaw::QuoteOrSource),
        (Some(quote), None) => match quote.split_whitespace().count() {
            0 => Err(Flaw::Empty("quote")),
            1..=MAX_QUOTE_WORDS => Ok(()),
            words => Err(Flaw::LongQuote(words)),
        },
        (None, Some(source)) if source.trim().is_empty() => Err(Flaw::Empty("source")),
        (None, Some(_)) => Ok(()),
    }
}

/// Whether the id is of the form `B6-RJ-01`, or `B16-01` where a BEP has one topic. What load does
/// to a peer belongs to no BEP: `LD-01` stands with BEP 3.
fn is_id(bep: u16, id: &str) -> bool {
    let rest = match id.strip_prefix(&format!("B{bep}-")) {
        Some(rest) => rest,
        None if bep == 3 && id.starts_with("LD-") => id,
        None => return false,
    };
    let (letters, digits) = rest.rsplit_once('-').unwrap_or(("A", rest));
    !letters.is_empty()
        && letters.bytes().all(|b| b.is_ascii_uppercase())
        && digits.len() == 2
        && digits.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: &str = "\
bep: 6
title: Fast Extension
requirements:
  - id: B6-RJ-01
    level: must
    heading: reject-request
    quote: the words of the BEP
    statement: It answers.
    why: It matters.
    judged: We look.
    causes: A slip.
    known: [client 1.0]
    role: any
    direction: either
    needs: [fast]
    area: fast
    tier: 1
    status: cases
";

    fn error(text: &str) -> String {
        load(&[("bep_0006.yaml", text)]).unwrap_err().to_string()
    }

    #[test]
    fn reads_an_entry() {
        let catalogue = load(&[("bep_0006.yaml", ENTRY)]).unwrap();
        let entry = catalogue.get("B6-RJ-01").unwrap();
        assert_eq!(entry.bep, 6);
        assert_eq!(entry.level, Level::Must);
        assert_eq!(entry.needs, [Need::Fast]);
        assert_eq!(entry.known, ["client 1.0"]);
        assert_eq!(entry.status, Status::Cases);
        assert_eq!(
            entry.url(),
            "https://www.bittorrent.org/beps/bep_0006.html#reject-request"
        );
    }

    #[test]
    fn refuses_what_cannot_stand() {
        let long = format!("quote: {}", "word ".repeat(26).trim());
        let cases = [
            ("id: B6-RJ-01", "id: B3-RJ-01", "the id is not"),
            ("id: B6-RJ-01", "id: B6-RJ-1", "the id is not"),
            ("id: B6-RJ-01", "id: B6-rj-01", "the id is not"),
            (
                "quote: the words of the BEP",
                "source: seen",
                "needs a quote",
            ),
            ("level: must", "level: practice", "needs a source"),
            ("known: [", "source: seen\n    known: [", "either a quote"),
            ("quote: the words of the BEP", &long, "26 words"),
            ("why: It matters.", "why: ''", "`why` is empty"),
            ("tier: 1", "tier: 4", "tier 4"),
            (
                "status: cases",
                "status: untestable",
                "`untestable` and the key",
            ),
            ("status: cases", "status: waiting", "`waiting` and the key"),
            (
                "status: cases",
                "status: rule\n    waiting: {needs: role magnet, because: b.}",
                "`waiting` and the key",
            ),
            (
                "tier: 1",
                "tier: 1\n    presumes: [B6-RJ-02]",
                "`presumes` names an entry that does not exist",
            ),
            (
                "tier: 1",
                "tier: 1\n    presumes: [B6-RJ-01]",
                "or this one",
            ),
            ("why:", "whi:", "whi"),
            ("level: must", "level: convention", "convention"),
            ("needs: [fast]", "needs: [uTP]", "uTP"),
            ("tier: 1", "tier: one", "line 17, column 11"),
            ("tier: 1", "tier: 1\n    tier: 1", "tier"),
            ("    role: any\n", "", "role"),
        ];
        for (from, to, expected) in cases {
            let text = ENTRY.replacen(from, to, 1);
            assert_ne!(text, ENTRY);
            let error = error(&text);
            assert!(error.contains(expected), "{to}: {error}");
        }
    }

    #[test]
    fn refuses_an_id_twice() {
        let (_, entry) = ENTRY.split_once("requirements:\n").unwrap();
        assert_eq!(
            error(&format!("{ENTRY}{entry}")),
            "bep_0006.yaml: B6-RJ-01: the id is taken"
        );
    }

    #[test]
    fn reads_why_something_is_untestable() {
        let with = "status: untestable\n    untestable: {reason: needs-days, because: It is slow.}";
        let text = ENTRY.replace("status: cases", with);
        let catalogue = load(&[("bep_0006.yaml", &text)]).unwrap();
        assert_eq!(
            catalogue.get("B6-RJ-01").unwrap().status,
            Status::Untestable {
                reason: Untestable::NeedsDays,
                because: "It is slow.".into()
            }
        );
    }

    #[test]
    fn reads_what_an_entry_waits_for() {
        let with = "status: waiting\n    waiting: {needs: role magnet, because: It fetches.}";
        let text = ENTRY.replace("status: cases", with);
        let catalogue = load(&[("bep_0006.yaml", &text)]).unwrap();
        assert_eq!(
            catalogue.get("B6-RJ-01").unwrap().status,
            Status::Waiting {
                needs: Missing::RoleMagnet,
                because: "It fetches.".into()
            }
        );
    }
}
