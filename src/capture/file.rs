//! Capture files taken apart into packets: pcapng, and pcap with micro- or nanoseconds.

use std::time::Duration;

use pcap_file::pcap::PcapParser;
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::pcapng::{Block, PcapNgParser};
use pcap_file::{DataLink, PcapError, TsResolution};

/// A capture file cannot be read on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a capture that can be read: at byte {offset}: {reason}")]
pub struct CaptureError {
    /// Where the block or packet begins.
    pub offset: usize,
    /// What is wrong with it.
    pub reason: String,
}

/// A packet of a capture file.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    /// Where its block begins in the file.
    pub offset: usize,
    /// When it was captured, since 1970 began.
    pub at: Duration,
    /// What its first bytes are.
    pub(super) link: DataLink,
    /// The bytes that were captured of it.
    pub data: &'a [u8],
}

/// Whether the file begins as a capture does.
pub fn is_capture(file: &[u8]) -> bool {
    let magic = file.first_chunk::<4>();
    magic.is_some_and(|magic| MAGIC.contains(magic))
}

/// The packets of a file, in its order. The first error is the last item.
pub fn packets(file: &[u8]) -> Result<Packets<'_>, CaptureError> {
    let at_start = |error| broken(0, &error);
    let (rest, format) = if file.first_chunk() == Some(&PCAPNG) {
        let (rest, parser) = PcapNgParser::new(file).map_err(at_start)?;
        (rest, Format::Ng(Box::new(parser)))
    } else {
        let (rest, parser) = PcapParser::new(file).map_err(at_start)?;
        (rest, Format::Old(parser))
    };
    Ok(Packets {
        len: file.len(),
        rest,
        format,
    })
}

/// What [`packets`] gives.
pub struct Packets<'a> {
    len: usize,
    rest: &'a [u8],
    format: Format,
}

enum Format {
    Ng(Box<PcapNgParser>),
    Old(PcapParser),
}

impl<'a> Iterator for Packets<'a> {
    type Item = Result<Packet<'a>, CaptureError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let offset = self.len.saturating_sub(self.rest.len());
            let read = match &mut self.format {
                Format::Ng(parser) => ng(parser, self.rest, offset),
                Format::Old(parser) => old(parser, self.rest, offset),
            };
            match read {
                Err(error) => {
                    self.rest = &[];
                    return Some(Err(broken(offset, &error)));
                }
                Ok((rest, packet)) => {
                    self.rest = rest;
                    if let Some(packet) = packet {
                        return Some(Ok(packet));
                    }
                }
            }
        }
        None
    }
}

type Read<'a> = Result<(&'a [u8], Option<Packet<'a>>), PcapError>;

fn ng<'a>(parser: &mut PcapNgParser, rest: &'a [u8], offset: usize) -> Read<'a> {
    let interfaces = parser.interfaces().len();
    // Of blocks without packets only the frame is read: nothing in them matters here.
    let kind = block_kind(parser, rest);
    if !matches!(kind, Some(KIND_PACKET | KIND_SIMPLE | KIND_ENHANCED)) {
        let (rest, _) = parser.next_raw_block(rest)?;
        if parser.interfaces().len() > MAX_INTERFACES.max(interfaces) {
            return Err(PcapError::InvalidField("too many interfaces"));
        }
        return Ok((rest, None));
    }
    let (rest, block) = parser.next_block(rest)?;
    let (interface, ticks, data, original) = match block {
        Block::EnhancedPacket(packet) => {
            // The library takes ticks for nanoseconds, whatever the interface says.
            let ticks = u64::try_from(packet.timestamp.as_nanos()).unwrap_or(u64::MAX);
            (packet.interface_id, ticks, packet.data, packet.original_len)
        }
        Block::Packet(packet) => {
            // Two halves, the upper one first, in either byte order.
            let ticks = match parser.section().endianness {
                pcap_file::Endianness::Big => packet.timestamp,
                pcap_file::Endianness::Little => packet.timestamp.rotate_left(32),
            };
            let interface = u32::from(packet.interface_id);
            (interface, ticks, packet.data, packet.original_len)
        }
        Block::SimplePacket(packet) => (0, 0, packet.data, packet.original_len),
        _ => return Ok((rest, None)),
    };
    let index = usize::try_from(interface).unwrap_or(usize::MAX);
    let described = parser.interfaces().get(index);
    let described = described.ok_or(PcapError::InvalidInterfaceId(interface))?;
    let std::borrow::Cow::Borrowed(data) = data else {
        return Err(PcapError::InvalidField("a packet that is not in the file"));
    };
    // Behind the packet of a simple block there may be padding.
    let original = usize::try_from(original).unwrap_or(usize::MAX);
    let data = data.get(..original).unwrap_or(data);
    let packet = Packet {
        offset,
        at: time(described, ticks),
        link: described.linktype,
        data,
    };
    Ok((rest, Some(packet)))
}

