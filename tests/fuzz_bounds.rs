//! A campaign ends when it said, whatever its target does, and loses nothing that it found.

use std::cell::{Cell, RefCell};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use btspec::engine::driver::SocketStage;
use btspec::engine::self_mode::{Make, reference};
use btspec::fuzz::bench::Bench;
use btspec::fuzz::bounds::{Limit, OVERTIME};
use btspec::fuzz::campaign::{Campaign, Campaigned, Config, Ending, Find, Left, News};
use btspec::fuzz::deep::{Deep, DeepPeer};
use btspec::fuzz::ground::{Ground, Role};
use btspec::fuzz::oracle::{Oracle, Usage, Vitals};
use btspec::fuzz::player::{CasePlayer, Pace};
use btspec::fuzz::report::Saved;
use btspec::fuzz::sim::SimBench;
use btspec::fuzz::sockets::SocketBench;
use btspec::fuzz::valid::valid;
use btspec::fuzz::write::{About, scenario};
use btspec::peer::{Health, Input, Output, Process};
use btspec::scenario::{ast, parse_text};
use btspec::target::Address;
use btspec::torrent::fixture;
use btspec::wire::Kind;
use btspec::wire::registry::LENGTH;

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn ground() -> Ground {
    Ground::new(fixture::main().torrent, Role::Seed)
}

fn sound(ground: &Ground) -> Box<dyn Process> {
    reference(|config| config).make(ast::Role::Seed, ground.torrent())
}

/// A bench whose target takes its time to start.
struct Sluggish<'a> {
    inner: SimBench<'a>,
    start: Duration,
    /// On starts.
    spent: Duration,
}

impl Bench for Sluggish<'_> {
    fn play(&mut self, players: Vec<CasePlayer>, limit: &Limit<'_>) -> Vec<CasePlayer> {
        let at = limit.at().map(|at| at.saturating_sub(self.spent));
        let stop = || limit.stopped();
        self.inner.play(players, &Limit::new(at, &stop))
    }
    fn vitals(&mut self) -> Vitals {
        self.inner.vitals()
    }
    fn usage(&mut self) -> Usage {
        self.inner.usage()
    }
    fn can_restart(&self) -> bool {
        true
    }
    fn restart(&mut self, limit: &Limit<'_>) -> Result<(), String> {
        if !limit.stopped() {
            let left = limit.at().map(|at| at.saturating_sub(self.elapsed()));
            self.spent += left.map_or(self.start, |left| left.min(self.start));
        }
        self.inner.restart(limit)
    }
    fn rest(&mut self, span: Duration) {
        self.inner.rest(span);
    }
    fn elapsed(&self) -> Duration {
        self.inner.elapsed() + self.spent
    }
    fn is_virtual(&self) -> bool {
        true
    }
}

/// Dies after so many pieces of input, whatever they are.
struct Mortal {
    inner: Box<dyn Process>,
    left: u32,
    code: i32,
    dead: bool,
    told: bool,
}

impl Process for Mortal {
    fn handle(&mut self, input: Input, at: Duration) {
        if matches!(input, Input::Bytes { .. }) {
            self.left = self.left.saturating_sub(1);
            self.dead |= self.left == 0;
        }
        if !self.dead {
            self.inner.handle(input, at);
        }
    }
    fn poll_output(&mut self) -> Option<Output> {
        if self.dead {
            return (!std::mem::replace(&mut self.told, true)).then_some(Output::Exit(self.code));
        }
        self.inner.poll_output()
    }
    fn poll_deadline(&self) -> Option<Duration> {
        self.inner.poll_deadline().filter(|_| !self.dead)
    }
    fn health(&self) -> Health {
        let mut health = self.inner.health();
        health.exited = health.exited.or_else(|| self.dead.then_some(self.code));
        health
    }
}

/// Dies whenever somebody whom it serves asks for nothing.
fn touchy(ground: &Ground) -> Box<dyn Process> {
    let deep = Deep::DiesAt {
        kind: Kind::Request,
        field: &LENGTH,
        value: 0,
    };
    Box::new(DeepPeer::new(sound(ground), deep, ground.torrent().clone()))
}

