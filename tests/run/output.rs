//! What a run writes, and where.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{BREAKS_MUST, MUST};
use crate::command::{Ran, btspec, folder, output, run};

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
