//! What a watched connection costs: decoding, the session's ledgers, every rule.

use std::time::Duration;

use btspec::rule::Judge;
use btspec::session::{Session, SessionConfig};
use btspec::torrent::Torrent;
use btspec::trace::{ConnId, Dir, Recorder, StreamDecoder};
use btspec::wire::frame::DEFAULT_LIMIT;
use btspec::wire::{Handshake, Message, PeerId};
use bytes::{Bytes, BytesMut};
use criterion::{Criterion, Throughput};

use crate::support::{inputs, swarm};

pub(crate) fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("session");
    let torrent = swarm::torrent(8);
    let turns = turns(&torrent);
    let len: usize = turns.iter().map(|(_, bytes)| bytes.len()).sum();
    group.throughput(Throughput::Bytes(len as u64));
    group.bench_function("decode", |b| {
        b.iter(|| watch(&torrent, &turns, Depth::Decode))
    });
    group.bench_function("ledgers", |b| {
        b.iter(|| watch(&torrent, &turns, Depth::Session))
    });
    group.bench_function("rules", |b| {
        b.iter(|| watch(&torrent, &turns, Depth::Rules))
    });
    // A short one is what the live fuzzer has by the thousand.
    let opening = &turns[..2];
    let len: usize = opening.iter().map(|(_, bytes)| bytes.len()).sum();
    group.throughput(Throughput::Bytes(len as u64));
    group.bench_function("rules, greetings only", |b| {
        b.iter(|| watch(&torrent, opening, Depth::Rules));
    });
    group.finish();
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Depth {
    Decode,
    Session,
    Rules,
}

/// A leech (we) fetches everything from a seed, one block at a time; by writes.
fn turns(torrent: &Torrent) -> Vec<(Dir, Bytes)> {
    let hello = |peer_id: &[u8; 20]| Handshake {
        info_hash: torrent.info_hash(),
        peer_id: PeerId(*peer_id),
        ..inputs::handshake()
    };
    let opening = |peer_id, messages: &[Message]| {
        let mut out = BytesMut::from(&hello(peer_id).encode()[..]);
        messages
            .iter()
            .for_each(|message| message.encode_to(&mut out));
        out.freeze()
    };
    let ours = [inputs::extended(), Message::HaveNone, Message::Interested];
    let theirs = [inputs::extended(), Message::HaveAll, Message::Unchoke];
    let mut turns = vec![
        (Dir::Sent, opening(b"-XX0001-abcdefghijkl", &ours)),
        (Dir::Received, opening(b"-YY0001-abcdefghijkl", &theirs)),
    ];
    let geometry = torrent.geometry();
    for block in (0..geometry.pieces()).flat_map(|index| geometry.blocks(index)) {
        let bytes = torrent.block(&block).unwrap_or_default();
        let piece = Message::Piece {
            index: block.index,
            begin: block.begin,
            block: bytes,
        };
        turns.push((Dir::Sent, Message::Request(block).encode()));
        turns.push((Dir::Received, piece.encode()));
    }
    turns
}

/// Events, or observations where there are no events.
fn watch(torrent: &Torrent, turns: &[(Dir, Bytes)], depth: Depth) -> usize {
    let conn = ConnId(1);
    let mut sent = StreamDecoder::new(conn, Dir::Sent, DEFAULT_LIMIT);
    let mut received = StreamDecoder::new(conn, Dir::Received, DEFAULT_LIMIT);
    let mut session = Session::new(SessionConfig {
        conn,
        torrent: torrent.clone(),
        initiator: true,
    });
    let mut judge = Judge::new();
    let mut recorder = Recorder::new();
    let mut seen = 0;
    for ((dir, bytes), micros) in turns.iter().zip(0..) {
        let decoder = match dir {
            Dir::Sent => &mut sent,
            Dir::Received => &mut received,
        };
        decoder.push(bytes, Duration::from_micros(micros));
        while let Some(mut observation) = decoder.poll() {
            recorder.stamp(&mut observation);
            if depth == Depth::Decode {
                seen += 1;
                continue;
            }
            session.handle(&observation);
            while let Some(event) = session.poll_event() {
                seen += 1;
                if depth == Depth::Rules {
                    judge.handle(&event, &session);
                }
            }
        }
    }
    seen
}
