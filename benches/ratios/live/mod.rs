//! The rows against libtorrent: connections, and a download.

mod ours;
mod watch;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use btspec::engine::driver::SocketStage;
use btspec::peer::Role;
use btspec::target::Halt;
use btspec::target::client::{ClientFile, Launcher};
use btspec::torrent::{Torrent, fixture};
use btspec::wire::{Capability, Handshake, Message, PeerId, Reserved};
use bytes::{Bytes, BytesMut};

use crate::args::Args;
use crate::measure::{Sample, median};
use crate::peers::bare;
use crate::support::swarm;
use crate::table::Row;

/// Every row.
pub(crate) fn all(args: &Args) -> Vec<Row> {
    let mut rows = Vec::new();
    if args.wants(CONNECTS) {
        rows.push(connects(args));
    }
    if args.wants(DOWNLOAD) {
        rows.push(download(args));
    }
    rows
}

fn connects(args: &Args) -> Row {
    let torrent = fixture::main().torrent;
    let opening = opening(&torrent, &Message::HaveNone);
    let count = args.scaled(CONNECTIONS);
    let mut sides = Sides::default();
    for round in 0..args.rounds {
        eprintln!("{CONNECTS}, round {}", round + 1);
        let client = Client::start(Role::Seed, &torrent);
        sides.push(&client, |to| {
            let ours = ours::connects(to, &torrent, &opening, sources(2 * round, count));
            let theirs = bare::connects(to, &opening, sources(2 * round + 1, count));
            Ok((nanos(ours.map_err(text)?), nanos(theirs.map_err(text)?)))
        });
        end(client);
    }
    let mut row = sides.row(CONNECTS, "connection", 0.8, 0.95);
    let rate = row.theirs.as_ref().map_or(0.0, |ns| 1e9 / ns);
    if row.theirs.is_ok() && rate < LEAST_CONNECTS {
        row.void = Some(format!(
            "the bare loop made {rate:.0} connections a second, not {LEAST_CONNECTS:.0}"
        ));
    }
    row
}

fn download(args: &Args) -> Row {
    let mib: u64 = if args.quick { 8 } else { 256 };
    let torrent = swarm::torrent(mib);
    let opening = opening(&torrent, &Message::HaveAll);
    let content = torrent.content().and_then(|it| it.read(0, mib << 20).ok());
    let content = content.unwrap_or_default();
    let piece_len = torrent.geometry().piece_len() as usize;
    let per_mib = |took: Duration, served: u64| match served >> 20 {
        whole if whole >= mib => Ok(nanos(took) / mib as f64),
        part => Err(format!("{part} MiB of {mib} were asked for")),
    };
    let mut sides = Sides::default();
    let mut loopback = Vec::new();
    let mut by = "";
    for round in 0..args.rounds {
        eprintln!("{DOWNLOAD}, round {}", round + 1);
        if let Ok((rate, who)) = bare::loopback() {
            loopback.push(rate);
            by = who;
        }
        // Each needs a leech that has nothing yet.
        let client = Client::start(Role::Leech, &torrent);
        let ours = client.as_ref().map_err(Clone::clone).and_then(|client| {
            let (took, served, _) = ours::seed(client.addr(), &torrent).map_err(text)?;
            per_mib(took, served)
        });
        end(client);
        let client = Client::start(Role::Leech, &torrent);
        let theirs = client.as_ref().map_err(Clone::clone).and_then(|client| {
            let done = bare::seed(client.addr(), &opening, &content, piece_len);
            let (took, served) = done.map_err(text)?;
            per_mib(took, served)
        });
        end(client);
        sides.ours.push(ours);
        sides.theirs.push(theirs);
    }
    let mut row = sides.row(DOWNLOAD, "MiB", 0.8, 0.95);
    let loopback = median(&loopback);
    if let Ok(ns) = row.theirs {
        let share = f64::from(1 << 20) * 1e9 / ns / loopback;
        let gigabytes = loopback / 1e9;
        let told = format!("the bare seed is at {share:.2} of {by} ({gigabytes:.2} GB/s)");
        eprintln!("{told}");
        if share < LEAST_SHARE {
            row.void = Some(told);
        }
    }
    row
}

