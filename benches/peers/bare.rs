//! Blocking loops over plain sockets that know just enough of the protocol for one piece of work.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

/// Connects from each of these addresses, shakes hands, waits for the first message about pieces,
/// closes. Says how long one took that came so far.
pub(crate) fn connects(
    to: SocketAddr,
    opening: &[u8],
    sources: impl Iterator<Item = IpAddr>,
) -> io::Result<Duration> {
    let mut buffer = vec![0; 64 << 10];
    let mut tally = Tally::begin();
    for source in sources {
        let mut stream = open(Some(source), to, opening)?;
        let mut len = 0;
        let answered = loop {
            if has_availability(&buffer[..len]) {
                break true;
            }
            match stream.read(&mut buffer[len..]) {
                Ok(0) => break false,
                Ok(read) => len += read,
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => break false,
                Err(error) => return Err(error),
            }
        };
        tally.count(answered);
    }
    tally.each()
}

/// Connections that were answered and others: libtorrent closes one in some thousands at once.
pub(crate) struct Tally {
    start: Instant,
    answered: u32,
    closed: u32,
}

impl Tally {
    /// None yet.
    pub(crate) fn begin() -> Self {
        Self {
            start: Instant::now(),
            answered: 0,
            closed: 0,
        }
    }

    /// One more.
    pub(crate) fn count(&mut self, answered: bool) {
        match answered {
            true => self.answered += 1,
            false => self.closed += 1,
        }
    }

    /// Time for each that was answered; an error if that is not nearly every one.
    pub(crate) fn each(self) -> io::Result<Duration> {
        let took = self.start.elapsed();
        if self.answered == 0 || self.closed * LEAST_ANSWERED > self.answered {
            let Self {
                answered, closed, ..
            } = self;
            let why = format!("{closed} connections were closed at once, {answered} were not");
            return Err(io::Error::other(why));
        }
        Ok(took / self.answered)
    }
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
    let mut stream = open(None, to, opening)?;
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
                    if output.len() >= WRITE_LEN {
                        stream.write_all(&output)?;
                        output.clear();
                    }
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

/// What loopback carries when somebody writes 16 KiB at a time and somebody else only reads, by
/// iperf3 or else by a loop of ours: bytes a second, and by whom.
pub(crate) fn loopback() -> io::Result<(f64, &'static str)> {
    if let Some(rate) = iperf3() {
        return Ok((rate, "iperf3"));
    }
    blast(1 << 30).map(|rate| (rate, "a loop (iperf3 is not installed)"))
}

/// `None` without iperf3.
fn iperf3() -> Option<f64> {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
    let port = free.local_addr().ok()?.port().to_string();
    drop(free);
    let mut server = Command::new("iperf3")
        .args(["-s", "-1", "-B", "127.0.0.1", "-p", &port])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let client = (0..TRIES).find_map(|_| {
        // The server says nothing when it listens.
        std::thread::sleep(Duration::from_millis(100));
        let output = Command::new("iperf3")
            .args(["-c", "127.0.0.1", "-p", &port, "-l", "16K", "-t", "2", "-J"])
            .output()
            .ok()?;
        output.status.success().then_some(output.stdout)
    });
    let _ = server.kill();
    let _ = server.wait();
    let report: serde_json::Value = serde_json::from_slice(&client?).ok()?;
    let bits = report.pointer("/end/sum_received/bits_per_second")?;
    Some(bits.as_f64()? / 8.0)
}

fn blast(len: u64) -> io::Result<f64> {
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
    let wrote = writer.join();
    wrote.map_err(|_| io::Error::other("the writer panicked"))??;
    Ok(read as f64 / took.as_secs_f64())
}

fn open(source: Option<IpAddr>, to: SocketAddr, opening: &[u8]) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
    if let Some(source) = source {
        socket.bind(&SocketAddr::new(source, 0).into())?;
    }
    socket.connect(&to.into())?;
    let mut stream = TcpStream::from(socket);
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

/// Bytes of a write: fits into the cache.
const WRITE_LEN: usize = 128 << 10;

const HANDSHAKE_LEN: usize = 68;
const UNCHOKE: u8 = 1;
const INTERESTED: u8 = 2;
const BITFIELD: u8 = 5;
const REQUEST: u8 = 6;
const PIECE: u8 = 7;
const HAVE_ALL: u8 = 14;
const HAVE_NONE: u8 = 15;

/// For each that is closed at once there must be so many that are not.
const LEAST_ANSWERED: u32 = 50;

/// How often the server is looked for.
const TRIES: usize = 20;

/// Nobody is silent as long while there is something to do.
const DEADLINE: Duration = Duration::from_secs(30);
