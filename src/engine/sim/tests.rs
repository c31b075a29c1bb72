//! What the network does to bytes, ends and resets.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::network::{HostId, Link, Listening, NetEvent, Network};

const MS: Duration = Duration::from_millis(1);

fn addr(n: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, n], 1))
}

/// Two hosts; the first has dialled the second, whose end is number 2, at 10 ms each way.
struct Pair {
    net: Network,
    a: HostId,
    b: HostId,
    now: Duration,
}

impl Pair {
    fn new(segment: Option<usize>) -> Self {
        let link = Link {
            latency: 10 * MS,
            segment,
        };
        let mut net = Network::new();
        let a = net.add_host(vec![], link);
        let b = net.add_host(vec![addr(2)], link);
        Self {
            net,
            a,
            b,
            now: Duration::ZERO,
        }
    }

    fn open() -> Self {
        let mut pair = Self::new(None);
        pair.dial();
        pair.run();
        pair
    }

    fn dial(&mut self) {
        self.net.dial(self.a, 1, addr(1), addr(2), self.now);
    }

    /// Everything that is in flight, as (milliseconds, host, event).
    fn run(&mut self) -> Vec<(u128, HostId, NetEvent)> {
        let mut seen = Vec::new();
        while let Some(at) = self.net.next_at() {
            self.now = at;
            while let Some(delivery) = self.net.deliver(at) {
                seen.push((at.as_millis(), delivery.host, delivery.event));
            }
        }
        seen
    }

    fn say(&mut self, text: &'static str) {
        let bytes = Bytes::from_static(text.as_bytes());
        self.net.send(self.a, 1, &bytes, self.now);
    }
}

fn text(text: &'static str) -> NetEvent {
    NetEvent::Bytes(Bytes::from_static(text.as_bytes()))
}

#[test]
fn connect_takes_a_way_there_and_a_way_back() {
    let mut pair = Pair::new(None);
    pair.dial();
    let seen = pair.run();
    let accepted = NetEvent::Accepted {
        remote: addr(1),
        local: addr(2),
    };
    assert_eq!(
        seen,
        [(10, pair.b, accepted), (20, pair.a, NetEvent::Connected)]
    );
}

#[test]
fn nobody_or_a_closed_port_refuses() {
    let mut pair = Pair::new(None);
    pair.net.dial(pair.a, 1, addr(1), addr(9), pair.now);
    assert_eq!(pair.run(), [(20, pair.a, NetEvent::Refused)]);
    pair.net.listen(pair.b, Listening::Refused);
    pair.net.dial(pair.a, 3, addr(1), addr(2), pair.now);
    assert_eq!(pair.run(), [(40, pair.a, NetEvent::Refused)]);
}

#[test]
fn stuck_listener_takes_its_backlog_and_no_more() {
    let mut pair = Pair::new(None);
    pair.net.listen(pair.b, Listening::Stuck { backlog: 1 });
    pair.dial();
    assert_eq!(pair.run(), [(20, pair.a, NetEvent::Connected)]);
    pair.say("nobody reads this");
    assert_eq!(pair.run(), []);
    pair.net.dial(pair.a, 3, addr(1), addr(2), pair.now);
    let seen = pair.run();
    assert_eq!(seen[0].2, NetEvent::Unanswered);
}

#[test]
fn writes_keep_their_order_and_are_cut_into_segments() {
    let mut pair = Pair::open();
    pair.say("ab");
    pair.say("cd");
    let seen: Vec<NetEvent> = pair.run().into_iter().map(|(_, _, e)| e).collect();
    assert_eq!(seen, [text("ab"), text("cd")]);

    let mut pair = Pair::new(Some(2));
    pair.dial();
    pair.run();
    pair.say("abcde");
    let seen: Vec<NetEvent> = pair.run().into_iter().map(|(_, _, e)| e).collect();
    assert_eq!(seen, [text("ab"), text("cd"), text("e")]);
}

