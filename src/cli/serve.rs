//! `btspec serve`: the reference peer on a socket, for other people's tests.

use std::io::Write;
use std::time::Duration;

use btspec::outcome::Exit;
use btspec::peer::{Input, Peer, PeerConfig, PeerEvent};
use btspec::report::text;
use btspec::target::Server;
use btspec::wire::BlockRef;

use super::args::{PlayedRole, ServeArgs};
use super::stop::Stop;
use super::{content, fault, out};

pub(super) fn run(args: &ServeArgs) -> Result<Exit, Stop> {
    // A leech begins with nothing, whatever lies in its folder.
    let data = args
        .data
        .as_deref()
        .filter(|_| args.role == PlayedRole::Seed);
    let torrent = content::torrent(args.torrent.as_deref(), data)?;
    let first = BlockRef::new(0, 0, 1);
    if args.role == PlayedRole::Seed && torrent.block(&first).is_none() {
        return Err(Stop::usage(format!(
            "a seed of {} needs its content: --data PATH",
            text::safe(torrent.metainfo().name())
        )));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Stop::internal(format!("no runtime: {error}")))?;
    let mut config = PeerConfig::new(torrent.clone(), args.role.into())
        // Two that talk to each other need two peer ids.
        .with_seed(args.seed.unwrap_or_else(|| std::process::id().into()))
        .with_faults(fault::set(&args.fault)?);
    config.listen = args.listen;
    let mut server = {
        let _inside = runtime.enter();
        Server::bind(args.listen, Peer::new(config))
            .map_err(|error| Stop::usage(format!("cannot listen at {}: {error}", args.listen)))?
    };
    let mut stdout = out::stdout();
    writeln!(
        stdout,
        "listening at {} as {} of {} ({})",
        server.addr(),
        args.role,
        torrent.metainfo().name(),
        torrent.info_hash()
    )?;
    stdout.flush()?;
    for remote in &args.peer {
        server.command(Input::Dial {
            remote: *remote,
            expected: None,
        });
    }
    let mut told = Told::new(stdout, args.verbose);
    let ended = runtime.block_on(async {
        let done = |peer: &Peer| args.until_complete && peer.pieces().is_full();
        tokio::select! {
            code = server.run(|event| told.event(event), done) => Ok(code),
            interrupted = tokio::signal::ctrl_c() => interrupted.map(|()| None),
        }
    });
    let peer = server.process();
    let stats = peer.stats();
    writeln!(
        told.out,
        "{} of {} pieces; sent {} bytes of blocks, received {}",
        peer.pieces().count(),
        torrent.geometry().pieces(),
        stats.sent.payload(),
        stats.received.payload()
    )?;
    told.out.flush()?;
    match ended {
        Ok(Some(code)) => Err(Stop {
            exit: Exit::Internal,
            message: format!("the reference peer ended itself with {code}"),
        }),
        Ok(None) => Ok(Exit::Ok),
        Err(error) => Err(Stop::internal(format!("no signals: {error}"))),
    }
}

/// Says what happens, as lines on standard output.
struct Told<W> {
    out: W,
    verbose: bool,
}

impl<W: Write> Told<W> {
    fn new(out: W, verbose: bool) -> Self {
        Self { out, verbose }
    }

    fn event(&mut self, event: &PeerEvent) {
        let line = match event {
            PeerEvent::Handshake {
                conn, handshake, ..
            } => format!("#{conn} {handshake}"),
            PeerEvent::Closed { conn, reason, at } => {
                format!("#{conn} closed after {}: {reason:?}", seconds(*at))
            }
            PeerEvent::Completed => "complete".to_owned(),
            other if self.verbose => format!("{other:?}"),
            _ => return,
        };
        // Nobody reads any more: serving goes on.
        let _ = writeln!(self.out, "{line}");
        let _ = self.out.flush();
    }
}

fn seconds(span: Duration) -> String {
    format!("{:.3} s", span.as_secs_f64())
}
