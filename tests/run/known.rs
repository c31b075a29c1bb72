//! What is known to fail, and how many failures are enough.

use std::fs;

use serde_json::Value;

use super::{BREAKS_MUST, MUST, SHOULD, file, json};
use crate::command::{Running, run};

/// A must that a fault breaks at once, without a deadline: for targets on sockets.
const AT_ONCE: &str = "id(fast_ext/bitfield-instead*:seed)";

const BREAKS_AT_ONCE: &str = "closes-on-bitfield-with-fast";

#[test]
fn max_fail_ends_the_run() {
    let (_seed, addr) = Running::serve(&["--role", "seed", "--fault", BREAKS_AT_ONCE]);
    let filter = format!("{AT_ONCE} | {SHOULD}");
    let args = [
        "--target", &addr, "--role", "seed", "--jobs", "1", "--filter", &filter,
    ];
    let (_, all) = json(&args);
    let (_, some) = json(&[&args[..], &["--max-fail", "1"]].concat());
    let played = |report: &Value| report["summary"]["fail"].as_u64().unwrap();
    assert!(played(&all) >= 1, "{:?}", all["summary"]);
    let enough = "not played: enough fails before";
    let stopped = |report: &Value| {
        let cases = report["cases"].as_array().unwrap();
        cases.iter().filter(|case| case["reason"] == enough).count()
    };
    assert_eq!(stopped(&all), 0, "{}", all["summary"]);
    assert!(stopped(&some) > 0, "{}", some["summary"]);
}

/// In simulation, too, and the same whatever the threads; a listed fail does not count.
#[test]
fn max_fail_counts_what_no_expectation_lists() {
    let args = [
        "--fault",
        BREAKS_MUST,
        "--filter",
        "suite(fast_ext) & role(seed)",
        "--max-fail",
        "1",
    ];
    let (code, one) = json(&[&args[..], &["--jobs", "1"]].concat());
    let (_, four) = json(&[&args[..], &["--jobs", "4"]].concat());
    assert_eq!(one, four);
    assert_eq!(code, 1);
    let cases = one["cases"].as_array().unwrap();
    let cases: Vec<_> = cases
        .iter()
        .filter(|case| case["suite"] != "rule")
        .collect();
    let failed = cases
        .iter()
        .position(|case| case["verdict"] == "fail")
        .unwrap();
    assert!(cases.len() > failed + 1);
    for case in &cases[failed + 1..] {
        assert_eq!(case["reason"], "not played: enough fails before");
    }
    let ran = run(["run"].iter().chain(&args));
    let last = ran.out.lines().last().unwrap();
    let rest = format!("({} not played, --max-fail)", cases.len() - failed - 1);
    assert!(last.contains(&rest), "{last}");
    let known = format!(
        "- case: \"{}\"\n  verdict: fail\n  reason: known\n",
        cases[failed]["id"].as_str().unwrap()
    );
    let known = file("max-fail.expect.yaml", &known);
    let (_, more) = json(&[&args[..], &["--expectations", &known]].concat());
    let played = |report: &Value| {
        let cases = report["cases"].as_array().unwrap();
        let enough = "not played: enough fails before";
        cases.iter().filter(|case| case["reason"] != enough).count()
    };
    assert!(played(&more) > played(&one));
}

