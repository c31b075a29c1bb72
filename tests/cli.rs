//! The command line from outside: exit codes, what goes to which stream, bad input, and what each
//! flag changes.

use std::ffi::OsStr;
use std::io::Read;
use std::process::Stdio;

mod command;

use command::{Running, btspec, folder, output, run, with_input};

#[test]
fn help_is_a_result_and_names_every_exit_code() {
    let help = run(["--help"]);
    assert_eq!(help.code, 0);
    assert!(help.err.is_empty());
    for code in 0..=5 {
        assert!(help.out.contains(&format!("\n  {code} ")), "{}", help.out);
    }
    let version = run(["--version"]);
    assert_eq!(version.code, 0);
    assert!(version.out.contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_arguments_are_usage() {
    run(["frobnicate"]).stops(2, &["frobnicate"]);
    run::<&str>([]).stops(2, &["Usage"]);
    run(["list", "--nonsense"]).stops(2, &["--nonsense"]);
    run(["list", "--level", "hard"]).stops(2, &["hard", "must, should, practice, may"]);
    run(["schema", "poem"]).stops(2, &["poem"]);
}

#[test]
fn a_filter_that_is_none_shows_the_place() {
    let ran = run(["list", "--filter", "tag(slow"]);
    ran.stops(
        2,
        &["--filter", "`)` expected here", "  tag(slow\n          ^"],
    );
}

#[test]
fn filter_and_level_narrow_the_list() {
    let all = run(["list"]);
    assert_eq!(all.code, 0);
    let rules = run(["list", "--filter", "rule()"]);
    assert!(rules.out.lines().all(|line| line.starts_with("rule/")));
    assert!(!rules.out.is_empty());
    let musts = run(["list", "--level", "must"]);
    assert!(musts.out.lines().count() <= all.out.lines().count());
    assert!(!musts.out.contains("  practice  "), "{}", musts.out);
    let none = run(["list", "--filter", "id(no/such)"]);
    assert_eq!((none.code, none.out.as_str()), (0, ""));
}

#[test]
fn flags_are_environment_variables_too() {
    let flag = run(["list", "--filter", "rule()"]);
    let variable = output(btspec().arg("list").env("BTSPEC_FILTER", "rule()"));
    assert_eq!(flag.out, variable.out);
}

#[test]
fn explains_and_suggests() {
    let ran = run(["explain", "B6-RJ-01"]);
    assert_eq!(ran.code, 0);
    for words in [
        "BEP 6",
        "Why it matters",
        "How it is judged",
        "Common causes",
    ] {
        assert!(ran.out.contains(words), "{}", ran.out);
    }
    run(["explain", "B6-RJ-011"]).stops(2, &["did you mean `B6-RJ-01`?"]);
}

#[test]
fn fixture_writes_the_same_bytes_every_time() {
    let (a, b) = (folder("fixture-a"), folder("fixture-b"));
    for dir in [&a, &b] {
        let ran = run([OsStr::new("fixture"), OsStr::new("--out"), dir.as_os_str()]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(ran.out.lines().count(), 7);
    }
    for name in [
        "main",
        "one-piece",
        "tracker",
        "private",
        "even",
        "large",
        "whole-info",
    ] {
        let file = format!("{name}.torrent");
        assert_eq!(
            std::fs::read(a.join(&file)).unwrap(),
            std::fs::read(b.join(&file)).unwrap()
        );
    }
}

#[test]
fn fixture_that_cannot_be_written_is_usage() {
    let dir = folder("fixture-file");
    let file = dir.join("file");
    std::fs::write(&file, "").unwrap();
    let ran = run([OsStr::new("fixture"), OsStr::new("--out"), file.as_os_str()]);
    ran.stops(2, &["file"]);
}

#[test]
fn decodes_hex_and_bytes_alike() {
    let hex = with_input(&["decode"], b"00000005 04 00000007 # have 7\n00000001 00");
    assert_eq!(hex.code, 0, "{hex:?}");
    assert!(hex.out.contains("have index=7"), "{}", hex.out);
    assert!(hex.out.contains("choke"));
    let bytes = with_input(
        &["decode", "-"],
        &[0, 0, 0, 5, 4, 0, 0, 0, 7, 0, 0, 0, 1, 0],
    );
    assert_eq!(hex.out, bytes.out);
}

#[test]
fn decode_accounts_for_every_byte() {
    let ran = with_input(
        &["decode"],
        &[0, 0, 0, 2, 4, 9, 0xff, 0xff, 0xff, 0xff, 1, 2],
    );
    let covered = ran
        .out
        .lines()
        .filter(|line| line.starts_with(' ') && !line.contains("note:"))
        .map(|line| {
            line.split_whitespace()
                .nth(1)
                .unwrap()
                .parse::<usize>()
                .unwrap()
        })
        .sum::<usize>();
    assert_eq!(covered, 12, "{}", ran.out);
    assert!(ran.out.contains("undecodable") && ran.out.contains("over the limit"));
}

#[test]
fn decode_without_a_file_or_with_half_a_digit_is_usage() {
    run(["decode", "no/such/file"]).stops(2, &["no/such/file"]);
    with_input(&["decode"], b"000").stops(2, &["odd number"]);
}

#[test]
fn a_closed_pipe_is_no_error() {
    for args in [&["list", "--plays"][..], &["schema", "report"]] {
        let mut child = btspec()
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let mut err = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut err)
            .unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{err}");
        assert_eq!(err, "");
    }
}

#[test]
fn a_served_seed_fills_a_served_leech() {
    // A fixture in a file needs no data.
    let dir = folder("served-seed");
    let fixture = run([OsStr::new("fixture"), OsStr::new("--out"), dir.as_os_str()]);
    assert_eq!(fixture.code, 0, "{fixture:?}");
    let torrent = dir.join("main.torrent");
    let torrent = torrent.to_str().unwrap();
    let (_seed, addr) = Running::serve(&["--role", "seed", "--torrent", torrent]);
    let leech = run([
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--role",
        "leech",
        "--peer",
        &addr,
        "--until-complete",
    ]);
    assert_eq!(leech.code, 0, "{leech:?}");
    assert!(leech.out.contains("1027 of 1027 pieces"), "{leech:?}");
}

#[test]
fn serve_with_nonsense_is_usage() {
    let serve = |rest: &[&str]| {
        run(["serve", "--listen", "127.0.0.1:0", "--role", "seed"]
            .iter()
            .chain(rest))
    };
    serve(&["--fault", "no-such-fault"]).stops(2, &["no fault `no-such-fault`"]);
    serve(&["--data", "x"]).stops(2, &["--torrent"]);
    serve(&["--torrent", "no/such.torrent"]).stops(2, &["no/such.torrent"]);
    run(["serve", "--role", "seed", "--listen", "nowhere"]).stops(2, &["nowhere"]);
    let dir = folder("seed-without-data");
    let fixture = run([OsStr::new("fixture"), OsStr::new("--out"), dir.as_os_str()]);
    assert_eq!(fixture.code, 0, "{fixture:?}");
    let bytes = std::fs::read(dir.join("one-piece.torrent")).unwrap();
    let at = bytes.windows(9).position(|it| it == b"one-piece").unwrap();
    let another = [&bytes[..at], b"one-peace", &bytes[at + 9..]].concat();
    let path = dir.join("another.torrent");
    std::fs::write(&path, another).unwrap();
    serve(&["--torrent", path.to_str().unwrap()]).stops(2, &["one-peace", "--data"]);
    run(["serve", "--role", "both", "--listen", "127.0.0.1:0"]).stops(2, &["both"]);
}

/// Torrents that are none, each with the place and the words of its message.
#[test]
fn broken_torrents_are_usage_with_a_place() {
    let dir = folder("broken-torrents");
    let good = {
        let out = dir.join("fixture");
        run([OsStr::new("fixture"), OsStr::new("--out"), out.as_os_str()]);
        std::fs::read(out.join("one-piece.torrent")).unwrap()
    };
    let hash = "20:aaaaaaaaaaaaaaaaaaaa";
    let info = |middle: &str| format!("d4:info{middle}e").into_bytes();
    let broken: &[(&str, Vec<u8>, &str)] = &[
        ("truncated", good[..good.len() / 2].to_vec(), "byte"),
        ("text", b"hello".to_vec(), "byte"),
        ("empty", Vec::new(), "byte"),
        (
            "no-pieces",
            info("d6:lengthi5e4:name1:a12:piece lengthi16384ee"),
            "pieces",
        ),
        (
            "odd-pieces",
            info("d6:lengthi5e4:name1:a12:piece lengthi16384e6:pieces5:aaaaae"),
            "pieces",
        ),
        (
            "dotdot",
            info(&format!(
                "d5:filesld6:lengthi5e4:pathl2:..1:beee4:name1:a12:piece lengthi16384e6:pieces{hash}e"
            )),
            "path",
        ),
    ];
    for (name, bytes, words) in broken {
        let path = dir.join(format!("{name}.torrent"));
        std::fs::write(&path, bytes).unwrap();
        let ran = run([
            OsStr::new("serve"),
            OsStr::new("--listen"),
            OsStr::new("127.0.0.1:0"),
            OsStr::new("--role"),
            OsStr::new("seed"),
            OsStr::new("--torrent"),
            path.as_os_str(),
        ]);
        ran.stops(2, &[&format!("{name}.torrent"), words]);
    }
}

/// Subcommands as `--help` lists them.
fn subcommands() -> Vec<String> {
    let help = run(["--help"]).out;
    let listed = help.split("Commands:").nth(1).unwrap();
    let listed = listed.split("Options:").next().unwrap();
    let names = listed
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.map(|line| line.split_whitespace().next().unwrap().to_owned());
    let names: Vec<String> = names.filter(|name| name != "help").collect();
    assert!(names.len() > 10, "{names:?}");
    names
}

#[test]
fn completions_and_the_manual_name_every_subcommand() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ran = run(["completions", shell]);
        assert_eq!(ran.code, 0, "{shell}: {}", ran.err);
        for name in subcommands() {
            assert!(ran.out.contains(&name), "{shell}: no {name}");
        }
        let flag = if shell == "fish" {
            "-l expectations"
        } else {
            "--expectations"
        };
        assert!(ran.out.contains(flag), "{shell}");
    }
    let man = run(["man"]);
    assert_eq!(man.code, 0, "{}", man.err);
    for name in subcommands() {
        let heading = format!(".SH \"BTSPEC {}\"\n", name.to_uppercase());
        assert!(man.out.contains(&heading), "no {heading}");
    }
    assert!(man.out.contains("\\-\\-expectations") && !man.out.contains("__guard"));
    run(["completions", "tcsh"]).stops(2, &["tcsh", "zsh"]);
}
