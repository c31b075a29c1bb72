//! Blocking loops over plain sockets that know just enough of the protocol for one piece of work.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// Connects, shakes hands, waits for the first message about pieces, closes; `count` times. Says
/// how long one took on average.
pub(crate) fn connects(to: SocketAddr, opening: &[u8], count: u32) -> io::Result<Duration> {
    let mut buffer = vec![0; 64 << 10];
    let start = Instant::now();
    for _ in 0..count {
        let mut stream = open(to, opening)?;
        let mut len = 0;
        while !has_availability(&buffer[..len]) {
            let read = stream.read(&mut buffer[len..])?;
            if read == 0 {
                return Err(closed());
            }
            len += read;
        }
    }
    Ok(start.elapsed() / count)
}

/// Serves everything that is asked for until the other end closes. Says how long that took, and how
/// many bytes of blocks went out.
pub(crate) fn seed(
    to: SocketAddr,
    opening: &[u8],
    content: &[u8],
    piece_len: usize,
) -> io::Result<(Duration, u64)> {
    let start = Instant::now();
    let mut stream = open(to, opening)?;
    let mut input = vec![0; 64 << 10];
    let mut len = 0;
    let mut output = Vec::new();
    let mut greeted = false;
    let mut served = 0;
    loop {
        let read = match stream.read(&mut input[len..]) {
            Ok(0) => break,
            Ok(read) => read,
            // Who closes with something unread resets.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => break,
            Err(error) => return Err(error),
        };
        len += read;
        let mut at = if greeted || len < HANDSHAKE_LEN {
            0
        } else {
            greeted = true;
            HANDSHAKE_LEN
        };
        while greeted && let Some(frame) = frame(&input[at..len]) {
            at += 4 + frame.len();
            match frame.first() {
                Some(&INTERESTED) => output.extend_from_slice(&[0, 0, 0, 1, UNCHOKE]),
                Some(&REQUEST) => {
                    let [index, begin, length] = [1, 5, 9].map(|at| number(&frame[at..]));
                    let from = index * piece_len + begin;
                    let prefix = u32::try_from(9 + length).unwrap_or(u32::MAX);
                    output.extend_from_slice(&prefix.to_be_bytes());
                    output.push(PIECE);
                    output.extend_from_slice(&frame[1..9]);
                    output.extend_from_slice(&content[from..from + length]);
                    served += length as u64;
                }
                _ => {}
            }
        }
        input.copy_within(at..len, 0);
        len -= at;
        match stream.write_all(&output) {
            Ok(()) => output.clear(),
            Err(_) => break,
        }
    }
    Ok((start.elapsed(), served))
}

/// What loopback carries when one thread writes 16 KiB at a time and another one only reads: bytes
/// a second.
pub(crate) fn blast(len: u64) -> io::Result<f64> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let to = listener.local_addr()?;
    let block = [0xa5; 16 << 10];
    let start = Instant::now();
    let writer = std::thread::spawn(move || -> io::Result<()> {
        let mut stream = TcpStream::connect(to)?;
        for _ in 0..len / block.len() as u64 {
            stream.write_all(&block)?;
        }
        stream.shutdown(Shutdown::Write)
    });
    let (mut stream, _) = listener.accept()?;
    let mut buffer = vec![0; 128 << 10];
    let mut read = 0;
    loop {
        match stream.read(&mut buffer)? {
            0 => break,
            some => read += some as u64,
        }
    }
    let took = start.elapsed();
    let wrote = writer
        .join()
        .map_err(|_| io::Error::other("the writer panicked"))?;
    wrote?;
    Ok(read as f64 / took.as_secs_f64())
}

fn open(to: SocketAddr, opening: &[u8]) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(to)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    stream.write_all(opening)?;
    Ok(stream)
}

fn has_availability(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(HANDSHAKE_LEN..).unwrap_or_default();
    while let Some(body) = frame(rest) {
        if matches!(body.first(), Some(&(BITFIELD | HAVE_ALL | HAVE_NONE))) {
            return true;
        }
        rest = &rest[4 + body.len()..];
    }
    false
}

/// The body of the first frame, if all of it is there.
fn frame(bytes: &[u8]) -> Option<&[u8]> {
    let (prefix, rest) = bytes.split_first_chunk()?;
    rest.get(..u32::from_be_bytes(*prefix) as usize)
}

fn number(bytes: &[u8]) -> usize {
    let number = bytes.first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
    number.unwrap_or(0) as usize
}

fn closed() -> io::Error {
    io::Error::other("closed before it said what it has")
}

const HANDSHAKE_LEN: usize = 68;
const UNCHOKE: u8 = 1;
const INTERESTED: u8 = 2;
const BITFIELD: u8 = 5;
const REQUEST: u8 = 6;
const PIECE: u8 = 7;
const HAVE_ALL: u8 = 14;
const HAVE_NONE: u8 = 15;

/// Nobody is silent as long while there is something to do.
const DEADLINE: Duration = Duration::from_secs(30);
