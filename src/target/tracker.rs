//! A small HTTP tracker on loopback: it makes clients dial us (BEP 3, "trackers").
//!
//! It knows one torrent, names only the places at which a case waits, and remembers who announced
//! last. Whoever speaks to it is not trusted: requests are short, few at a time, and end in time.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::wire::bencode::{Value, encode_canonical};
use crate::wire::{InfoHash, PeerId};

/// Two trackers at work, of which one answers at a time: the first, until [`Tracker::switch`]. Needs
/// the runtime that they were started in; they end when this is dropped.
pub struct Tracker {
    at: [SocketAddr; 2],
    shared: Shared,
    tasks: [JoinHandle<()>; 2],
}

/// How peers are listed to who has not insisted on one form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PeerForm {
    /// Six bytes a peer (BEP 23), unless the client says that it wants none of that.
    #[default]
    Compact,
    /// A dictionary a peer (BEP 3), whatever the client asks for.
    Dictionary,
}

/// A peer that is named to clients as long as this lives.
pub struct Listing {
    shared: Shared,
    number: u64,
}

type Shared = Arc<Mutex<State>>;

#[derive(Debug)]
struct State {
    info_hash: InfoHash,
    form: PeerForm,
    interval: Duration,
    listed: Vec<Listed>,
    next: u64,
    announces: u64,
    last: Option<PeerId>,
    /// Which of the two answers.
    in_use: usize,
    /// Requests to the other one since that was so.
    beside: u64,
}

#[derive(Debug, Clone, Copy)]
struct Listed {
    number: u64,
    at: SocketAddr,
    peer_id: Option<PeerId>,
}

impl Tracker {
    /// Starts trackers for one torrent at free ports of 127.0.0.1. Needs a tokio runtime.
    ///
    /// # Errors
    /// What the system says.
    pub async fn start(
        info_hash: InfoHash,
        form: PeerForm,
        interval: Duration,
    ) -> io::Result<Self> {
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let second = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let at = [first.local_addr()?, second.local_addr()?];
        let shared = Arc::new(Mutex::new(State {
            info_hash,
            form,
            interval,
            listed: Vec::new(),
            next: 0,
            announces: 0,
            last: None,
            in_use: 0,
            beside: 0,
        }));
        let tasks = [
            tokio::spawn(serve(first, 0, Arc::clone(&shared))),
            tokio::spawn(serve(second, 1, Arc::clone(&shared))),
        ];
        Ok(Self { at, shared, tasks })
    }

    /// The announce URL of the first one.
    pub fn url(&self) -> String {
        format!("http://{}/announce", self.at[0])
    }

    /// The announce URL of the second one.
    pub fn second_url(&self) -> String {
        format!("http://{}/announce", self.at[1])
    }

    /// From now on the other one answers, and the one that did hangs up. False, and nothing is
    /// changed, if somebody has asked both: who does that does not switch.
    pub fn switch(&self) -> bool {
        let mut state = lock(&self.shared);
        let switches = state.beside == 0;
        if switches {
            state.in_use = 1 - state.in_use;
        }
        switches
    }

    /// Names `at` to whoever announces from now on, as long as the listing lives. With a peer id
    /// the list has the form that can carry it.
    pub fn list(&self, at: SocketAddr, peer_id: Option<PeerId>) -> Listing {
        let mut state = lock(&self.shared);
        let number = state.next;
        state.next = number.wrapping_add(1);
        state.listed.push(Listed {
            number,
            at,
            peer_id,
        });
        Listing {
            shared: Arc::clone(&self.shared),
            number,
        }
    }

    /// From now on it tracks another torrent.
    pub fn change(&self, info_hash: InfoHash) {
        let mut state = lock(&self.shared);
        state.info_hash = info_hash;
        state.last = None;
        state.in_use = 0;
        state.beside = 0;
    }

    /// Number of the last announce, from 1, and the peer id in it.
    pub fn announced(&self) -> Option<(u64, PeerId)> {
        let state = lock(&self.shared);
        state.last.map(|peer_id| (state.announces, peer_id))
    }
}

impl Drop for Tracker {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Drop for Listing {
    fn drop(&mut self) {
        let number = self.number;
        lock(&self.shared)
            .listed
            .retain(|listed| listed.number != number);
    }
}

impl fmt::Debug for Tracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracker").field("at", &self.at).finish()
    }
}

fn lock(shared: &Shared) -> MutexGuard<'_, State> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: TcpListener, which: usize, shared: Shared) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of files: a client asks again.
            tokio::time::sleep(BREATH).await;
            continue;
        };
        // Whoever finds no place is turned away.
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            continue;
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let _ = timeout(REQUEST_LIMIT, answer(stream, which, &shared)).await;
            drop(place);
        });
    }
}

