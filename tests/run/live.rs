//! Targets on sockets: found, started, lost.

use std::collections::BTreeSet;
use std::net::TcpListener;

use serde_json::Value;

use super::{MUST, file, ids, json};
use crate::command::{Running, run};

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
fn restart_starts_the_target_once_more() {
    let binary = env!("CARGO_BIN_EXE_btspec");
    let serve = format!(
        "exec '{binary}' serve --listen 127.0.0.1:{{port}} --role {{role}} --torrent {{torrent}} --data {{data}}"
    );
    let constant = format!("{serve} --fault same-peer-id-after-restart");
    let filter = "id(handshake/peer-id-after-restart)";
    let played = |command: &str| json(&["--exec", command, "--role", "seed", "--filter", filter]);
    let (_, report) = played(&serve);
    let case = &report["cases"][0];
    assert_eq!(case["verdict"], "pass", "{case:#}");
    let targets: BTreeSet<_> = case["connections"]
        .as_array()
        .unwrap()
        .iter()
        .map(|conn| conn["target"].to_string())
        .collect();
    assert_eq!(targets.len(), 2, "{case:#}");
    let (_, report) = played(&constant);
    assert_eq!(report["cases"][0]["verdict"], "warn", "{report:#}");
}

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
