//! One requirement, rule or case in prose: the sentence, why it matters, how it is judged, what
//! usually is the matter, which clients are known to differ.

use std::io;

use super::text::safe;
use crate::requirement::{Requirement, RequirementId, Status, catalogue, nearest};
use crate::rule::{self, RULES, Rule};
use crate::scenario::ast::{Case, Direction, Lane, Role, Suite};

/// A requirement as failures quote it.
#[derive(Debug, Clone, Copy)]
pub struct Citation {
    /// BEP number.
    pub bep: u16,
    /// Anchor of the heading under which the sentence stands.
    pub heading: &'static str,
    /// The exact words, where the BEP has any.
    pub quote: Option<&'static str>,
    /// Who does it, where the BEP has no words.
    pub source: Option<&'static str>,
    /// What is asked for, in our words.
    pub statement: &'static str,
    /// The id.
    pub id: RequirementId,
}

impl Citation {
    /// `BEP 6, "Reject Request" (B6-RJ-01)`.
    pub fn place(&self) -> String {
        format!(
            "BEP {}, \"{}\" ({})",
            self.bep,
            heading(self.heading),
            self.id
        )
    }
}

/// Looks `id` up in the catalogue.
pub fn citation(id: &str) -> Option<Citation> {
    let entry = catalogue().get(id)?;
    Some(Citation {
        bep: entry.bep,
        heading: &entry.heading,
        quote: entry.quote.as_deref(),
        source: entry.source.as_deref(),
        statement: &entry.statement,
        id: entry.id,
    })
}