/// Plays against targets of which each dies sooner or later, and each in another way.
fn against_mortals(
    config: Config,
    start: Duration,
    stop_at: Option<&str>,
) -> (Campaigned, Duration) {
    let number = Cell::new(0_u32);
    let make = |ground: &Ground| -> Box<dyn Process> {
        number.set(number.get() + 1);
        Box::new(Mortal {
            inner: sound(ground),
            // The first lives to see the end of the preparations.
            left: if number.get() == 1 {
                700
            } else {
                37 + number.get() * 11 % 200
            },
            code: i32::try_from(number.get()).unwrap(),
            dead: false,
            told: false,
        })
    };
    let ground = ground();
    let mut bench = Sluggish {
        inner: SimBench::new(&make, ground.clone()),
        start,
        spent: Duration::ZERO,
    };
    let stopped = Cell::new(false);
    let mut news = |news: News<'_>| {
        if let (News::Note(note), Some(at)) = (news, stop_at) {
            stopped.set(stopped.get() || note.contains(at));
        }
    };
    let stop = || stopped.get();
    let done = Campaign::new(&mut bench, ground, config, &mut news, &stop).run();
    let end = bench.elapsed();
    (done, end)
}

/// A find's file is one that `btspec run` and `btspec shrink` take.
fn can_be_read(find: &Find) {
    let about = About {
        target: "self",
        seed: 1,
    };
    let text = scenario(find, &ground(), &about);
    if let Err(errors) = parse_text("find.yaml", &text) {
        panic!("{}\n{text}", errors[0].render());
    }
    let told = text.contains(" goes on.");
    assert_eq!(told, find.left != Left::Nothing, "{text}");
}

#[test]
fn a_target_that_dies_often_does_not_hold_up_the_end() {
    let mut open = 0;
    for (duration, start) in [(3600, 5), (3600, 60), (900, 1), (900, 30)] {
        let config = Config {
            duration: Some(secs(duration)),
            ..Config::default()
        };
        let (done, end) = against_mortals(config, secs(start), None);
        let what = format!(
            "{duration} s, {start} s for a start: {end:?}, {:?} of it looking, {} cases, {} finds",
            done.looked,
            done.tally.cases,
            done.finds.len()
        );
        println!("{what}");
        assert_eq!(done.ending, Ending::Over, "{what}");
        assert!(end <= secs(duration) + OVERTIME, "{what}");
        // What is under way when the budget ends is not broken off: a start and a few connections.
        let most = secs(duration / 2 + start + 60);
        assert!(done.looked <= most, "{what}");
        assert!(!done.finds.is_empty(), "{what}");
        assert!(
            done.finds
                .iter()
                .all(|find| find.suspicion.oracle == Oracle::Death),
            "{what}"
        );
        let left = done.finds.iter().filter(|find| !find.left.is_nothing());
        open += left.count();
        done.finds.iter().for_each(can_be_read);
    }
    assert!(open > 0, "there was time for everything");
}

#[test]
fn who_wants_an_end_gets_it_at_once_with_what_was_found() {
    let config = Config {
        duration: Some(secs(72_000)),
        ..Config::default()
    };
    let start = secs(36_000);
    let (done, end) = against_mortals(config, start, Some("looks into death"));
    assert!(end < start / 4, "{end:?}");
    let [find] = done.finds.as_slice() else {
        panic!("{:?}", done.finds);
    };
    assert_eq!((find.left, find.confirmed), (Left::Isolation, false));
    assert!(find.cases.len() > 1, "{find:?}");
    can_be_read(find);
}

