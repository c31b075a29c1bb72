//! The player: one play of a case, without clock and without sockets.
//!
//! Outside it is poll and handle ([`Tester`]); inside, a case is a coroutine over a shared state:
//! `script` runs lists of steps, each kind of step is a small async function in a file by topic
//! (`connect`, `send`, `expect`, `quiet`, `life`, `flow`), `state` is what they read and change,
//! `monitor` what goes on beside them, `tally` how misses become findings and a verdict.
//! SCENARIOS section 3 is the law here; `docs/scenarios.md` tells what it leaves open.

mod conn;
mod connect;
mod env;
mod expect;
mod flow;
mod life;
mod monitor;
mod needs;
mod quiet;
mod report;
mod script;
mod seen;
mod send;
mod serve;
mod state;
mod tally;
mod watch;

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

pub use needs::meets;
pub use report::{Played, empty_row};

use self::script::Ctx;
use self::state::State;
use super::io::{Action, Input, Tester};
use super::settings::Settings;
use crate::scenario::{Play, PlayId};
use crate::torrent::Torrent;

/// One play of a case.
pub struct Player {
    state: Rc<RefCell<State>>,
    /// The course of the case; `None` once it is over.
    script: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

impl Player {
    /// A play that has not begun: the first `handle` starts it.
    pub fn new(play: Play, torrent: Torrent, settings: Settings) -> Self {
        let state = Rc::new(RefCell::new(State::new(play, torrent, settings)));
        let script = Ctx::new(Rc::clone(&state)).play();
        Self {
            state,
            script: Some(Box::pin(script)),
        }
    }

    /// What is played.
    pub fn id(&self) -> PlayId {
        self.state.borrow().play.id.clone()
    }

    /// What it came to. Complete once [`Tester::done`]; before that, what is known so far.
    pub fn outcome(&self) -> Played {
        report::build(&self.state.borrow())
    }

    /// Ends a play that the loop cannot go on with: the verdict is `error`, for this reason.
    pub fn abort(&mut self, reason: &str) {
        self.script = None;
        self.state.borrow_mut().tally.error(reason);
    }

    fn run(&mut self) {
        let Some(script) = self.script.as_mut() else {
            return;
        };
        let mut context = Context::from_waker(Waker::noop());
        if let Poll::Ready(()) = script.as_mut().poll(&mut context) {
            self.script = None;
        }
    }
}

impl Tester for Player {
    fn handle(&mut self, input: Input, at: Duration) {
        self.state.borrow_mut().take(input, at);
        self.state.borrow_mut().tick();
        // Steps look after each arrival, so that they see it before the next one.
        self.run();
        while self.state.borrow_mut().advance() {
            self.run();
        }
    }

    fn poll_action(&mut self) -> Option<Action> {
        self.state.borrow_mut().poll_action()
    }

    fn poll_deadline(&self) -> Option<Duration> {
        if self.done() {
            return None;
        }
        self.state.borrow().deadline()
    }

    fn done(&self) -> bool {
        self.script.is_none()
    }
}
