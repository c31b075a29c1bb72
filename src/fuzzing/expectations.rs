//! Files of known failures.

use std::time::Duration;

use super::scenario::has_a_place;
use super::{Reach, text};
use crate::outcome::date::Date;
use crate::outcome::expectation::{Expectations, Surroundings, Trouble};
use crate::outcome::{CaseOutcome, Finding, RunOutcome, TargetInfo, Verdict};

/// An expectations file: an error has a place in it; what is read can be held against a run, and
/// the file as updated after that run reads again, but for the reasons that are still to be written.
pub fn expectations(input: &[u8]) -> Reach {
    let Ok(text) = std::str::from_utf8(input) else {
        return Reach::from(["not UTF-8"]);
    };
    let read = match Expectations::load(FILE, text) {
        Ok(read) => read,
        Err(error) => {
            has_a_place(&error, FILE, text);
            return Reach::from(["refused"]);
        }
    };
    let mut run = run();
    let exist = ["suite/elsewhere:leech".to_owned()];
    let around = Surroundings {
        today: today(),
        version: Some("4.0.5"),
        exist: &exist,
    };
    let before = run.clone();
    let complaints = read.apply(&mut run, &around);
    let mut reached = Reach::from([if read.entries.is_empty() {
        "no entry"
    } else {
        "entries"
    }]);
    for complaint in &complaints {
        text::is_one_line(&complaint.to_string().replace(text_of(complaint), ""));
        assert!(
            read.entries
                .iter()
                .any(|entry| entry.line == complaint.line)
        );
        reached.insert(match complaint.what {
            Trouble::Better { .. } => "better",
            Trouble::MatchesNothing { .. } => "matches nothing",
            Trouble::Expired { .. } => "expired",
        });
    }
    for (case, before) in run.cases.iter().zip(&before.cases) {
        assert_eq!(case.verdict, before.verdict, "a verdict was changed");
        let Some(reason) = &case.known else { continue };
        assert!(case.unfavourable(), "a good result is listed");
        assert!(read.entries.iter().any(|entry| entry.reason == *reason));
        reached.insert("listed");
    }
    reached.extend(updated(&read, text, &run, &complaints));
    reached
}

pub(super) fn reachable() -> Vec<&'static str> {
    vec![
        "not UTF-8",
        "refused",
        "no entry",
        "entries",
        "better",
        "matches nothing",
        "expired",
        "listed",
        "updated",
        "reason to be written",
    ]
}

const FILE: &str = "known.expect.yaml";

fn today() -> Date {
    Date::since_epoch(Duration::from_secs(1_900_000_000))
}

/// A result of every verdict, and a rule.
fn run() -> RunOutcome {
    let mut cases: Vec<_> = Verdict::ALL
        .into_iter()
        .map(|verdict| {
            let id = format!("suite/{verdict}:seed");
            let mut case = CaseOutcome::new(id, "suite", format!("suite/{verdict}"));
            case.verdict = verdict;
            case.reason = Some("closed after 3 s".into());
            case
        })
        .collect();
    let mut rule = CaseOutcome::new("rule/frame-lengths", "rule", "rule/frame-lengths");
    rule.verdict = Verdict::Warn;
    rule.findings = vec![Finding::new(Verdict::Warn, "5 bytes", Duration::ZERO)];
    cases.push(rule);
    let target = TargetInfo {
        role: Some("seed".into()),
        ..TargetInfo::default()
    };
    RunOutcome::new(target, 1, cases)
}

/// What of a complaint is the file's own text: the pattern of the entry.
fn text_of(complaint: &crate::outcome::expectation::Complaint) -> &str {
    match &complaint.what {
        Trouble::Better { id, .. } => id,
        Trouble::MatchesNothing { case } | Trouble::Expired { case, .. } => case,
    }
}

/// The file after `--update-expectations`.
fn updated(
    read: &Expectations,
    text: &str,
    run: &RunOutcome,
    complaints: &[crate::outcome::expectation::Complaint],
) -> Reach {
    let edited = plant(read, read.update(text, run, complaints, true, today()));
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let kept = lines(&edited);
    for line in text.lines() {
        // The last one may end in a carriage return alone, and gets its line feed.
        let line = line.strip_suffix('\r').unwrap_or(line);
        let commented = format!("# {line}");
        assert!(
            kept.iter().any(|it| it == line || *it == commented),
            "lost {line:?}"
        );
    }
    match Expectations::load(FILE, &edited) {
        Ok(again) => {
            let stale = |line| complaints.iter().any(|complaint| complaint.line == line);
            let fresh = read
                .entries
                .iter()
                .filter(|entry| !stale(entry.line))
                .count();
            assert_eq!(again.entries.len(), fresh, "{edited}");
            Reach::from(["updated"])
        }
        Err(error) => {
            let todo = error.message == "the reason is still to be written";
            assert!(todo, "{}\nin the updated file:\n{edited}", error.render());
            Reach::from(["reason to be written"])
        }
    }
}

#[cfg(not(fuzz_selftest))]
fn plant(_: &Expectations, edited: String) -> String {
    edited
}

/// Of files with an entry for ever and one of last century, the first line is lost.
#[cfg(fuzz_selftest)]
fn plant(read: &Expectations, edited: String) -> String {
    let until = |day: &str| {
        let day = day.parse::<Date>().ok();
        read.entries
            .iter()
            .any(|it| it.until.is_some() && it.until <= day)
    };
    match edited.split_once('\n') {
        Some((_, rest)) if until("1999-12-31") => rest.to_owned(),
        _ => edited,
    }
}