fn old<'a>(parser: &PcapParser, rest: &'a [u8], offset: usize) -> Read<'a> {
    // Raw: that a packet is longer than the snap length promised is no reason to stop.
    let (rest, packet) = parser.next_raw_packet(rest)?;
    let header = parser.header();
    let nanos = match header.ts_resolution {
        TsResolution::MicroSecond => packet.ts_frac.saturating_mul(1000),
        TsResolution::NanoSecond => packet.ts_frac,
    };
    let std::borrow::Cow::Borrowed(data) = packet.data else {
        return Err(PcapError::InvalidField("a packet that is not in the file"));
    };
    let seconds = Duration::from_secs(packet.ts_sec.into());
    let packet = Packet {
        offset,
        at: seconds.saturating_add(Duration::from_nanos(nanos.into())),
        // The upper bits say whether there is a checksum behind each frame.
        link: DataLink::from(u32::from(header.datalink) & 0xffff),
        data,
    };
    Ok((rest, Some(packet)))
}

/// The type of the block ahead.
fn block_kind(parser: &PcapNgParser, rest: &[u8]) -> Option<u32> {
    let bytes = *rest.first_chunk::<4>()?;
    Some(match parser.section().endianness {
        pcap_file::Endianness::Big => u32::from_be_bytes(bytes),
        pcap_file::Endianness::Little => u32::from_le_bytes(bytes),
    })
}

/// Ticks of an interface since 1970 began.
fn time(interface: &InterfaceDescriptionBlock<'_>, ticks: u64) -> Duration {
    let mut resolution = 6;
    let mut offset = 0;
    for option in &interface.options {
        match option {
            InterfaceDescriptionOption::IfTsResol(value) => resolution = *value,
            InterfaceDescriptionOption::IfTsOffset(value) => offset = *value,
            _ => {}
        }
    }
    let base: u128 = if resolution & 0x80 == 0 { 10 } else { 2 };
    let nanos = base
        .checked_pow(u32::from(resolution & 0x7f))
        .and_then(|per_second| {
            let nanos = u128::from(ticks).checked_mul(1_000_000_000)?;
            nanos.checked_div(per_second)
        })
        .and_then(|nanos| u64::try_from(nanos).ok());
    let since = Duration::from_nanos(nanos.unwrap_or(0));
    since.saturating_add(Duration::from_secs(offset))
}

fn broken(offset: usize, error: &PcapError) -> CaptureError {
    let reason = match error {
        PcapError::IncompleteBuffer => "the file ends within a block".to_owned(),
        PcapError::Utf8Error(_) | PcapError::FromUtf8Error(_) => "a text is no UTF-8".to_owned(),
        PcapError::InvalidField(what) => (*what).to_owned(),
        PcapError::InvalidInterfaceId(id) => format!("no interface {id} was described before"),
        PcapError::IoError(error) => error.to_string(),
    };
    CaptureError { offset, reason }
}

/// First bytes of a pcapng file, in either byte order.
const PCAPNG: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
/// First bytes of every form of capture that is read.
const MAGIC: [[u8; 4]; 5] = [
    PCAPNG,
    [0xa1, 0xb2, 0xc3, 0xd4],
    [0xd4, 0xc3, 0xb2, 0xa1],
    [0xa1, 0xb2, 0x3c, 0x4d],
    [0x4d, 0x3c, 0xb2, 0xa1],
];
/// Types of the blocks with packets in them.
const KIND_PACKET: u32 = 2;
const KIND_SIMPLE: u32 = 3;
const KIND_ENHANCED: u32 = 6;
/// Interfaces of a section: no machine has so many.
const MAX_INTERFACES: usize = 4096;