#[test]
fn expectations_cover_what_they_list_and_complain_about_the_rest() {
    let broken = [
        "run",
        "--filter",
        MUST,
        "--fault",
        BREAKS_MUST,
        "--expectations",
    ];
    let with = |name: &str, text: &str| {
        run(broken
            .iter()
            .map(|s| (*s).to_owned())
            .chain([file(name, text)]))
    };
    let entry = "- {case: fast_ext/seed-has-all, verdict: fail, reason: known}\n";
    let covered = with("covered.yaml", entry);
    assert_eq!(covered.code, 0, "{covered:#?}");
    assert!(
        covered.out.contains("1 as listed in the expectations"),
        "{covered:#?}"
    );
    let other_text = entry.replace("reason: known", "reason: known, text: something else");
    assert_eq!(with("other-text.yaml", &other_text).code, 1);
    let expired = entry.replace("reason: known", "reason: known, until: 2020-01-01");
    let expired = with("expired.yaml", &expired);
    assert_eq!(expired.code, 1);
    assert!(
        expired.out.contains("expired on 2020-01-01"),
        "{expired:#?}"
    );
    let stale = with(
        "stale.yaml",
        &format!("{entry}- {{case: no/such, verdict: fail, reason: r}}\n"),
    );
    assert_eq!(stale.code, 1);
    assert!(
        stale
            .out
            .contains("stale.yaml:2: `no/such` matches no case or rule that there is"),
        "{stale:#?}"
    );
    // What another role, direction, variant or suite has is not stale in a run that is about less.
    let others = [
        "fast_ext/leech-has-none:leech",
        "fast_ext/seed-has-all@drip",
        "rule/*",
        "handshake/*",
    ];
    let listed = |id: &&str| format!("- {{case: '{id}', verdict: fail, reason: r}}\n");
    let others = others.iter().map(listed).collect::<String>();
    let less = with("less.yaml", &format!("{entry}{others}"));
    assert_eq!(less.code, 0, "{less:#?}");
    // A seed can have all pieces, a leech cannot: there is no such play.
    let wrong = with(
        "wrong.yaml",
        &format!("{entry}- {{case: fast_ext/seed-has-all:leech, verdict: fail, reason: r}}\n"),
    );
    assert_eq!(wrong.code, 1, "{wrong:#?}");
    let sound = run([
        "run",
        "--filter",
        MUST,
        "--expectations",
        &file("sound.yaml", entry),
    ]);
    assert_eq!(sound.code, 1);
    assert!(
        sound.out.contains("is listed as fail and now is pass"),
        "{sound:#?}"
    );
}

#[test]
fn an_expectations_file_that_is_wrong_is_usage_with_a_place() {
    let with = |name: &str, text: &str| {
        run(["run", "--filter", MUST, "--expectations", &file(name, text)])
    };
    with(
        "todo.yaml",
        "- case: a/b\n  verdict: fail\n  reason: TODO\n",
    )
    .stops(2, &["todo.yaml:3:", "still to be written"]);
    with("key.yaml", "- case: a/b\n  verdikt: fail\n")
        .stops(2, &["key.yaml:2:", "did you mean `verdict`?"]);
    with("no-list.yaml", "case: a/b\n").stops(2, &["no-list.yaml:1:"]);
    with("tab.yaml", "-\tcase: a/b\n\tverdict: fail\n").stops(2, &["tab.yaml:"]);
    run(["run", "--expectations", "no/such.yaml"]).stops(2, &["no/such.yaml"]);
    run(["run", "--update-expectations"]).stops(2, &["--expectations"]);
}

#[test]
fn update_expectations_edits_the_file() {
    let path = file(
        "update.yaml",
        "# kept\n- case: no/such\n  verdict: fail\n  reason: r\n",
    );
    let args = [
        "run",
        "--filter",
        MUST,
        "--fault",
        BREAKS_MUST,
        "--expectations",
        &path,
    ];
    assert_eq!(run(args.iter().chain(&["--update-expectations"])).code, 1);
    let edited = fs::read_to_string(&path).unwrap();
    assert!(
        edited.starts_with("# kept\n# ") && edited.contains("\n# - case: no/such\n"),
        "{edited}"
    );
    assert!(
        edited
            .ends_with("- case: \"fast_ext/seed-has-all:seed\"\n  verdict: fail\n  reason: TODO\n"),
        "{edited}"
    );
    run(args).stops(2, &["still to be written"]);
    fs::write(&path, edited.replace("TODO", "filled in")).unwrap();
    assert_eq!(run(args).code, 0);
}
