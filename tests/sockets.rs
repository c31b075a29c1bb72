//! The socket loop against small listeners, sound and hostile ones.

use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use btspec::engine::driver::drive;
use btspec::engine::{Action, CloseKind, ConnId, ConnectError, Input, Source, Tester};
use btspec::target::{Live, Sources};
use bytes::Bytes;
use tokio::time::Instant;

/// A tester that follows a list: each entry waits for an input and then acts.
struct Script {
    steps: VecDeque<(Wait, Vec<Action>)>,
    actions: VecDeque<Action>,
    deadline: Option<Duration>,
    seen: Vec<(Input, Duration)>,
    received: Vec<u8>,
}

type Wait = Box<dyn Fn(&Input, &[u8]) -> bool>;

impl Script {
    fn new(first: Vec<Action>) -> Self {
        Self {
            steps: VecDeque::new(),
            actions: first.into(),
            deadline: Some(Duration::from_secs(20)),
            seen: Vec::new(),
            received: Vec::new(),
        }
    }

    fn dial() -> Self {
        Self::new(vec![dial(1, Source::Fresh)])
    }

    fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    fn on(mut self, wait: impl Fn(&Input, &[u8]) -> bool + 'static, actions: Vec<Action>) -> Self {
        self.steps.push_back((Box::new(wait), actions));
        self
    }

    /// Plays against `addr`; the end must come in time.
    fn play(mut self, addr: SocketAddr, sources: Sources) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let target = Live::at(addr);
        let sources = RefCell::new(sources);
        let limit = Duration::from_secs(30);
        runtime.block_on(async {
            let played = drive(&mut self, &target, &sources);
            let played = tokio::time::timeout(limit, played).await;
            played.expect("the script ends");
        });
        self
    }

    fn timed_out(&self) -> bool {
        matches!(self.seen.last(), Some((Input::Timeout, _)))
    }

    fn kinds(&self) -> Vec<&'static str> {
        let mut kinds = Vec::new();
        for (input, _) in &self.seen {
            let kind = match input {
                Input::Connected { .. } => "connected",
                Input::ConnectFailed { .. } => "failed",
                Input::Accepted { .. } => "accepted",
                Input::Bytes { .. } => "bytes",
                Input::Eof { .. } => "eof",
                Input::Reset { .. } => "reset",
                Input::WriteFailed { .. } => "write failed",
                Input::Written { .. } => "written",
                Input::Timeout => "timeout",
                _ => "other",
            };
            if kinds.last() != Some(&kind) {
                kinds.push(kind);
            }
        }
        kinds
    }
}

impl Tester for Script {
    fn handle(&mut self, input: Input, at: Duration) {
        let last = self.seen.last().map_or(Duration::ZERO, |(_, at)| *at);
        assert!(at >= last, "time goes back from {last:?} to {at:?}");
        if input == Input::Timeout && at.is_zero() {
            return;
        }
        if let Input::Bytes { bytes, .. } = &input {
            assert!(!bytes.is_empty());
            self.received.extend_from_slice(bytes);
        }
        if let Some((wait, _)) = self.steps.front()
            && wait(&input, &self.received)
        {
            let (_, actions) = self.steps.pop_front().unwrap();
            self.actions.extend(actions);
        }
        self.seen.push((input, at));
    }

    fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn poll_deadline(&self) -> Option<Duration> {
        self.deadline
    }

    fn done(&self) -> bool {
        self.timed_out() || (self.steps.is_empty() && !self.seen.is_empty())
    }
}

fn dial(conn: u32, from: Source) -> Action {
    Action::Dial {
        conn: ConnId(conn),
        from,
    }
}

fn write(conn: u32, bytes: &[u8]) -> Action {
    Action::Write {
        conn: ConnId(conn),
        segments: vec![Bytes::copy_from_slice(bytes)],
    }
}

fn close(conn: u32, how: CloseKind) -> Action {
    Action::Close {
        conn: ConnId(conn),
        how,
    }
}

fn connected(input: &Input, _: &[u8]) -> bool {
    matches!(input, Input::Connected { .. })
}

fn eof(input: &Input, _: &[u8]) -> bool {
    matches!(input, Input::Eof { .. })
}

fn ended(input: &Input, _: &[u8]) -> bool {
    matches!(input, Input::Eof { .. } | Input::Reset { .. })
}

fn loopback() -> Sources {
    Sources::loopback(77)
}

/// A listener of which each connection is served by `serve`, in a thread of its own.
fn listener(serve: impl Fn(TcpStream) + Send + Sync + Copy + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || serve(stream));
        }
    });
    addr
}

