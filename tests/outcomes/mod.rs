//! Runs as tests of reports show them: a row of every verdict, and what is to become of them.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::time::Duration;

use btspec::outcome::{
    About, CaseOutcome, Closed, ClosedBy, Connection, EntryDir, Exit, Expected, Fields,
    FileComplaint, Finding, How, Millis, RunOutcome, TargetInfo, TranscriptEntry, Verdict,
};
use btspec::report::{self, Context};
use btspec::requirement::Level;

/// Compares with `snapshots/NAME.snap`.
pub(crate) fn snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

pub(crate) fn ms(millis: u64) -> Millis {
    Millis(Duration::from_millis(millis))
}

pub(crate) fn message(
    at: u64,
    dir: EntryDir,
    kind: &str,
    fields: &[(&str, u64)],
    raw: &[u8],
) -> TranscriptEntry {
    let fields: Fields = fields.iter().copied().collect();
    TranscriptEntry::message(ms(at), 1, dir, kind, fields, raw)
}

/// A seed that ignores a request while it chokes.
pub(crate) fn missed_reject() -> CaseOutcome {
    let block = [("index", 1026), ("begin", 0), ("length", 16384)];
    let mut case = CaseOutcome::new(
        "fast_ext/reject-while-choked:seed",
        "fast_ext",
        "fast_ext/reject-while-choked",
    );
    case.title = "A request sent while choked is rejected, not ignored".into();
    case.role = Some("seed".into());
    case.direction = Some("dialled".into());
    case.level = Some(Level::Must);
    case.requirements = vec!["B6-RJ-01".into()];
    case.verdict = Verdict::Fail;
    case.duration_ms = ms(15_120);
    let mut finding = Finding::new(
        Verdict::Fail,
        "nothing but a keep_alive until the deadline",
        ms(15_120),
    );
    finding.requirement = Some("B6-RJ-01".into());
    finding.level = Some(Level::Must);
    finding.step = Some("any_of".into());
    finding.file = Some("scenarios/fast_ext.yaml".into());
    finding.line = Some(34);
    finding.col = Some(9);
    finding.source_line = Some("      - any_of:".into());
    finding.conn = Some(1);
    finding.expected = vec![
        Expected::new(
            "reject_request {index: 1026, begin: 0, length: 16384}",
            "not within 15 s",
        ),
        Expected::new("piece {index: 1026}", "1026 is not in the allowed-fast set"),
        Expected::new("closed by the target", "still open after 15 s"),
    ];
    case.findings = vec![finding];
    case.connections = vec![Connection {
        conn: 1,
        peer: "a".into(),
        source: "127.0.0.2:40001".into(),
        target: "127.0.0.1:6881".into(),
        opened_ms: ms(0),
        closed: Some(Closed {
            by: ClosedBy::Tester,
            how: How::Fin,
            at_ms: ms(15_200),
            after_sent: 204,
        }),
    }];
    let mut probe = message(5_000, EntryDir::Received, "keep_alive", &[], &[0; 4]);
    probe.auto = false;
    case.transcript = vec![
        message(0, EntryDir::Sent, "handshake", &[], &[19; 68]),
        message(1, EntryDir::Received, "handshake", &[], &[19; 68]),
        message(2, EntryDir::Received, "have_all", &[], &[0, 0, 0, 1, 14]),
        message(100, EntryDir::Sent, "not_interested", &[], &[0, 0, 0, 1, 3]),
        message(101, EntryDir::Received, "choke", &[], &[0, 0, 0, 1, 0]),
        message(120, EntryDir::Sent, "request", &block, &[0; 17]),
        TranscriptEntry::event(
            ms(120),
            Some(1),
            "deadline",
            Some("answer, 15 s, from the last byte of the request".into()),
        ),
        probe,
        TranscriptEntry::event(ms(15_120), Some(1), "missed", Some("any_of".into())),
        TranscriptEntry::event(ms(15_200), Some(1), "closed", Some("by us".into())),
    ];
    case.log = vec!["peer 127.0.0.2: dropped request 1026:0".into()];
    case
}