#[test]
fn half_closed_end_still_hears() {
    let mut pair = Pair::open();
    pair.say("last");
    pair.net.half_close(pair.a, 1, pair.now);
    let seen: Vec<NetEvent> = pair.run().into_iter().map(|(_, _, e)| e).collect();
    assert_eq!(seen, [text("last"), NetEvent::Eof]);
    let bytes = Bytes::from_static(b"answer");
    pair.net.send(pair.b, 2, &bytes, pair.now);
    pair.net.close(pair.b, 2, pair.now);
    let seen: Vec<NetEvent> = pair.run().into_iter().map(|(_, _, e)| e).collect();
    assert_eq!(seen, [text("answer"), NetEvent::Eof]);
    pair.say("too late");
    assert_eq!(pair.run(), []);
}

#[test]
fn reset_throws_away_what_is_not_delivered_yet() {
    let mut pair = Pair::open();
    pair.say("read in time");
    pair.now += 5 * MS;
    pair.say("lost");
    pair.net.reset(pair.a, 1, pair.now);
    let seen: Vec<NetEvent> = pair.run().into_iter().map(|(_, _, e)| e).collect();
    assert_eq!(seen, [text("read in time"), NetEvent::Reset]);
}

#[test]
fn bytes_for_a_closed_end_are_answered_by_a_reset() {
    let mut pair = Pair::open();
    pair.net.close(pair.b, 2, pair.now);
    assert_eq!(pair.run().len(), 1);
    pair.say("anybody there?");
    let seen = pair.run();
    assert_eq!(seen[0].1, pair.a);
    assert_eq!(seen[0].2, NetEvent::Reset);
}

#[test]
fn killed_host_resets_and_refuses() {
    let mut pair = Pair::open();
    pair.net.kill(pair.b, pair.now);
    assert_eq!(pair.run()[0].2, NetEvent::Reset);
    pair.net.dial(pair.a, 3, addr(1), addr(2), pair.now);
    assert_eq!(pair.run()[0].2, NetEvent::Refused);
}

#[test]
fn what_is_not_read_waits_and_the_sender_is_told() {
    let mut pair = Pair::open();
    pair.net.reading(pair.b, 2, false, pair.now);
    let much = Bytes::from(vec![7; 200 * 1024]);
    pair.net.send(pair.a, 1, &much, pair.now);
    assert_eq!(pair.run(), vec![], "buffers hold that much");
    pair.net.send(pair.a, 1, &much, pair.now);
    let told: Vec<NetEvent> = pair.run().into_iter().map(|(_, _, event)| event).collect();
    assert_eq!(told, vec![NetEvent::Full]);
    pair.net.half_close(pair.a, 1, pair.now);
    assert_eq!(pair.run(), vec![]);
    pair.net.reading(pair.b, 2, true, pair.now);
    let (a, b) = (pair.a, pair.b);
    let seen: Vec<(HostId, NetEvent)> = pair.run().into_iter().map(|(_, h, e)| (h, e)).collect();
    let to_b: Vec<&NetEvent> = seen
        .iter()
        .filter(|(h, _)| *h == b)
        .map(|(_, e)| e)
        .collect();
    let much = NetEvent::Bytes(much);
    assert_eq!(to_b, vec![&much, &much, &NetEvent::Eof]);
    assert!(
        !seen.contains(&(a, NetEvent::Drained)),
        "it has ended its side"
    );
}

#[test]
fn sender_is_told_when_it_is_read_again() {
    let mut pair = Pair::open();
    pair.net.reading(pair.b, 2, false, pair.now);
    let much = Bytes::from(vec![7; 300 * 1024]);
    pair.net.send(pair.a, 1, &much, pair.now);
    pair.run();
    pair.net.reading(pair.b, 2, true, pair.now);
    let a = pair.a;
    let told: Vec<NetEvent> = pair
        .run()
        .into_iter()
        .filter(|(_, host, _)| *host == a)
        .map(|(_, _, event)| event)
        .collect();
    assert_eq!(told, vec![NetEvent::Drained]);
}