async fn answer(mut stream: TcpStream, which: usize, shared: &Shared) -> io::Result<()> {
    let mut head = BytesMut::with_capacity(1024);
    while !is_complete(&head) {
        if head.len() >= HEAD_LIMIT || stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let body = {
        let mut state = lock(shared);
        if state.in_use != which {
            state.beside = state.beside.saturating_add(1);
            return Ok(());
        }
        respond(&head, &mut state)
    };
    let mut response = BytesMut::new();
    let status = if body.is_some() {
        "200 OK"
    } else {
        "404 Not Found"
    };
    let body = body.unwrap_or_default();
    response.put_slice(
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n",
            body.len()
        )
        .as_bytes(),
    );
    response.put_slice(&body);
    stream.write_all(&response).await?;
    stream.shutdown().await
}

fn is_complete(head: &[u8]) -> bool {
    head.windows(4).any(|window| window == b"\r\n\r\n")
        || head.windows(2).any(|window| window == b"\n\n")
}

/// The body for a request; `None` if it is no announce.
fn respond(head: &[u8], state: &mut State) -> Option<Bytes> {
    let line = head.split(|byte| *byte == b'\r' || *byte == b'\n').next()?;
    let mut words = line.split(|byte| *byte == b' ');
    let (method, target) = (words.next()?, words.next()?);
    let query = target.strip_prefix(b"/announce?")?;
    if method != b"GET" {
        return None;
    }
    let asked = Asked::read(query);
    if asked.info_hash != Some(state.info_hash) {
        let reason = Value::text("this tracker does not know that info hash");
        return Some(encode_canonical(&Value::dict([("failure reason", reason)])).into());
    }
    if let Some(peer_id) = asked.peer_id {
        state.announces = state.announces.saturating_add(1);
        state.last = Some(peer_id);
    }
    let named: &[Listed] = if asked.stopped || asked.wants_none {
        &[]
    } else {
        &state.listed
    };
    // A peer id goes into a dictionary only; clients have to read both forms (BEP 23).
    let told = named.iter().any(|listed| listed.peer_id.is_some());
    let dictionaries = told || asked.refuses_compact || state.form == PeerForm::Dictionary;
    let peers = if dictionaries {
        Value::List(named.iter().map(Listed::dictionary).collect())
    } else {
        Value::Bytes(named.iter().flat_map(Listed::compact).collect())
    };
    let seconds = Value::Int(state.interval.as_secs().max(1).into());
    let body = Value::dict([
        ("complete", Value::Int(1)),
        ("incomplete", Value::Int(1)),
        ("interval", seconds),
        // Some clients ask no sooner than this even when their user tells them to.
        ("min interval", Value::Int(1)),
        ("peers", peers),
    ]);
    Some(encode_canonical(&body).into())
}

impl Listed {
    fn compact(&self) -> Vec<u8> {
        let mut bytes = match self.at.ip() {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            // BEP 7 has a key of its own for these; no driver needs it.
            IpAddr::V6(_) => return Vec::new(),
        };
        bytes.extend(self.at.port().to_be_bytes());
        bytes
    }

    fn dictionary(&self) -> Value {
        let ip = Value::text(&self.at.ip().to_string());
        let port = Value::Int(self.at.port().into());
        match self.peer_id {
            Some(PeerId(id)) => {
                Value::dict([("ip", ip), ("peer id", Value::bytes(&id)), ("port", port)])
            }
            None => Value::dict([("ip", ip), ("port", port)]),
        }
    }
}

/// What an announce says.
#[derive(Debug, Default)]
struct Asked {
    info_hash: Option<InfoHash>,
    peer_id: Option<PeerId>,
    refuses_compact: bool,
    wants_none: bool,
    stopped: bool,
}

impl Asked {
    fn read(query: &[u8]) -> Self {
        let mut asked = Self::default();
        for part in query.split(|byte| *byte == b'&') {
            let mut halves = part.splitn(2, |byte| *byte == b'=');
            let (Some(key), value) = (halves.next(), halves.next().unwrap_or_default()) else {
                continue;
            };
            let value = unescaped(value);
            let twenty = || <[u8; 20]>::try_from(value.as_slice()).ok();
            match key {
                b"info_hash" => asked.info_hash = twenty().map(InfoHash),
                b"peer_id" => asked.peer_id = twenty().map(PeerId),
                b"compact" => asked.refuses_compact = value == b"0",
                b"numwant" => asked.wants_none = value == b"0",
                b"event" => asked.stopped = value == b"stopped",
                _ => {}
            }
        }
        asked
    }
}

