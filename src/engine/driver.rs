//! Drives a tester over real sockets: the one file of the engine that knows tokio and a clock.
//!
//! It is event-driven: nothing is done on a guess of time. Where a deadline has passed while we
//! were not running, what the system holds by then counts as arrived in time: a busy machine must
//! not make a verdict.

mod stage;

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use super::io::{
    Action, CloseKind, ConnId, ConnectError, Health, Input, Place, Source, Tester, VerbResult,
};
use crate::target::client::{Client, VerbOutcome};
use crate::target::{Listing, Live, RESTART, Sources, Tracker};
use crate::transport::{DialError, Event, Incoming, ListenerId, Sockets};

pub use stage::{OpenError, SocketStage};

/// Drives `tester` against `target` until it has ended; then every connection is dropped.
///
/// Several may run at once on one thread. With a single source address, connections are ended in
/// order, and a new one waits for the target to let go of the old.
pub async fn drive(tester: &mut dyn Tester, target: &Live, sources: &RefCell<Sources>) {
    let mut wires = Wires::new(target, sources);
    tester.handle(Input::Timeout, Duration::ZERO);
    loop {
        while let Some(action) = tester.poll_action() {
            wires.act(action);
        }
        if tester.done() {
            break;
        }
        let (input, at) = wires.next(tester.poll_deadline()).await;
        tester.handle(input, at);
    }
    if sources.borrow().is_single() {
        wires.let_go().await;
    }
    if let Some(mut another) = wires.another.take() {
        another.stop().await;
    }
}

type Verb = Pin<Box<dyn Future<Output = VerbOutcome>>>;

type Start<'a> = Pin<Box<dyn Future<Output = Result<Client, String>> + 'a>>;

type Death<'a> = Pin<Box<dyn Future<Output = (Option<i32>, String)> + 'a>>;

/// The tester's connections, and all else that it can be told of.
struct Wires<'a> {
    target: &'a Live,
    sources: &'a RefCell<Sources>,
    sockets: Sockets,
    start: Instant,
    /// The time of the last input: it never goes back.
    last: Duration,
    /// Answers that are there already.
    ready: VecDeque<Input>,
    /// Source address of each connection; `None` is the system's choice.
    from: BTreeMap<ConnId, Option<IpAddr>>,
    named: BTreeMap<String, Option<IpAddr>>,
    /// Connections that we end, until the target has let go of them.
    leaving: Vec<ConnId>,
    /// Dials that wait for that, and until when.
    waiting: VecDeque<(Instant, ConnId, Option<IpAddr>)>,
    /// Where we listen or wait for the target.
    places: Vec<Stand>,
    /// Announces that the tester has been told of.
    announces: u64,
    verbs: Vec<(Asker, Verb)>,
    /// The client is being started once more, for a verb.
    start_another: Option<(u32, Start<'a>)>,
    /// Where we dial since then.
    another: Option<Client>,
    death: Option<Death<'a>>,
    /// Events delivered although a deadline has passed.
    late: u32,
}

/// A place where the target may dial us.
struct Stand {
    listener: ListenerId,
    at: SocketAddr,
    /// The connection that waits here; when none does, the last one that did.
    conn: ConnId,
    waits: bool,
    /// As long as the tracker names it.
    listing: Option<Listing>,
}

/// On whose behalf a verb runs.
enum Asker {
    Tester(u32),
    /// `add-peer`, for a connection to come.
    Accept(ConnId),
    /// `announce`: the tracker is asked sooner or later anyway.
    Nobody,
}

