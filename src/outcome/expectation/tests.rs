use std::time::Duration;

use super::*;
use crate::outcome::{Finding, TargetInfo};

fn today() -> Date {
    "2026-06-01".parse().unwrap()
}

fn run(rows: &[(&str, Verdict)]) -> RunOutcome {
    let cases = rows
        .iter()
        .map(|(id, verdict)| {
            let mut case = CaseOutcome::new(*id, "s", id.split(':').next().unwrap_or(id));
            case.verdict = *verdict;
            case.findings
                .push(Finding::new(*verdict, "closed after 3 s", Duration::ZERO));
            case
        })
        .collect();
    RunOutcome::new(TargetInfo::default(), 0, cases)
}

fn applied(text: &str, run: &mut RunOutcome, version: Option<&str>) -> Vec<String> {
    let expectations = Expectations::load("known.expect.yaml", text).unwrap();
    let around = Surroundings {
        today: today(),
        version,
        exist: &["s/a:seed".to_owned(), "s/elsewhere:leech".to_owned()],
    };
    expectations
        .apply(run, &around)
        .iter()
        .map(Complaint::to_string)
        .collect()
}

const FAIL: &str = "- {case: s/a, verdict: fail, reason: upstream}\n";

#[test]
fn a_listed_failure_is_known() {
    let mut run = run(&[("s/a:seed", Verdict::Fail), ("s/b:seed", Verdict::Fail)]);
    assert_eq!(applied(FAIL, &mut run, None), Vec::<String>::new());
    assert_eq!(run.cases[0].known.as_deref(), Some("upstream"));
    assert_eq!(run.cases[1].known, None);
}

#[test]
fn a_listed_failure_that_passes_is_a_complaint() {
    for now in [Verdict::Pass, Verdict::Info, Verdict::Warn] {
        let mut run = run(&[("s/a:seed", now)]);
        assert_eq!(
            applied(FAIL, &mut run, None),
            [format!(
                "known.expect.yaml:1: `s/a:seed` is listed as fail and now is {now}"
            )]
        );
    }
    for now in [Verdict::Skip, Verdict::Inconclusive, Verdict::Error] {
        let mut run = run(&[("s/a:seed", now)]);
        assert!(applied(FAIL, &mut run, None).is_empty(), "{now}");
        assert_eq!(run.cases[0].known, None);
    }
}

#[test]
fn an_entry_for_nothing_is_a_complaint_but_not_one_for_what_another_run_has() {
    let text = "- {case: s/gone, verdict: fail, reason: r}\n\
                - {case: s/elsewhere, verdict: fail, reason: r}\n\
                - {case: s/elsewhere:leech, verdict: fail, reason: r}\n\
                - {case: s/elsewhere:seed, verdict: fail, reason: r}\n\
                - {case: s/elsewhere@drip, verdict: fail, reason: r}\n";
    let complaints = [
        "known.expect.yaml:1: `s/gone` matches no case or rule that there is",
        "known.expect.yaml:4: `s/elsewhere:seed` matches no case or rule that there is",
        "known.expect.yaml:5: `s/elsewhere@drip` matches no case or rule that there is",
    ];
    let mut short = run(&[("s/a:seed", Verdict::Pass)]);
    assert_eq!(applied(text, &mut short, None), complaints);
    // A run that was lost half-way knows as much about what there is.
    short.lost = Some("it died".to_owned());
    assert_eq!(applied(text, &mut short, None), complaints);
}

#[test]
fn an_expired_entry_no_longer_covers() {
    let text = "- {case: s/a, verdict: fail, reason: r, until: 2026-05-31}\n";
    let mut red = run(&[("s/a:seed", Verdict::Fail)]);
    assert_eq!(
        applied(text, &mut red, None),
        ["known.expect.yaml:1: `s/a` expired on 2026-05-31"]
    );
    assert_eq!(red.cases[0].known, None);
    let text = text.replace("05-31", "06-01");
    assert!(applied(&text, &mut run(&[("s/a:seed", Verdict::Fail)]), None).is_empty());
}

#[test]
fn text_and_version_narrow_an_entry() {
    let text = "- {case: s/a, verdict: fail, reason: r, text: closed after}\n";
    let mut same = run(&[("s/a:seed", Verdict::Fail)]);
    applied(text, &mut same, None);
    assert!(same.cases[0].known.is_some());
    let mut other = run(&[("s/a:seed", Verdict::Fail)]);
    applied(&text.replace("closed after", "reset"), &mut other, None);
    assert!(other.cases[0].known.is_none());

    let text = "- case: s/a\n  verdict: fail\n  reason: r\n  if: version < \"4.0\"\n";
    for (version, known) in [
        (Some("3.00"), true),
        (Some("4.0.0"), false),
        (Some("4.0-beta"), true),
        (Some("10"), false),
        (None, true),
    ] {
        let mut run = run(&[("s/a:seed", Verdict::Fail)]);
        assert!(applied(text, &mut run, version).is_empty());
        assert_eq!(run.cases[0].known.is_some(), known, "{version:?}");
    }
}

#[test]
fn a_rule_may_be_broken_in_one_role_only() {
    let text = "- {case: rule/a, verdict: fail, reason: r, if: role == leech}\n";
    for (role, verdict, known, complaints) in [
        ("leech", Verdict::Fail, true, 0),
        ("leech", Verdict::Pass, false, 1),
        ("seed", Verdict::Fail, false, 0),
        ("seed", Verdict::Pass, false, 0),
        ("both", Verdict::Pass, false, 0),
    ] {
        let mut run = run(&[("rule/a", verdict)]);
        run.target.role = Some(role.to_owned());
        assert_eq!(applied(text, &mut run, None).len(), complaints, "{role}");
        assert_eq!(run.cases[0].known.is_some(), known, "{role}");
    }
    let wrong = "- {case: rule/a, verdict: fail, reason: r, if: role == both}\n";
    assert!(Expectations::load("f.yaml", wrong).is_err());
}