/// libtorrent, started for this.
struct Client(SocketStage);

impl Client {
    fn start(role: Role, torrent: &Torrent) -> Result<Self, String> {
        let file = ClientFile::find("libtorrent").map_err(text)?;
        let launcher = Launcher::at(env!("CARGO_BIN_EXE_btspec"));
        let stage = SocketStage::client(file, role, torrent.clone(), launcher, &Halt::never());
        stage.map(Self).map_err(text)
    }

    fn addr(&self) -> SocketAddr {
        self.0.target().addr()
    }
}

fn end(client: Result<Client, String>) {
    if let Ok(client) = client {
        client.0.close();
    }
}

/// What both have taken, round by round.
#[derive(Default)]
struct Sides {
    ours: Vec<Sample>,
    theirs: Vec<Sample>,
}

impl Sides {
    /// Measures both in one round.
    fn push(
        &mut self,
        client: &Result<Client, String>,
        work: impl FnOnce(SocketAddr) -> Result<(f64, f64), String>,
    ) {
        let done = client.as_ref().map_err(Clone::clone);
        match done.and_then(|client| work(client.addr())) {
            Ok((ours, theirs)) => {
                self.ours.push(Ok(ours));
                self.theirs.push(Ok(theirs));
            }
            Err(why) => {
                self.ours.push(Err(why.clone()));
                self.theirs.push(Err(why));
            }
        }
    }

    fn row(self, what: &str, item: &'static str, reach: f64, want: f64) -> Row {
        let pairs = self.ours.iter().zip(&self.theirs);
        let ratios = pairs.filter_map(|pair| match pair {
            (Ok(ours), Ok(theirs)) => Some(theirs / ours),
            _ => None,
        });
        Row {
            what: what.to_owned(),
            item,
            ratios: ratios.collect(),
            ours: figure(&self.ours),
            beside: "bare blocking loop",
            theirs: figure(&self.theirs),
            reach: Some(reach),
            want: Some(want),
            void: None,
        }
    }
}

fn figure(samples: &[Sample]) -> Sample {
    let times: Result<Vec<f64>, String> = samples.iter().cloned().collect();
    Ok(median(&times?))
}

fn opening(torrent: &Torrent, availability: &Message) -> Bytes {
    let handshake = Handshake {
        reserved: Reserved::with(&[Capability::Fast, Capability::Extended]),
        info_hash: torrent.info_hash(),
        peer_id: PeerId(*b"-BR0001-abcdefghijkl"),
    };
    let mut out = BytesMut::from(&handshake.encode()[..]);
    availability.encode_to(&mut out);
    out.freeze()
}

/// Addresses of 127.0.0.0/8, other ones in each round: libtorrent takes a second connection from one
/// address for the same peer.
fn sources(round: usize, count: usize) -> impl Iterator<Item = IpAddr> {
    let first = (round + 1) * CONNECTIONS;
    (first..first + count).map(|number| {
        let [_, high, middle, low] = u32::try_from(number).unwrap_or(0).to_be_bytes();
        IpAddr::V4(Ipv4Addr::new(127, high, middle, low))
    })
}

fn nanos(took: Duration) -> f64 {
    took.as_nanos() as f64
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

const CONNECTS: &str = "connect, handshake, availability, close, libtorrent 2.1.1";
const DOWNLOAD: &str = "seed to a libtorrent 2.1.1 leech, 256 MiB, rules and transcript on";

/// Connections of one sample.
const CONNECTIONS: usize = 1000;

/// A bare loop that is slower than this measures something else: connections a second.
const LEAST_CONNECTS: f64 = 5000.0;

/// The share of plain loopback that a bare seed must reach.
const LEAST_SHARE: f64 = 0.5;
