//! The rows about bytes: decoding and encoding.

use std::rc::Rc;

use btspec::wire::{BlockRef, Message};
use bytes::Bytes;

use crate::args::Args;
use crate::measure::{Contestant, Group};
use crate::peers::node::Node;
use crate::peers::{copy, librqbit, skip};
use crate::support::inputs::{self, BLOCK_LEN, READ_LEN, Stream};
use crate::support::ours;

/// Every group, inputs made.
pub(crate) fn groups(args: &Args) -> Vec<Group> {
    let node = Rc::new(Node::find());
    let control = inputs::control(args.scaled(CONTROL));
    let blocks = inputs::blocks(scaled(args, BLOCKS));
    let session = inputs::session(scaled(args, BLOCKS));
    let mut groups = vec![
        control_from_slice(&control),
        control_fed(&control, &node),
        control_held(&control),
        blocks_fed(&blocks, &node),
        blocks_held(&blocks),
        session_from_slice(&session),
        session_fed(&session, &node),
        control_by_byte(args),
        blocks_by_byte(args, &node),
        handshakes(args, &node),
        extended(args, &node),
    ];
    groups.extend(encode(args));
    groups
}

fn control_from_slice(stream: &Stream) -> Group {
    let Stream { bytes, messages } = stream.clone();
    let [a, b, c] = std::array::from_fn(|_| bytes.clone());
    let ours = Contestant::new("slice", messages, move || ours::from_slice(&a));
    let rqbit = Contestant::new(LIBRQBIT, messages, move || librqbit::from_slice(&b));
    let skip = Contestant::new(SKIP, messages, move || skip::frames(&c));
    Group::new("A control messages, from a slice", "message", ours)
        .against(rqbit, 1.05, 1.5)
        .beside(skip)
}

fn control_fed(stream: &Stream, node: &Rc<Node>) -> Group {
    let Stream { bytes, messages } = stream.clone();
    let [a, b, c] = std::array::from_fn(|_| bytes.clone());
    let ours = Contestant::new("fed", messages, move || ours::fed(&a, READ_LEN));
    let rqbit = Contestant::new("librqbit, slice", messages, move || {
        librqbit::from_slice(&b)
    });
    let copied = Contestant::new(COPY, messages, copied(c, messages));
    Group::new("A control messages, 64 KiB reads, owned", "message", ours)
        .against(rqbit, 0.9, 1.1)
        .against(node.stream(NODE, stream, READ_LEN), 20.0, None)
        .beside(copied)
}

fn control_held(stream: &Stream) -> Group {
    let Stream { bytes, messages } = stream.clone();
    let other = bytes.clone();
    let ours = Contestant::new("fed", messages, move || {
        ours::fed_holding(&bytes, READ_LEN, HELD)
    });
    let rqbit = Contestant::new("librqbit, slice", messages, move || {
        librqbit::from_slice(&other)
    });
    Group::new("A the same, the last 100 messages held", "message", ours).beside(rqbit)
}

fn blocks_fed(stream: &Stream, node: &Rc<Node>) -> Group {
    let Stream { bytes, messages } = stream.clone();
    let other = bytes.clone();
    let ours = Contestant::new("fed", messages, move || ours::fed(&bytes, READ_LEN));
    let copied = Contestant::new(COPY, messages, copied(other, messages));
    Group::new("B blocks of 16 KiB, 64 KiB reads, owned", "message", ours)
        .against(copied, 0.85, 0.95)
        .beside(node.stream(NODE, stream, READ_LEN))
}

fn blocks_held(stream: &Stream) -> Group {
    let Stream { bytes, messages } = stream.clone();
    let other = bytes.clone();
    let ours = Contestant::new("fed", messages, move || {
        ours::fed_holding(&bytes, READ_LEN, HELD)
    });
    let copied = Contestant::new(COPY, messages, copied(other, messages));
    Group::new("B the same, the last 100 messages held", "message", ours).beside(copied)
}

fn session_from_slice(stream: &Stream) -> Group {
    let Stream { bytes, messages } = stream.clone();
    let other = bytes.clone();
    let ours = Contestant::new("slice", messages, move || ours::from_slice(&bytes));
    let rqbit = Contestant::new(LIBRQBIT, messages, move || librqbit::from_slice(&other));
    Group::new("C a mixed connection, from a slice", "message", ours).beside(rqbit)
}

fn session_fed(stream: &Stream, node: &Rc<Node>) -> Group {
    let Stream { bytes, messages } = stream.clone();
    let other = bytes.clone();
    let ours = Contestant::new("fed", messages, move || ours::fed(&bytes, READ_LEN));
    let copied = Contestant::new(COPY, messages, copied(other, messages));
    Group::new("C a mixed connection, 64 KiB reads, owned", "message", ours)
        .beside(copied)
        .beside(node.stream(NODE, stream, READ_LEN))
}

