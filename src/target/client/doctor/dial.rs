//! Whether a client can be made to dial us.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout, timeout_at};

use super::{Came, Doctor};
use crate::target::client::launch::{Client, VerbOutcome};
use crate::target::source::Sources;
use crate::target::tracker::Tracker;
use crate::wire::HandshakeDecoder;

impl Doctor<'_> {
    /// Has the client dial us: by the verb, by the tracker, or by both in turn.
    pub(super) async fn dial(&mut self, client: &Client, tracker: Option<&Tracker>) {
        let by_verb = client.knows("add-peer");
        if !by_verb && tracker.is_none() {
            let why = "neither `tracker` nor the verb `add-peer`: cases in which it dials us are \
                       skipped";
            self.say("dial", Came::Skipped(why.to_owned()));
        }
        if by_verb {
            let came = match self.listener().await {
                Err(came) => came,
                Ok((listener, at)) => match client.verb(&format!("add-peer {at}")).await {
                    VerbOutcome::Done(_) => {
                        let limit = VERB_LIMIT;
                        self.dialled(&listener, limit, ADD_PEER).await
                    }
                    VerbOutcome::Unknown => Came::badly("exit code 64, unknown", ADD_PEER),
                    VerbOutcome::Cannot(why) | VerbOutcome::Failed(why) => {
                        Came::badly(why, ADD_PEER)
                    }
                },
            };
            self.say("dial by `add-peer`", came.with_log_of(client));
        }
        if let Some(tracker) = tracker {
            let came = self.by_tracker(client, tracker).await;
            self.say("dial by tracker", came.with_log_of(client));
        }
    }

    async fn by_tracker(&mut self, client: &Client, tracker: &Tracker) -> Came {
        let (listener, at) = match self.listener().await {
            Ok(listening) => listening,
            Err(came) => return came,
        };
        let listing = tracker.list(at, None);
        if client.knows("announce") {
            // Whether that verb works was a check of its own.
            let _ = client.verb("announce").await;
        }
        let interval = self.file.tracker.as_ref().map(|plan| plan.interval);
        let limit = TRACKER_LIMIT + interval.unwrap_or_default() * 2;
        let hint = match tracker.announced() {
            None => ANNOUNCE,
            Some(_) => TRACKER,
        };
        let came = self.dialled(&listener, limit, hint).await;
        drop(listing);
        came
    }

    /// A place where the client may dial us.
    async fn listener(&mut self) -> Result<(TcpListener, SocketAddr), Came> {
        let own = self.file.tracker.as_ref();
        let ip = match own.and_then(|plan| plan.addresses.as_ref()) {
            None => self.sources.fresh(),
            Some(list) => match Sources::of(list) {
                Ok(mut own) => own.fresh(),
                Err(why) => {
                    let why = format!("{why}; docs/clients.md, Dials, has the command that helps");
                    return Err(Came::Skipped(why));
                }
            },
        };
        let ip = ip.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let bound = match TcpListener::bind((ip, 0)).await {
            Ok(listener) => listener.local_addr().map(|at| (listener, at)),
            Err(error) => Err(error),
        };
        bound.map_err(|error| Came::Skipped(format!("cannot listen at {ip}: {error}")))
    }

    /// Waits for a plain handshake for our torrent.
    async fn dialled(&self, listener: &TcpListener, limit: Duration, hint: &str) -> Came {
        let began = Instant::now();
        let mut other = None;
        while let Ok(accepted) = timeout_at(began + limit, listener.accept()).await {
            let Ok((stream, _)) = accepted else { continue };
            let hash = timeout(HANDSHAKE_LIMIT, hash_of(stream)).await;
            match hash.ok().flatten() {
                Some(hash) if hash == self.torrent.info_hash() => {
                    let took = began.elapsed().as_secs_f64();
                    return Came::Well(format!("it did after {took:.1} s"));
                }
                Some(hash) => other = Some(format!("it dials with info hash {hash}")),
                // Encrypted, as a rule: it tries again in plain text.
                None => other = Some("it dials, but with no plain handshake".to_owned()),
            }
        }
        let nobody = || format!("it does not dial within {} s", limit.as_secs());
        Came::badly(other.unwrap_or_else(nobody), hint)
    }
}

/// The info hash that somebody opens with.
async fn hash_of(mut stream: TcpStream) -> Option<crate::wire::InfoHash> {
    let mut decoder = HandshakeDecoder::new();
    let mut bytes = [0; 68];
    loop {
        let count = stream.read(&mut bytes).await.ok().filter(|n| *n > 0)?;
        decoder.push(bytes.get(..count)?);
        if let Some(handshake) = decoder.handshake().ok()? {
            return Some(handshake.info_hash);
        }
    }
}

const ADD_PEER: &str = "`add-peer` gets HOST:PORT as {arg} and connects there, without encryption if \
                        the peer does not answer it; addresses are of 127.0.0.0/8";

const ANNOUNCE: &str = "it has not announced itself to the tracker that {torrent} names: are trackers \
                        switched on, and http ones on 127.0.0.1 allowed?";

const TRACKER: &str = "it announces, but does not dial who is listed: try `peers: dictionary`, a verb \
                       `announce`, or `addresses` if it dials no 127.x (docs/clients.md, Dials)";

/// Time for a dial after the verb.
const VERB_LIMIT: Duration = Duration::from_secs(20);

/// Time for a dial after the client could have asked the tracker.
const TRACKER_LIMIT: Duration = Duration::from_secs(30);

const HANDSHAKE_LIMIT: Duration = Duration::from_secs(5);
