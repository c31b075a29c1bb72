//! Connections as TCP streams in a pcapng file.

use std::borrow::Cow;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use etherparse::{
    IpHeaders, IpNumber, Ipv4Header, Ipv6Header, PacketBuilder, PacketBuilderStep, TcpHeader,
    TcpOptionElement,
};
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::pcapng::blocks::section_header::{SectionHeaderBlock, SectionHeaderOption};
use pcap_file::{DataLink, Endianness, PcapError};

use crate::trace::{CloseHow, Dir};

/// Writes connections into a pcapng file, packet by packet.
///
/// Packets are raw IP: no network card was involved, so there are no Ethernet addresses to tell.
pub struct CaptureWriter<W: Write> {
    file: PcapNgWriter<W>,
}

/// One TCP connection of a capture: its addresses and where each side's stream stands.
#[derive(Debug, Clone)]
pub struct TcpConn {
    source: SocketAddr,
    target: SocketAddr,
    dialler: Dir,
    sent: Side,
    received: Side,
}

/// The stream of one side.
#[derive(Debug, Clone, Copy)]
struct Side {
    /// Sequence number of the next byte.
    next: u32,
    /// What the other side has acknowledged.
    acked: u32,
}

impl TcpConn {
    /// A connection between the tester's end and the target's; `dialler` opened it. Initial
    /// sequence numbers come from `number`, which should differ from connection to connection.
    pub fn new(source: SocketAddr, target: SocketAddr, dialler: Dir, number: u32) -> Self {
        let (source, target) = one_family(source, target);
        // Far from each other, so that a pair of addresses that is used again makes a new stream.
        let first = number.wrapping_mul(0x9e37_79b1);
        let side = |next: u32| Side { next, acked: next };
        Self {
            source,
            target,
            dialler,
            sent: side(first),
            received: side(first.wrapping_add(0x5000_0000)),
        }
    }

    fn side(&self, dir: Dir) -> Side {
        match dir {
            Dir::Sent => self.sent,
            Dir::Received => self.received,
        }
    }

    fn side_mut(&mut self, dir: Dir) -> &mut Side {
        match dir {
            Dir::Sent => &mut self.sent,
            Dir::Received => &mut self.received,
        }
    }

    fn advance(&mut self, dir: Dir, len: u32) {
        let side = self.side_mut(dir);
        side.next = side.next.wrapping_add(len);
    }

    /// Leaves out bytes of one side that nobody has: its sequence numbers go on behind them.
    pub fn skip(&mut self, dir: Dir, len: u64) {
        let wrapped = len & u64::from(u32::MAX);
        self.advance(dir, u32::try_from(wrapped).unwrap_or(u32::MAX));
    }

    /// The headers of the next packet of one side.
    fn packet(&self, dir: Dir) -> PacketBuilderStep<TcpHeader> {
        let (from, to) = match dir {
            Dir::Sent => (self.source, self.target),
            Dir::Received => (self.target, self.source),
        };
        let ip = match (from.ip(), to.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let header = Ipv4Header {
                    time_to_live: TTL,
                    protocol: IpNumber::TCP,
                    dont_fragment: true,
                    source: from.octets(),
                    destination: to.octets(),
                    ..Ipv4Header::default()
                };
                IpHeaders::Ipv4(header, Default::default())
            }
            (from, to) => {
                let header = Ipv6Header {
                    hop_limit: TTL,
                    next_header: IpNumber::TCP,
                    source: v6(from),
                    destination: v6(to),
                    ..Ipv6Header::default()
                };
                IpHeaders::Ipv6(header, Default::default())
            }
        };
        PacketBuilder::ip(ip).tcp(from.port(), to.port(), self.side(dir).next, WINDOW)
    }
}

impl<W: Write> CaptureWriter<W> {
    /// Begins a file; `about` is a comment on the whole of it.
    pub fn new(out: W, about: &str) -> io::Result<Self> {
        let section = SectionHeaderBlock {
            endianness: Endianness::Little,
            options: vec![
                SectionHeaderOption::Comment(Cow::Owned(comment(about))),
                SectionHeaderOption::UserApplication(Cow::Borrowed(concat!(
                    env!("CARGO_PKG_NAME"),
                    " ",
                    env!("CARGO_PKG_VERSION")
                ))),
            ],
            ..SectionHeaderBlock::default()
        };
        let mut file = PcapNgWriter::with_section_header(out, section).map_err(failed)?;
        let interface = InterfaceDescriptionBlock {
            linktype: DataLink::RAW,
            snaplen: 0,
            options: vec![
                InterfaceDescriptionOption::IfName(Cow::Borrowed("btspec")),
                // The library writes nanoseconds, whatever this says.
                InterfaceDescriptionOption::IfTsResol(9),
            ],
        };
        file.write_pcapng_block(interface).map_err(failed)?;
        Ok(Self { file })
    }

    /// Writes the three packets that open a connection.
    pub fn open(
        &mut self,
        conn: &mut TcpConn,
        at: Duration,
        comments: &[String],
    ) -> io::Result<()> {
        let (first, second) = (conn.dialler, conn.dialler.flip());
        let options = [
            TcpOptionElement::MaximumSegmentSize(MSS_OPTION),
            TcpOptionElement::WindowScale(WINDOW_SCALE),
        ];
        let with = |packet: PacketBuilderStep<TcpHeader>| packet.options(&options);
        let syn = with(conn.packet(first).syn()).map_err(io::Error::other)?;
        self.packet(syn, &[], at, comments)?;
        conn.advance(first, 1);
        let ack = conn.side(first).next;
        let answer = with(conn.packet(second).syn().ack(ack)).map_err(io::Error::other)?;
        self.packet(answer, &[], at, &[])?;
        conn.advance(second, 1);
        conn.side_mut(first).acked = ack;
        self.ack(conn, first, at, &[])
    }