pub(crate) fn broken_rule() -> CaseOutcome {
    let mut rule = CaseOutcome::new("rule/request-lengths", "rule", "rule/request-lengths");
    rule.title = "Requests are at most 16 KiB long".into();
    rule.level = Some(Level::Practice);
    rule.requirements = vec!["B3-RQ-02".into()];
    rule.verdict = Verdict::Warn;
    rule.observations = [
        ("evaluated".to_owned(), 812.into()),
        ("broken".to_owned(), 41.into()),
    ]
    .into();
    for (case, at) in [("a", 250), ("b", 300), ("c", 90)] {
        let mut finding = Finding::new(
            Verdict::Warn,
            "request {index: 3, begin: 0, length: 32768}",
            ms(at),
        );
        finding.rule = Some("request-lengths".into());
        finding.requirement = Some("B3-RQ-02".into());
        finding.level = Some(Level::Practice);
        finding.conn = Some(1);
        finding.seen_in = Some(format!("handshake/{case}:leech"));
        finding.expected = vec![Expected::new("length at most 16384", "")];
        rule.findings.push(finding);
    }
    rule
}

pub(crate) fn row(id: &str, verdict: Verdict, reason: &str, millis: u64) -> CaseOutcome {
    let case = id.split([':', '[']).next().unwrap_or(id);
    let mut outcome = CaseOutcome::new(id, "handshake", case);
    outcome.title = "A case".into();
    outcome.role = Some("seed".into());
    outcome.direction = Some("dialled".into());
    outcome.verdict = verdict;
    outcome.level = Some(Level::Must);
    outcome.requirements = vec!["B3-HS-01".into()];
    outcome.duration_ms = ms(millis);
    if !reason.is_empty() {
        outcome.reason = Some(reason.to_owned());
    }
    outcome
}

pub(crate) fn target() -> TargetInfo {
    TargetInfo {
        spec: "127.0.0.1:6881".into(),
        role: Some("seed".into()),
        client: Some("Evil\x1b[2J 1.0\u{202e}".into()),
        reserved: vec!["extended".into(), "fast".into()],
        extensions: [("ut_metadata".to_owned(), 3)].into(),
    }
}

pub(crate) fn run_of(cases: Vec<CaseOutcome>) -> RunOutcome {
    let mut run = RunOutcome::new(target(), 7, cases);
    run.duration_ms = ms(15_700);
    run.tool.version = "0.0.0".into();
    run.exit = Exit::of_run(&run, false).code();
    run
}

pub(crate) fn all() -> RunOutcome {
    run_of(vec![
        row("handshake/plain:seed", Verdict::Pass, "", 12),
        missed_reject(),
        row(
            "handshake/other-hash:seed",
            Verdict::Info,
            "closed after 3 s",
            3_000,
        ),
        row("handshake/dht:seed", Verdict::Skip, "dht not offered", 0),
        row(
            "handshake/late:seed",
            Verdict::Inconclusive,
            "given: no unchoke within 65 s",
            65_000,
        ),
        row(
            "handshake/two:seed",
            Verdict::Error,
            "no source address left",
            1,
        ),
        broken_rule(),
    ])
}

pub(crate) fn render(name: &str, run: &RunOutcome, context: &Context) -> String {
    let format = report::format(name).unwrap();
    let mut out = Vec::new();
    (format.write)(run, context, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// What each kind of file says.
pub(crate) fn complaints() -> Vec<FileComplaint> {
    vec![
        FileComplaint::fail(About::Expectations, "known.expect.yaml:3: matches nothing"),
        FileComplaint::fail(About::Lock, "btspec.lock:7: `s/c:seed` was judged once"),
        FileComplaint::warn(
            About::Observations,
            "x.observed.yaml:2: `s/d:seed` is pass now",
        ),
    ]
}

pub(crate) fn context() -> Context {
    Context {
        repeat: ["run", "--target", "127.0.0.1:6881"]
            .map(str::to_owned)
            .to_vec(),
        ..Context::default()
    }
}

/// `BTSPEC_BLESS=1` writes what is generated; without it, a difference is a failure.
pub(crate) fn generated(path: &str, text: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("BTSPEC_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == text,
        "{} is not current; BTSPEC_BLESS=1 cargo test writes it",
        path.display()
    );
}