impl<'a> Wires<'a> {
    fn new(target: &'a Live, sources: &'a RefCell<Sources>) -> Self {
        Self {
            target,
            sources,
            sockets: Sockets::new(),
            start: Instant::now(),
            last: Duration::ZERO,
            ready: VecDeque::new(),
            from: BTreeMap::new(),
            named: BTreeMap::new(),
            leaving: Vec::new(),
            waiting: VecDeque::new(),
            places: Vec::new(),
            announces: 0,
            verbs: Vec::new(),
            start_another: None,
            another: None,
            death: target
                .can_restart()
                .then(|| -> Death<'a> { Box::pin(target.death()) }),
            late: 0,
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Dial { conn, from } => self.dial(conn, &from),
            Action::Accept { conn, place } => self.accept(conn, &place),
            Action::StopAccept { conn } => {
                for stand in self.places.iter_mut().filter(|it| it.conn == conn) {
                    stand.waits = false;
                    stand.listing = None;
                }
            }
            Action::Write { conn, segments } => {
                for segment in segments {
                    self.sockets.write(conn.0, segment);
                }
            }
            Action::Close { conn, how } => match how {
                CloseKind::Fin => {
                    self.leaving.push(conn);
                    self.sockets.fin(conn.0);
                }
                CloseKind::Rst => self.sockets.rst(conn.0),
            },
            Action::Reading { conn, on } => self.sockets.reading(conn.0, on),
            Action::Verb { id, command }
                if command == RESTART && self.target.can_start_another() =>
            {
                self.start_another = Some((id, Box::pin(self.target.start_another())));
            }
            Action::Verb { id, command } => {
                let verb = Box::pin(self.target.verb(&command));
                self.verbs.push((Asker::Tester(id), verb));
            }
            Action::Health => self.ready.push_back(Input::Health(health(self.target))),
        }
    }

    /// The address that a connection comes from, or at which we listen.
    fn source(&mut self, from: &Source, fresh: impl Fn() -> Option<IpAddr>) -> Option<IpAddr> {
        match from {
            Source::Fresh => fresh(),
            Source::SameAs(other) => self.from.get(other).copied().flatten(),
            Source::Named(name) => *self.named.entry(name.clone()).or_insert_with(fresh),
        }
    }

    fn dial(&mut self, conn: ConnId, from: &Source) {
        let sources = self.sources;
        let source = self.source(from, || sources.borrow_mut().fresh());
        self.from.insert(conn, source);
        if self.sources.borrow().is_single() && !self.leaving.is_empty() {
            let until = Instant::now() + LET_GO;
            self.waiting.push_back((until, conn, source));
        } else {
            self.sockets.dial(conn.0, source, self.listens_at());
        }
    }

    /// Where the target that was started last listens.
    fn listens_at(&self) -> SocketAddr {
        let another = self.another.as_ref().map(Client::addr);
        another.unwrap_or_else(|| self.target.addr())
    }

    /// Dials what has waited for the end of other connections.
    fn dial_waiting(&mut self) {
        while let Some((until, conn, source)) = self.waiting.front().copied() {
            if !self.leaving.is_empty() && Instant::now() < until {
                return;
            }
            self.waiting.pop_front();
            self.sockets.dial(conn.0, source, self.listens_at());
        }
    }

    fn accept(&mut self, conn: ConnId, place: &Place) {
        let from = match place {
            Place::Again(before) => {
                let mut places = self.places.iter_mut();
                if let Some(stand) = places.find(|stand| stand.conn == *before) {
                    stand.conn = conn;
                    stand.waits = true;
                }
                return;
            }
            Place::Quiet(from) => from.clone(),
            Place::Invited { .. } => Source::Fresh,
        };
        let target = self.target;
        let sources = self.sources;
        let ip = self.source(&from, || target.listens_at(sources));
        let (listener, at) = match self.listen(ip) {
            Ok(stands) => stands,
            Err(error) => {
                let why = ConnectError::Local(format!("cannot listen: {error}"));
                self.ready.push_back(Input::ConnectFailed { conn, why });
                return;
            }
        };
        let mut stand = Stand {
            listener,
            at,
            conn,
            waits: true,
            listing: None,
        };
        self.ready.push_back(Input::Listening { conn, at });
        if let Place::Invited { told } = place {
            match self.target.tracker() {
                Some(tracker) => {
                    stand.listing = Some(tracker.list(at, *told));
                    let verb = Box::pin(self.target.verb("announce"));
                    self.verbs.push((Asker::Nobody, verb));
                }
                None => {
                    let verb = Box::pin(self.target.verb(&format!("add-peer {at}")));
                    self.verbs.push((Asker::Accept(conn), verb));
                }
            }
        }
        self.places.push(stand);
    }

    fn listen(&mut self, ip: Option<IpAddr>) -> std::io::Result<(ListenerId, SocketAddr)> {
        let unspecified = match self.target.addr() {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED),
        };
        let ip = ip.unwrap_or(unspecified);
        self.sockets.listen(SocketAddr::new(ip, 0))
    }

