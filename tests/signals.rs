//! Whatever ends a run early: its exit code, its reports, and that nothing of it is left.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use btspec::outcome::{RunOutcome, Verdict, stream};

mod command;

use command::{btspec, folder};

/// Everything here is over long before.
const LIMIT: Duration = Duration::from_secs(60);

/// A case that is over at once, and some that wait for minutes.
const QUICK_AND_SLOW: &str = "id(handshake/answered:seed) | id(timeouts/*:seed)";

/// What all processes of a test have in their environment.
const MARK: &str = "SIGNALS_TEST_OF";

/// The reference peer as a client.
const SERVES: &str = r#"start: [BTSPEC, serve, --listen, "{bind}:{port}", --role, "{role}", --torrent, "{torrent}", --data, "{data}"]
jobs: 16
"#;

/// Whether it holds in time. It is asked again and again: nobody tells of other processes.
#[expect(
    clippy::disallowed_methods,
    reason = "processes of others are looked at until they are as wanted"
)]
fn soon(mut holds: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + LIMIT;
    loop {
        if holds() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn wait_until(what: &str, holds: impl FnMut() -> bool) {
    assert!(soon(holds), "not in time: {what}");
}

/// Folders of a test, and what runs below its mark.
struct Place {
    dir: PathBuf,
    tmp: PathBuf,
}

impl Place {
    fn new(name: &str) -> Self {
        let dir = folder(&format!("signals-{name}"));
        let tmp = dir.join("tmp");
        fs::create_dir(&tmp).unwrap();
        Self { dir, tmp }
    }

    /// A driver; `BTSPEC` in it is the binary.
    fn driver(&self, text: &str) -> PathBuf {
        let path = self.dir.join("stand-in.yaml");
        let text = text.replace("BTSPEC", env!("CARGO_BIN_EXE_btspec"));
        fs::write(&path, format!("name: stand-in\n{text}")).unwrap();
        path
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap_or_default()
    }

    /// `btspec` with the mark and the temporary folder; standard error goes to the file `err`.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = btspec();
        command.args(args).env("TMPDIR", &self.tmp);
        command.env(MARK, &self.dir).stdin(Stdio::null());
        command.stdout(fs::File::create(self.file("out")).unwrap());
        command.stderr(fs::File::create(self.file("err")).unwrap());
        command
    }

    /// Starts it against the driver, with a report of every kind that is written for a run.
    fn run(&self, driver: &str) -> Running<'_> {
        let driver = self.driver(driver);
        let mut command = self.command(&["run", "--role", "seed", "--filter", QUICK_AND_SLOW]);
        command.arg("--client").arg(driver);
        for format in ["json", "jsonl", "html", "junit"] {
            let to = format!("{format}={}", self.file(format).display());
            command.args(["--report", &to]);
        }
        self.start(command)
    }

    fn start(&self, mut command: Command) -> Running<'_> {
        Running {
            child: command.spawn().unwrap(),
            place: self,
        }
    }

    /// Command lines of the processes with our mark.
    fn processes(&self) -> Vec<String> {
        let mark = format!("{MARK}={}", self.dir.display());
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let environ = fs::read(entry.path().join("environ")).unwrap_or_default();
            if environ.split(|b| *b == 0).any(|it| it == mark.as_bytes()) {
                let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                let line = String::from_utf8_lossy(&line).replace('\0', " ");
                found.push(format!("{}: {line}", entry.file_name().display()));
            }
        }
        found
    }

    fn left(&self) -> (Vec<String>, Vec<PathBuf>) {
        let entries = fs::read_dir(&self.tmp).unwrap();
        let files = entries.map(|entry| entry.unwrap().path()).collect();
        (self.processes(), files)
    }

    /// Nothing is left now: whoever ended in order has waited for that.
    #[track_caller]
    fn is_clean(&self) {
        assert_eq!(self.left(), (Vec::new(), Vec::new()));
    }

    /// Nothing is left soon.
    #[track_caller]
    fn gets_clean(&self) {
        soon(|| self.left() == (Vec::new(), Vec::new()));
        self.is_clean();
    }
}

/// Of a test that failed, too, nothing is left.
struct Running<'a> {
    child: Child,
    place: &'a Place,
}

