//! Targets that mean no good: a run against them ends by itself, soon, with the right exit code
//! and a reason.
//!
//! A target has 75 s to serve for the first time, so these take as long and are ignored where time
//! matters; the nightly workflow plays them.

mod command;

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::thread::{park_timeout, spawn};
use std::time::Duration;

use command::{btspec, folder};

/// A run against any of them must be over by then.
const LIMIT: Duration = Duration::from_secs(180);
/// Time between two looks at it.
const PAUSE: Duration = Duration::from_millis(100);

/// Handshake of somebody who has whatever was asked for.
fn mirrored(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut handshake = [0; 68];
    stream.read_exact(&mut handshake)?;
    for byte in &mut handshake[48..] {
        *byte ^= 0x15;
    }
    stream.write_all(&handshake)
}

/// Plays everything against a target that does `serve` on each connection.
#[track_caller]
fn ends(serve: fn(TcpStream) -> std::io::Result<()>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    spawn(move || {
        for stream in listener.incoming().flatten() {
            spawn(move || serve(stream));
        }
    });
    // Files, not pipes: nobody reads while it runs.
    let dir = folder(&format!("hostile-{}", addr.replace(':', "-")));
    let (out, err) = (dir.join("out"), dir.join("err"));
    let mut child = btspec()
        .args(["run", "--target", &addr, "--role", "seed"])
        .stdin(Stdio::null())
        .stdout(File::create(&out).unwrap())
        .stderr(File::create(&err).unwrap())
        .spawn()
        .unwrap();
    let pauses = LIMIT.as_millis() / PAUSE.as_millis();
    let ended = (0..pauses).find_map(|_| {
        let status = child.try_wait().unwrap();
        if status.is_none() {
            park_timeout(PAUSE);
        }
        status
    });
    let Some(status) = ended else {
        child.kill().unwrap();
        child.wait().unwrap();
        panic!("still running after {LIMIT:?}");
    };
    let [out, err] = [out, err].map(|path| std::fs::read_to_string(path).unwrap());
    assert_eq!(status.code(), Some(3), "{out}{err}");
    assert!(!err.contains("panicked"), "{err}");
    assert!(out.contains("the run ended early: "), "{out}");
    out
}

/// Reads and says nothing, until the other end closes.
fn listens(mut stream: TcpStream) -> std::io::Result<()> {
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer)? > 0 {}
    Ok(())
}

#[test]
#[ignore = "waits as long as a target may take to serve; .ci/run and the nightly workflow play it"]
fn a_mute_target() {
    let out = ends(listens);
    assert!(out.contains("never served"), "{out}");
}

#[test]
#[ignore = "waits as long as a target may take to serve; the nightly workflow plays it"]
fn a_length_prefix_of_4_gib() {
    let out = ends(|mut stream| {
        mirrored(&mut stream)?;
        stream.write_all(&[0xff, 0xff, 0xff, 0xff, 5])?;
        listens(stream)
    });
    assert!(out.contains("never served"), "{out}");
}

#[test]
#[ignore = "waits as long as a target may take to serve; the nightly workflow plays it"]
fn endless_garbage_instead_of_a_handshake() {
    let out = ends(|mut stream| {
        let garbage = [0xa5; 65536];
        loop {
            stream.write_all(&garbage)?;
        }
    });
    assert!(out.contains("never served"), "{out}");
}

#[test]
#[ignore = "waits as long as a target may take to serve; the nightly workflow plays it"]
fn endless_garbage_behind_a_handshake() {
    let out = ends(|mut stream| {
        mirrored(&mut stream)?;
        let garbage: Vec<u8> = (0..=255).cycle().take(65521).collect();
        loop {
            stream.write_all(&garbage)?;
        }
    });
    assert!(out.contains("never served"), "{out}");
}

#[test]
#[ignore = "waits as long as a target may take to serve; the nightly workflow plays it"]
fn one_byte_a_second_for_ever() {
    let out = ends(|mut stream| {
        mirrored(&mut stream)?;
        let prefix = 16_393_u32.to_be_bytes();
        let piece = prefix.into_iter().chain([7]).chain(std::iter::repeat(0));
        for byte in piece {
            stream.write_all(&[byte])?;
            park_timeout(Duration::from_secs(1));
        }
        Ok(())
    });
    assert!(out.contains("never served"), "{out}");
}
