//! Reports for other programs: they read back, and say what the run says.

use std::process::Command;

use btspec::outcome::stream;
use btspec::outcome::{RunOutcome, Verdict};
use btspec::report::{self, Context};
use quick_xml::events::Event;
use serde_json::Value;

mod checker;
mod command;
mod outcomes;

use checker::Checker;
use outcomes::{
    all, broken_rule, complaints, context, missed_reject, render, row, run_of, snapshot,
};

/// A run with everything that a row can be: every verdict, listed ones, and complaints.
fn everything() -> (RunOutcome, Context) {
    let mut run = all();
    let mut listed = missed_reject();
    listed.id = "fast_ext/reject-while-choked:leech".into();
    listed.known = Some("upstream issue 12".into());
    let mut late = row(
        "handshake/known:seed",
        Verdict::Inconclusive,
        "no unchoke",
        1,
    );
    late.known = Some("slow to start".into());
    run.cases.extend([listed, late]);
    let mut run = RunOutcome {
        lost: Some("no connection for 75 s".into()),
        ..run_of(run.cases)
    };
    run.exit = 3;
    run.complaints = complaints();
    (run, context())
}

/// Elements of an XML file with their attributes, in order; text is dropped.
fn elements(xml: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut reader = quick_xml::Reader::from_str(xml);
    reader.config_mut().check_end_names = true;
    let mut found = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            Event::Eof => return found,
            Event::Start(tag) | Event::Empty(tag) => {
                let attributes = tag.attributes().map(|attribute| {
                    let attribute = attribute.unwrap();
                    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                    (text(attribute.key.as_ref()), text(&attribute.value))
                });
                let name = String::from_utf8(tag.name().as_ref().to_vec()).unwrap();
                found.push((name, attributes.collect()));
            }
            _ => {}
        }
    }
}

#[test]
fn junit_tells_failure_error_and_skipped_apart() {
    let (run, context) = everything();
    let xml = render("junit", &run, &context);
    snapshot("junit_everything", &xml);
    let elements = elements(&xml);
    let count = |name: &str| elements.iter().filter(|(tag, _)| tag == name).count();
    // The fail that is not listed, the entry that matches nothing, and a case that is lost.
    assert_eq!(count("failure"), 3);
    // Inconclusive, error, and the target that was lost.
    assert_eq!(count("error"), 3);
    // The skip, and two that are listed.
    assert_eq!(count("skipped"), 3);
    let (_, root) = &elements[0];
    let root = |name: &str| root.iter().find(|(key, _)| key == name).unwrap().1.as_str();
    assert_eq!(root("tests").parse(), Ok(count("testcase")));
    assert_eq!(
        [root("failures"), root("errors"), root("skipped")],
        ["3", "3", "3"]
    );
}

#[test]
fn junit_of_a_warn_depends_on_strict() {
    let run = run_of(vec![broken_rule()]);
    let xml = render("junit", &run, &context());
    assert!(
        !xml.contains("<failure") && xml.contains("<system-out>"),
        "{xml}"
    );
    let strict = Context {
        strict: true,
        ..context()
    };
    let xml = render("junit", &run, &strict);
    assert!(xml.contains("type=\"warn.practice\""), "{xml}");
}

/// Against the schema, by the reference implementation.
#[test]
#[ignore = "needs xmllint (Debian: libxml2-utils); .ci/run has it"]
fn junit_is_valid() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (run, context) = everything();
    let nothing = run_of(Vec::new());
    for (name, run) in [("everything.xml", &run), ("nothing.xml", &nothing)] {
        let file = folder.join(name);
        std::fs::write(&file, render("junit", run, &context)).unwrap();
        let mut lint = Command::new("xmllint");
        lint.args(["--noout", "--schema", "tests/data/junit.xsd"]);
        let done = lint.arg(&file).output().unwrap();
        assert!(
            done.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
    }
}

/// Fails if `text` is no JSON or does not fit `schema`.
#[track_caller]
fn fits(schema: &str, text: &str) {
    let schema: Value = serde_json::from_str(schema).unwrap();
    let value: Value = serde_json::from_str(text).unwrap();
    let checked = Checker { root: &schema }.check(&schema, &value, "");
    assert_eq!(checked, Ok(()));
}

#[test]
fn json_and_its_lines_fit_their_schemas() {
    let (run, context) = everything();
    fits(&report::json::schema(), &render("json", &run, &context));
    let lines = render("jsonl", &run, &context);
    for line in lines.lines() {
        fits(&report::jsonl::schema(), line);
    }
    let read = stream::read(lines.as_bytes()).unwrap();
    assert!(read.complete);
    assert_eq!(
        render("json", &read.run, &context),
        render("json", &run, &context)
    );
}

