//! `btspec run` from outside: what each flag changes, and every exit code.

mod command;

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::Path;

use command::{Ran, Running, btspec, folder, output, run};
use serde_json::Value;

/// A must that a fault of the reference peer breaks.
const MUST: &str = "id(fast_ext/seed-has-all:seed)";
const BREAKS_MUST: &str = "seed-says-have-none";
/// A should, and a fault that breaks it in an untidy manner.
const SHOULD: &str = "id(fast_ext/reject-while-choked:seed)";
const BREAKS_SHOULD: &str = "closes-on-choked-request";

/// Runs with the report as JSON on standard output.
fn json(args: &[&str]) -> (i32, Value) {
    let ran = run(["run", "--format", "json"].iter().chain(args));
    let value = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:#?}"));
    (ran.code, value)
}

fn ids(report: &Value) -> Vec<&str> {
    let cases = report["cases"].as_array().unwrap();
    cases
        .iter()
        .map(|case| case["id"].as_str().unwrap())
        .collect()
}

#[track_caller]
fn verdict<'a>(report: &'a Value, id: &str) -> &'a str {
    let cases = report["cases"].as_array().unwrap();
    let case = cases.iter().find(|case| case["id"] == id);
    case.unwrap_or_else(|| panic!("no {id}"))["verdict"]
        .as_str()
        .unwrap()
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// A file with this text in a folder of its own.
fn file(name: &str, text_of_it: &str) -> String {
    let path = folder(name).join(name);
    fs::write(&path, text_of_it).unwrap();
    text(&path)
}

