//! Real clients behind their drivers, where they are installed; tiny shell ones everywhere else.
#![cfg(unix)]

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use btspec::peer::Role;
use btspec::target::client::{Client, ClientError, ClientFile, Launcher, VerbOutcome};
use btspec::target::{Looks, Sources, look};
use btspec::torrent::{Torrent, fixture};

fn launcher() -> Launcher {
    Launcher::at(env!("CARGO_BIN_EXE_btspec"))
}

fn torrent() -> Torrent {
    fixture::one_piece().torrent
}

/// A driver whose "client" is a line of shell.
fn shell(name: &str, start: &str, rest: &str) -> ClientFile {
    let file = std::env::temp_dir().join(format!("btspec-test-{}-{name}.yaml", std::process::id()));
    let text = format!("name: {name}\nstart: [sh, -c, '{start}']\n{rest}\n");
    std::fs::write(&file, text).unwrap();
    let loaded = ClientFile::find(file.to_str().unwrap());
    std::fs::remove_file(&file).unwrap();
    loaded.unwrap()
}

fn leftovers(client: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(std::env::temp_dir()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.starts_with(&format!("btspec-{client}-")) && path.is_dir()
        })
        .collect()
}

fn runs(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap().trim().starts_with('Z'))
}

async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let end = tokio::time::Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(tokio::time::Instant::now() < end, "not within 20 s: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Starts a client in both roles, if it is installed here.
async fn lives(name: &str) {
    let file = ClientFile::find(name).unwrap();
    let version = match file.check(&launcher()).await {
        Ok(version) => version.unwrap(),
        Err(ClientError::Need { .. }) => return,
        Err(error) => panic!("{error}"),
    };
    assert!(version.contains('.'), "{version}");
    let mut sources = Sources::loopback(0);
    for role in [Role::Seed, Role::Leech] {
        let mut client = Client::start(&file, role, &torrent(), &launcher(), None, &mut sources)
            .await
            .unwrap();
        client.probe_verbs().await.unwrap();
        let limit = Duration::from_secs(10);
        let watch = Duration::from_secs(3);
        let sight = look(client.addr(), sources.fresh(), &torrent(), limit, watch)
            .await
            .unwrap();
        let looks = match role {
            Role::Seed => Looks::Seed,
            Role::Leech => Looks::Leech,
        };
        assert_eq!(sight.looks(), looks);
        let complete = client.verb("complete").await;
        assert_eq!(
            matches!(complete, VerbOutcome::Done(_)),
            role == Role::Seed,
            "{complete:?}"
        );
        let VerbOutcome::Done(content) = client.verb("content-dir").await else {
            panic!("no content-dir");
        };
        assert!(PathBuf::from(&content).is_dir(), "{content}");
        let health = client.health();
        assert!(health.alive && health.memory.unwrap() > 1_000_000);
        client.stop().await;
        assert!(!PathBuf::from(&content).exists());
    }
}

#[tokio::test]
async fn aria2_runs_behind_its_driver() {
    lives("aria2").await;
}

#[tokio::test]
async fn libtorrent_runs_behind_its_driver() {
    lives("libtorrent").await;
}

#[tokio::test]
async fn libtorrent_2_0_runs_behind_its_driver() {
    lives("libtorrent-2-0").await;
}

#[tokio::test]
async fn rqbit_runs_behind_its_driver() {
    lives("rqbit").await;
}

#[tokio::test]
async fn transmission_runs_behind_its_driver() {
    lives("transmission").await;
}

#[tokio::test]
async fn webtorrent_runs_behind_its_driver() {
    lives("webtorrent").await;
}

#[tokio::test]
async fn a_client_that_ends_at_once_shows_its_last_words() {
    let file = shell("brief", "echo no luck today; exit 3", "");
    let mut sources = Sources::loopback(0);
    let error = Client::start(
        &file,
        Role::Seed,
        &torrent(),
        &launcher(),
        None,
        &mut sources,
    )
    .await
    .unwrap_err()
    .to_string();
    assert!(error.contains("exit code 3"), "{error}");
    assert!(error.contains("no luck today"), "{error}");
    eventually("the state folder is removed", || {
        leftovers("brief").is_empty()
    })
    .await;
}

#[tokio::test]
async fn a_client_that_never_listens_is_given_up() {
    let file = shell("mute", "exec sleep 1000", "ready: {within: 300ms}");
    let mut sources = Sources::loopback(0);
    let error = Client::start(
        &file,
        Role::Leech,
        &torrent(),
        &launcher(),
        None,
        &mut sources,
    )
    .await
    .unwrap_err()
    .to_string();
    assert!(error.contains("mute is not ready after 0 s"), "{error}");
    assert!(error.contains("refused"), "{error}");
    eventually("the state folder is removed", || {
        leftovers("mute").is_empty()
    })
    .await;
}

#[tokio::test]
async fn a_missing_program_is_named_with_the_hint() {
    let file = shell(
        "absent",
        "true",
        "needs: [{run: [btspec-no-such-program], hint: install it from nowhere}]",
    );
    let error = file.check(&launcher()).await.unwrap_err().to_string();
    assert!(
        error.contains("btspec-no-such-program") && error.contains("install it from nowhere"),
        "{error}"
    );
}

#[tokio::test]
async fn a_killed_run_leaves_no_process_and_no_folder() {
    // The run is a guard with its standard input held by us: closing it is what the system does
    // when a run is killed. The client ignores the polite signal and has a child of its own in
    // another session.
    let folder = std::env::temp_dir().join(format!("btspec-test-guard-{}", std::process::id()));
    let script = "trap '' TERM; setsid sleep 1000 & echo $! > child; echo $$ > own; wait";
    let mut guard = std::process::Command::new(env!("CARGO_BIN_EXE_btspec"))
        .arg("__guard")
        .arg(&folder)
        .args(["100", "sh", "-c", script])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let hold = guard.stdin.as_mut().unwrap();
    hold.write_all(b"start\n").unwrap();
    let mut pids = Vec::new();
    eventually("both processes run", || {
        pids = ["own", "child"]
            .iter()
            .filter_map(|name| std::fs::read_to_string(folder.join(name)).ok())
            .filter(|pid| pid.ends_with('\n'))
            .collect();
        pids.len() == 2
    })
    .await;
    assert!(pids.iter().all(|pid| runs(pid)));
    drop(guard.stdin.take());
    eventually("the guard ends", || guard.try_wait().unwrap().is_some()).await;
    eventually("the processes end", || !pids.iter().any(|pid| runs(pid))).await;
    assert!(!folder.exists());
}