/// `reject-request` as the BEP prints it: `Reject Request`.
fn heading(anchor: &str) -> String {
    anchor
        .split('-')
        .map(|word| {
            let mut letters = word.chars();
            match letters.next() {
                Some(first) if !SMALL.contains(&word) => {
                    first.to_uppercase().collect::<String>() + letters.as_str()
                }
                _ => word.to_owned(),
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}

/// Words that headings leave small.
const SMALL: &[&str] = &["a", "an", "and", "for", "in", "of", "on", "the", "to"];

/// Columns of prose.
const WIDTH: usize = 88;

/// There is no requirement, rule or case of that name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// The name that was probably meant.
    pub nearest: Option<String>,
}

/// Writes what `id` is. A case is named by its id without role and variant, or by `SUITE/CASE`
/// with them; a rule by `rule/NAME`.
pub fn write(
    id: &str,
    suites: &[Suite],
    out: &mut dyn io::Write,
) -> io::Result<Result<(), Unknown>> {
    if let Some(entry) = catalogue().get(&id.to_uppercase()) {
        requirement(entry, suites, out)?;
        return Ok(Ok(()));
    }
    if let Some(name) = id.strip_prefix("rule/")
        && let Some(found) = rule::by_id(name)
    {
        rule(found, out)?;
        return Ok(Ok(()));
    }
    let plain = id.split(['[', ':', '@']).next().unwrap_or(id);
    for case in suites.iter().flat_map(|suite| &suite.cases) {
        if plain == format!("{}/{}", case.suite, case.id) || case.aliases.iter().any(|a| a == plain)
        {
            explain_case(case, out)?;
            return Ok(Ok(()));
        }
    }
    let names = suites
        .iter()
        .flat_map(|suite| &suite.cases)
        .map(|case| format!("{}/{}", case.suite, case.id))
        .chain(RULES.iter().map(|rule| format!("rule/{}", rule.id)))
        .chain(catalogue().iter().map(|entry| entry.id.as_str().to_owned()))
        .collect::<Vec<_>>();
    let nearest = nearest(id, names.iter().map(String::as_str)).map(str::to_owned);
    Ok(Err(Unknown { nearest }))
}

fn requirement(entry: &Requirement, suites: &[Suite], out: &mut dyn io::Write) -> io::Result<()> {
    writeln!(
        out,
        "{} ({}), BEP {}, \"{}\"",
        entry.id,
        entry.level,
        entry.bep,
        heading(&entry.heading)
    )?;
    writeln!(out, "{}", entry.url())?;
    if let Some(quote) = &entry.quote {
        writeln!(out)?;
        prose(&format!("\"{quote}\""), "  ", out)?;
    }
    section("What is asked for", &entry.statement, out)?;
    if let Some(source) = &entry.source {
        section("Where it comes from", source, out)?;
    }
    section("Why it matters", &entry.why, out)?;
    section("How it is judged", &entry.judged, out)?;
    section("Common causes", &entry.causes, out)?;
    if !entry.known.is_empty() {
        heading_line("Clients known to differ", out)?;
        for known in &entry.known {
            prose(&format!("- {known}"), "  ", out)?;
        }
    }
    if !entry.needs.is_empty() {
        let needs = entry
            .needs
            .iter()
            .map(|need| need.name())
            .collect::<Vec<_>>();
        section("Needs", &needs.join(", "), out)?;
    }
    if !entry.presumes.is_empty() {
        let list = entry.presumes.join(", ");
        section("Seems broken where one of these is", &list, out)?;
    }
    judges(entry, suites, out)
}

/// What judges it: the cases and rules that cite it, or why nothing can.
fn judges(entry: &Requirement, suites: &[Suite], out: &mut dyn io::Write) -> io::Result<()> {
    match &entry.status {
        Status::Untestable { reason, because } => {
            return section("Not tested", &format!("{reason}: {because}"), out);
        }
        Status::Waiting { needs, because } => {
            return section("Not tested yet", &format!("needs {needs}: {because}"), out);
        }
        Status::Cases | Status::Rule => {}
    }
    let mut by = RULES
        .iter()
        .filter(|rule| rule.requirement == entry.id.as_str())
        .map(|rule| format!("rule/{}", rule.id))
        .collect::<Vec<_>>();
    for case in suites.iter().flat_map(|suite| &suite.cases) {
        if case.cites.iter().any(|cite| cite.id == entry.id.as_str()) {
            by.push(format!("{}/{}", case.suite, case.id));
        }
    }
    heading_line("Judged by", out)?;
    if by.is_empty() {
        writeln!(out, "  nothing yet")?;
    }
    for name in by {
        writeln!(out, "  {name}")?;
    }
    Ok(())
}

fn rule(rule: &Rule, out: &mut dyn io::Write) -> io::Result<()> {
    writeln!(out, "rule/{}", rule.id)?;
    prose(rule.title, "  ", out)?;
    section(
        "What it is",
        "A rule watches every message of every case. It is a row of its own in the report, over \
         the whole run.",
        out,
    )?;
    cited(rule.requirement, out)
}

fn explain_case(case: &Case, out: &mut dyn io::Write) -> io::Result<()> {
    writeln!(out, "{}/{}", case.suite, case.id)?;
    prose(&case.title, "  ", out)?;
    writeln!(out, "  {}", safe(&case.span.to_string()))?;
    let roles = case
        .roles
        .iter()
        .map(|role| match role {
            Role::Seed => "a seed",
            Role::Leech => "a leech",
        })
        .collect::<Vec<_>>()
        .join(" and ");
    let directions = case
        .directions
        .iter()
        .map(|direction| match direction {
            Direction::Dialled => "dialled by us",
            Direction::Dials => "that dials us",
        })
        .collect::<Vec<_>>()
        .join(" and ");
    section("Played against", &format!("{roles}, {directions}"), out)?;
    if !case.needs.is_empty() {
        let needs = case
            .needs
            .iter()
            .map(|need| need.text.as_str())
            .collect::<Vec<_>>();
        section("Needs, else it is skipped", &needs.join(", "), out)?;
    }
    if !case.matrix.is_empty() {
        heading_line("For every", out)?;
        for axis in &case.matrix {
            let labels = axis
                .values
                .iter()
                .map(|value| value.label.as_str())
                .collect::<Vec<_>>();
            prose(&format!("{}: {}", axis.name, labels.join(", ")), "  ", out)?;
        }
    }
    let lane = match case.lane {
        Lane::Serial => None,
        Lane::Shared => Some("may run beside other cases"),
        Lane::Alone => Some("runs alone: it may trouble the target"),
    };
    if let Some(lane) = lane {
        section("Lane", lane, out)?;
    }
    if !case.tags.is_empty() {
        section("Tags", &case.tags.join(", "), out)?;
    }
    for cite in &case.cites {
        cited(&cite.id, out)?;
    }
    Ok(())
}

/// A requirement that a rule or case judges, in short.
fn cited(id: &str, out: &mut dyn io::Write) -> io::Result<()> {
    let Some(entry) = catalogue().get(id) else {
        return section("Judges", id, out);
    };
    heading_line(&format!("Judges {} ({})", entry.id, entry.level), out)?;
    if let Some(citation) = citation(id) {
        writeln!(out, "  {}", citation.place())?;
    }
    if let Some(quote) = &entry.quote {
        prose(&format!("\"{quote}\""), "  ", out)?;
    }
    prose(&entry.statement, "  ", out)?;
    prose(&format!("How: {}", entry.judged), "  ", out)?;
    prose(&format!("Common causes: {}", entry.causes), "  ", out)
}

fn section(title: &str, text: &str, out: &mut dyn io::Write) -> io::Result<()> {
    heading_line(title, out)?;
    prose(text, "  ", out)
}

fn heading_line(title: &str, out: &mut dyn io::Write) -> io::Result<()> {
    writeln!(out)?;
    writeln!(out, "{title}")
}

/// Wraps `text`, which may be anybody's: titles come from scenario files.
fn prose(text: &str, indent: &str, out: &mut dyn io::Write) -> io::Result<()> {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty()
            && indent.len() + line.chars().count() + 1 + word.chars().count() > WIDTH
        {
            writeln!(out, "{indent}{}", safe(&line))?;
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    writeln!(out, "{indent}{}", safe(&line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(id: &str) -> Result<String, Unknown> {
        let mut out = Vec::new();
        write(id, &[], &mut out).unwrap()?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn every_requirement_reads_as_prose() {
        for entry in catalogue().iter() {
            let text = explained(entry.id.as_str()).unwrap();
            assert!(text.contains("How it is judged"), "{text}");
            let fits = |line: &str| line.chars().count() <= WIDTH || !line.starts_with("  ");
            assert!(text.lines().all(fits), "{text}");
        }
    }

    #[test]
    fn title_of_a_case_does_not_reach_the_terminal_raw() {
        let file = "spec: 1\nsuite: s\ntitle: t\ncases:\n  - case: c\n    title: \"a\\e[2J\\u202e\"\n    \
                    cites: [B3-HS-01]\n    steps: [{connect: {}}, {alive: {}}]\n";
        let suite = crate::scenario::parse_text("s.yaml", file).unwrap();
        let mut out = Vec::new();
        write("s/c", &[suite], &mut out).unwrap().unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("\n  a\\u{1b}[2J\\u{202e}\n"), "{text}");
    }

    #[test]
    fn says_what_an_entry_waits_for() {
        let text = explained("B9-FET-01").unwrap();
        assert!(
            text.contains("Not tested yet\n  needs role magnet: "),
            "{text}"
        );
    }

    #[test]
    fn a_near_miss_is_answered_with_the_name() {
        assert_eq!(
            explained("B6-RJ-011").unwrap_err().nearest.as_deref(),
            Some("B6-RJ-01")
        );
    }

    #[test]
    fn headings_read_as_the_bep_prints_them() {
        assert_eq!(heading("reject-request"), "Reject Request");
        assert_eq!(heading("messages-on-the-wire"), "Messages on the Wire");
    }
}