impl Running<'_> {
    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits until a process with these words in its command line runs.
    fn wait_for_process(&mut self, words: &str) {
        let place = self.place;
        wait_until(words, || {
            assert!(self.is_there(), "ended: {}", place.read("err"));
            place.processes().iter().any(|line| line.contains(words))
        });
    }

    fn wait_for_text(&mut self, file: &str, text: &str) {
        let place = self.place;
        wait_until(text, || {
            assert!(self.is_there(), "ended: {}", place.read("err"));
            place.read(file).contains(text)
        });
    }

    fn is_there(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Its exit code; `None` if a signal was its end.
    fn ends(&mut self) -> Option<i32> {
        let mut ended = None;
        wait_until("its end", || {
            ended = self.child.try_wait().unwrap();
            ended.is_some()
        });
        ended.unwrap().code()
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every report that a whole run would have written, of one that was asked to end.
#[track_caller]
fn reports_say(place: &Place, why: &str) -> RunOutcome {
    let json: RunOutcome = serde_json::from_str(&place.read("json")).unwrap();
    assert_eq!(json.lost.as_deref(), Some(why));
    assert_eq!(json.exit, 3);
    let lines = stream::read(place.read("jsonl").as_bytes()).unwrap();
    assert!(lines.complete);
    assert_eq!(lines.run.lost.as_deref(), Some(why));
    let page = place.read("html");
    assert!(
        page.contains("ended early") && page.contains(why) && page.trim_end().ends_with("</html>")
    );
    let junit = place.read("junit");
    assert!(junit.contains(why) && junit.trim_end().ends_with("</testsuites>"));
    assert!(junit.contains("<error"), "{junit}");
    json
}

#[test]
fn a_run_that_is_asked_to_end_writes_what_it_has() {
    for signal in ["INT", "TERM"] {
        let place = Place::new(&format!("run-{signal}"));
        let mut run = place.run(SERVES);
        run.wait_for_text("jsonl", "\"line\":\"case\"");
        run.signal(signal);
        assert_eq!(run.ends(), Some(3), "{}", place.read("err"));
        place.is_clean();
        let json = reports_say(&place, &format!("interrupted by SIG{signal}"));
        let verdict = |id: &str| {
            json.cases
                .iter()
                .find(|case| case.id == id)
                .map(|it| it.verdict)
        };
        assert_eq!(verdict("handshake/answered:seed"), Some(Verdict::Pass));
        assert!(json.summary.inconclusive > 0, "all that was not played");
        assert!(place.read("out").contains("the run ended early"));
        assert!(place.read("err").contains(&format!("SIG{signal}: ends")));
    }
}

#[test]
fn a_killed_run_leaves_its_lines_and_reports_that_say_so() {
    let place = Place::new("run-KILL");
    let mut run = place.run(SERVES);
    run.wait_for_text("jsonl", "\"line\":\"case\"");
    run.signal("KILL");
    assert_eq!(run.ends(), None);
    place.gets_clean();
    let read = stream::read(place.read("jsonl").as_bytes()).unwrap();
    assert!(!read.complete && !read.run.cases.is_empty());
    let json: RunOutcome = serde_json::from_str(&place.read("json")).unwrap();
    assert!(json.cases.is_empty() && json.exit == 3);
    let why = json.lost.unwrap();
    assert!(why.contains("not come to its end"), "{why}");
    assert!(place.read("html").contains(&why));
    let junit = place.read("junit");
    assert!(junit.contains("<error") && junit.trim_end().ends_with("</testsuites>"));
}

#[test]
fn the_second_signal_ends_at_once_and_leaves_nothing_either() {
    let place = Place::new("twice");
    // One that ignores the polite signal is waited for.
    let start = r#"start: [sh, -c, "trap '' TERM; BTSPEC serve --listen {bind}:{port} --torrent {torrent} --data {data} & wait; sleep 1000"]
stop: {grace: 2s}
"#;
    let mut run = place.run(start);
    run.wait_for_process("__guard");
    run.wait_for_process("sh -c trap");
    run.signal("INT");
    run.wait_for_text("err", "SIGINT: ends");
    run.signal("INT");
    assert_eq!(run.ends(), Some(130), "{}", place.read("err"));
    place.gets_clean();
}

/// At the moments of a start, each of which leaves something else behind.
#[test]
fn a_start_that_is_cut_short_leaves_nothing() {
    let never = "start: [sleep, '1001']\n";
    let checks = format!("{SERVES}needs: [{{run: [sleep, '1002'], hint: none}}]\n");
    let asks = format!("{SERVES}verbs: {{other: [sleep, '1003']}}\n");
    let loads = format!("{SERVES}after_start: [sh, -c, 'sleep 1004']\n");
    let starts = [
        ("sleep 1001", never),
        ("sleep 1002", &checks),
        ("sleep 1003", &asks),
        ("sleep 1004", &loads),
    ];
    for (process, driver) in starts {
        for (signal, code) in [("INT", Some(3)), ("TERM", Some(3)), ("KILL", None)] {
            let place = Place::new(&format!("start-{signal}-{}", process.replace(' ', "-")));
            let mut run = place.run(driver);
            run.wait_for_process(process);
            run.signal(signal);
            assert_eq!(run.ends(), code, "{process}: {}", place.read("err"));
            place.gets_clean();
            if signal != "KILL" {
                reports_say(&place, &format!("interrupted by SIG{signal}"));
            }
        }
    }
}

#[test]
fn several_clients_of_one_run_end_together() {
    let place = Place::new("fleet");
    let mut run = place.run(&format!("{SERVES}instances: 3\n"));
    run.wait_for_text("jsonl", "\"line\":\"case\"");
    run.signal("INT");
    assert_eq!(run.ends(), Some(3), "{}", place.read("err"));
    place.is_clean();
    reports_say(&place, "interrupted by SIGINT");
}

#[test]
fn a_matrix_that_is_asked_to_end_shows_what_it_has() {
    for (signal, code) in [("INT", Some(3)), ("TERM", Some(3)), ("KILL", None)] {
        let place = Place::new(&format!("matrix-{signal}"));
        let driver = place.driver(SERVES);
        let mut command = place.command(&["matrix", "--role", "both", "--filter", QUICK_AND_SLOW]);
        let to = format!("json={}", place.file("json").display());
        command.arg("--client").arg(driver).args(["--report", &to]);
        let mut run = place.start(command);
        run.wait_for_process("serve --listen");
        run.signal(signal);
        assert_eq!(run.ends(), code, "{}", place.read("err"));
        if code.is_none() {
            place.gets_clean();
            continue;
        }
        place.is_clean();
        let matrix: serde_json::Value = serde_json::from_str(&place.read("json")).unwrap();
        let lost = format!("interrupted by SIG{signal}");
        assert_eq!(matrix["columns"][0]["lost"], lost.as_str());
        assert!(place.read("out").contains(&format!("ended early: {lost}")));
        assert!(place.read("err").contains("what is missing was not played"));
    }
}

#[test]
fn a_campaign_that_is_asked_to_end_saves() {
    for (signal, code) in [("INT", Some(0)), ("TERM", Some(0)), ("KILL", None)] {
        let place = Place::new(&format!("fuzz-{signal}"));
        let driver = place.driver(SERVES);
        let finds = place.file("finds");
        let mut command = place.command(&["fuzz", "--role", "seed", "--seed", "7"]);
        command.arg("--client").arg(driver);
        command.arg("--out").arg(&finds);
        let to = format!("json={}", place.file("json").display());
        command.args(["--report", &to]);
        let mut run = place.start(command);
        wait_until("the campaign", || {
            assert!(run.is_there(), "ended: {}", place.read("err"));
            finds.join("seed").is_dir()
        });
        run.signal(signal);
        assert_eq!(run.ends(), code, "{}", place.read("err"));
        if code.is_none() {
            place.gets_clean();
            continue;
        }
        place.is_clean();
        let report: serde_json::Value = serde_json::from_str(&place.read("json")).unwrap();
        assert_eq!(report["exit"], 0);
        assert!(finds.join("seed.state.json").is_file());
    }
}

#[test]
fn doctor_ends_the_client_that_it_started() {
    for (signal, code) in [("INT", Some(3)), ("TERM", Some(3)), ("KILL", None)] {
        let place = Place::new(&format!("doctor-{signal}"));
        let driver = place.driver("start: [sleep, '1005']\n");
        let mut command = place.command(&["doctor"]);
        command.arg("--client").arg(driver);
        let mut run = place.start(command);
        run.wait_for_process("sleep 1005");
        run.signal(signal);
        assert_eq!(run.ends(), code, "{}", place.read("err"));
        place.gets_clean();
    }
}

/// What was seen of a connection that is still open is on disk by then, however the proxy ends.
#[test]
fn a_proxy_loses_nothing_that_it_has_seen() {
    for (signal, code) in [("INT", Some(1)), ("TERM", Some(1)), ("KILL", None)] {
        let place = Place::new(&format!("proxy-{signal}"));
        let (_seed, seed) = command::Running::serve(&["--role", "seed"]);
        let mut command = place.command(&["proxy", "--listen", "127.0.0.1:0", "--to", &seed]);
        for format in ["json", "jsonl", "pcapng"] {
            let to = format!("{format}={}", place.file(format).display());
            command.args(["--report", &to]);
        }
        let mut proxy = place.start(command);
        proxy.wait_for_text("err", " for ");
        let at = place
            .read("err")
            .split_whitespace()
            .nth(2)
            .unwrap()
            .to_owned();
        let mut peer = TcpStream::connect(at).unwrap();
        let mut hello = b"\x13BitTorrent protocol\0\0\0\0\0\0\0\0".to_vec();
        hello.extend(btspec::torrent::fixture::main().torrent.info_hash().0);
        hello.extend(b"-XX0001-abcdefghijkl");
        // A request before any unchoke.
        hello.extend([0, 0, 0, 1, 2]);
        hello.extend([0, 0, 0, 13, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x40, 0]);
        peer.write_all(&hello).unwrap();
        proxy.wait_for_text("jsonl", "\"kind\":\"unchoke\"");
        let before = place.read("jsonl");
        assert!(before.contains("\"line\":\"finding\""), "{before}");
        proxy.signal(signal);
        assert_eq!(proxy.ends(), code, "{}", place.read("err"));
        place.gets_clean();
        let read = stream::read(place.read("jsonl").as_bytes()).unwrap();
        assert_eq!(read.complete, code.is_some());
        let row = &read.run.cases[0];
        let kinds: Vec<&str> = row.transcript.iter().map(|it| it.kind.as_str()).collect();
        for kind in ["handshake", "interested", "request", "unchoke"] {
            assert!(kinds.contains(&kind), "no {kind}: {kinds:?}");
        }
        assert!(row.findings[0].actual.starts_with("dialler: "), "{row:?}");
        // The capture is made from that, too.
        let capture = place.file("again.pcapng");
        let to = format!("pcapng={}", capture.display());
        let jsonl = place.file("jsonl");
        let ran = command::run(["report", jsonl.to_str().unwrap(), "--report", &to]);
        assert!(capture.is_file(), "{ran:?}");
        let listed = command::run([Path::new("decode"), &capture]);
        assert_eq!(listed.code, 0, "{listed:?}");
        assert!(listed.out.contains("unchoke"), "{listed:?}");
    }
}

/// Where the result goes to: files are written even if standard output takes nothing.
#[test]
fn standard_output_that_is_full_or_closed_costs_no_report_and_leaves_no_client() {
    let quick = [
        "run",
        "--role",
        "seed",
        "--filter",
        "id(handshake/answered:seed)",
    ];
    for (full, code) in [(true, 5), (false, 0)] {
        let place = Place::new(if full { "full" } else { "closed" });
        let driver = place.driver(SERVES);
        let mut command = place.command(&quick);
        let to = format!("json={}", place.file("json").display());
        command.arg("--client").arg(driver).args(["--report", &to]);
        if full {
            command.stdout(fs::File::create(Path::new("/dev/full")).unwrap());
        } else {
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            command.stdout(writer);
        }
        let mut run = place.start(command);
        assert_eq!(run.ends(), Some(code), "{}", place.read("err"));
        place.is_clean();
        let json: RunOutcome = serde_json::from_str(&place.read("json")).unwrap();
        assert_eq!(json.summary.pass, 1);
        assert_eq!(full, place.read("err").contains("cannot write"));
    }
}
