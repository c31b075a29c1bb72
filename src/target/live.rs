//! A target on real sockets: somebody's address, or a client that we started.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};

use super::client::{Client, ClientError, ClientFile, ClientHealth, Launcher, VerbOutcome};
use super::source::{SourceError, Sources};
use super::tracker::Tracker;
use crate::peer::Role;
use crate::torrent::Torrent;

/// What a run over sockets is against.
#[derive(Debug)]
pub struct Live {
    addr: SocketAddr,
    started: Option<Started>,
}

/// A client, and what it takes to start it again.
#[derive(Debug)]
struct Started {
    /// `None` once it could not be started again.
    client: Option<Client>,
    file: ClientFile,
    role: Role,
    torrent: Torrent,
    launcher: Launcher,
    version: Option<String>,
    tracker: Option<Tracker>,
    /// Where we listen for its dials, if that is not where our other connections come from; or why
    /// there is no such place.
    places: Option<Result<RefCell<Sources>, SourceError>>,
}

impl Live {
    /// Somebody who listens at `addr`, and whom we cannot start again.
    pub fn at(addr: SocketAddr) -> Self {
        Self {
            addr,
            started: None,
        }
    }

    /// Checks a driver, starts its client, and sees to it that it knows which verbs it knows.
    ///
    /// # Errors
    /// When any of that fails.
    pub async fn start(
        file: ClientFile,
        role: Role,
        torrent: Torrent,
        launcher: Launcher,
        sources: &mut Sources,
    ) -> Result<Self, ClientError> {
        let version = file.check(&launcher).await?;
        let plan = file.tracker.clone();
        let tracker = match &plan {
            Some(plan) => Some(
                Tracker::start(torrent.info_hash(), plan.form, plan.interval)
                    .await
                    .map_err(|source| file.system(source))?,
            ),
            None => None,
        };
        let places = plan.and_then(|plan| plan.addresses);
        let places = places.map(|list| Sources::of(&list).map(RefCell::new));
        let heard = tracker.as_ref();
        let client = Client::start(&file, role, &torrent, &launcher, heard, sources).await?;
        client.probe_verbs().await?;
        Ok(Self {
            addr: client.addr(),
            started: Some(Started {
                client: Some(client),
                file,
                role,
                torrent,
                launcher,
                version,
                tracker,
                places,
            }),
        })
    }

    /// Whether [`restart`](Self::restart) can work.
    pub fn can_restart(&self) -> bool {
        self.started.is_some()
    }

    /// Whether its driver wants it started anew for each play.
    pub fn isolates(&self) -> bool {
        self.started.as_ref().is_some_and(|it| it.file.isolate())
    }

