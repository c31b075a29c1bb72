//! `clients/NAME.expect.yaml` and docs/findings.md tell the same.

use btspec::outcome::Verdict;
use btspec::outcome::expectation::Expectations;
use btspec::requirement::catalogue;

const FINDINGS: &str = include_str!("../docs/findings.md");

const CLIENTS: [(&str, &str, &str); 6] = [
    (
        "aria2",
        "clients/aria2.expect.yaml",
        include_str!("../clients/aria2.expect.yaml"),
    ),
    (
        "libtorrent 2.1",
        "clients/libtorrent.expect.yaml",
        include_str!("../clients/libtorrent.expect.yaml"),
    ),
    (
        "libtorrent 2.0",
        "clients/libtorrent-2-0.expect.yaml",
        include_str!("../clients/libtorrent-2-0.expect.yaml"),
    ),
    (
        "rqbit",
        "clients/rqbit.expect.yaml",
        include_str!("../clients/rqbit.expect.yaml"),
    ),
    (
        "Transmission",
        "clients/transmission.expect.yaml",
        include_str!("../clients/transmission.expect.yaml"),
    ),
    (
        "WebTorrent",
        "clients/webtorrent.expect.yaml",
        include_str!("../clients/webtorrent.expect.yaml"),
    ),
];

/// What the reason of an entry says beside its requirement if the finding is not told (SECURITY.md).
const HELD_BACK: &str = ", held back";

/// The part of the document on one client, without its heading.
fn section(client: &str) -> &'static str {
    let start = FINDINGS
        .find(&format!("\n## {client}"))
        .unwrap_or_else(|| panic!("no section on {client}"));
    let rest = &FINDINGS[start + 1..];
    rest.find("\n## ").map_or(rest, |end| &rest[..end])
}

/// Cases in backquotes on lines that give a fail, a warn or an inconclusive, without role and matrix.
fn judged(section: &str) -> Vec<(String, Verdict)> {
    let mut found = Vec::new();
    for line in section.lines().filter(|line| line.contains("Verdict: **")) {
        let verdict = match line
            .split("Verdict: **")
            .nth(1)
            .and_then(|it| it.split("**").next())
        {
            Some("fail") => Verdict::Fail,
            Some("warn") => Verdict::Warn,
            Some("inconclusive") => Verdict::Inconclusive,
            _ => continue,
        };
        let before = line.split("Verdict: **").next().unwrap_or_default();
        let cases = before.split('`').skip(1).step_by(2);
        for case in cases.filter(|it| it.contains('/')) {
            let case = case.split(['[', ':']).next().unwrap_or(case);
            found.push((case.to_owned(), verdict));
        }
    }
    found
}

#[test]
fn every_expectation_has_its_finding() {
    for (client, name, text) in CLIENTS {
        let section = section(client);
        for entry in Expectations::load(name, text).unwrap().entries {
            if let Some(requirement) = entry.reason.strip_suffix(HELD_BACK) {
                let known = catalogue().get(requirement).is_some();
                assert!(known, "{name}: no requirement `{requirement}`");
                assert_eq!(entry.source, None, "{name}: `{}` is held back", entry.case);
                continue;
            }
            let source = entry.source.as_deref().unwrap_or_default();
            let place = source.split('@').next().unwrap_or_default();
            assert!(
                !place.is_empty() && section.contains(place),
                "{name}: no finding at `{place}`"
            );
            assert!(
                judged(section).iter().any(|(case, verdict)| {
                    *verdict == entry.verdict && entry.case.starts_with(case.as_str())
                }),
                "{name}: no finding on `{}`",
                entry.case
            );
        }
    }
}

#[test]
fn every_finding_has_its_expectation() {
    for (client, name, text) in CLIENTS {
        let expectations = Expectations::load(name, text).unwrap();
        for (case, verdict) in judged(section(client)) {
            assert!(
                expectations
                    .entries
                    .iter()
                    .any(|entry| entry.verdict == verdict && entry.case.starts_with(&case)),
                "{name} does not list `{case}`: {verdict}"
            );
        }
    }
}