    /// Writes bytes of one side, in as many segments as they need. The comments stand at the first.
    pub fn data(
        &mut self,
        conn: &mut TcpConn,
        dir: Dir,
        bytes: &[u8],
        at: Duration,
        comments: &[String],
    ) -> io::Result<()> {
        let mut comments = comments;
        let mut segments = bytes.chunks(MSS).peekable();
        while let Some(segment) = segments.next() {
            let ack = conn.side(dir.flip()).next;
            let mut packet = conn.packet(dir).ack(ack);
            if segments.peek().is_none() {
                packet = packet.psh();
            }
            self.packet(packet, segment, at, comments)?;
            comments = &[];
            conn.side_mut(dir.flip()).acked = ack;
            conn.advance(dir, u32::try_from(segment.len()).unwrap_or(u32::MAX));
            let side = conn.side(dir);
            if side.next.wrapping_sub(side.acked) >= UNACKED {
                self.ack(conn, dir.flip(), at, &[])?;
            }
        }
        Ok(())
    }

    /// Writes an acknowledgement of one side, which carries nothing but the comments.
    pub fn ack(
        &mut self,
        conn: &mut TcpConn,
        dir: Dir,
        at: Duration,
        comments: &[String],
    ) -> io::Result<()> {
        let ack = conn.side(dir.flip()).next;
        self.packet(conn.packet(dir).ack(ack), &[], at, comments)?;
        conn.side_mut(dir.flip()).acked = ack;
        Ok(())
    }

    /// Writes the end of one side's stream. A failed write left no packet of its own: it becomes an
    /// acknowledgement that carries the comments.
    pub fn close(
        &mut self,
        conn: &mut TcpConn,
        dir: Dir,
        how: CloseHow,
        at: Duration,
        comments: &[String],
    ) -> io::Result<()> {
        let ack = conn.side(dir.flip()).next;
        let packet = conn.packet(dir).ack(ack);
        match how {
            CloseHow::Fin => {
                self.packet(packet.fin(), &[], at, comments)?;
                conn.advance(dir, 1);
                self.ack(conn, dir.flip(), at, &[])
            }
            CloseHow::Rst => self.packet(packet.rst(), &[], at, comments),
            CloseHow::WriteError => self.ack(conn, dir, at, comments),
        }
    }

    /// Writes out everything that was written so far.
    pub fn flush(&mut self) -> io::Result<()> {
        self.file.get_mut().flush()
    }

    fn packet(
        &mut self,
        packet: PacketBuilderStep<TcpHeader>,
        payload: &[u8],
        at: Duration,
        comments: &[String],
    ) -> io::Result<()> {
        let mut data = Vec::with_capacity(packet.size(payload.len()));
        packet.write(&mut data, payload).map_err(io::Error::other)?;
        let shown = comments.iter().take(MAX_COMMENTS);
        let block = EnhancedPacketBlock {
            interface_id: 0,
            timestamp: at,
            original_len: u32::try_from(data.len()).unwrap_or(u32::MAX),
            data: Cow::Owned(data),
            options: shown
                .map(|text| EnhancedPacketOption::Comment(Cow::Owned(comment(text))))
                .collect(),
        };
        self.file.write_pcapng_block(block).map_err(failed)?;
        Ok(())
    }
}

/// Both addresses of the same family.
fn one_family(source: SocketAddr, target: SocketAddr) -> (SocketAddr, SocketAddr) {
    if source.is_ipv4() == target.is_ipv4() {
        return (source, target);
    }
    let mapped = |addr: SocketAddr| SocketAddr::new(IpAddr::from(v6(addr.ip())), addr.port());
    (mapped(source), mapped(target))
}

fn v6(addr: IpAddr) -> [u8; 16] {
    match addr {
        IpAddr::V4(addr) => addr.to_ipv6_mapped().octets(),
        IpAddr::V6(addr) => addr.octets(),
    }
}

/// A comment has its length in 16 bits, and ends where text is cut between two characters.
fn comment(text: &str) -> String {
    let mut end = text.len().min(MAX_COMMENT);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default().to_owned()
}

fn failed(error: PcapError) -> io::Error {
    match error {
        PcapError::IoError(error) => error,
        other => io::Error::other(other),
    }
}

/// Payload of a segment: what fits into Ethernet's 1,500 bytes with either kind of IP header.
const MSS: usize = 1440;
/// The same, as the TCP option tells it.
const MSS_OPTION: u16 = 1440;
/// Hops, as Linux begins.
const TTL: u8 = 64;
/// Window in units of 2^[`WINDOW_SCALE`] bytes: nothing in a capture of ours is ever held back.
const WINDOW: u16 = 0xffff;
/// See [`WINDOW`].
const WINDOW_SCALE: u8 = 10;
/// Bytes behind which the other side says that it has them.
const UNACKED: u32 = 64 * 1024;
/// Bytes of one comment.
const MAX_COMMENT: usize = 4096;
/// Comments on one packet.
const MAX_COMMENTS: usize = 32;
