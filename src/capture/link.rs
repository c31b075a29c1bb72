//! From a packet to the TCP segment in it: Ethernet with VLAN tags, Linux cooked (both versions), raw
//! IP, BSD loopback; IPv4 and IPv6.

use std::net::SocketAddr;

use etherparse::{EtherType, LaxNetSlice, LaxSlicedPacket, TransportSlice};
use pcap_file::DataLink;

use super::file::Packet;

/// A TCP segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment<'a> {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    /// Sequence number of its first byte, or of its SYN.
    pub(super) seq: u32,
    pub(super) syn: bool,
    pub(super) ack: bool,
    pub(super) fin: bool,
    pub(super) rst: bool,
    /// The bytes that were captured of it.
    pub(super) payload: &'a [u8],
}

/// What a packet is that holds no TCP segment for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Other {
    /// Something else than TCP, or a fragment.
    NotTcp,
    /// Of a kind of link that is not read.
    UnknownLink,
}

/// The TCP segment of a packet.
pub(super) fn segment<'a>(packet: &Packet<'a>) -> Result<Segment<'a>, Other> {
    let data = packet.data;
    let sliced = match packet.link {
        DataLink::ETHERNET => LaxSlicedPacket::from_ethernet(data).ok(),
        DataLink::RAW | DataLink::IPV4 | DataLink::IPV6 | DataLink::Unknown(12 | 14) => {
            LaxSlicedPacket::from_ip(data).ok()
        }
        DataLink::NULL | DataLink::LOOP => behind(data, 4).and_then(|ip| {
            // The family before it differs from system to system; the version in the header does not.
            LaxSlicedPacket::from_ip(ip).ok()
        }),
        DataLink::LINUX_SLL => cooked(data, 14, 16),
        DataLink::LINUX_SLL2 => cooked(data, 0, 20),
        _ => return Err(Other::UnknownLink),
    };
    let sliced = sliced.ok_or(Other::NotTcp)?;
    let (from, to) = match &sliced.net {
        Some(LaxNetSlice::Ipv4(ip)) => {
            let header = ip.header();
            (
                header.source_addr().into(),
                header.destination_addr().into(),
            )
        }
        Some(LaxNetSlice::Ipv6(ip)) => {
            let header = ip.header();
            (
                header.source_addr().into(),
                header.destination_addr().into(),
            )
        }
        _ => return Err(Other::NotTcp),
    };
    let Some(TransportSlice::Tcp(tcp)) = sliced.transport else {
        return Err(Other::NotTcp);
    };
    Ok(Segment {
        from: SocketAddr::new(from, tcp.source_port()),
        to: SocketAddr::new(to, tcp.destination_port()),
        seq: tcp.sequence_number(),
        syn: tcp.syn(),
        ack: tcp.ack(),
        fin: tcp.fin(),
        rst: tcp.rst(),
        payload: tcp.payload(),
    })
}

/// Linux' own header in the place of Ethernet's: an ether type at `at`, the packet behind `len`.
fn cooked(data: &[u8], at: usize, len: usize) -> Option<LaxSlicedPacket<'_>> {
    let ether_type = u16::from_be_bytes(*behind(data, at)?.first_chunk()?);
    let packet = behind(data, len)?;
    Some(LaxSlicedPacket::from_ether_type(
        EtherType(ether_type),
        packet,
    ))
}

fn behind(data: &[u8], len: usize) -> Option<&[u8]> {
    data.get(len..)
}
