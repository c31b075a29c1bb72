//! Both loops play the same cases to the same end: the simulation, and sockets against the same
//! reference peer behind a listener.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::thread;

use btspec::engine::driver::SocketStage;
use btspec::engine::player::{Player, meets};
use btspec::engine::self_mode::{LISTEN, SelfMode, reference};
use btspec::engine::settings::{FreshPool, Settings};
use btspec::engine::stage::Stage;
use btspec::outcome::{CaseOutcome, EntryDir, Verdict};
use btspec::peer::{Peer, PeerConfig, Role as PeerRole};
use btspec::scenario::ast::{Direction, Role};
use btspec::scenario::{Choice, Play, embedded, expand};
use btspec::target::{Address, Server};
use btspec::torrent::{Torrent, fixture};
use btspec::wire::{Capability, Reserved};
use tokio::sync::oneshot;

/// The reference peer behind a listener, in a thread of its own, until this is dropped.
struct Served {
    addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Served {
    fn new(role: Role, torrent: &Torrent) -> Self {
        let role = match role {
            Role::Seed => PeerRole::Seed,
            Role::Leech => PeerRole::Leech,
        };
        let mut config = PeerConfig::new(torrent.clone(), role);
        config.listen = LISTEN;
        config.settings.dht_port = Some(LISTEN.port());
        config.reserved =
            Reserved::with(&[Capability::Fast, Capability::Extended, Capability::Dht]);
        let (tell, told) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let any = "127.0.0.1:0".parse().unwrap();
                let mut server = Server::bind(any, Peer::new(config)).unwrap();
                tell.send(server.addr()).unwrap();
                tokio::select! {
                    _ = server.run(|_| {}, |_| false) => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            addr: told.recv().unwrap(),
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = self.thread.take().map(thread::JoinHandle::join);
    }
}

fn over_sockets(play: &Play, torrents: &[Torrent]) -> CaseOutcome {
    let fits = torrents.iter().find(|torrent| meets(play, torrent));
    let torrent = fits.unwrap_or(&torrents[0]);
    let served = Served::new(play.role, torrent);
    let mut stage = SocketStage::at(&Address::from(served.addr), None).unwrap();
    let settings = Settings {
        fresh: FreshPool::new(),
        ..Settings::default()
    };
    let mut player = Player::new(play.clone(), torrent.clone(), settings);
    stage.play(&mut player).unwrap();
    player.outcome().outcome
}

/// What went over each connection, each way, without times and what depends on addresses: ours in
/// order, the peer's sorted.
fn conversation(case: &CaseOutcome) -> BTreeMap<(u32, &'static str), Vec<String>> {
    let mut lines = BTreeMap::<_, Vec<String>>::new();
    for entry in &case.transcript {
        let way = match entry.dir {
            EntryDir::Sent => "sent",
            EntryDir::Received => "received",
            EntryDir::Event => continue,
        };
        let Some(conn) = entry.conn else { continue };
        // The set follows from the tester's address; the extended handshake tells it to us.
        let what = match entry.kind.as_str() {
            "allowed_fast" | "extended_handshake" => entry.kind.clone(),
            kind => format!("{kind} {:?}", entry.hex),
        };
        lines.entry((conn, way)).or_default().push(what);
    }
    // What the peer sends by timers of its own crosses what we send: nobody promises an order.
    for (_, lines) in lines.iter_mut().filter(|((_, way), _)| *way == "received") {
        lines.sort();
    }
    lines
}

/// Nobody stands beside the served peer to carry out verbs.
fn needs_driver(real: &CaseOutcome) -> bool {
    let reason = real.reason.as_deref().unwrap_or_default();
    real.verdict == Verdict::Skip && reason.contains("driver")
}

/// Plays that take next to no virtual time and have no random part.
fn quick() -> Vec<(Play, CaseOutcome)> {
    let make = reference(|config| config);
    let mode = SelfMode::new(&make);
    let choice = Choice {
        roles: vec![Role::Seed, Role::Leech],
        directions: vec![Direction::Dialled],
        variants: vec![],
    };
    let suites = embedded().unwrap();
    let plays = suites
        .iter()
        .flat_map(|suite| expand(suite, &choice).unwrap());
    let played = plays.map(|play| {
        let outcome = mode.play(&play).outcome;
        (play, outcome)
    });
    let limit = std::time::Duration::from_millis(300);
    played
        .filter(|(_, outcome)| outcome.duration_ms.0 < limit)
        .collect()
}

#[test]
fn quick_cases_come_to_the_same_end_in_simulation_and_over_sockets() {
    let torrents = fixture::all().map(|it| it.torrent);
    let quick = quick();
    assert!(quick.len() >= 100, "only {} quick plays", quick.len());
    let mut wrong = Vec::new();
    for (play, simulated) in &quick {
        let real = over_sockets(play, &torrents);
        if needs_driver(&real) {
            continue;
        }
        if real.verdict != simulated.verdict {
            wrong.push(format!(
                "{}: {:?} in simulation, {:?} over sockets: {:?}",
                play.id, simulated.verdict, real.verdict, real.reason
            ));
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn the_same_bytes_go_over_the_wire_in_simulation_and_over_sockets() {
    let torrents = fixture::all().map(|it| it.torrent);
    let quick = quick();
    // A spread over all suites, but for floods: how they are cut decides what is answered in between.
    let flood = |play: &Play| play.case.tags.iter().any(|tag| tag == "load");
    let step = (quick.len() / 40).max(1);
    let mut same = 0;
    let mut wrong = Vec::new();
    let spread = quick.iter().filter(|(play, _)| !flood(play)).step_by(step);
    for (play, simulated) in spread {
        let real = over_sockets(play, &torrents);
        if needs_driver(&real) {
            continue;
        }
        let (expected, got) = (conversation(simulated), conversation(&real));
        if expected == got {
            same += 1;
        } else {
            wrong.push(format!(
                "{}:\n  in simulation {expected:#?}\n  over sockets {got:#?}",
                play.id
            ));
        }
    }
    assert!(wrong.is_empty() && same >= 20, "\n{}\n", wrong.join("\n"));
}