    /// The next input and its time: something that happened, or the deadline.
    async fn next(&mut self, deadline: Option<Duration>) -> (Input, Duration) {
        let due = deadline.map(|at| self.start + at);
        let input = loop {
            if let Some(input) = self.ready.pop_front() {
                break input;
            }
            if due.is_some_and(|due| due <= Instant::now()) {
                // Looks at the sockets once more; `Pending` only means that nothing has happened
                // once the runtime has asked the system.
                tokio::task::yield_now().await;
                let seen = poll_fn(|cx| Poll::Ready(self.poll(cx))).await;
                match seen {
                    Poll::Ready(seen) if self.late < LATE_LIMIT => {
                        self.late += 1;
                        match self.tell(seen) {
                            Some(input) => break input,
                            None => continue,
                        }
                    }
                    // A flood does not put a deadline off.
                    Poll::Ready(seen) => {
                        let input = self.tell(seen);
                        self.ready.extend(input);
                    }
                    Poll::Pending => {}
                }
                self.late = 0;
                let now = self.start.elapsed().max(self.last);
                self.last = now;
                return (Input::Timeout, now);
            }
            if let Some(seen) = self.wait(due).await
                && let Some(input) = self.tell(seen)
            {
                break input;
            }
        };
        // Late only by our own fault, see above.
        let now = self.start.elapsed();
        let now = deadline.map_or(now, |deadline| now.min(deadline));
        self.last = now.max(self.last);
        (input, self.last)
    }