fn read_exactly(stream: &mut TcpStream, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

#[test]
fn tells_of_connection_bytes_and_end_in_order() {
    let addr = listener(|mut stream| {
        let ask = read_exactly(&mut stream, 5);
        stream
            .write_all(&[b"you said ", &ask[..]].concat())
            .unwrap();
    });
    let played = Script::dial()
        .on(connected, vec![write(1, b"hello")])
        .on(eof, vec![])
        .play(addr, loopback());
    assert_eq!(played.received, b"you said hello");
    assert_eq!(played.kinds(), ["connected", "written", "bytes", "eof"]);
    let Some((Input::Written { upto, .. }, _)) = played
        .seen
        .iter()
        .find(|(input, _)| matches!(input, Input::Written { .. }))
    else {
        panic!("nothing written");
    };
    assert_eq!(*upto, 5);
}

#[test]
fn a_closed_port_refuses() {
    let addr = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let played = Script::dial()
        .on(
            |input, _| {
                let refused = ConnectError::Refused;
                matches!(input, Input::ConnectFailed { why, .. } if *why == refused)
            },
            vec![],
        )
        .play(addr, loopback());
    assert_eq!(played.kinds(), ["failed"]);
}

#[test]
fn bytes_before_a_reset_are_told_before_it() {
    let addr = listener(|mut stream| {
        stream.write_all(b"last words").unwrap();
        // Closing with unread bytes resets.
        let mut one = [0];
        let _ = stream.peek(&mut one);
    });
    let played = Script::dial()
        .on(connected, vec![write(1, b"never read")])
        .on(ended, vec![])
        .play(addr, loopback());
    assert_eq!(played.received, b"last words");
    assert_eq!(*played.kinds().last().unwrap(), "reset");
}

#[test]
fn reads_to_the_end_after_a_failed_write() {
    let addr = listener(|mut stream| {
        read_exactly(&mut stream, 2);
        stream.write_all(b"enough").unwrap();
        let mut one = [0];
        let _ = stream.peek(&mut one);
    });
    // More than the buffers of both ends hold, so that some of it is refused.
    let flood = vec![0; 32 * 1024 * 1024];
    let played = Script::dial()
        .on(connected, vec![write(1, b"go"), write(1, &flood)])
        .on(ended, vec![])
        .play(addr, loopback());
    assert_eq!(played.received, b"enough");
    let kinds = played.kinds();
    assert!(kinds.contains(&"write failed"), "{kinds:?}");
    assert_eq!(*kinds.last().unwrap(), "reset");
}

#[test]
fn a_half_closed_connection_still_hears() {
    let addr = listener(|mut stream| {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        stream.write_all(&all.repeat(2)).unwrap();
    });
    let played = Script::dial()
        .on(
            connected,
            vec![write(1, b"echo "), close(1, CloseKind::Fin)],
        )
        .on(eof, vec![])
        .play(addr, loopback());
    assert_eq!(played.received, b"echo echo ");
}

#[test]
fn our_reset_arrives_as_one() {
    let addr = listener(|mut stream| {
        // The first connection is reset; the answer about it goes to the second.
        static HOW: std::sync::Mutex<Option<String>> = std::sync::Mutex::new(None);
        let first = read_exactly(&mut stream, 1) == b"1";
        if first {
            let error = stream.read(&mut [0]).unwrap_err();
            *HOW.lock().unwrap() = Some(error.kind().to_string());
        } else {
            let end = Instant::now() + Duration::from_secs(10);
            while HOW.lock().unwrap().is_none() && Instant::now() < end {
                thread::yield_now();
            }
            let how = HOW.lock().unwrap().take().unwrap();
            stream.write_all(how.as_bytes()).unwrap();
        }
    });
    let played = Script::dial()
        .on(connected, vec![write(1, b"1")])
        .on(
            |input, _| matches!(input, Input::Written { .. }),
            vec![close(1, CloseKind::Rst), dial(2, Source::Fresh)],
        )
        .on(connected, vec![write(2, b"2")])
        .on(eof, vec![])
        .play(addr, loopback());
    assert_eq!(
        String::from_utf8(played.received).unwrap(),
        std::io::ErrorKind::ConnectionReset.to_string()
    );
}

#[test]
fn every_connection_comes_from_where_it_should() {
    let addr = listener(|mut stream| {
        let from = stream.peer_addr().unwrap().ip();
        stream.write_all(format!("{from} ").as_bytes()).unwrap();
    });
    let named = || Source::Named("a".to_owned());
    let mut script = Script::new(vec![dial(1, Source::Fresh)]).on(eof, vec![dial(2, named())]);
    for (conn, from) in [
        (3, Source::Fresh),
        (4, named()),
        (5, Source::SameAs(ConnId(3))),
    ] {
        script = script.on(eof, vec![dial(conn, from)]);
    }
    let played = script.on(eof, vec![]).play(addr, loopback());
    let text = String::from_utf8(played.received).unwrap();
    let ips = text.split_whitespace().collect::<Vec<_>>();
    assert_eq!(ips.len(), 5);
    assert_eq!(ips.iter().collect::<BTreeSet<_>>().len(), 3);
    assert_eq!((ips[1], ips[2]), (ips[3], ips[4]));
}

#[test]
fn a_deadline_comes_in_time_and_not_before() {
    let addr = listener(|stream| {
        let _ = (&stream).read(&mut [0]);
    });
    let deadline = Duration::from_millis(150);
    let played = Script::dial()
        .deadline(deadline)
        .on(eof, vec![])
        .play(addr, loopback());
    let (last, at) = played.seen.last().unwrap();
    assert_eq!(*last, Input::Timeout);
    assert!(*at >= deadline && *at < deadline + Duration::from_secs(3));
}

#[test]
fn a_flood_does_not_put_a_deadline_off() {
    let addr = listener(|mut stream| {
        let garbage = vec![0xa5; 1 << 16];
        while stream.write_all(&garbage).is_ok() {}
    });
    let began = Instant::now();
    let played = Script::dial()
        .deadline(Duration::from_millis(300))
        .on(eof, vec![])
        .play(addr, loopback());
    assert!(played.timed_out() && played.received.len() > 1 << 20);
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn one_byte_a_while_does_not_put_a_deadline_off() {
    let addr = listener(|mut stream| {
        while stream.write_all(b"x").is_ok() {
            let timeout = Some(Duration::from_millis(20));
            stream.set_read_timeout(timeout).unwrap();
            let _ = stream.read(&mut [0]);
        }
    });
    let played = Script::dial()
        .deadline(Duration::from_millis(300))
        .on(eof, vec![])
        .play(addr, loopback());
    assert!(played.timed_out() && !played.received.is_empty());
}

#[test]
fn what_is_not_read_stays_with_the_system() {
    let addr = listener(|mut stream| {
        stream.write_all(b"a").unwrap();
        read_exactly(&mut stream, 1);
        stream.write_all(b"bc").unwrap();
    });
    let off = |on| Action::Reading {
        conn: ConnId(1),
        on,
    };
    let played = Script::dial()
        .deadline(Duration::from_millis(300))
        .on(
            |_, received| received == b"a",
            vec![off(false), write(1, b"x")],
        )
        .on(eof, vec![])
        .play(addr, loopback());
    assert_eq!(played.received, b"a");
    assert!(played.timed_out());
    let played = Script::dial()
        .on(
            |_, received| received == b"a",
            vec![off(false), write(1, b"x")],
        )
        .on(
            |input, _| matches!(input, Input::Written { .. }),
            vec![off(true)],
        )
        .on(eof, vec![])
        .play(addr, loopback());
    assert_eq!(played.received, b"abc");
}

#[test]
fn with_one_address_a_new_connection_waits_for_the_end_of_the_old() {
    // Tells each connection whether it is alone.
    let addr = listener(|mut stream| {
        static OPEN: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let before = OPEN.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        stream.write_all(before.to_string().as_bytes()).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
        // As slow as a client with a timer.
        thread::park_timeout(Duration::from_millis(100));
        OPEN.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
    });
    let played = Script::dial()
        .on(
            |_, received| !received.is_empty(),
            vec![close(1, CloseKind::Fin), dial(2, Source::Fresh)],
        )
        .on(|_, received| received.len() == 2, vec![])
        .play(addr, Sources::single());
    assert_eq!(played.received, b"00");
}

#[cfg(target_os = "linux")]
#[test]
fn acknowledges_at_once_so_that_nagle_does_not_slow_a_target_down() {
    // Answers each byte in two small writes without TCP_NODELAY, as many clients do: the second
    // waits for the acknowledgement of the first, which a lazy end puts off by 40 ms.
    let addr = listener(|mut stream| {
        while stream.read_exact(&mut [0]).is_ok() {
            if stream
                .write_all(b"a")
                .and_then(|()| stream.write_all(b"b"))
                .is_err()
            {
                return;
            }
        }
    });
    let mut script = Script::dial().on(connected, vec![write(1, b"?")]);
    for answers in 1..100 {
        script = script.on(
            move |_, received| received.len() == 2 * answers,
            vec![write(1, b"?")],
        );
    }
    let began = Instant::now();
    let played = script
        .on(|_, received| received.len() == 200, vec![])
        .play(addr, loopback());
    assert_eq!(played.received.len(), 200);
    let took = began.elapsed();
    assert!(took < Duration::from_secs(2), "100 answers took {took:?}");
}
