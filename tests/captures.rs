//! Captures: what a run writes, read by ourselves and by Wireshark, and files of others.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use btspec::capture::{self, CaptureWriter, TcpConn, file, listing};
use btspec::trace::{CloseHow, Dir};
use btspec::wire::{Message, hex};

mod command;

use command::{folder, run, with_input};

/// Suites that send every message with an id of its own and nothing malformed.
const WELL_FORMED: &str = "suite(fast_ext) | suite(transfer) | suite(availability) | suite(choking) \
                           | suite(requests) | suite(extension_protocol) & !id(*malformed*) \
                           & !id(*odd-integers*) & !id(*deep-nesting*) & !id(*odd-addresses*) \
                           & !id(*binary-names*) & !id(extension_protocol/large*) \
                           | suite(dht_port) | suite(ut_metadata)";

/// A handshake of nobody, and messages.
fn stream(messages: &[Message]) -> Vec<u8> {
    let mut bytes = b"\x13BitTorrent protocol".to_vec();
    bytes.extend([0; 48]);
    for message in messages {
        bytes.extend_from_slice(&message.encode());
    }
    bytes
}

/// Two peers that greet, ask and answer; the block is longer than a segment.
fn small() -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = CaptureWriter::new(&mut out, "a test").unwrap();
    let mut conn = TcpConn::new(
        "127.0.0.2:40000".parse().unwrap(),
        "127.0.0.1:6881".parse().unwrap(),
        Dir::Sent,
        1,
    );
    let ms = Duration::from_millis;
    let block = btspec::wire::BlockRef {
        index: 3,
        begin: 0,
        length: 4000,
    };
    let piece = Message::Piece {
        index: 3,
        begin: 0,
        block: vec![7; 4000].into(),
    };
    writer
        .open(&mut conn, ms(0), &["opened".to_owned()])
        .unwrap();
    let up = stream(&[Message::Interested, Message::Request(block)]);
    writer.data(&mut conn, Dir::Sent, &up, ms(1), &[]).unwrap();
    let down = stream(&[Message::Unchoke, piece]);
    writer
        .data(&mut conn, Dir::Received, &down, ms(2), &[])
        .unwrap();
    writer
        .close(&mut conn, Dir::Received, CloseHow::Fin, ms(3), &[])
        .unwrap();
    writer
        .close(&mut conn, Dir::Sent, CloseHow::Rst, ms(4), &[])
        .unwrap();
    out
}

