//! From the start of a client to its end.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::{Came, Doctor};
use crate::peer::Role;
use crate::target::client::health;
use crate::target::client::launch::{Client, ClientError};
use crate::target::probe::{Looks, ProbeError, Sight, look};

/// How far a look at a client came.
enum Stage {
    Listens,
    Handshake,
    Role,
}

impl Doctor<'_> {
    /// Whether its process runs and `after_start` went well.
    pub(super) async fn start(&mut self, client: &Client) -> bool {
        let came = match client.begin().await {
            Ok(()) => Came::Well(String::new()),
            Err(ClientError::Start { why, log, .. }) => Came::Badly {
                hint: match why.starts_with("after_start") {
                    true => AFTER_START.to_owned(),
                    false => START.to_owned(),
                },
                seen: why,
                log,
            },
            Err(error) => Came::badly(error.to_string(), START),
        };
        let runs = matches!(came, Came::Well(_));
        self.say("start", came);
        runs
    }

    /// Whether it listens, knows the torrent, and has what its role has.
    pub(super) async fn serves(&mut self, client: &Client) -> bool {
        let end = Instant::now() + self.file.ready_within;
        loop {
            let seen = self.look(client).await;
            if let Some((_, how)) = client.death_so_far() {
                let hint = match how.as_str() {
                    "exit code 0" => FOREGROUND,
                    _ => START,
                };
                let seen = format!("it ended with {how}");
                self.say("keeps running", Came::badly(seen, hint).with_log_of(client));
                return false;
            }
            let wrong = match &seen {
                Ok(sight) => self.wrong_role(sight).map(|why| (Stage::Role, why)),
                Err(ProbeError::Dial(why)) => Some((Stage::Listens, why.to_string())),
                Err(why) => Some((Stage::Handshake, why.to_string())),
            };
            // Who is to be empty and has pieces will not lose them.
            let final_ = wrong.is_some() && self.role == Role::Leech && seen.is_ok();
            if wrong.is_none() || final_ || Instant::now() >= end {
                self.tell_stages(client, wrong.as_ref());
                return wrong.is_none();
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    async fn look(&mut self, client: &Client) -> Result<Sight, ProbeError> {
        let watch = match self.role {
            Role::Seed => LOOK_LIMIT,
            Role::Leech => LEECH_WATCH,
        };
        let from = self.sources.fresh();
        look(client.addr(), from, self.torrent, LOOK_LIMIT, watch).await
    }

    fn wrong_role(&self, sight: &Sight) -> Option<String> {
        match (self.role, sight.looks()) {
            (Role::Seed, Looks::Seed) | (Role::Leech, Looks::Leech) => None,
            (Role::Seed, Looks::Leech) => Some("it announces no pieces".to_owned()),
            (Role::Leech, Looks::Seed) => Some("it announces every piece".to_owned()),
            (_, Looks::Partial { has, of }) => Some(format!("it announces {has} of {of} pieces")),
        }
    }

    fn tell_stages(&mut self, client: &Client, wrong: Option<&(Stage, String)>) {
        let addr = client.addr();
        let within = self.file.ready_within.as_secs();
        let hash = self.torrent.info_hash();
        let bad = |why: &String, hint: &str| {
            let seen = format!("{why}, for {within} s");
            Came::badly(seen, hint).with_log_of(client)
        };
        if let Some((Stage::Listens, why)) = wrong {
            return self.say(format!("listens at {addr}"), bad(why, LISTENS));
        }
        self.say("listens", Came::Well(addr.to_string()));
        if let Some((Stage::Handshake, why)) = wrong {
            return self.say("handshake", bad(why, HANDSHAKE));
        }
        self.say("handshake", Came::Well(format!("info hash {hash}")));
        let came = match (wrong, self.role) {
            (None, Role::Seed) => Came::Well("it announces every piece".to_owned()),
            (None, Role::Leech) => Came::Well("it announces nothing".to_owned()),
            (Some((_, why)), Role::Seed) => bad(why, SEED),
            (Some((_, why)), Role::Leech) => Came::badly(why.clone(), LEECH).with_log_of(client),
        };
        self.say("role", came);
    }

    /// Whether it does after its verbs what it did before.
    pub(super) async fn still_serves(&mut self, client: &Client) {
        if self.file.verbs.is_empty() {
            return;
        }
        let end = Instant::now() + self.file.ready_within;
        let came = loop {
            let why = match self.look(client).await {
                Ok(sight) => self.wrong_role(&sight),
                Err(why) => Some(why.to_string()),
            };
            let Some(why) = why else {
                break Came::Well(String::new());
            };
            if Instant::now() >= end || client.death_so_far().is_some() {
                break Came::badly(why, STILL).with_log_of(client);
            }
            sleep(LOOK_AGAIN).await;
        };
        self.say("serves after its verbs", came);
    }

    /// Whether anything is left when it was ended.
    pub(super) async fn stop(&mut self, mut client: Client) {
        let (group, addr) = (client.group(), client.addr());
        let folder = client.folder().to_owned();
        let began = Instant::now();
        client.stop().await;
        let took = began.elapsed();
        let left = group.map(health::members).unwrap_or_default();
        let came = if !left.is_empty() {
            Came::badly(format!("processes {left:?} are left"), LEFT)
        } else if folder.exists() {
            Came::badly(format!("{} is left", folder.display()), FOLDER_LEFT)
        } else if still_listens(addr).await {
            Came::badly(format!("somebody still listens at {addr}"), LEFT)
        } else if took > self.file.grace {
            Came::Well(format!(
                "nothing is left, but it had to be killed after {:.1} s of `stop: {{grace}}`",
                self.file.grace.as_secs_f64()
            ))
        } else {
            Came::Well("nothing is left".to_owned())
        };
        self.say("stop", came);
    }
}

async fn still_listens(addr: SocketAddr) -> bool {
    let connected = timeout(LOOK_LIMIT, TcpStream::connect(addr)).await;
    matches!(connected, Ok(Ok(_)))
}

const START: &str = "`start` is run in the client's folder, without a shell: is it the right \
                     program, with the right arguments?";

const AFTER_START: &str = "`after_start` must end with exit code 0; let it wait until the client's \
                           API answers";

const FOREGROUND: &str = "`start` must stay in the foreground: its end is the client's end. Look for \
                          an option such as --foreground";

const LISTENS: &str = "it must listen for peers, over TCP, at {bind}:{port}: is that in `start` or \
                       `files`? If it only needs longer, say `ready: {within: 120s}`";

const HANDSHAKE: &str = "it listens, but does not serve {torrent}: is that in `start`, or loaded by \
                         `after_start`, and not paused? Encryption must not be required";

const SEED: &str = "as seed it finds its content complete in {data}: is that its download folder, \
                    and does it check what is there?";

const LEECH: &str = "as leech it must start empty: is its download folder {data}, and does it keep \
                     no state outside {dir}?";

const STILL: &str = "after its verbs it must serve as before: `resume` undoes `pause`, `select all` \
                     undoes `select none`, and `recheck` comes to an end";

const LEFT: &str = "processes of the client must stay in its process group; look for an option that \
                    keeps it from becoming a daemon";

const FOLDER_LEFT: &str = "something still writes there, or took the right to delete from it";

/// Longest time for one look.
const LOOK_LIMIT: Duration = Duration::from_secs(5);

/// Time in which a client that should be empty may announce pieces.
const LEECH_WATCH: Duration = Duration::from_secs(1);

const LOOK_AGAIN: Duration = Duration::from_millis(50);