fn control_by_byte(args: &Args) -> Group {
    let Stream { bytes, messages } = inputs::control(args.scaled(CONTROL / 20));
    let other = bytes.clone();
    let ours = Contestant::new("fed", messages, move || ours::fed(&bytes, 1));
    let rqbit = Contestant::new(LIBRQBIT, messages, move || librqbit::byte_by_byte(&other));
    Group::new("D control messages, one byte at a time", "message", ours).beside(rqbit)
}

fn blocks_by_byte(args: &Args, node: &Rc<Node>) -> Group {
    let Stream { bytes, messages } = inputs::blocks(scaled(args, 200));
    let other = bytes.clone();
    let ours = Contestant::new("fed", messages, move || ours::fed(&bytes, 1));
    let rqbit = Contestant::new(LIBRQBIT, messages, move || librqbit::byte_by_byte(&other));
    Group::new("D blocks of 16 KiB, one byte at a time", "message", ours)
        .against(rqbit, 1.5, 3.0)
        .beside(node.stream(NODE, &inputs::blocks(2), 1))
}

fn handshakes(args: &Args, node: &Rc<Node>) -> Group {
    let count = args.scaled(500_000);
    let bytes = inputs::handshakes(u32::try_from(count).unwrap_or(u32::MAX));
    let other = bytes.clone();
    let for_node = Bytes::copy_from_slice(&bytes[..68 * count.min(20_000)]);
    let ours = Contestant::new("slice", count, move || ours::handshakes(&bytes));
    let rqbit = Contestant::new(LIBRQBIT, count, move || librqbit::handshakes(&other));
    Group::new("E handshakes", "handshake", ours)
        .beside(rqbit)
        .beside(node.handshakes(NODE, for_node, count.min(20_000)))
}

fn extended(args: &Args, node: &Rc<Node>) -> Group {
    let count = args.scaled(100_000);
    let frame = inputs::extended().encode();
    let other = frame.clone();
    let for_node = frame.clone();
    let ours = Contestant::new("typed, all keys kept", count, move || {
        (0..count).filter(|_| ours::extended(&frame)).count()
    });
    let rqbit = Contestant::new("librqbit, typed", count, move || {
        (0..count).filter(|_| librqbit::extended(&other)).count()
    });
    Group::new("F extended handshake", "handshake", ours)
        .against(rqbit, 0.5, 1.0)
        .against(node.extended(NODE, for_node, count.min(20_000)), 10.0, None)
}

fn encode(args: &Args) -> Vec<Group> {
    let times = args.scaled(1_000_000);
    let request = Message::Request(BlockRef::new(7, 0, BLOCK_LEN));
    let ours = Contestant::new("into a buffer", times, move || {
        ours::encode(&request, times) / 17
    });
    let rqbit = Contestant::new(LIBRQBIT, times, move || {
        librqbit::encode_request(7, 0, BLOCK_LEN, times) / 17
    });
    let requests = Group::new("encode a request", "message", ours).against(rqbit, 2.0, 4.0);
    let times = args.scaled(100_000);
    let piece = inputs::piece(7);
    let whole = piece.encode().len();
    let ours = Contestant::new("into a buffer", times, move || {
        ours::encode(&piece, times) / whole
    });
    let rqbit = Contestant::new(LIBRQBIT, times, move || {
        librqbit::encode_piece(7, &[0xa5; BLOCK_LEN as usize], times) / whole
    });
    let pieces = Group::new("encode a block of 16 KiB", "message", ours).beside(rqbit);
    vec![requests, pieces]
}

/// Copies a stream and says that it did as many messages as there are.
fn copied(stream: Bytes, messages: usize) -> impl FnMut() -> usize {
    move || {
        let copied = copy::chunks(&stream, READ_LEN);
        if copied == stream.len() { messages } else { 0 }
    }
}

fn scaled(args: &Args, full: u32) -> u32 {
    u32::try_from(args.scaled(full as usize)).unwrap_or(full)
}

const LIBRQBIT: &str = "librqbit 9.1.0";
const NODE: &str = "bittorrent-protocol 5.0.9, Node";
const SKIP: &str = "skip loop";
const COPY: &str = "copying the reads";

/// Messages of stream A.
const CONTROL: usize = 4_000_000;

/// Blocks of streams B and C: 128 MiB.
const BLOCKS: u32 = 8192;

/// Messages that a slow consumer holds.
const HELD: usize = 100;