/// A case that is over at once, and one that waits for minutes on real sockets.
#[cfg(unix)]
const QUICK_AND_SLOW: &str = "id(handshake/answered:seed) | id(timeouts/*:seed)";

#[cfg(unix)]
#[test]
fn a_killed_run_loses_nothing_that_was_judged() {
    use std::io::{BufRead, BufReader, Read};

    let folder = command::folder("killed");
    let pipe = folder.join("run.jsonl");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let (_seed, addr) = command::Running::serve(&["--role", "seed"]);
    let mut run = command::btspec();
    run.args(["run", "--target", &addr, "--filter", QUICK_AND_SLOW]);
    run.arg("--report").arg(format!("jsonl={}", pipe.display()));
    run.stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null());
    let mut run = run.spawn().unwrap();
    // Lines come through a pipe one by one: no more is read than was flushed.
    let mut lines = BufReader::new(std::fs::File::open(&pipe).unwrap());
    let mut text = String::new();
    while !text.contains("\"line\":\"case\"") {
        assert_ne!(
            lines.read_line(&mut text).unwrap(),
            0,
            "ended early: {text}"
        );
    }
    run.kill().unwrap();
    run.wait().unwrap();
    lines.read_to_string(&mut text).unwrap();
    let read = stream::read(text.as_bytes()).unwrap();
    assert!(!read.complete && !read.run.cases.is_empty());
    assert_eq!(read.run.target.spec, addr);
    assert!(read.run.target.client.is_some(), "what the preflight saw");
}

#[cfg(target_os = "linux")]
#[test]
fn a_report_that_cannot_be_written_is_told() {
    let quick = ["run", "--filter", "id(handshake/answered:seed)", "--report"];
    let with = |report: &str| command::run(quick.iter().copied().chain([report]));
    // Found before anything is sent.
    with("jsonl=/dev/full").stops(2, &["cannot write /dev/full"]);
    with("jsonl=/no/such/folder/run.jsonl").stops(2, &["cannot write", "run.jsonl"]);
    with("junit=/no/such/folder/run.xml").stops(2, &["cannot write", "run.xml"]);
    // Found at the end; the result stands nonetheless.
    for format in ["json", "junit"] {
        let ran = with(&format!("{format}=/dev/full"));
        ran.stops(5, &["cannot write /dev/full"]);
        assert!(ran.out.contains("1 pass"), "{ran:?}");
    }
}

/// Rows of the largest page that is promised to be handy.
const ROWS: usize = 2_000;

#[test]
fn a_page_of_two_thousand_rows_is_below_twenty_megabytes() {
    let run = btspec::fuzzing::large_run(ROWS);
    let page = render("html", &run, &context());
    println!("{} rows: {} bytes of HTML", run.cases.len(), page.len());
    assert!(run.cases.len() > ROWS * 9 / 10);
    assert!(page.len() < 20_000_000, "{}", page.len());
    assert!(page.contains("messages are left out"));
    let all: usize = run.cases.iter().map(|case| case.transcript.len()).sum();
    assert!(all > ROWS * 10, "short transcripts: {all}");
}

#[test]
fn a_page_has_for_each_row_what_a_reader_needs() {
    let (run, context) = everything();
    let page = render("html", &run, &context);
    // Style and script are files of their own.
    let (head, rest) = page.split_once("<style>").unwrap();
    let body = rest.split_once("</style>").unwrap().1;
    let (_, head) = head.split_once("<title>").unwrap();
    let (body, _) = body.split_once("<script>").unwrap();
    snapshot("html_everything", &format!("{head}{body}"));
    for text in [
        "BEP 6, &#34;Reject Request&#34;",
        "https://www.bittorrent.org/beps/bep_0006.html#reject-request",
        "<svg class=\"ladder\"",
        "still open after 15 s",
        "nothing but a keep_alive until the deadline",
        "id(fast_ext/reject-while-choked:seed)",
        "upstream issue 12",
        "no connection for 75 s",
        "matches nothing",
    ] {
        assert!(page.contains(text), "no `{text}`");
    }
}

#[test]
fn markdown_has_counts_failures_and_what_is_listed() {
    let (run, context) = everything();
    let text = render("markdown", &run, &context);
    snapshot("markdown_everything", &text);
    for title in [
        "### What went wrong",
        "As listed in the expectations: 2 rows",
        "Skipped: 1 row",
    ] {
        assert!(text.contains(title), "no `{title}` in {text}");
    }
}

#[test]
fn annotations_stand_on_scenario_lines() {
    let (run, context) = everything();
    let text = render("github", &run, &context);
    snapshot("github_everything", &text);
    let place = "::error file=scenarios/fast_ext.yaml,line=34,title=fail fast_ext/reject-while-choked%3Aseed::";
    assert!(text.contains(place), "{text}");
    assert!(!text.contains("%3Aleech"), "a listed failure: {text}");
}