fn list(file: &[u8]) -> String {
    let mut out = Vec::new();
    listing::write(capture::conversations(file).unwrap(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// The same packets in a file of the old format, each behind other bytes of the link.
fn with_link(link: u32, head: &[u8], big_endian: bool) -> Vec<u8> {
    let number = |number: u32| match big_endian {
        true => number.to_be_bytes(),
        false => number.to_le_bytes(),
    };
    let mut out = number(0xa1b2_c3d4).to_vec();
    let version = match big_endian {
        true => [0, 2, 0, 4],
        false => [2, 0, 4, 0],
    };
    out.extend(version);
    out.extend([0; 8]);
    out.extend(number(65_535));
    out.extend(number(link));
    let from = small();
    for packet in file::packets(&from).unwrap() {
        let packet = packet.unwrap();
        let len = u32::try_from(head.len() + packet.data.len()).unwrap();
        out.extend(number(0));
        out.extend(number(packet.at.subsec_micros()));
        out.extend(number(len));
        out.extend(number(len));
        out.extend_from_slice(head);
        out.extend_from_slice(packet.data);
    }
    out
}

#[test]
fn what_is_written_is_read_in_the_order_of_the_wire() {
    let listed = list(&small());
    let lines: Vec<&str> = listed.lines().collect();
    assert!(
        lines[0].contains("127.0.0.2:40000 → 127.0.0.1:6881"),
        "{listed}"
    );
    let order = [
        "0.001000 s →        0       68  handshake",
        "→       68        5  interested",
        "→       73       17  request index=3",
        "0.002000 s ←        0       68  handshake",
        "unchoke",
        "←       73     4013  piece index=3",
        "end of stream by 127.0.0.1:6881",
        "reset by 127.0.0.2:40000",
        "1 connections, 4176 bytes: 6 messages, 0 sections that are none, 0 bytes not decoded",
    ];
    for (line, words) in lines[1..].iter().zip(order) {
        assert!(line.contains(words), "no `{words}` in `{line}`\n{listed}");
    }
    assert_eq!(lines.len(), 1 + order.len(), "{listed}");
}

#[test]
fn every_kind_of_link_says_the_same() {
    let wanted = list(&small());
    let ethernet = hex::decode("020000000001 020000000002 0800").unwrap();
    let vlan = hex::decode("020000000001 020000000002 8100 0007 0800").unwrap();
    let cooked = hex::decode("0000 0304 0006 000000000000 0000 0800").unwrap();
    let cooked2 = hex::decode("0800 0000 00000001 0304 00 06 0000000000000000").unwrap();
    for (link, head) in [
        (1, &ethernet[..]),
        (1, &vlan),
        (113, &cooked),
        (276, &cooked2),
        (101, &[]),
        (228, &[]),
        (12, &[]),
        (0, &[2, 0, 0, 0]),
        (108, &[0, 0, 0, 2]),
    ] {
        for big_endian in [false, true] {
            assert_eq!(list(&with_link(link, head, big_endian)), wanted, "{link}");
        }
    }
    let unknown = list(&with_link(147, &[], false));
    assert!(
        unknown.contains("of a kind of link that is not read"),
        "{unknown}"
    );
    assert!(unknown.contains("0 connections"), "{unknown}");
}

/// Whatever is cut off or changed: an error with a place in the file, or what can be read still.
#[test]
fn broken_files_are_an_error_with_a_place() {
    let whole = small();
    for end in 0..whole.len() {
        match capture::conversations(&whole[..end]) {
            Ok(found) => {
                // Between two blocks nothing is missed.
                let error = found.broken.as_ref();
                assert!(error.is_none_or(|error| error.offset < end));
                listing::write(found, &mut Vec::new()).unwrap();
            }
            Err(error) => assert!(error.offset <= end, "{error}"),
        }
    }
    for at in 0..whole.len() {
        for bit in [0x01, 0x80, 0xff] {
            let mut file = whole.clone();
            file[at] ^= bit;
            if let Ok(found) = capture::conversations(&file) {
                listing::write(found, &mut Vec::new()).unwrap();
            }
        }
    }
    let cut = with_input(&["decode"], &whole[..whole.len() - 5]);
    cut.stops(2, &["-: not a capture", "at byte ", "ends within a block"]);
    assert!(cut.out.contains("piece index=3"), "{}", cut.out);
}

#[test]
fn decode_tells_what_it_cannot_read() {
    let mut out = Vec::new();
    let mut writer = CaptureWriter::new(&mut out, "").unwrap();
    let at = Duration::ZERO;
    let conn = |port: u16, number| {
        let client = format!("[::1]:{port}").parse().unwrap();
        TcpConn::new(client, "[::1]:6881".parse().unwrap(), Dir::Sent, number)
    };
    let mut encrypted = conn(1, 1);
    writer.open(&mut encrypted, at, &[]).unwrap();
    writer
        .data(&mut encrypted, Dir::Sent, &[0xe5; 96], at, &[])
        .unwrap();
    let mut gap = conn(2, 2);
    writer.open(&mut gap, at, &[]).unwrap();
    writer
        .data(
            &mut gap,
            Dir::Sent,
            &stream(&[Message::Interested]),
            at,
            &[],
        )
        .unwrap();
    gap.skip(Dir::Sent, 10);
    writer
        .data(&mut gap, Dir::Sent, &[1, 2, 3], at, &[])
        .unwrap();
    let ran = with_input(&["decode", "-"], &out);
    assert_eq!(ran.code, 0, "{ran:?}");
    for words in [
        "96 bytes not decoded: no handshake in plain",
        "10 of these bytes were not captured",
        "2 connections, 172 bytes: 2 messages, 0 sections that are none, 99 bytes not decoded",
    ] {
        assert!(ran.out.contains(words), "no `{words}` in {}", ran.out);
    }
}

fn tshark(capture: &Path, args: &[&str]) -> String {
    let mut command = Command::new("tshark");
    command
        .arg("-r")
        .arg(capture)
        .args(["-d", "tcp.port==6881,bittorrent"]);
    let out = command.args(args).stdin(Stdio::null()).output();
    let out = out.expect("tshark is installed: apt-get install tshark");
    assert!(out.status.success(), "{out:?}");
    String::from_utf8(out.stdout).unwrap()
}

/// Debian's package `tshark`; `.ci/run` has it.
#[test]
#[ignore = "needs tshark, which .ci/run installs: cargo test --test captures -- --ignored"]
fn wireshark_decodes_every_message_of_a_run() {
    let dir = folder("tshark");
    let capture = dir.join("run.pcapng");
    let report = format!("pcapng={}", capture.display());
    let ran = run(["run", "--filter", WELL_FORMED, "--report", &report]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let bad = "_ws.malformed || tcp.checksum.status == Bad || ip.checksum.status == Bad";
    let checked = [
        "-o",
        "tcp.check_checksum:TRUE",
        "-o",
        "ip.check_checksum:TRUE",
    ];
    let found = tshark(&capture, &[&checked[..], &["-Y", bad]].concat());
    assert_eq!(found, "");
    let types = [
        "-Y",
        "bittorrent",
        "-T",
        "fields",
        "-e",
        "bittorrent.msg.type",
    ];
    let types = tshark(&capture, &types);
    let seen: BTreeSet<u8> = types
        .split([',', '\n'])
        .filter_map(|id| id.trim().parse().ok())
        .collect();
    let all: BTreeSet<u8> = btspec::wire::registry::MESSAGES
        .iter()
        .filter_map(|spec| spec.id)
        // BEP 52: no case sends them.
        .filter(|id| !(21..=23).contains(id))
        .collect();
    assert!(all.contains(&20) && all.contains(&17), "{all:?}");
    assert_eq!(all.difference(&seen).collect::<Vec<_>>(), Vec::<&u8>::new());
    // Steps, notes and verdicts are there to be read.
    let comments = tshark(&capture, &["-T", "fields", "-e", "frame.comment"]);
    assert!(comments.contains("verdict: pass"));
    assert!(comments.contains("were not recorded: zeros stand for them"));
}

#[test]
fn every_connection_of_a_run_is_in_its_capture() {
    let dir = folder("run-capture");
    let (capture, json) = (dir.join("run.pcapng"), dir.join("run.json"));
    let ran = run([
        "run",
        "--filter",
        "id(fast_ext/seed-has-all:seed) | id(transfer/*)",
        "--report",
        &format!("pcapng={}", capture.display()),
        "--report",
        &format!("json={}", json.display()),
    ]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let report: btspec::outcome::RunOutcome =
        serde_json::from_slice(&fs::read(json).unwrap()).unwrap();
    let found = capture::conversations(&fs::read(&capture).unwrap()).unwrap();
    let mut bytes = 0;
    let mut conns = BTreeSet::new();
    for case in report.cases.iter().filter(|case| !case.is_rule()) {
        for entry in case.transcript.iter().filter(|entry| entry.conn.is_some()) {
            conns.insert((case.id.clone(), entry.conn));
            bytes += entry.len;
        }
    }
    assert!(bytes > 100_000, "{bytes}");
    assert_eq!(found.all.len(), conns.len());
    let listed = run([Path::new("decode"), &capture]);
    assert_eq!(listed.code, 0, "{listed:?}");
    let total = format!(" {} connections, {bytes} bytes: ", conns.len());
    assert!(
        listed.out.contains(&total),
        "no `{total}`: {}",
        listed.out.lines().last().unwrap()
    );
}