#[test]
fn the_reference_peer_passes_what_is_embedded() {
    let ran = run(["run"]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    let last = ran.out.lines().last().unwrap();
    assert!(
        last.contains(" 0 fail, 0 warn") && last.contains("requirements judged"),
        "{last}"
    );
    assert!(ran.out.contains("not tested at all: uTP, encryption"));
}

#[test]
fn the_report_is_the_same_bytes_whatever_the_jobs() {
    let with = |jobs: &str| {
        run([
            "run",
            "--format",
            "json",
            "--filter",
            "suite(fast_ext)",
            "--jobs",
            jobs,
        ])
        .out
    };
    assert_eq!(with("1"), with("4"));
    run(["run", "--jobs", "0"]).stops(2, &["--jobs"]);
}

#[test]
fn the_seed_changes_the_bytes_and_no_verdict() {
    let with = |seed: &str| json(&["--filter", MUST, "--seed", seed]).1;
    let (one, two) = (with("1"), with("2"));
    assert_eq!((&one["seed"], &two["seed"]), (&1.into(), &2.into()));
    assert_eq!(
        verdict(&one, "fast_ext/seed-has-all:seed"),
        verdict(&two, "fast_ext/seed-has-all:seed")
    );
    assert_ne!(one["cases"][0]["transcript"], two["cases"][0]["transcript"]);
    run(["run", "--seed", "lucky"]).stops(2, &["`random`"]);
    assert_eq!(json(&["--filter", MUST, "--seed", "random"]).0, 0);
}

#[test]
fn filter_level_and_role_select() {
    let (_, all) = json(&["--filter", "suite(fast_ext)"]);
    let (_, musts) = json(&["--filter", "suite(fast_ext)", "--level", "must"]);
    let (_, seeds) = json(&["--filter", "suite(fast_ext)", "--role", "seed"]);
    assert!(ids(&musts).len() < ids(&all).len());
    assert!(
        musts["cases"]
            .as_array()
            .unwrap()
            .iter()
            .all(|case| case["level"] == "must")
    );
    assert!(ids(&seeds).len() < ids(&all).len());
    assert!(
        seeds["cases"]
            .as_array()
            .unwrap()
            .iter()
            .all(|case| case["role"] == "seed")
    );
    assert_eq!(seeds["target"]["role"], "seed");
}

#[test]
fn nothing_selected_and_everything_skipped_are_4() {
    assert_eq!(run(["run", "--filter", "id(no/such)"]).code, 4);
    let suite = file(
        "skips.yaml",
        "spec: 1\nsuite: skips\ntitle: Skipped\ncases:\n  - case: one\n    title: One\n    \
         cites: [B6-RJ-01]\n    roles: [seed]\n    needs: [\"torrent.pieces > 100000000\"]\n    \
         given: [{connect: {reserved: [fast, extended]}}, {alive: {}}]\n    steps:\n      \
         - send: {request: {index: 0, begin: 0, length: 1}}\n      \
         - expect: {reject_request: {index: 0}}\n      - survives: {stay: pass, close: warn}\n",
    );
    let ran = run(["run", &suite, "--filter", "suite(skips)"]);
    assert_eq!(ran.code, 4, "{ran:#?}");
    assert!(ran.out.contains("SKIP 1 × "), "{ran:#?}");
}

#[test]
fn a_fault_fails_and_the_failure_tells_how_to_repeat_it() {
    let ran = run(["run", "--filter", MUST, "--fault", BREAKS_MUST]);
    assert_eq!(ran.code, 1, "{ran:#?}");
    assert!(
        ran.out
            .starts_with("FAIL fast_ext/seed-has-all:seed (must)\n"),
        "{ran:#?}"
    );
    for part in [
        "BEP 6, ",
        "  | \"",
        "--> scenarios/fast_ext.yaml:",
        "^\n",
        "expected ",
        "  got ",
        "last messages",
        "the target advertised",
        "again: btspec run --fault",
        "more:  btspec explain B6-",
    ] {
        assert!(ran.out.contains(part), "no `{part}` in {}", ran.out);
    }
    let again = ran
        .out
        .lines()
        .find_map(|line| line.trim().strip_prefix("again: btspec "))
        .unwrap();
    let mut words = again.split('\'');
    let (before, filter, after) = (
        words.next().unwrap(),
        words.next().unwrap(),
        words.next().unwrap(),
    );
    let repeated = run(before
        .split_whitespace()
        .chain([filter])
        .chain(after.split_whitespace()));
    assert_eq!((repeated.code, &repeated.out), (1, &ran.out));
}

#[test]
fn strict_makes_a_warn_fail() {
    let args = ["run", "--filter", SHOULD, "--fault", BREAKS_SHOULD];
    let lenient = run(args);
    assert_eq!(lenient.code, 0, "{lenient:#?}");
    assert!(lenient.out.starts_with("WARN "), "{lenient:#?}");
    let strict = run(args.iter().chain(&["--strict"]));
    assert_eq!(strict.code, 1, "{strict:#?}");
    assert!(strict.out.contains("last messages"), "{strict:#?}");
}

#[test]
fn a_twin_is_another_sound_peer() {
    let id = "handshake/forty-eight-bytes:seed";
    let args = ["--filter", "id(handshake/forty-eight-bytes)"];
    let (_, usual) = json(&args);
    let twin = [&args[..], &["--twin", "waits-for-the-whole-handshake"]].concat();
    let (_, twin) = json(&twin);
    assert_eq!((verdict(&usual, id), verdict(&twin, id)), ("pass", "info"));
    run(["run", "--twin", "evil"]).stops(2, &["no twin `evil`", "fast-off"]);
    run(["run", "--twin", "plain", "--target", "127.0.0.1:1"]).stops(2, &["--twin", "self"]);
}

#[test]
fn shuffle_changes_the_order_and_nothing_else() {
    let cases = |args: &[&str]| {
        let args = [&["--filter", "suite(fast_ext)", "--role", "seed"], args].concat();
        let report = json(&args).1;
        ids(&report)
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let (plain, one) = (cases(&[]), cases(&["--shuffle", "--seed", "1"]));
    assert_ne!(plain, one);
    assert_ne!(cases(&["--shuffle", "--seed", "2"]), one);
    assert_eq!(cases(&["--shuffle", "--seed", "1"]), one);
    let sorted = |mut ids: Vec<String>| {
        ids.sort();
        ids
    };
    assert_eq!(sorted(plain), sorted(one));
}

#[test]
fn latency_shows_in_virtual_time_only() {
    let (code, near) = json(&["--filter", MUST]);
    let (far_code, far) = json(&["--filter", MUST, "--latency", "400ms"]);
    assert_eq!((code, far_code), (0, 0));
    let spent = |report: &Value| report["duration_ms"].as_f64().unwrap();
    assert!(
        spent(&far) >= spent(&near) + 800.0,
        "{} {}",
        spent(&near),
        spent(&far)
    );
    run(["run", "--latency", "400"]).stops(2, &["50ms"]);
    run(["run", "--latency", "1ms", "--target", "127.0.0.1:1"]).stops(2, &["--latency", "self"]);
    run(["run", "--fault", BREAKS_MUST, "--target", "127.0.0.1:1"]).stops(2, &["--fault", "self"]);
}

#[test]
fn a_shared_target_remembers() {
    let two = "id(transfer/several-requests) | id(transfer/answers-in-reverse)";
    let args = ["--role", "leech", "--filter", two];
    let begins_with_pieces = |report: &Value| {
        let cases = report["cases"].as_array().unwrap();
        let of_leeches = cases.iter().filter(|case| case["suite"] != "rule");
        of_leeches
            .filter(|case| {
                let mut entries = case["transcript"].as_array().unwrap().iter();
                let shown = entries.find(|entry| {
                    entry["dir"] == "received"
                        && (entry["kind"] == "have_none" || entry["kind"] == "bitfield")
                });
                shown.is_some_and(|entry| entry["kind"] == "bitfield")
            })
            .count()
    };
    let (_, fresh) = json(&args);
    let (_, shared) = json(&[&args[..], &["--shared-target"]].concat());
    // What the first one gave it, it has when the second one comes.
    assert_eq!(
        (begins_with_pieces(&fresh), begins_with_pieces(&shared)),
        (0, 1)
    );
    run(["run", "--shared-target"]).stops(2, &["--role"]);
}

#[test]
fn variants_are_played_beside_the_plain_case() {
    let (_, report) = json(&[
        "--filter",
        "id(handshake/*:seed) | id(handshake/*:seed@*)",
        "--variant",
        "drip",
        "--role",
        "seed",
    ]);
    let ids = ids(&report);
    assert!(ids.iter().any(|id| id.ends_with("@drip")));
    assert!(ids.iter().any(|id| !id.contains('@')));
    run(["run", "--variant", "shaken"]).stops(2, &["drip, split-length, keepalives, unknown-ids"]);
}

#[test]
fn time_scale_stretches_deadlines() {
    let spent = |scale: &str| {
        let (code, report) = json(&[
            "--filter",
            MUST,
            "--fault",
            BREAKS_MUST,
            "--time-scale",
            scale,
        ]);
        assert_eq!(code, 1);
        report["cases"][0]["duration_ms"].as_f64().unwrap()
    };
    assert!(spent("3") > spent("1"));
    run(["run", "--time-scale", "0.5"]).stops(2, &["never shortened"]);
}

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
fn partitions_are_disjoint_and_together_everything() {
    let args = ["--filter", "suite(handshake)"];
    let cases = |args: &[&str]| -> BTreeSet<String> {
        let report = json(args).1;
        let ids = ids(&report)
            .into_iter()
            .filter(|id| !id.starts_with("rule/"));
        ids.map(str::to_owned).collect()
    };
    let all = cases(&args);
    let mut together = BTreeSet::new();
    for share in ["hash:1/3", "hash:2/3", "hash:3/3"] {
        let part = cases(&[&args[..], &["--partition", share]].concat());
        assert!(!part.is_empty() && part.len() < all.len(), "{share}");
        assert!(together.is_disjoint(&part), "{share}");
        together.extend(part);
    }
    assert_eq!(together, all);
    run(["run", "--partition", "hash:4/3"]).stops(2, &["hash:M/N"]);
}

#[test]
fn reports_go_to_files_and_formats_to_standard_output() {
    let dir = folder("reports");
    let (one, two) = (dir.join("run.json"), dir.join("run.txt"));
    let to = |format: &str, path: &Path| format!("{format}={}", path.display());
    let ran = run([
        "run".to_owned(),
        "--filter".into(),
        MUST.into(),
        "--report".into(),
        to("json", &one),
        "--report".into(),
        to("terminal", &two),
    ]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    let report: Value = serde_json::from_str(&fs::read_to_string(&one).unwrap()).unwrap();
    assert_eq!(report["schema"], "btspec.report/1");
    assert_eq!(fs::read_to_string(&two).unwrap(), ran.out);
    let shown = run(["run", "--filter", MUST, "--format", "json"]);
    assert_eq!(shown.out, fs::read_to_string(&one).unwrap());
    run(["run", "--report", "xml=a"]).stops(2, &["unknown format `xml`"]);
    run(["run", "--report", "json"]).stops(2, &["FMT=FILE"]);
    run(["run", "--report", "json=/no/such/folder/a"]).stops(2, &["/no/such/folder/a"]);
    run(["run", "--format", "pdf"]).stops(2, &["unknown format `pdf`"]);
}

#[test]
fn verbose_shows_passes_then_transcripts() {
    let quiet = run(["run", "--filter", MUST]);
    let passes = run(["run", "--filter", MUST, "-v"]);
    let all = run(["run", "--filter", MUST, "--verbose", "--verbose"]);
    assert!(!quiet.out.contains("PASS"));
    assert!(
        passes.out.contains("PASS fast_ext/seed-has-all:seed") && passes.out.contains("slowest")
    );
    assert!(!passes.out.contains("last messages") && all.out.contains("last messages"));
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

#[test]
fn torrent_and_data_replace_the_fixture() {
    let dir = folder("own-torrent");
    assert_eq!(run(["fixture", "--out", &text(&dir)]).code, 0);
    let torrent = text(&dir.join("one-piece.torrent"));
    let data = text(&dir.join("data/btspec-one-piece.bin"));
    let hash = |args: &[&str]| {
        let (code, report) = json(args);
        assert_eq!(code, 0);
        let log = report["cases"][0]["transcript"].as_array().unwrap().clone();
        let shake = log
            .iter()
            .find(|entry| entry["kind"] == "handshake")
            .unwrap();
        shake["fields"]["info_hash"].as_str().unwrap().to_owned()
    };
    let usual = hash(&["--filter", MUST]);
    let own = hash(&["--filter", MUST, "--torrent", &torrent, "--data", &data]);
    assert_ne!(usual, own);
    let wrong = text(&dir.join("main.torrent"));
    run(["run", "--torrent", &wrong, "--data", &data]).stops(2, &["does not fit"]);
    run(["run", "--torrent", &wrong, "--data", "no/such"]).stops(2, &["no/such"]);
    run(["run", "--torrent", "no/such.torrent"]).stops(2, &["no/such.torrent"]);
    run(["run", "--data", &data]).stops(2, &["--torrent"]);
}

#[test]
fn a_target_is_found_out_and_judged() {
    let (_seed, addr) = Running::serve(&["--role", "seed"]);
    let (code, report) = json(&[
        "--target",
        &addr,
        "--filter",
        "id(fast_ext/seed-has-all) | id(fast_ext/leech-has-none)",
    ]);
    assert_eq!(code, 0);
    assert_eq!(report["target"]["role"], "seed");
    assert_eq!(ids(&report), ["fast_ext/seed-has-all:seed"]);
    assert_eq!(report["target"]["spec"], addr.as_str());
    let source = &report["cases"][0]["connections"][0]["source"];
    assert!(source.as_str().unwrap().starts_with("127."));
}

#[test]
fn source_names_our_address() {
    let (_seed, addr) = Running::serve(&["--role", "seed"]);
    let (code, report) = json(&[
        "--target",
        &addr,
        "--filter",
        MUST,
        "--source",
        "127.0.0.77",
    ]);
    assert_eq!(code, 0);
    let source = report["cases"][0]["connections"][0]["source"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(source.starts_with("127.0.0.77:"), "{source}");
    run(["run", "--target", &addr, "--source", "here"]).stops(2, &["`here`"]);
    run(["run", "--target", &addr, "--source", "192.0.2.1"]).stops(2, &["192.0.2.1"]);
}

/// A case that a client may answer with a ban.
const BAN: &str = "spec: 1\nsuite: bans\ntitle: Bans\ncases:\n  - case: one\n    title: One\n    tags: [ban]\n    \
    cites: [B6-HA-02]\n    roles: [seed]\n    steps:\n      - connect: {reserved: [fast, extended]}\n      \
    - expect: have_all\n      - alive: {}\n";

#[test]
fn allow_ban_plays_what_may_cost_the_only_address() {
    let (_seed, addr) = Running::serve(&["--role", "seed"]);
    let suite = file("ban.yaml", BAN);
    let args = [
        "run",
        &suite,
        "--target",
        &addr,
        "--source",
        "127.0.0.78",
        "--filter",
        "suite(bans)",
    ];
    let careful = run(args);
    assert_eq!(careful.code, 4, "{careful:#?}");
    assert!(careful.out.contains("--allow-ban plays it"), "{careful:#?}");
    let daring = run(args.iter().chain(&["--allow-ban"]));
    assert_eq!(daring.code, 0, "{daring:#?}");
}

#[test]
fn load_needs_leave_on_public_addresses() {
    let suite = file("load.yaml", &BAN.replace("tags: [ban]", "tags: [load]"));
    let args = [
        "run",
        &suite,
        "--target",
        "192.0.2.1:6881",
        "--role",
        "seed",
        "--no-preflight",
        "--filter",
        "suite(bans)",
    ];
    let ran = run(args);
    assert_eq!(ran.code, 4, "{ran:#?}");
    assert!(ran.out.contains("--i-run-this-target plays it"), "{ran:#?}");
    let (_seed, addr) = Running::serve(&["--role", "seed"]);
    let private = run([
        "run",
        &suite,
        "--target",
        &addr,
        "--i-run-this-target",
        "--filter",
        "suite(bans)",
    ]);
    assert_eq!(private.code, 0, "{private:#?}");
}

/// A port that nobody listens at.
fn closed_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[test]
fn a_closed_port_is_3() {
    let port = closed_port();
    let auto = run(["run", "--target", &port]);
    assert_eq!(auto.code, 3, "{auto:#?}");
    assert!(
        auto.out.contains("the run ended early: ") && auto.out.contains(&port),
        "{auto:#?}"
    );
    let (code, report) = json(&["--target", &port, "--role", "seed", "--filter", MUST]);
    assert_eq!((code, &report["exit"]), (3, &3.into()));
    let case = &report["cases"][0];
    assert_eq!(case["verdict"], "inconclusive");
    assert!(
        case["reason"].as_str().unwrap().contains("never served"),
        "{case}"
    );
    run(["run", "--target", "127.0.0.1"]).stops(2, &["no port"]);
    run(["run", "--target", "::1:6881"]).stops(2, &["brackets"]);
    run(["run", "--target", "127.0.0.1:99999"]).stops(2, &["99999"]);
}

#[test]
fn no_preflight_plays_on() {
    let port = closed_port();
    let args = ["--target", &port, "--role", "seed", "--filter", MUST];
    let (_, with) = json(&args);
    let (_, without) = json(&[&args[..], &["--no-preflight"]].concat());
    let reason = |report: &Value| report["cases"][0]["reason"].as_str().unwrap().to_owned();
    assert!(reason(&with).contains("never served"), "{}", reason(&with));
    assert!(
        !reason(&without).contains("never served"),
        "{}",
        reason(&without)
    );
}

#[cfg(unix)]
#[test]
fn exec_starts_the_target_and_ends_it() {
    let binary = env!("CARGO_BIN_EXE_btspec");
    let command = format!(
        "exec '{binary}' serve --listen 127.0.0.1:{{port}} --role {{role}} --torrent {{torrent}} --data {{data}}"
    );
    for (role, filter) in [
        ("seed", MUST),
        ("leech", "id(fast_ext/leech-rejects-what-it-lacks:leech)"),
    ] {
        let (code, report) = json(&["--exec", &command, "--role", role, "--filter", filter]);
        assert_eq!(code, 0, "{report}");
        assert_eq!(report["summary"]["pass"], 1, "{report}");
        assert_eq!(report["target"]["role"], role);
    }
    run(["run", "--exec", "client {nonsense}"]).stops(2, &["nonsense"]);
    let gone = run(["run", "--exec", "exit 7"]);
    assert_eq!(gone.code, 3, "{gone:#?}");
}

/// The report tells where the target listened, connection by connection.
#[cfg(unix)]
#[test]
fn instances_share_the_cases_out() {
    let binary = env!("CARGO_BIN_EXE_btspec");
    let command = format!(
        "exec '{binary}' serve --listen 127.0.0.1:{{port}} --role {{role}} --torrent {{torrent}}"
    );
    let play = |more: &[&str]| {
        let filter = "id(handshake/unassigned-reserved-bits*) | id(handshake/split*)";
        let common = ["--exec", &command, "--filter", filter];
        let (code, report) = json(&[&common, more].concat());
        assert!(code <= 1, "{}", report["summary"]);
        let cases = report["cases"].as_array().unwrap().iter();
        let targets = cases.flat_map(|case| case["connections"].as_array().unwrap().iter());
        let targets: BTreeSet<String> = targets
            .filter_map(|connection| connection["target"].as_str().map(str::to_owned))
            .collect();
        (targets.len(), report["summary"].clone())
    };
    let (alone, once) = play(&[]);
    let (shared, twice) = play(&["--instances", "2"]);
    assert_eq!((alone, shared), (1, 2));
    assert_eq!(once, twice);
    run(["run", "--instances", "2"]).stops(2, &["--instances", "--client"]);
    run(["run", "--instances", "0"]).stops(2, &["--instances"]);
}

#[cfg(unix)]
#[test]
fn client_takes_a_driver_file() {
    let binary = env!("CARGO_BIN_EXE_btspec");
    let driver = file(
        "own.yaml",
        &format!(
            "name: own\nstart: [\"{binary}\", serve, --listen, \"{{bind}}:{{port}}\", --role, \"{{role}}\", --torrent, \"{{torrent}}\"]\n"
        ),
    );
    let (code, report) = json(&[
        "--client",
        &driver,
        "--filter",
        "id(handshake/*)",
        "--role",
        "leech",
        "--level",
        "must",
    ]);
    assert!(code <= 1, "{report}");
    assert!(report["summary"]["pass"].as_u64().unwrap() > 0, "{report}");
    run(["run", "--client", "netscape"]).stops(2, &["netscape", "libtorrent", "transmission"]);
    run(["run", "--client", "a", "--exec", "b"]).stops(2, &["--exec"]);
}

/// Of cases that ran beside each other when the target died, only the one that kills it fails.
#[cfg(unix)]
#[test]
fn the_case_that_kills_is_told_from_those_beside_it() {
    let binary = env!("CARGO_BIN_EXE_btspec");
    let driver = file(
        "mortal.yaml",
        &format!(
            "name: mortal\njobs: 8\nstart: [\"{binary}\", serve, --listen, \"{{bind}}:{{port}}\", --role, \"{{role}}\", --torrent, \"{{torrent}}\", --data, \"{{data}}\", --fault, dies-of-full-reserved]\n"
        ),
    );
    let filter = "id(handshake/*-reserved-bits*) | id(handshake/split*)";
    let (code, report) = json(&["--client", &driver, "--filter", filter]);
    assert_eq!(code, 1, "{}", report["summary"]);
    let cases = report["cases"].as_array().unwrap().iter();
    let failed: BTreeSet<&str> = cases
        .filter(|case| {
            matches!(
                case["verdict"].as_str(),
                Some("fail" | "inconclusive" | "error")
            )
        })
        .filter_map(|case| case["id"].as_str())
        .collect();
    assert_eq!(failed, BTreeSet::from(["handshake/all-reserved-bits:seed"]));
}

#[test]
fn what_cannot_be_read_is_usage_with_a_place() {
    let bad = |name: &str, text_of_it: &str| run(["run".to_owned(), file(name, text_of_it)]);
    run(["run", "no/such/file.yaml"]).stops(2, &["no/such/file.yaml"]);
    let empty = folder("no-scenarios");
    run(["run", &text(&empty)]).stops(2, &["no-scenarios"]);
    let good = "spec: 1\nsuite: s\ntitle: T\ncases:\n  - case: a\n    title: A\n    cites: [B6-RJ-01]\n    roles: [seed]\n    \
        steps:\n      - connect: {reserved: [fast]}\n      - send: STEP\n      - alive: {}\n";
    let step = |step: &str| good.replace("STEP", step);
    for (name, text_of_it, line, words) in [
        (
            "wrong-key.yaml",
            step("choke").replace("title: T", "titel: T"),
            3,
            "did you mean `title`?",
        ),
        (
            "wrong-type.yaml",
            step("choke").replace("roles: [seed]", "roles: 7"),
            8,
            "",
        ),
        (
            "two-actions.yaml",
            step("choke, expect: unchoke").replace("- send: choke, ", "- send: choke\n        "),
            12,
            "expect",
        ),
        (
            "message.yaml",
            step("rejct_request"),
            11,
            "did you mean `reject_request`?",
        ),
        (
            "field.yaml",
            step("{have: {indx: 0}}"),
            11,
            "did you mean `index`?",
        ),
        (
            "requirement.yaml",
            good.replace("B6-RJ-01", "B6-RJ-99")
                .replace("STEP", "choke"),
            7,
            "B6-RJ-99",
        ),
        (
            "variable.yaml",
            step("{have: {index: $nothing}}"),
            11,
            "nothing",
        ),
        (
            "duplicate.yaml",
            step("choke") + &step("choke")[step("choke").find("  - case").unwrap()..],
            13,
            "",
        ),
        (
            "tabs.yaml",
            step("choke").replace("    title: A", "\ttitle: A"),
            6,
            "tabs",
        ),
        ("truncated.yaml", step("{have: {index"), 0, ""),
        ("binary.yaml", "\u{0}\u{1}".to_owned(), 1, ""),
        ("empty.yaml", String::new(), 1, ""),
        (
            "deep.yaml",
            step(&("[".repeat(100) + &"]".repeat(100))),
            11,
            "",
        ),
        (
            "bomb.yaml",
            format!(
                "a: &a [x,x]\nb: &b [{0}]\nc: &c [{0}]\n",
                ["*a"; 9].join(",")
            ),
            1,
            "",
        ),
    ] {
        let ran = bad(name, &text_of_it);
        let place = if line == 0 {
            format!("{name}:")
        } else {
            format!("{name}:{line}:")
        };
        ran.stops(2, &[&place, words, "|"]);
    }
}

#[test]
fn a_huge_file_is_refused_at_once() {
    let path = folder("huge").join("huge.yaml");
    let huge = fs::File::create(&path).unwrap();
    huge.set_len(100 * 1024 * 1024).unwrap();
    run(["run", &text(&path)]).stops(2, &["huge.yaml"]);
}

#[test]
fn a_closed_pipe_does_not_change_the_exit_code() {
    let mut child = btspec()
        .args(["run", "--filter", MUST, "--fault", BREAKS_MUST, "-vv"])
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[test]
fn results_are_on_standard_output_alone_and_without_colour_when_piped() {
    let ran: Ran = output(btspec().args(["run", "--filter", MUST, "--fault", BREAKS_MUST]));
    assert_eq!(ran.err, "");
    assert!(!ran.out.contains('\x1b'));
}

/// A flag without a test that shows its effect does not go in.
#[test]
fn every_flag_of_run_is_in_a_test() {
    let help = run(["run", "--help"]).out;
    let tests = concat!(
        include_str!("run.rs"),
        include_str!("lock.rs"),
        include_str!("observed.rs")
    );
    let untested = help
        .split_whitespace()
        .filter(|word| word.starts_with("--") && word.len() > 2)
        .map(|word| word.trim_end_matches(|c: char| !c.is_ascii_lowercase()))
        .filter(|flag| !["--help"].contains(flag))
        .filter(|flag| !tests.contains(&format!("\"{flag}\"")))
        .collect::<Vec<_>>();
    assert!(untested.is_empty(), "{untested:?}");
}