#[test]
fn wrong_files_are_refused_with_a_place() {
    for (text, place, words) in [
        ("case: x\n", ":1:1", "a list"),
        ("# a\0b\n", ":1:", "unexpected character"),
        ("# a\rb: c\n", ":1:4", "a carriage return"),
        ("\t# a\n", ":1:1", "tabs do not indent"),
        ("\u{a0}\n", ":1:", "a list"),
        (
            "[{case: x, verdict: fail, reason: r}]\n",
            ":1:1",
            "a dash for each entry",
        ),
        (
            "- {case: x, verdict: fail, reason: r}\n...\n",
            ":1:",
            "nothing could be appended",
        ),
        (
            "- {case: x, verdict: fail, reason: TODO}\n",
            ":1:",
            "still to be written",
        ),
        (
            "- {case: x, verdict: fail, reason: ''}\n",
            ":1:",
            "still to be written",
        ),
        (
            "- {case: x, verdict: pass, reason: r}\n",
            ":1:",
            "cannot be expected",
        ),
        ("- {case: x, verdict: fail}\n", ":1:", "no `reason`"),
        ("- {verdict: fail, reason: r}\n", ":1:", "no `case`"),
        (
            "- {case: x, verdict: fail, reason: r, util: 2026-01-01}\n",
            ":1:",
            "unknown key",
        ),
        (
            "- {case: x, verdict: fail, reason: r, until: soon}\n",
            ":1:",
            "not a date",
        ),
        (
            "- {case: x, verdict: fail, reason: r, if: arch == 3}\n",
            ":1:",
            "about `version` or `role`",
        ),
        (
            "- {case: [x], verdict: fail, reason: r}\n",
            ":1:",
            "a list where text",
        ),
    ] {
        let error = Expectations::load("f.yaml", text).unwrap_err();
        let shown = error.to_string();
        assert!(shown.contains(&format!("f.yaml{place}")), "{text}: {shown}");
        assert!(shown.contains(words), "{text}: {shown}");
    }
}

#[test]
fn an_update_knows_dashes_of_their_own_line_and_indented_ones() {
    let text = "  -\n    case: s/gone\n    verdict: fail\n    reason: r\n";
    let expectations = Expectations::load("f.yaml", text).unwrap();
    let mut run = run(&[("s/b:seed", Verdict::Fail)]);
    let around = Surroundings {
        today: today(),
        version: None,
        exist: &[],
    };
    let complaints = expectations.apply(&mut run, &around);
    let edited = expectations.update(text, &run, &complaints, false, today());
    let filled = edited.replace("TODO", "known");
    let again = Expectations::load("f.yaml", &filled).unwrap();
    assert_eq!(again.entries.len(), 1, "{edited}");
    assert_eq!(again.entries[0].case, "s/b:seed");
}

#[test]
fn an_update_comments_out_and_appends_and_is_refused_until_filled() {
    let text = "# ours\n\
                - case: s/gone\n  verdict: fail\n  # why\n  reason: r\n\
                \n\
                # the other\n\
                - case: s/a\n  verdict: warn\n  reason: slow\n";
    let expectations = Expectations::load("f.yaml", text).unwrap();
    let mut run = run(&[
        ("s/a:seed", Verdict::Warn),
        ("s/b[x]:seed@drip", Verdict::Fail),
        ("s/c:seed", Verdict::Warn),
    ]);
    let around = Surroundings {
        today: today(),
        version: None,
        exist: &[],
    };
    let complaints = expectations.apply(&mut run, &around);
    let edited = expectations.update(text, &run, &complaints, false, today());
    assert_eq!(
        edited,
        "# ours\n\
         # 2026-06-01: no longer holds\n\
         # - case: s/gone\n#   verdict: fail\n  # why\n#   reason: r\n\
         \n\
         # the other\n\
         - case: s/a\n  verdict: warn\n  reason: slow\n\
         - case: \"s/b[x]:seed@drip\"\n  verdict: fail\n  reason: TODO\n"
    );
    assert!(Expectations::load("f.yaml", &edited).is_err());
    let filled = edited.replace("TODO", "known upstream");
    let again = Expectations::load("f.yaml", &filled).unwrap();
    assert!(again.apply(&mut run, &around).is_empty());
    assert!(
        run.cases
            .iter()
            .filter(|case| case.verdict == Verdict::Fail)
            .all(|case| case.known.is_some())
    );
    let strict = expectations.update(text, &run, &complaints, true, today());
    assert!(strict.contains("s/c:seed"));
}

#[test]
fn a_file_of_comments_holds_nothing() {
    assert!(
        Expectations::load("f.yaml", "# nothing\n\n")
            .unwrap()
            .entries
            .is_empty()
    );
}

#[test]
fn what_the_clients_timing_decides_may_be_good() {
    let sometimes = "- {case: s/a, verdict: fail, reason: a race of theirs, sometimes: true}\n";
    let mut good = run(&[("s/a:seed", Verdict::Pass)]);
    assert!(applied(sometimes, &mut good, None).is_empty());
    let mut bad = run(&[("s/a:seed", Verdict::Fail)]);
    assert!(applied(sometimes, &mut bad, None).is_empty());
    assert!(bad.cases[0].known.is_some());
    assert_eq!(applied(FAIL, &mut good, None).len(), 1);
    assert!(Expectations::load("x", &sometimes.replace("true", "often")).is_err());
}
