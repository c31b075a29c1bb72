//! Reports for a person and the JSON contract, with a row of every verdict.

use btspec::outcome::{About, Expected, FileComplaint, RunOutcome};
use btspec::report::{self, Context};

mod outcomes;

use outcomes::{
    all, broken_rule, complaints, context, generated, missed_reject, render, run_of, snapshot,
};

#[test]
fn a_failure_fits_one_screen_and_tells_everything() {
    let text = render("terminal", &run_of(vec![missed_reject()]), &context());
    assert!(text.lines().count() <= 45, "{text}");
    snapshot("terminal_fail_missing_reject", &text);
}

#[test]
fn one_row_of_each_verdict() {
    snapshot(
        "terminal_all_verdicts",
        &render("terminal", &all(), &context()),
    );
}

#[test]
fn colours_say_the_same() {
    let coloured = render(
        "terminal",
        &all(),
        &Context {
            colour: true,
            ..context()
        },
    );
    snapshot(
        "terminal_all_verdicts_colour",
        &coloured.replace('\x1b', "␛"),
    );
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some(at) = rest.find("\x1b[") {
        plain.push_str(&rest[..at]);
        let end = rest[at..].find('m').unwrap();
        rest = &rest[at + end + 1..];
    }
    plain.push_str(rest);
    assert_eq!(plain, render("terminal", &all(), &context()));
}

#[test]
fn verbose_adds_passes_and_the_slowest() {
    let context = Context {
        verbose: 1,
        ..context()
    };
    snapshot(
        "terminal_all_verdicts_verbose",
        &render("terminal", &all(), &context),
    );
}

#[test]
fn strict_shows_a_warn_in_full() {
    let context = Context {
        strict: true,
        ..context()
    };
    let text = render("terminal", &run_of(vec![broken_rule()]), &context);
    snapshot("terminal_rule_strict", &text);
}

#[test]
fn what_an_expectations_file_lists_is_quiet_and_its_complaints_are_not() {
    let mut run = run_of(vec![missed_reject(), broken_rule()]);
    for case in &mut run.cases {
        case.known = Some("upstream issue 12".into());
    }
    run.lost = Some("no connection for 75 s".into());
    run.complaints = complaints();
    snapshot("terminal_known", &render("terminal", &run, &context()));
}

#[test]
fn no_byte_of_a_peer_reaches_the_terminal_unescaped() {
    let mut run = all();
    let evil = "x\x1b]0;owned\x07\n\u{9b}2J\u{202e}";
    for case in &mut run.cases {
        case.reason = Some(evil.into());
        case.title = evil.into();
        case.known = None;
        case.log = vec![evil.into()];
        for finding in &mut case.findings {
            finding.actual = evil.into();
            finding.expected = vec![Expected::new(evil, evil); 2];
            finding.seen_in = Some(evil.into());
        }
        for entry in &mut case.transcript {
            entry.note = Some(evil.into());
            entry.kind = evil.into();
            entry.fields.push(evil, evil);
        }
    }
    run.lost = Some(evil.into());
    run.target.extensions.insert(evil.into(), 1);
    run.complaints = vec![FileComplaint::warn(About::Observations, evil)];
    for verbose in 0..3 {
        let context = Context {
            verbose,
            ..context()
        };
        let text = render("terminal", &run, &context);
        let bad = text
            .chars()
            .find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
        assert_eq!(bad, None, "{text:?}");
        assert!(!text.contains("\n\u{9b}"));
    }
}

#[test]
fn json_is_the_contract() {
    let run = all();
    let text = render("json", &run, &context());
    snapshot("json_all_verdicts", &text);
    let read: RunOutcome = serde_json::from_str(&text).unwrap();
    assert_eq!(render("json", &read, &context()), text);
}

#[test]
fn the_committed_schemas_are_current() {
    generated("docs/report.schema.json", &report::json::schema());
    generated("docs/run.schema.json", &report::jsonl::schema());
    generated("docs/matrix.schema.json", &report::matrix::schema());
}
