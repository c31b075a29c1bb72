//! The page in a browser, from disk, as a reader opens it.
//!
//! Chromium is driven by its own protocol over a pair of named pipes: commands and answers are JSON,
//! each with a zero byte behind it.
#![cfg(unix)]

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use btspec::outcome::RunOutcome;
use btspec::report::Sources;
use serde_json::{Value, json};

mod command;
mod outcomes;

use outcomes::{all, context, missed_reject, render, run_of};

/// A browser with one empty page.
struct Browser {
    child: Child,
    to: File,
    from: BufReader<File>,
    session: Option<String>,
    next: u64,
    /// What the page logged, what it threw, and what it asked the network for.
    told: Vec<Value>,
}

impl Browser {
    fn start(folder: &Path) -> Self {
        let (to, from) = (folder.join("to"), folder.join("from"));
        for pipe in [&to, &from] {
            assert!(Command::new("mkfifo").arg(pipe).status().unwrap().success());
        }
        let script = "exec chromium --headless=new --no-sandbox --disable-gpu --no-first-run \
                      --disable-background-networking --user-data-dir=\"$1\" \
                      --remote-debugging-pipe --window-size=1200,1000 about:blank 3<\"$2\" 4>\"$3\"";
        let mut shell = Command::new("sh");
        shell.args(["-c", script, "sh"]);
        shell.args([&folder.join("profile"), &to, &from]);
        shell.stdin(Stdio::null()).stdout(Stdio::null());
        shell.stderr(File::create(folder.join("chromium.log")).unwrap());
        let child = shell.spawn().unwrap();
        // Each opens when the other end does, in the order of the shell.
        let to = OpenOptions::new().write(true).open(to).unwrap();
        let from = BufReader::new(File::open(from).unwrap());
        let mut browser = Self {
            child,
            to,
            from,
            session: None,
            next: 0,
            told: Vec::new(),
        };
        let page = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": page["targetId"], "flatten": true});
        let attached = browser.call("Target.attachToTarget", attach);
        browser.session = Some(attached["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Calls a method and returns its result; what is told meanwhile is kept.
    #[track_caller]
    fn call(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let id = self.next;
        let mut message = json!({"id": id, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        self.to
            .write_all(format!("{message}\0").as_bytes())
            .unwrap();
        loop {
            let answer = self.read();
            if answer["id"] == id {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
            self.told.push(answer);
        }
    }

    #[track_caller]
    fn read(&mut self) -> Value {
        let mut bytes = Vec::new();
        self.from.read_until(0, &mut bytes).unwrap();
        assert_eq!(bytes.pop(), Some(0), "the browser ended");
        serde_json::from_slice(&bytes).unwrap()
    }

    /// Opens a file, with long tasks counted from the start, and waits until it is loaded and drawn.
    fn open(&mut self, file: &Path, hash: &str) {
        let watch = "window.longTasks = []; new PerformanceObserver((list) => { \
                     for (const entry of list.getEntries()) window.longTasks.push(entry.duration); \
                     }).observe({entryTypes: ['longtask']});";
        self.call(
            "Page.addScriptToEvaluateOnNewDocument",
            json!({"source": watch}),
        );
        let url = format!("file://{}{hash}", file.display());
        self.call("Page.navigate", json!({"url": url}));
        let loaded = |told: &Value| told["method"] == "Page.loadEventFired";
        while !self.told.iter().any(loaded) {
            let told = self.read();
            self.told.push(told);
        }
        self.settle();
    }

    /// Until what is due is drawn and every task before it is over.
    fn settle(&mut self) {
        self.eval(
            "new Promise((done) => requestAnimationFrame(() => setTimeout(() => setTimeout(done, 200))))",
        );
    }

    /// The value of an expression, waited for.
    #[track_caller]
    fn eval(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let result = self.call("Runtime.evaluate", params);
        let thrown = &result["exceptionDetails"];
        assert!(thrown.is_null(), "{expression}: {thrown}");
        result["result"]["value"].clone()
    }

    #[track_caller]
    fn number(&mut self, expression: &str) -> u64 {
        let value = self.eval(expression);
        value
            .as_f64()
            .unwrap_or_else(|| panic!("{expression}: {value}")) as u64
    }

    /// Fails if the page complained or asked anybody for anything but itself.
    #[track_caller]
    fn is_quiet(&self) {
        for told in &self.told {
            let method = told["method"].as_str().unwrap_or_default();
            let complaint = matches!(
                method,
                "Runtime.exceptionThrown" | "Runtime.consoleAPICalled" | "Log.entryAdded"
            );
            assert!(!complaint, "{told}");
            if method == "Network.requestWillBeSent" {
                let url = told["params"]["request"]["url"].as_str().unwrap();
                let own = told["params"]["type"] == "Document" && url.starts_with("file://");
                assert!(own, "asks for {url}");
            }
        }
    }

    fn screenshot(&mut self, file: &Path) {
        let shot = self.call("Page.captureScreenshot", json!({"format": "png"}));
        let data = shot["data"].as_str().unwrap();
        let mut decode = Command::new("base64");
        decode.arg("-d").stdin(Stdio::piped());
        let mut decode = decode.stdout(File::create(file).unwrap()).spawn().unwrap();
        let mut input = decode.stdin.take().unwrap();
        input.write_all(data.as_bytes()).unwrap();
        drop(input);
        assert!(decode.wait().unwrap().success());
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A page in a folder of its own, and a browser that has it open.
fn opened(name: &str, run: &RunOutcome, hash: &str) -> (Browser, PathBuf) {
    let folder = command::folder(name);
    let file = folder.join("report.html");
    let mut context = context();
    context.sources = Sources::of(&btspec::scenario::embedded().unwrap());
    std::fs::write(&file, render("html", run, &context)).unwrap();
    let mut browser = Browser::start(&folder);
    browser.open(&file, hash);
    (browser, folder)
}

const VISIBLE: &str = "document.querySelectorAll('details.row:not([hidden])').length";

#[test]
#[ignore = "needs Chromium (Debian: chromium); .ci/run has it"]
fn a_failing_row_shows_its_ladder_and_the_filter_finds_it() {
    let run = all();
    let (mut browser, folder) = opened("page", &run, "#fast_ext/reject-while-choked:seed");
    assert_eq!(browser.number(VISIBLE), run.cases.len() as u64);
    let ladder =
        "document.getElementById('fast_ext/reject-while-choked:seed').querySelector('svg.ladder')";
    assert!(browser.number(&format!("{ladder}.getBoundingClientRect().height")) > 200);
    let link = "document.getElementById('fast_ext/reject-while-choked:seed').querySelector('.sentence a').href";
    assert_eq!(
        browser.eval(link),
        "https://www.bittorrent.org/beps/bep_0006.html#reject-request"
    );
    browser.screenshot(&folder.join("failure.png"));
    for (field, value, rows) in [
        ("verdict", "fail", 1),
        ("level", "practice", 1),
        ("suite", "handshake", 5),
        ("bep", "6", 1),
        ("role", "seed", 6),
    ] {
        let select = format!(
            "{{ const it = document.getElementById('f-{field}'); it.value = '{value}'; \
             it.dispatchEvent(new Event('change')); {VISIBLE} }}"
        );
        assert_eq!(browser.number(&select), rows, "{field} {value}");
        browser.eval("document.getElementById('filter').reset()");
        browser.settle();
    }
    let typed = "{ const it = document.getElementById('f-text'); it.value = 'CHOKED reject'; \
                 it.dispatchEvent(new Event('input')); }";
    browser.eval(typed);
    browser.settle();
    assert_eq!(browser.number(VISIBLE), 1);
    // By keyboard: `j` goes to the row, `o` closes and opens it.
    let key = |key: &str| {
        format!(
            "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', \
             {{key: '{key}', bubbles: true}}))"
        )
    };
    browser.eval("document.activeElement.blur()");
    browser.eval(&key("j"));
    let focused = "document.activeElement.closest('details.row').id";
    assert_eq!(browser.eval(focused), "fast_ext/reject-while-choked:seed");
    let open = "document.activeElement.closest('details.row').open";
    let before = browser.eval(open);
    browser.eval(&key("o"));
    assert_ne!(browser.eval(open), before);
    browser.is_quiet();
}

#[test]
#[ignore = "needs Chromium (Debian: chromium); .ci/run has it"]
fn two_thousand_hostile_rows_open_without_a_long_task() {
    let run = btspec::fuzzing::large_run(2_000);
    let (mut browser, _) = opened("large", &run, "");
    assert_eq!(browser.number(VISIBLE), run.cases.len() as u64);
    let typed = "{ const it = document.getElementById('f-text'); it.value = 'script'; \
                 it.dispatchEvent(new Event('input')); }";
    browser.eval(typed);
    browser.settle();
    let found = browser.number(VISIBLE);
    assert!(0 < found && found < run.cases.len() as u64, "{found}");
    let longest = browser.number("Math.max(0, ...window.longTasks)");
    let loaded =
        browser.number("performance.timing.loadEventEnd - performance.timing.navigationStart");
    println!(
        "{} rows: loaded in {loaded} ms, longest task {longest} ms",
        run.cases.len()
    );
    assert!(longest < 500, "a task of {longest} ms");
    // Nothing of it is more than text.
    assert_eq!(browser.number("document.scripts.length"), 1);
    assert_eq!(
        browser.number("document.querySelectorAll('img, iframe, object, embed, link').length"),
        0
    );
    let text = browser.eval("document.querySelector('.facts').textContent");
    assert!(
        text.as_str().unwrap().contains("<script>document.title"),
        "{text}"
    );
    let title = browser.eval("document.title");
    assert_eq!(title, "btspec: 127.0.0.1:6881");
    let control =
        "/[\\u0000-\\u0009\\u000b-\\u001f\\u007f-\\u009f\\u202e]/.test(document.body.textContent)";
    assert_eq!(browser.eval(control), false);
    browser.is_quiet();
}

#[test]
#[ignore = "needs Chromium (Debian: chromium); .ci/run has it"]
fn without_its_script_the_page_says_the_same() {
    let run = run_of(vec![missed_reject()]);
    let folder = command::folder("no-script");
    let file = folder.join("report.html");
    std::fs::write(&file, render("html", &run, &context())).unwrap();
    let mut browser = Browser::start(&folder);
    browser.call(
        "Emulation.setScriptExecutionDisabled",
        json!({"value": true}),
    );
    browser.call(
        "Page.navigate",
        json!({"url": format!("file://{}", file.display())}),
    );
    while !browser
        .told
        .iter()
        .any(|told| told["method"] == "Page.loadEventFired")
    {
        let told = browser.read();
        browser.told.push(told);
    }
    let document = browser.call("DOM.getDocument", json!({"depth": -1}));
    let root = document["root"]["nodeId"].clone();
    let row = json!({"nodeId": root, "selector": "details.row[open] svg.ladder"});
    let found = browser.call("DOM.querySelector", row);
    let drawn = browser.call("DOM.getBoxModel", json!({"nodeId": found["nodeId"]}));
    assert!(drawn["model"]["height"].as_u64().unwrap() > 200, "{drawn}");
    browser.is_quiet();
}

#[test]
#[ignore = "needs Chromium (Debian: chromium); .ci/run has it"]
fn a_cell_of_the_matrix_opens_its_case() {
    let folder = command::folder("matrix-page");
    let file = folder.join("matrix.html");
    let mut runs = [all(), run_of(vec![missed_reject()])];
    runs[0].target.spec = "client:one".into();
    // Whoever writes a driver names the client.
    runs[1].target.spec = "client:<script>document.title='owned'</script>".into();
    let matrix = btspec::outcome::matrix::Matrix::of(&runs);
    let mut page = Vec::new();
    btspec::report::html::matrix::write(&matrix, &runs, &context(), &mut page).unwrap();
    std::fs::write(&file, page).unwrap();
    let mut browser = Browser::start(&folder);
    browser.open(&file, "");
    const LINES: &str = "document.querySelectorAll('tr.line:not([hidden])').length";
    assert_eq!(browser.number(LINES), matrix.rows.len() as u64);
    assert_eq!(browser.number("document.scripts.length"), 1);
    browser.eval("{ const it = document.getElementById('f-differ'); it.checked = true; it.dispatchEvent(new Event('change')); }");
    assert_eq!(browser.number(LINES), matrix.differing().count() as u64);
    browser.eval("document.getElementById('filter').reset()");
    browser.settle();
    browser.eval("document.querySelector('td.fail a, td.warn a').click()");
    browser.settle();
    let ladder = "document.querySelector('details.row[open] svg.ladder')";
    assert!(browser.number(&format!("{ladder}.getBoundingClientRect().height")) > 200);
    browser.screenshot(&folder.join("matrix.png"));
    browser.is_quiet();
}