/// What a campaign has no time to prove, the next one proves.
#[test]
fn what_there_was_no_time_for_is_done_by_who_goes_on() {
    let ground = ground();
    let notes = RefCell::new(Vec::new());
    let run = |start: Duration, duration, cases, saved: Option<Saved>| {
        let mut bench = Sluggish {
            inner: SimBench::new(&touchy, ground.clone()),
            start,
            spent: Duration::ZERO,
        };
        let mut news = |news: News<'_>| {
            if let News::Note(note) = news {
                notes.borrow_mut().push(note);
            }
        };
        let config = Config {
            duration,
            cases,
            ..Config::default()
        };
        let stop = || false;
        let campaign = Campaign::new(&mut bench, ground.clone(), config, &mut news, &stop);
        match saved {
            None => campaign.run(),
            Some(saved) => {
                let (next, corpus, finds) = saved.restore();
                campaign.resume(next, corpus, finds).run()
            }
        }
    };
    // One start takes all the time that there is to look into it.
    let first = run(secs(18_000), Some(secs(20_000)), Some(6_000), None);
    let left: Vec<Left> = first.finds.iter().map(|find| find.left).collect();
    assert_eq!(left, [Left::Isolation], "{:?}", notes.borrow());
    let text = serde_json::to_string(&Saved::of(1, Role::Seed, &first)).unwrap();
    let second = run(
        secs(1),
        None,
        Some(0),
        Some(serde_json::from_str(&text).unwrap()),
    );
    let [find] = second.finds.as_slice() else {
        panic!("{:?}", second.finds);
    };
    assert!(find.confirmed, "{find:?}");
    assert_eq!(find.left, Left::Nothing);
    assert_eq!(find.count, first.finds[0].count);
    assert!(
        find.cases.len() == 1 && find.cases[0].moves.len() <= 6,
        "{find:?}"
    );
}

#[test]
fn a_proof_without_time_to_make_it_small_is_kept_as_it_is() {
    let ground = ground();
    let mut seen = Vec::new();
    // The longer a start takes, the less can be done.
    for start in [10, 300, 600, 1000, 1400, 3000, 6000] {
        let mut bench = Sluggish {
            inner: SimBench::new(&touchy, ground.clone()),
            start: secs(start),
            spent: Duration::ZERO,
        };
        let config = Config {
            duration: Some(secs(20_000)),
            finds: Some(1),
            ..Config::default()
        };
        let mut quiet = |_: News<'_>| {};
        let done = Campaign::new(&mut bench, ground.clone(), config, &mut quiet, &|| false).run();
        assert!(done.duration <= secs(20_000) + OVERTIME);
        let find = &done.finds[0];
        let proved = matches!(find.left, Left::Nothing | Left::Small);
        assert_eq!(find.confirmed, proved, "{start}: {find:?}");
        can_be_read(find);
        seen.push(find.left);
    }
    println!("{seen:?}");
    for left in [Left::Nothing, Left::Small, Left::Proof, Left::Isolation] {
        assert!(seen.contains(&left), "{left:?} not in {seen:?}");
    }
}

/// Somebody who accepts and says nothing holds up no end. Uncut, this takes over 20 s.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "it is about real time, with much room"
)]
fn connections_are_left_off_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let address: Address = addr.to_string().parse().unwrap();
    let held = Arc::new(Mutex::new(Vec::new()));
    let holds = Arc::clone(&held);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            holds.lock().unwrap().push(stream);
        }
    });
    let stage = SocketStage::at(&address, None).unwrap();
    let mut bench = SocketBench::new(stage, 4, 4, None).unwrap();
    let ground = ground();
    let players = |count: u64| -> Vec<CasePlayer> {
        let player =
            |number| CasePlayer::new(valid(number, &ground), ground.clone(), Pace::default());
        (0..count).map(player).collect()
    };
    // By the clock.
    let began = Instant::now();
    let at = bench.elapsed() + Duration::from_millis(300);
    let played = bench.play(players(8), &Limit::new(Some(at), &|| false));
    assert!(began.elapsed() < secs(10), "{:?}", began.elapsed());
    assert!(played.into_iter().all(|it| it.finish().1.cut));
    // And because somebody says so.
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    let timer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        told.store(true, Ordering::Relaxed);
    });
    let began = Instant::now();
    let played = bench.play(
        players(8),
        &Limit::new(None, &|| stop.load(Ordering::Relaxed)),
    );
    timer.join().unwrap();
    assert!(began.elapsed() < secs(10), "{:?}", began.elapsed());
    assert!(played.into_iter().all(|it| it.finish().1.cut));
}
