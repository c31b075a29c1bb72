//! The stage over real sockets: a target that somebody started, or a client that we start.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

use super::{drive, health};
use crate::engine::io::{Health, Tester};
use crate::engine::player::Player;
use crate::engine::stage::{Cast, Stage};
use crate::peer::Role;
use crate::target::client::{ClientError, ClientFile, Launcher};
use crate::target::{
    Address, Halt, Live, LookupError, RoleError, Sight, SourceError, SourceList, Sources, role_of,
};
use crate::torrent::Torrent;

/// A target on real sockets, and the one thread that speaks to it.
pub struct SocketStage {
    runtime: Runtime,
    target: Live,
    sources: RefCell<Sources>,
    began: Instant,
    halt: Halt,
}

/// Why the stage cannot be set.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The target's name leads nowhere.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The source addresses are not ours.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The client does not run.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// No event loop.
    #[error("cannot start an event loop: {0}")]
    System(#[from] io::Error),
    /// Somebody asked for the end first.
    #[error("{0}")]
    Halted(String),
}

impl OpenError {
    /// Whether the user can mend it on the command line or by installing something; otherwise the
    /// target is out of reach.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Source(_) => true,
            Self::Client(error) => matches!(
                error,
                ClientError::Unsupported
                    | ClientError::Need { .. }
                    | ClientError::Role { .. }
                    | ClientError::VerbProbe { .. }
            ),
            Self::Lookup(_) | Self::System(_) | Self::Halted(_) => false,
        }
    }
}

impl SocketStage {
    /// For a target that listens at `address`. Nothing is sent yet.
    ///
    /// # Errors
    /// When its name leads nowhere, or `sources` are not ours.
    pub fn at(address: &Address, sources: Option<&SourceList>) -> Result<Self, OpenError> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let addr = runtime.block_on(address.resolve())?;
        let sources = Sources::for_target(addr.ip(), sources)?;
        Ok(Self::new(runtime, Live::at(addr), sources))
    }

    /// For a client that is started now, in `role`, with `torrent`.
    ///
    /// # Errors
    /// When it cannot be started, does not get ready, or `halt` is asked for meanwhile.
    pub fn client(
        file: ClientFile,
        role: Role,
        torrent: Torrent,
        launcher: Launcher,
        halt: &Halt,
    ) -> Result<Self, OpenError> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let mut sources = Sources::for_target(IpAddr::V4(Ipv4Addr::LOCALHOST), None)?;
        let started = Live::start(file, role, torrent, launcher, &mut sources);
        let target = runtime.block_on(halt.or(started));
        let target = target.map_err(OpenError::Halted)??;
        Ok(Self::new(runtime, target, sources))
    }

    fn new(runtime: Runtime, target: Live, sources: Sources) -> Self {
        Self {
            runtime,
            target,
            sources: RefCell::new(sources),
            began: Instant::now(),
            halt: Halt::never(),
        }
    }

    /// From now on `halt` ends whatever is being played or started.
    pub fn heed(&mut self, halt: &Halt) {
        self.halt = halt.clone();
    }

    /// The target.
    pub fn target(&self) -> &Live {
        &self.target
    }

    /// As [`restart`](Stage::restart), unless `give_up` says so meanwhile, which is asked again and
    /// again: then the target may not serve, and false is given. [`close`](Self::close) ends it
    /// all the same.
    ///
    /// # Errors
    /// When it does not start.
    pub fn restart_unless(&mut self, give_up: &dyn Fn() -> bool) -> Result<bool, String> {
        let given_up = async {
            while !give_up() {
                tokio::time::sleep(ASK_AGAIN).await;
            }
        };
        let restart = self.target.restart(self.sources.get_mut());
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = given_up => Ok(false),
                restarted = restart => {
                    restarted.map(|()| true).map_err(|error| error.to_string())
                }
            }
        })
    }

    /// Connects to see whether the target is a seed or a leech of `torrent`.
    ///
    /// # Errors
    /// When that cannot be told.
    pub fn role_of(&mut self, torrent: &Torrent) -> Result<(Role, Sight), RoleError> {
        let addr = self.target.addr();
        let sources = self.sources.get_mut();
        self.runtime.block_on(role_of(addr, torrent, sources))
    }

    /// Ends the target, if it is ours, and waits until nothing of it is left. Dropping the stage
    /// ends it as well, but does not wait.
    pub fn close(self) {
        self.runtime.block_on(self.target.stop());
    }
}

impl Stage for SocketStage {
    fn play(&mut self, tester: &mut dyn Tester) -> Result<(), String> {
        let played = drive(tester, &self.target, &self.sources);
        self.runtime.block_on(self.halt.or(played))
    }

    fn play_cast(&mut self, lanes: usize, cast: &mut dyn Cast) -> Result<(), String> {
        let (target, sources) = (&self.target, &self.sources);
        let lanes = lanes.max(1);
        let played = async {
            let mut playing: Vec<Playing<'_>> = Vec::new();
            loop {
                while playing.len() < lanes
                    && let Some(player) = cast.next()
                {
                    playing.push(Box::pin(play(player, target, sources)));
                }
                if playing.is_empty() {
                    return;
                }
                let ended = first(&mut playing).await;
                cast.ended(ended, &|| target.log(LOG_LINES));
            }
        };
        self.runtime.block_on(self.halt.or(played))
    }

    fn addresses(&self) -> Option<u32> {
        self.sources.borrow().count()
    }

    fn verbs(&self) -> BTreeSet<String> {
        self.target.verbs().map(str::to_owned).collect()
    }

    fn without(&self) -> BTreeSet<String> {
        self.target.without().map(str::to_owned).collect()
    }

    fn dials(&self) -> Result<(), String> {
        self.target.dials()
    }

    fn announces(&self) -> Result<(), String> {
        self.target.announces()
    }

    fn bears(&self) -> usize {
        self.target.jobs()
    }

    fn health(&self) -> Health {
        health(&self.target)
    }

    fn log(&self) -> Vec<String> {
        self.target.log(LOG_LINES)
    }

    fn can_restart(&self) -> bool {
        self.target.can_restart()
    }

    fn isolates(&self) -> bool {
        self.target.isolates()
    }

    fn restart(&mut self) -> Result<(), String> {
        let restarted = self.target.restart(self.sources.get_mut());
        let restarted = self.runtime.block_on(self.halt.or(restarted))?;
        restarted.map_err(|error| error.to_string())
    }

    fn load(&mut self, torrent: &Torrent) -> Result<(), String> {
        let sources = self.sources.get_mut();
        let loaded = self.target.load(torrent, sources);
        let loaded = self.runtime.block_on(self.halt.or(loaded))?;
        loaded.map_err(|error| error.to_string())
    }

    fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    fn halted(&self) -> Option<String> {
        self.halt.why()
    }
}

type Playing<'a> = Pin<Box<dyn Future<Output = Player> + 'a>>;

async fn play(mut player: Player, target: &Live, sources: &RefCell<Sources>) -> Player {
    drive(&mut player, target, sources).await;
    player
}

/// Goes on with all of them until one has ended, and takes that one out.
async fn first(playing: &mut Vec<Playing<'_>>) -> Player {
    poll_fn(|cx| {
        for index in 0..playing.len() {
            if let Some(one) = playing.get_mut(index)
                && let Poll::Ready(player) = one.as_mut().poll(cx)
            {
                drop(playing.swap_remove(index));
                return Poll::Ready(player);
            }
        }
        Poll::Pending
    })
    .await
}

const LOG_LINES: usize = 20;

/// How often somebody who may give up is asked whether they do.
const ASK_AGAIN: Duration = Duration::from_millis(100);