    /// Ends the client and starts it anew, with an empty folder or all of the data, at another
    /// port. Dropping the future leaves a client that may not serve, and that
    /// [`stop`](Self::stop) ends.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn restart(&mut self, sources: &mut Sources) -> Result<(), ClientError> {
        let Some(started) = &mut self.started else {
            return Ok(());
        };
        if let Some(old) = &mut started.client {
            old.stop().await;
        }
        let Started {
            client,
            file,
            role,
            torrent,
            launcher,
            tracker,
            ..
        } = started;
        *client = None;
        let tracker = tracker.as_ref();
        let new = client.insert(Client::launch(file, *role, torrent, launcher, tracker)?);
        self.addr = new.addr();
        let ready = new.get_ready(*role, torrent, sources).await;
        if ready.is_err() {
            new.stop().await;
            *client = None;
        }
        ready
    }

    /// Whether [`start_another`](Self::start_another) can work.
    pub fn can_start_another(&self) -> bool {
        self.started.is_some()
    }

    /// The client once more, beside the one that runs, with a folder and ports of its own. It is
    /// told of no tracker: what that hears is of the first one.
    ///
    /// # Errors
    /// When it does not start, or nobody started the first one.
    pub async fn start_another(&self) -> Result<Client, String> {
        let Some(it) = &self.started else {
            return Err("somebody else starts the target".to_owned());
        };
        let sources = Sources::for_target(self.addr.ip(), None);
        let mut sources = sources.map_err(|error| error.to_string())?;
        let started = Client::start(
            &it.file,
            it.role,
            &it.torrent,
            &it.launcher,
            None,
            &mut sources,
        );
        started.await.map_err(|error| error.to_string())
    }

    /// Ends the client and starts it anew with another torrent. A target that is not ours has what
    /// it has.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn load(
        &mut self,
        torrent: &Torrent,
        sources: &mut Sources,
    ) -> Result<(), ClientError> {
        if let Some(started) = &mut self.started {
            if let Some(tracker) = &started.tracker {
                tracker.change(torrent.info_hash());
            }
            started.torrent = torrent.clone();
        }
        self.restart(sources).await
    }

    /// Ends the client, if there is one, and waits until nothing of it is left.
    pub async fn stop(self) {
        if let Some(mut client) = self.started.and_then(|started| started.client) {
            client.stop().await;
        }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The role that it was started in.
    pub fn role(&self) -> Option<Role> {
        self.started.as_ref().map(|started| started.role)
    }

    /// The client's version, as its driver found out.
    pub fn version(&self) -> Option<&str> {
        self.started.as_ref()?.version.as_deref()
    }

    /// Connections that it bears at once: what its driver says, else what most clients do.
    pub fn jobs(&self) -> usize {
        self.started.as_ref().map_or(JOBS, |s| s.file.jobs())
    }

    /// Verbs that its driver knows, and what we do ourselves.
    pub fn verbs(&self) -> impl Iterator<Item = &str> {
        let anew = self.can_start_another().then_some(RESTART);
        let started = self.started.iter();
        let two = started.filter(|it| it.tracker.is_some() && it.torrent.metainfo().is_private());
        let own = two.map(|_| SWITCH_TRACKER);
        let driver = self.started.iter().flat_map(|started| started.file.verbs());
        driver.chain(own).chain(anew)
    }

    /// Words of `needs` that its driver switches off.
    pub fn without(&self) -> impl Iterator<Item = &str> {
        let started = self.started.iter();
        started.flat_map(|started| started.file.without())
    }

    /// The tracker that it announces to, if its driver wants one.
    pub fn tracker(&self) -> Option<&Tracker> {
        self.started.as_ref()?.tracker.as_ref()
    }

    /// Whether it announces to a tracker of ours.
    ///
    /// # Errors
    /// Why not.
    pub fn announces(&self) -> Result<(), String> {
        match self.tracker() {
            None => Err("no driver that gives the target a tracker of ours".to_owned()),
            Some(tracker) if tracker.announced().is_none() => {
                Err("the target has not announced itself to our tracker".to_owned())
            }
            Some(_) => Ok(()),
        }
    }

    /// Whether it can be made to dial us: by our tracker, or by its driver.
    ///
    /// # Errors
    /// Why not.
    pub fn dials(&self) -> Result<(), String> {
        let started = self.started.as_ref();
        if let Some(Err(why)) = started.and_then(|started| started.places.as_ref()) {
            return Err(format!("the target does not dial 127.x, and we {why}"));
        }
        let by_verb = self.client().is_some_and(|client| client.knows("add-peer"));
        match self.tracker() {
            None if by_verb => Ok(()),
            None => Err(
                "nobody can make the target dial us: no driver with a tracker or \
                 `add-peer`"
                    .to_owned(),
            ),
            Some(_) => self.announces(),
        }
    }

    /// An address to listen at for its dials.
    pub fn listens_at(&self, sources: &RefCell<Sources>) -> Option<IpAddr> {
        let own = self.started.as_ref().and_then(|it| it.places.as_ref());
        match own {
            Some(Ok(own)) => own.borrow_mut().fresh(),
            Some(Err(_)) | None => sources.borrow_mut().fresh(),
        }
    }

    /// A command that carries out a verb, to be run beside other things.
    pub fn verb(&self, command: &str) -> impl Future<Output = VerbOutcome> + use<> {
        let trackers = self.tracker().filter(|_| command == SWITCH_TRACKER);
        let switched = trackers.map(|tracker| match tracker.switch() {
            true => VerbOutcome::Done(String::new()),
            false => VerbOutcome::Cannot("the target announces to both trackers".to_owned()),
        });
        let asked = self.client().map(|client| client.verb(command));
        async move {
            match (switched, asked) {
                (Some(outcome), _) => outcome,
                (None, Some(asked)) => asked.await,
                (None, None) => VerbOutcome::Unknown,
            }
        }
    }

    /// Looks at its processes, if they are ours.
    pub fn health(&self) -> Option<ClientHealth> {
        match self.client() {
            Some(client) => Some(client.health()),
            // One that could not be started again.
            None => self.started.as_ref().map(|_| ClientHealth {
                alive: false,
                exit: None,
                memory: None,
                files: None,
            }),
        }
    }

    /// Waits for the end of its process: exit code, and a note with its last lines. Never ends
    /// for a target that we did not start.
    pub async fn death(&self) -> (Option<i32>, String) {
        let Some(client) = self.client() else {
            return std::future::pending().await;
        };
        let (code, how) = client.death().await;
        let lines = client.log(LOG_LINES);
        let log = lines.iter().map(|line| format!("\n{line}"));
        (code, how + &log.collect::<String>())
    }

    /// The last lines of its own output.
    pub fn log(&self, lines: usize) -> Vec<String> {
        self.client().map(|c| c.log(lines)).unwrap_or_default()
    }

    /// The client that we started, while it is there.
    pub fn client(&self) -> Option<&Client> {
        self.started.as_ref()?.client.as_ref()
    }
}

const LOG_LINES: usize = 5;

const JOBS: usize = 16;

/// The verb that is ours: the tracker in use stops answering, and the other one begins.
const SWITCH_TRACKER: &str = "switch-tracker";

/// The verb for which the client is [started once more](Live::start_another).
pub const RESTART: &str = "restart";
