//! A capture in words: each connection, both ways, every byte accounted for.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::iter::Peekable;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::conversation::{Conversation, Conversations};
use super::stream::{Gap, Stream};
use crate::wire::dissect::{self, Section, SectionKind};

/// Writes every connection with the messages of both sides in the order in which they were
/// complete, and a last line of counts.
pub fn write(found: Conversations, out: &mut dyn Write) -> io::Result<()> {
    let origin = found.all.iter().map(|it| it.began).min();
    let origin = origin.unwrap_or_default();
    let mut counts = Counts::default();
    for (index, conversation) in found.all.into_iter().enumerate() {
        let number = index.saturating_add(1);
        counts.connections = counts.connections.saturating_add(1);
        write_one(conversation, number, origin, &mut counts, out)?;
    }
    let mut line = format!("{} packets", found.packets);
    for (count, what) in [
        (found.not_tcp, "without a TCP segment"),
        (found.unknown_link, "of a kind of link that is not read"),
        (found.too_many, "of connections beyond the first 65536"),
    ] {
        if count > 0 {
            let _ = write!(line, " ({count} {what})");
        }
    }
    writeln!(
        out,
        "{line}, {} connections, {} bytes: {} messages, {} sections that are none, {} bytes not decoded",
        counts.connections, counts.bytes, counts.messages, counts.other, counts.undecoded
    )
}

#[derive(Debug, Default)]
struct Counts {
    connections: u64,
    bytes: u64,
    messages: u64,
    other: u64,
    undecoded: u64,
}

fn write_one(
    mut conversation: Conversation,
    number: usize,
    origin: Duration,
    counts: &mut Counts,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (client, server) = (conversation.client, conversation.server);
    let (up, down) = (captured(&conversation.up), captured(&conversation.down));
    counts.bytes = counts.bytes.saturating_add(up).saturating_add(down);
    writeln!(
        out,
        "#{number} {client} → {server}, from {} on: {up} bytes →, {down} bytes ←{}",
        seconds(conversation.began, origin),
        match conversation.whole {
            true => "",
            false => "; its opening is not in the capture",
        }
    )?;
    let plain = [&conversation.up, &conversation.down]
        .iter()
        .any(|stream| dissect::begins_handshake(stream.bytes()));
    if !plain {
        let all = up.saturating_add(down);
        counts.undecoded = counts.undecoded.saturating_add(all);
        return match all {
            0 => Ok(()),
            _ => writeln!(
                out,
                "{:>11}  {all} bytes not decoded: no handshake in plain at the beginning (encrypted, another protocol, or captured too late)",
                ""
            ),
        };
    }
    let mut up = Lines::new(&mut conversation.up, client).peekable();
    let mut down = Lines::new(&mut conversation.down, server).peekable();
    while let Some((line, arrow)) = earlier(&mut up, &mut down) {
        match line.counts {
            Counted::Message => counts.messages = counts.messages.saturating_add(1),
            Counted::Other => counts.other = counts.other.saturating_add(1),
            Counted::Undecoded => counts.undecoded = counts.undecoded.saturating_add(line.len),
            Counted::Nothing => {}
        }
        writeln!(
            out,
            "{:>11} {arrow} {:>8} {:>8}  {}",
            seconds(line.at, origin),
            line.offset,
            line.len,
            line.text
        )?;
        for note in line.notes {
            writeln!(
                out,
                "{:>11} {arrow} {:>8} {:>8}    note: {note}",
                "", "", ""
            )?;
        }
    }
    Ok(())
}

/// Bytes of a stream that were captured.
fn captured(stream: &Stream) -> u64 {
    let len = u64::try_from(stream.bytes().len()).unwrap_or(u64::MAX);
    let zeros = stream.gaps().iter().filter(|gap| gap.offset < len);
    let zeros = zeros.map(|gap| gap.len).fold(0, u64::saturating_add);
    len.saturating_sub(zeros)
        .saturating_add(stream.behind_gap())
}

fn seconds(at: Duration, origin: Duration) -> String {
    format!("{:.6} s", at.saturating_sub(origin).as_secs_f64())
}

/// The line whose packet came first.
fn earlier(
    up: &mut Peekable<Lines<'_>>,
    down: &mut Peekable<Lines<'_>>,
) -> Option<(Line, &'static str)> {
    let first = match (up.peek(), down.peek()) {
        (Some(one), Some(other)) => one.packet <= other.packet,
        (one, _) => one.is_some(),
    };
    match first {
        true => up.next().map(|line| (line, "→")),
        false => down.next().map(|line| (line, "←")),
    }
}

