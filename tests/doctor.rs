//! `btspec doctor`: each of a set of drivers is broken in one way, and told so.
#![cfg(unix)]

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

mod command;

use command::{Ran, btspec, folder, output, run};

/// A folder with `btspec` to put into the path, and a torrent that is not ours.
fn desk() -> &'static Path {
    static DESK: OnceLock<PathBuf> = OnceLock::new();
    DESK.get_or_init(|| {
        let desk = folder("doctor");
        symlink(env!("CARGO_BIN_EXE_btspec"), desk.join("btspec")).unwrap();
        let fixture = desk.join("fixture");
        assert_eq!(run(["fixture", "--out", fixture.to_str().unwrap()]).code, 0);
        desk
    })
}

/// Writes the driver that breaks `wrong`, after `change`, and has it looked over as `role`.
fn examine(wrong: &str, role: &str, change: impl Fn(String) -> String) -> Ran {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/drivers");
    let text = std::fs::read_to_string(data.join("broken.yaml")).unwrap();
    let text = change(text)
        .replace("WRONG", wrong)
        .replace("NEED", "true")
        .replace("VERSION", "peer 1.2")
        .replace("AFTER", "true")
        .replace("READY", "30s");
    let own = desk().join(format!("{wrong}-{role}"));
    std::fs::create_dir_all(&own).unwrap();
    std::fs::copy(data.join("peer.sh"), own.join("peer.sh")).unwrap();
    let driver = own.join("driver.yaml");
    std::fs::write(&driver, text).unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = btspec();
    command.env("PATH", format!("{}:{path}", desk().display()));
    command.env("OTHER", desk().join("fixture/one-piece.torrent"));
    // What is left behind is looked for here.
    let temporary = own.join("tmp");
    std::fs::create_dir_all(&temporary).unwrap();
    command.env("TMPDIR", &temporary);
    command
        .args(["doctor", "--role", role, "--client"])
        .arg(&driver);
    let ran = output(&mut command);
    let left = std::fs::read_dir(&temporary).unwrap().count();
    assert_eq!(left, 0, "{wrong}: a folder is left\n{}", ran.out);
    ran
}

/// It fails at `check`, with `hint`, and nowhere else.
#[track_caller]
fn told(ran: &Ran, check: &str, hint: &str) {
    assert_eq!(ran.code, 1, "{ran:#?}");
    let fails = ran.out.lines().filter(|line| line.starts_with("FAIL"));
    let fails: Vec<_> = fails.collect();
    assert_eq!(fails.len(), 1, "{ran:#?}");
    assert!(fails[0].contains(check), "no `{check}` in {ran:#?}");
    assert!(ran.out.contains(hint), "no `{hint}` in {ran:#?}");
    assert!(ran.out.ends_with("1 check failed\n"), "{ran:#?}");
}

fn as_it_is(text: String) -> String {
    text
}

#[test]
fn a_sound_driver_is_sound_in_both_roles() {
    for role in ["seed", "leech"] {
        let ran = examine("nothing", role, as_it_is);
        assert_eq!(ran.code, 0, "{ran:#?}");
        for line in [
            "ok    file: ",
            "ok    needs `sh -c true`",
            "ok    version: 1.2",
            "start",
            "listens: 127.0.0.1:",
            "handshake: info hash ",
            "role: it announces ",
            "an unknown verb is refused: exit code 64",
            "verb `complete`",
            "verb `pause`",
            "dial by `add-peer`: it did after ",
            "serves after its verbs",
            "stop: nothing is left",
        ] {
            assert!(ran.out.contains(line), "no `{line}` in {ran:#?}");
        }
        assert!(ran.out.ends_with("nothing wrong with this driver\n"));
    }
}

#[test]
fn a_client_that_does_not_run_is_told_why() {
    told(
        &examine("ends", "seed", as_it_is),
        "keeps running: it ended with exit code 3",
        "no luck today",
    );
    told(
        &examine("daemon", "seed", as_it_is),
        "keeps running: it ended with exit code 0",
        "foreground",
    );
    let ran = examine("after", "seed", |text| {
        text.replace("AFTER", "echo not yet; exit 7")
    });
    told(&ran, "start: after_start: not yet", "exit code 0");
}

#[test]
fn a_client_that_does_not_serve_is_told_what_is_missing() {
    let soon = |text: String| text.replace("READY", "2s");
    told(&examine("deaf", "seed", soon), "listens", "{bind}:{port}");
    told(
        &examine("other_torrent", "leech", soon),
        "handshake",
        "does not serve {torrent}",
    );
    told(
        &examine("empty_seed", "seed", soon),
        "role: it announces no pieces",
        "{data}",
    );
    told(
        &examine("full_leech", "leech", soon),
        "role: it announces every piece",
        "start empty",
    );
}

#[test]
fn a_driver_that_says_yes_to_everything_is_told() {
    let ran = examine("yes_man", "seed", as_it_is);
    assert_eq!(ran.code, 1);
    assert!(
        ran.out.contains("FAIL  seed: an unknown verb is refused"),
        "{ran:#?}"
    );
}

#[test]
fn verbs_that_lie_are_told() {
    let ran = examine("always_complete", "leech", as_it_is);
    told(&ran, "verb `complete`", "every piece");
    let ran = examine("no_folder", "leech", as_it_is);
    told(
        &ran,
        "verb `content-dir`: `/nowhere` is no folder",
        "{data}",
    );
    let ran = examine("no_pause", "seed", as_it_is);
    assert_eq!(ran.code, 1);
    assert!(
        ran.out
            .contains("FAIL  seed: verb `pause`: exit code 1: no such call"),
        "{ran:#?}"
    );
}

#[test]
fn a_dial_that_does_not_come_is_told() {
    let ran = examine("no_dial", "seed", as_it_is);
    told(&ran, "dial by `add-peer`: it does not dial within", "{arg}");
}

#[test]
fn what_is_missing_is_named_before_anything_starts() {
    let ran = examine("need", "seed", |text| text.replace("NEED", "exit 1"));
    told(&ran, "needs `sh -c exit 1`", "install the shell");
    assert!(!ran.out.contains("start"), "{ran:#?}");
    let ran = examine("version", "seed", |text| text.replace("VERSION", "none"));
    told(&ran, "version", "--version");
    let ran = examine("key", "seed", |text| text.replace("start:", "strat:"));
    told(&ran, "file", "docs/clients.md");
}

#[test]
fn a_driver_that_is_not_there_is_usage() {
    run(["doctor", "--client", "no/such.yaml"]).stops(2, &["no/such.yaml"]);
    run(["doctor", "--client", "transmision"]).stops(2, &["did you mean `transmission`?"]);
    run(["doctor"]).stops(2, &["--client"]);
}
