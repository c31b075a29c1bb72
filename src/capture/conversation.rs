//! The TCP connections of a capture.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::file::{CaptureError, packets};
use super::link::{Other, Segment, segment};
use super::stream::Stream;

/// A TCP connection, with what each side sent.
#[derive(Debug)]
pub struct Conversation {
    /// Who opened it; of one that was open already, who was heard first.
    pub client: SocketAddr,
    /// The other end.
    pub server: SocketAddr,
    /// When its first packet came, since 1970 began.
    pub began: Duration,
    /// Its opening was captured, so that its streams begin at their first byte.
    pub whole: bool,
    /// What the client sent.
    pub up: Stream,
    /// What the server sent.
    pub down: Stream,
}

/// What a capture holds.
#[derive(Debug, Default)]
pub struct Conversations {
    /// In the order of their first packets.
    pub all: Vec<Conversation>,
    /// Packets.
    pub packets: u64,
    /// Of these, what is no TCP segment, or only a fragment of one.
    pub not_tcp: u64,
    /// Of these, what is of a kind of link that is not read.
    pub unknown_link: u64,
    /// Of these, what belongs to connections beyond the first 65,536.
    pub too_many: u64,
    /// Why the file could not be read to its end.
    pub broken: Option<CaptureError>,
}

/// The connections of a file. What is broken behind its first packet is told in the result.
pub fn conversations(file: &[u8]) -> Result<Conversations, CaptureError> {
    let mut found = Conversations::default();
    let mut open = HashMap::new();
    let mut room = MAX_ZEROS;
    for packet in packets(file)? {
        let packet = match packet {
            Ok(packet) => packet,
            Err(error) => {
                found.broken = Some(error);
                break;
            }
        };
        found.packets = found.packets.saturating_add(1);
        let counter = match segment(&packet) {
            Ok(segment) if found.take(&segment, packet.at, &mut open, &mut room) => continue,
            Ok(_) => &mut found.too_many,
            Err(Other::NotTcp) => &mut found.not_tcp,
            Err(Other::UnknownLink) => &mut found.unknown_link,
        };
        *counter = counter.saturating_add(1);
    }
    for conversation in &mut found.all {
        conversation.up.finish(&mut room);
        conversation.down.finish(&mut room);
    }
    Ok(found)
}

/// Both ends of a connection, in an order that does not depend on the direction.
type Ends = (SocketAddr, SocketAddr);

impl Conversations {
    /// Adds a segment to its connection; false if there are too many of them.
    fn take(
        &mut self,
        segment: &Segment<'_>,
        at: Duration,
        open: &mut HashMap<Ends, usize>,
        room: &mut usize,
    ) -> bool {
        let ends = match segment.from < segment.to {
            true => (segment.from, segment.to),
            false => (segment.to, segment.from),
        };
        let opening = segment.syn && !segment.ack;
        let known = open.get(&ends).copied().filter(|index| {
            let known = self.all.get(*index);
            // The same addresses again: another connection.
            !opening || known.is_some_and(|known| known.opened_by(segment))
        });
        let index = match known {
            Some(index) => index,
            None if self.all.len() >= MAX_CONVERSATIONS => return false,
            None => {
                // Of a connection whose SYN is missing the answer to it tells as much.
                let answer = segment.syn && segment.ack;
                let (client, server) = match answer {
                    true => (segment.to, segment.from),
                    false => (segment.from, segment.to),
                };
                self.all.push(Conversation {
                    client,
                    server,
                    began: at,
                    whole: opening,
                    up: Stream::default(),
                    down: Stream::default(),
                });
                let index = self.all.len().saturating_sub(1);
                open.insert(ends, index);
                index
            }
        };
        let number = self.packets;
        if let Some(conversation) = self.all.get_mut(index) {
            conversation.push(segment, at, number, room);
        }
        true
    }
}

impl Conversation {
    /// Whether this SYN is the one that opened it, once more.
    fn opened_by(&self, segment: &Segment<'_>) -> bool {
        segment.from == self.client && self.up.begins_at(segment.seq.wrapping_add(1))
    }

    fn push(&mut self, segment: &Segment<'_>, at: Duration, number: u64, room: &mut usize) {
        let stream = match segment.from == self.client {
            true => &mut self.up,
            false => &mut self.down,
        };
        let mut first = segment.seq;
        if segment.syn {
            first = first.wrapping_add(1);
            stream.begin(first);
        }
        // A keep-alive of TCP, or an acknowledgement, says nothing about where the stream begins.
        if !segment.payload.is_empty() && (!segment.rst || stream.started()) {
            stream.push(first, segment.payload, at, number, room);
        }
        if segment.fin || segment.rst {
            stream.ended(segment.rst, at, number);
        }
    }
}

/// Connections of one file.
const MAX_CONVERSATIONS: usize = 65_536;
/// Zeros in the place of bytes that were not captured, of all streams of a file.
const MAX_ZEROS: usize = 64 << 20;