/// Undoes `%xx`; whatever is no such thing stays as it is.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        rest = after;
        if *first == b'%'
            && let [high, low, behind @ ..] = after
            && let (Some(high), Some(low)) = (digit(high), digit(low))
            && let Ok(byte) = u8::try_from(high * 16 + low)
        {
            bytes.push(byte);
            rest = behind;
        } else if *first == b'+' {
            bytes.push(b' ');
        } else {
            bytes.push(*first);
        }
    }
    bytes
}

/// Requests that are answered at a time.
const AT_ONCE: usize = 32;

/// Longest head of a request.
const HEAD_LIMIT: usize = 8 * 1024;

/// Longest time for a request and its answer.
const REQUEST_LIMIT: Duration = Duration::from_secs(5);

/// Pause when the system has no room for another connection.
const BREATH: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::bencode::{Limits, read};

    const HASH: InfoHash = InfoHash([0xab; 20]);

    fn state(form: PeerForm) -> State {
        State {
            info_hash: HASH,
            form,
            interval: Duration::from_secs(5),
            listed: Vec::new(),
            next: 0,
            announces: 0,
            last: None,
            in_use: 0,
            beside: 0,
        }
    }

    fn query(rest: &str) -> Vec<u8> {
        let hash = "%ab".repeat(20);
        let id = "-XX0001-abc%20ef%2bghi12";
        format!("GET /announce?info_hash={hash}&peer_id={id}{rest} HTTP/1.1\r\nHost: x\r\n\r\n")
            .into_bytes()
    }

    fn peers(state: &mut State, rest: &str) -> Value {
        let body = respond(&query(rest), state).unwrap();
        let document = read(&body, Limits::default()).unwrap();
        let dict = document.value.as_dict().unwrap().clone();
        let found = dict.into_iter().find(|(key, _)| key.as_ref() == b"peers");
        found.unwrap().1
    }

    #[test]
    fn names_peers_in_both_forms() {
        let mut state = state(PeerForm::Compact);
        state.listed.push(Listed {
            number: 0,
            at: "127.0.9.1:258".parse().unwrap(),
            peer_id: None,
        });
        let compact = Value::bytes(&[127, 0, 9, 1, 1, 2]);
        let dictionary = Value::List(vec![Value::dict([
            ("ip", Value::text("127.0.9.1")),
            ("port", Value::Int(258)),
        ])]);
        assert_eq!(peers(&mut state, "&compact=1"), compact);
        assert_eq!(peers(&mut state, ""), compact);
        assert_eq!(peers(&mut state, "&compact=0"), dictionary);
        state.form = PeerForm::Dictionary;
        assert_eq!(peers(&mut state, "&compact=1"), dictionary);
        assert_eq!(peers(&mut state, "&numwant=0"), Value::List(Vec::new()));
        let gone = peers(&mut state, "&event=stopped");
        assert_eq!(gone, Value::List(Vec::new()));
        assert_eq!(state.announces, 6);
        assert_eq!(state.last, Some(PeerId(*b"-XX0001-abc ef+ghi12")));
    }

    #[test]
    fn a_peer_id_is_told_whatever_the_client_asked_for() {
        let mut state = state(PeerForm::Compact);
        state.listed.push(Listed {
            number: 0,
            at: "127.0.9.1:258".parse().unwrap(),
            peer_id: Some(PeerId([7; 20])),
        });
        let told = Value::List(vec![Value::dict([
            ("ip", Value::text("127.0.9.1")),
            ("peer id", Value::bytes(&[7; 20])),
            ("port", Value::Int(258)),
        ])]);
        assert_eq!(peers(&mut state, "&compact=1"), told);
    }

    #[test]
    fn bears_whatever_is_asked() {
        let mut state = state(PeerForm::Compact);
        for head in [
            "",
            " ",
            "GET",
            "GET /scrape?x HTTP/1.1",
            "POST /announce?a=b HTTP/1.1",
            "GET /announce HTTP/1.1",
        ] {
            assert_eq!(respond(head.as_bytes(), &mut state), None, "{head}");
        }
        for odd in ["=", "&&", "%", "info_hash=%zz", "info_hash=%a", "compact"] {
            let head = format!("GET /announce?{odd} HTTP/1.1");
            let body = respond(head.as_bytes(), &mut state).unwrap();
            assert!(body.starts_with(b"d14:failure reason"), "{odd}");
        }
        assert_eq!(state.announces, 0);
    }
}
