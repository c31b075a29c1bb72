//! JUnit XML, as the test pages of CI systems read it.
//!
//! A row is a test case. `fail` is a failure; `inconclusive` and `error` are errors, because neither
//! says anything of the target; `skip` is skipped, and so is what an expectations file lists, with
//! its reason. A warn is a case that passed and has something to say. What the files beside the run
//! (expectations, lock, observations) say, and a run that ended early, are cases of their own: a
//! file is never green where the exit code is not.

use std::io;

use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use super::row::{gist, is_bad, is_serious, level};
use super::text::{LINE_CHARS, cut, line};
use super::{Context, failure};
use crate::outcome::{CaseOutcome, RunOutcome, Verdict};

/// Writes a finished run.
pub fn write(run: &RunOutcome, context: &Context, out: &mut dyn io::Write) -> io::Result<()> {
    // Bodies are text for a browser.
    let context = Context {
        colour: false,
        ..context.clone()
    };
    let mut report = Report::new("btspec");
    report.set_time(run.duration_ms.into());
    for suite in suites(run) {
        report.add_test_suite(suite_of(suite, run, &context)?);
    }
    let mut whole = TestSuite::new("run");
    for complaint in &run.complaints {
        let (name, what) = (complaint.about.name(), &complaint.what);
        whole.add_test_case(match complaint.is_bad(context.strict) {
            true => of_the_run(name, NonSuccessKind::Failure, what),
            false => noted(name, what),
        });
    }
    if let Some(lost) = &run.lost {
        whole.add_test_case(of_the_run("lost", NonSuccessKind::Error, lost));
    }
    if !whole.test_cases.is_empty() {
        report.add_test_suite(whole);
    }
    let mut buffered = io::BufWriter::new(out);
    report.serialize(&mut buffered).map_err(io::Error::other)?;
    io::Write::flush(&mut buffered)
}

/// The suites of a run, in the order of their first rows.
fn suites(run: &RunOutcome) -> Vec<&str> {
    let mut seen = Vec::new();
    for case in &run.cases {
        if !seen.contains(&case.suite.as_str()) {
            seen.push(case.suite.as_str());
        }
    }
    seen
}

fn suite_of(name: &str, run: &RunOutcome, context: &Context) -> io::Result<TestSuite> {
    let mut suite = TestSuite::new(line(name));
    let target = &run.target;
    suite.add_property(Property::new("target", line(&target.spec)));
    if let Some(client) = &target.client {
        suite.add_property(Property::new("client", line(client)));
    }
    suite.add_property(Property::new("seed", run.seed.to_string()));
    let rows = run.cases.iter().filter(|case| case.suite == name);
    let mut time = std::time::Duration::ZERO;
    for case in rows {
        time = time.saturating_add(case.duration_ms.0);
        suite.add_test_case(row(case, run, context)?);
    }
    suite.set_time(time);
    Ok(suite)
}

fn row(case: &CaseOutcome, run: &RunOutcome, context: &Context) -> io::Result<TestCase> {
    let message = gist(case);
    let mut status = status(case, context);
    let text = match case.verdict {
        Verdict::Pass | Verdict::Skip => String::new(),
        Verdict::Info => message.clone().unwrap_or_default(),
        Verdict::Fail | Verdict::Warn | Verdict::Inconclusive | Verdict::Error => {
            body(case, run, context)?
        }
    };
    let plain = matches!(status, TestCaseStatus::Success { .. });
    if !plain {
        status.set_type(kind(case));
        status.set_message(match &case.known {
            Some(known) => format!("known {}: {}", case.verdict, line(known)),
            None => message.unwrap_or_else(|| case.verdict.to_string()),
        });
        if !text.is_empty() {
            status.set_description(text.clone());
        }
    }
    let id = line(&case.id);
    let within = format!("{}/", case.suite);
    let name = id.strip_prefix(within.as_str()).unwrap_or(&id);
    let mut test = TestCase::new(name, status);
    test.set_classname(line(&case.suite));
    test.set_time(case.duration_ms.into());
    for (name, value) in properties(case) {
        test.add_property(Property::new(name, value));
    }
    if plain && !text.is_empty() {
        test.set_system_out(text);
    }
    Ok(test)
}

fn status(case: &CaseOutcome, context: &Context) -> TestCaseStatus {
    let listed = is_serious(case, context) && case.known.is_some();
    match case.verdict {
        Verdict::Skip => TestCaseStatus::skipped(),
        _ if listed => TestCaseStatus::skipped(),
        Verdict::Inconclusive | Verdict::Error => {
            TestCaseStatus::non_success(NonSuccessKind::Error)
        }
        _ if is_bad(case, context) => TestCaseStatus::non_success(NonSuccessKind::Failure),
        _ => TestCaseStatus::success(),
    }
}

/// `type` of what is no success: the verdict, and the level where that was broken.
fn kind(case: &CaseOutcome) -> String {
    match (case.verdict, level(case)) {
        (Verdict::Fail | Verdict::Warn, Some(level)) => format!("{}.{level}", case.verdict),
        _ => case.verdict.to_string(),
    }
}

/// What a filter of a test page may ask for.
fn properties(case: &CaseOutcome) -> Vec<(&'static str, String)> {
    let mut all = vec![
        ("id", line(&case.id).into_owned()),
        ("verdict", case.verdict.to_string()),
    ];
    all.extend(level(case).map(|level| ("level", level.to_owned())));
    let requirements = case.requirements.iter();
    all.extend(requirements.map(|id| ("requirement", line(id).into_owned())));
    let named = [
        ("role", &case.role),
        ("direction", &case.direction),
        ("variant", &case.variant),
        ("known", &case.known),
    ];
    for (name, value) in named {
        all.extend(
            value
                .as_deref()
                .map(|value| (name, line(value).into_owned())),
        );
    }
    all
}

/// The whole block of a failure: the sentence, the place, the wire log, the command.
fn body(case: &CaseOutcome, run: &RunOutcome, context: &Context) -> io::Result<String> {
    let mut block = Vec::new();
    failure::write(case, run, context, &mut block)?;
    let block = String::from_utf8_lossy(&block);
    let mut text = String::from("\n");
    for line in block.lines() {
        text.push_str(&cut(line.into(), LINE_CHARS));
        text.push('\n');
    }
    Ok(text)
}

/// Something about the run as a whole that is not as it was, and no failure.
fn noted(name: &str, what: &str) -> TestCase {
    let name = format!("{name}: {}", line(what));
    let mut test = TestCase::new(name, TestCaseStatus::success());
    test.set_classname("run");
    test.set_system_out(line(what));
    test
}

/// Something that is wrong with the run as a whole.
fn of_the_run(name: &str, kind: NonSuccessKind, what: &str) -> TestCase {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(name);
    status.set_message(line(what));
    let mut test = TestCase::new(format!("{name}: {}", line(what)), status);
    test.set_classname("run");
    test
}
