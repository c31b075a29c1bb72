//! Ports for clients that we start.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::{Mutex, PoisonError};

/// Ports that nobody uses now, and that no btspec in this network gives to anybody else.
///
/// A client takes its time to listen, and until then nobody else may get its ports. So they lie
/// below those that systems give to outgoing connections, and in a block that this process keeps
/// for itself: it listens at the block's first port until it ends. No port is handed out twice
/// before the block has been gone through, because a port that just served may refuse a client
/// that does not set `SO_REUSEADDR`.
///
/// # Errors
/// When every port is in use.
pub(super) fn free_ports<const N: usize>(ip: IpAddr) -> io::Result<[u16; N]> {
    static OURS: Mutex<Option<Block>> = Mutex::new(None);
    let mut ours = OURS.lock().unwrap_or_else(PoisonError::into_inner);
    let block = match &mut *ours {
        Some(block) => block,
        none => none.insert(Block::claim(ip)?),
    };
    // All are held until the last is found, so that they differ.
    let mut held = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = block.next(ip)?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}

/// Ports next to each other, the first of which says whose they are.
struct Block {
    claim: TcpListener,
    last: u16,
}

impl Block {
    fn claim(ip: IpAddr) -> io::Result<Self> {
        let mut error = io::ErrorKind::AddrInUse.into();
        // The run before this one, whose ports may still rest, began elsewhere.
        let begin = std::process::id() % u32::from(BLOCKS);
        let begin = u16::try_from(begin).unwrap_or_default();
        for block in (begin..BLOCKS).chain(0..begin) {
            match TcpListener::bind(SocketAddr::new(ip, FIRST_PORT + block * BLOCK)) {
                Ok(claim) => return Ok(Self { claim, last: 0 }),
                Err(why) => error = why,
            }
        }
        Err(error)
    }

    fn next(&mut self, ip: IpAddr) -> io::Result<TcpListener> {
        let first = self.claim.local_addr()?.port();
        let mut error = io::ErrorKind::AddrInUse.into();
        for _ in 1..BLOCK {
            self.last = self.last % (BLOCK - 1) + 1;
            match TcpListener::bind(SocketAddr::new(ip, first + self.last)) {
                Ok(listener) => return Ok(listener),
                Err(why) => error = why,
            }
        }
        Err(error)
    }
}

/// Above the well-known ports; the last block ends below 32,768, where Linux begins with those for
/// outgoing connections.
const FIRST_PORT: u16 = 12_000;
const BLOCK: u16 = 400;
const BLOCKS: u16 = 50;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::Ipv4Addr;

    use super::*;

    const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn none_is_handed_out_twice() {
        let ports = free_ports::<8>(LOCALHOST).unwrap();
        let more = free_ports::<8>(LOCALHOST).unwrap();
        let unique = ports.iter().chain(&more).collect::<BTreeSet<_>>();
        assert_eq!(unique.len(), 16);
    }

    #[test]
    fn a_block_is_one_process_s() {
        let one = Block::claim(LOCALHOST).unwrap();
        let other = Block::claim(LOCALHOST).unwrap();
        let first = |block: &Block| block.claim.local_addr().unwrap().port();
        assert!(first(&one).abs_diff(first(&other)) >= BLOCK);
    }

    #[test]
    fn a_block_begins_again_behind_its_last_port() {
        let mut block = Block::claim(LOCALHOST).unwrap();
        let first = block.claim.local_addr().unwrap().port();
        block.last = BLOCK - 1;
        let next = block.next(LOCALHOST).unwrap().local_addr().unwrap().port();
        assert!(next > first && next < first + BLOCK, "{next}");
    }
}