    /// Waits for something to happen, or for a time at which something is to be done.
    async fn wait(&mut self, due: Option<Instant>) -> Option<Seen> {
        let dial = self.waiting.front().map(|(until, _, _)| *until);
        let until = due.into_iter().chain(dial).min();
        let mut sleep = until.map(|until| Box::pin(sleep_until(until)));
        let seen = poll_fn(|cx| {
            if let Poll::Ready(seen) = self.poll(cx) {
                return Poll::Ready(Some(seen));
            }
            match &mut sleep {
                Some(sleep) => sleep.as_mut().poll(cx).map(|()| None),
                None => Poll::Pending,
            }
        })
        .await;
        self.dial_waiting();
        seen
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Seen> {
        if let Poll::Ready(event) = self.sockets.poll(cx) {
            return Poll::Ready(Seen::Event(event));
        }
        for at in 0..self.verbs.len() {
            if let Some((_, verb)) = self.verbs.get_mut(at)
                && let Poll::Ready(outcome) = verb.as_mut().poll(cx)
            {
                let (asker, _) = self.verbs.swap_remove(at);
                return Poll::Ready(Seen::Verb(asker, outcome));
            }
        }
        if let Some((id, start)) = &mut self.start_another
            && let Poll::Ready(started) = start.as_mut().poll(cx)
        {
            let id = *id;
            self.start_another = None;
            return Poll::Ready(Seen::Started(id, started.map(Box::new)));
        }
        if let Some(death) = &mut self.death
            && let Poll::Ready((code, note)) = death.as_mut().poll(cx)
        {
            self.death = None;
            return Poll::Ready(Seen::Died(code, note));
        }
        Poll::Pending
    }

    /// What to tell the tester of what has happened, if anything.
    fn tell(&mut self, seen: Seen) -> Option<Input> {
        Some(match seen {
            Seen::Died(code, note) => Input::Died { code, note },
            Seen::Started(id, started) => Input::VerbDone {
                id,
                result: match started {
                    Ok(client) => {
                        self.another = Some(*client);
                        VerbResult::Done(String::new())
                    }
                    Err(why) => VerbResult::Failed(why),
                },
            },
            Seen::Verb(Asker::Tester(id), outcome) => Input::VerbDone {
                id,
                result: match outcome {
                    VerbOutcome::Done(text) => VerbResult::Done(text),
                    VerbOutcome::Unknown => VerbResult::Unknown,
                    VerbOutcome::Cannot(why) => VerbResult::Cannot(why),
                    VerbOutcome::Failed(why) => VerbResult::Failed(why),
                },
            },
            Seen::Verb(Asker::Nobody, _) => return None,
            Seen::Verb(Asker::Accept(conn), outcome) => {
                let why = match outcome {
                    VerbOutcome::Done(_) => return None,
                    VerbOutcome::Unknown => "nobody can make the target dial us".to_owned(),
                    VerbOutcome::Cannot(why) | VerbOutcome::Failed(why) => {
                        format!("add-peer: {why}")
                    }
                };
                let mut places = self.places.iter_mut();
                let stand = places.find(|stand| stand.conn == conn && stand.waits)?;
                stand.waits = false;
                let why = ConnectError::Local(why);
                Input::ConnectFailed { conn, why }
            }
            Seen::Event(event) => return self.tell_event(event),
        })
    }

    fn tell_event(&mut self, event: Event) -> Option<Input> {
        Some(match event {
            Event::Connected {
                conn,
                local,
                remote,
            } => Input::Connected {
                conn: ConnId(conn),
                local,
                remote,
            },
            Event::Failed { conn, why } => Input::ConnectFailed {
                conn: ConnId(conn),
                why: match why {
                    DialError::Refused => ConnectError::Refused,
                    DialError::Unanswered(_) => ConnectError::Unanswered,
                    why => ConnectError::Local(why.to_string()),
                },
            },
            Event::Incoming(incoming) => return self.tell_incoming(incoming),
            Event::Bytes { conn, bytes } => Input::Bytes {
                conn: ConnId(conn),
                bytes,
            },
            Event::Written { conn, upto } => Input::Written {
                conn: ConnId(conn),
                upto,
            },
            Event::Eof { conn } => {
                self.leaving.retain(|leaving| leaving.0 != conn);
                Input::Eof { conn: ConnId(conn) }
            }
            Event::Reset { conn } => {
                self.leaving.retain(|leaving| leaving.0 != conn);
                Input::Reset { conn: ConnId(conn) }
            }
            Event::WriteFailed { conn } => Input::WriteFailed { conn: ConnId(conn) },
        })
    }

    /// Somebody has connected to one of our places.
    fn tell_incoming(&mut self, incoming: Incoming) -> Option<Input> {
        let mut places = self.places.iter_mut();
        // Dropping it closes it: nobody waits for this one, or it comes from elsewhere.
        let stand = places.find(|stand| stand.listener == incoming.listener && stand.waits)?;
        let (local, remote) = (incoming.local, incoming.remote);
        if !is_ours(remote.ip(), stand.at.ip(), self.target.addr().ip()) {
            return None;
        }
        stand.waits = false;
        stand.listing = None;
        let conn = stand.conn;
        self.sockets.adopt(conn.0, incoming);
        let accepted = Input::Accepted {
            conn,
            local,
            remote,
        };
        let heard = self.target.tracker().and_then(Tracker::announced);
        match heard {
            Some((number, peer_id)) if number > self.announces => {
                self.announces = number;
                self.ready.push_front(accepted);
                Some(Input::Announced { peer_id })
            }
            _ => Some(accepted),
        }
    }

    /// Ends every connection in order and waits for the target to end them too.
    async fn let_go(&mut self) {
        let conns = self.from.keys().map(|conn| conn.0).collect::<Vec<_>>();
        for conn in conns {
            self.sockets.close(conn);
        }
        let ended = poll_fn(|cx| {
            // Nothing is told of connections that were closed; the poll moves them on.
            let _ = self.sockets.poll(cx);
            match self.sockets.open() {
                0 => Poll::Ready(()),
                _ => Poll::Pending,
            }
        });
        let _ = timeout(LET_GO, ended).await;
    }
}

/// Whether a connection can be the target's: from this machine, or from where the target is.
fn is_ours(remote: IpAddr, place: IpAddr, target: IpAddr) -> bool {
    let remote = remote.to_canonical();
    remote.is_loopback() || remote == place.to_canonical() || remote == target.to_canonical()
}

fn health(target: &Live) -> Health {
    match target.health() {
        Some(health) => Health {
            alive: Some(health.alive),
            exit: health.exit,
            memory: health.memory,
            files: health.files,
        },
        None => Health::default(),
    }
}

/// Something that happened, of any kind.
enum Seen {
    Event(Event),
    Verb(Asker, VerbOutcome),
    Started(u32, Result<Box<Client>, String>),
    Died(Option<i32>, String),
}

/// How many events that were there at a deadline still count as before it.
const LATE_LIMIT: u32 = 64;

/// Time for a target to notice the end of a connection. Transmission needs half a second.
const LET_GO: Duration = Duration::from_secs(3);