/// One line about one direction.
struct Line {
    packet: u64,
    at: Duration,
    offset: u64,
    len: u64,
    counts: Counted,
    text: String,
    notes: Vec<String>,
}

/// What a line counts as.
enum Counted {
    Message,
    Other,
    Undecoded,
    Nothing,
}

/// What there is to say of one direction, in its order.
struct Lines<'a> {
    stream: &'a Stream,
    bytes: Bytes,
    sections: dissect::Sections,
    /// Where messages begin is not known any more.
    lost: bool,
    ended: bool,
    who: SocketAddr,
}

impl<'a> Lines<'a> {
    fn new(stream: &'a mut Stream, who: SocketAddr) -> Self {
        let bytes = Bytes::from(stream.take_bytes());
        Self {
            sections: dissect::sections(&bytes),
            bytes,
            stream,
            lost: false,
            ended: false,
            who,
        }
    }

    fn section(&mut self, section: &Section) -> Line {
        let offset = section.offset;
        let end = offset.saturating_add(section.raw.len());
        let missing = self.missing(offset, end);
        let head = offset.saturating_add(HEAD).min(end);
        if missing > 0 && self.missing(offset, head) > 0 {
            self.lost = true;
            let len = self.bytes.len().saturating_sub(offset);
            let missing = self.missing(offset, self.bytes.len());
            let mut line = self.line(offset, len, Counted::Undecoded);
            line.text = format!(
                "not decoded: {missing} of these bytes were not captured, and with them where messages begin"
            );
            line.len = line.len.saturating_sub(missing);
            return line;
        }
        let counts = match section.what {
            SectionKind::Handshake(_) | SectionKind::Message(..) => Counted::Message,
            _ => Counted::Other,
        };
        let mut line = self.line(offset, section.raw.len(), counts);
        line.text = section.to_string();
        line.notes = section.notes();
        if missing > 0 {
            let note = format!("{missing} of its bytes were not captured: zeros stand for them");
            line.notes.push(note);
        }
        line
    }

    fn line(&self, offset: usize, len: usize, counts: Counted) -> Line {
        let number = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let (at, packet) = self.stream.arrival(number(offset.saturating_add(len)));
        Line {
            packet,
            at,
            offset: number(offset),
            len: number(len),
            counts,
            text: String::new(),
            notes: Vec::new(),
        }
    }

    /// Bytes between two offsets that were not captured.
    fn missing(&self, from: usize, to: usize) -> u64 {
        let number = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let (from, to) = (number(from), number(to));
        let gaps = self.stream.gaps();
        let first = gaps.partition_point(|gap| gap_end(gap) <= from);
        let gaps = gaps.get(first..).unwrap_or_default().iter();
        let inside = gaps.take_while(|gap| gap.offset < to);
        inside
            .map(|gap| gap_end(gap).min(to).saturating_sub(gap.offset.max(from)))
            .fold(0, u64::saturating_add)
    }

    /// What stands behind the last byte: bytes that were only counted, how the stream ended.
    fn end(&self) -> Line {
        let mut line = self.line(self.bytes.len(), 0, Counted::Nothing);
        let behind = self.stream.behind_gap();
        if behind > 0 {
            line.counts = Counted::Undecoded;
            line.len = behind;
            line.text = format!("not decoded: {behind} bytes behind a gap too long to be filled");
        } else if let Some(end) = self.stream.end() {
            line.at = end.at;
            line.packet = end.packet;
            let how = if end.reset { "reset" } else { "end of stream" };
            line.text = format!("{how} by {}", self.who);
        } else {
            line.packet = u64::MAX;
            line.text = format!("{} was heard no more", self.who);
        }
        line
    }
}

impl Iterator for Lines<'_> {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        if !self.lost
            && let Some(section) = self.sections.next()
        {
            return Some(self.section(&section));
        }
        let silent =
            self.bytes.is_empty() && self.stream.end().is_none() && self.stream.behind_gap() == 0;
        if self.ended || silent {
            return None;
        }
        self.ended = true;
        Some(self.end())
    }
}

fn gap_end(gap: &Gap) -> u64 {
    gap.offset.saturating_add(gap.len)
}

/// Bytes of a message that say how long it is.
const HEAD: usize = 4;
