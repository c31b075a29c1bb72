//! `btspec proxy`: the rules on traffic between two peers.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use btspec::outcome::stream::Header;
use btspec::outcome::{Exit, RunEvent};
use btspec::proxy::relay::relay;
use btspec::proxy::tally::{Ends, against, has_row, opened};
use btspec::proxy::watch::News;
use btspec::proxy::{Tally, Watch};
use btspec::report::Sources;
use btspec::target::spec;
use btspec::torrent::{Torrent, fixture};
use btspec::trace::ConnId;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::args::ProxyArgs;
use super::reports::Reports;
use super::run::{self, NO_COMPLAINTS, Written};
use super::stop::Stop;
use super::{content, interrupt, out};

pub(super) fn run(args: &ProxyArgs) -> Result<Exit, Stop> {
    for (flag, addr) in [("--listen", args.listen), ("--to", args.to)] {
        if !args.i_run_this_target && !spec::is_private(addr.ip()) {
            return Err(Stop::usage(format!(
                "{flag} {addr} is no private address: --i-run-this-target if both peers are yours"
            )));
        }
    }
    let reports = Reports::open(&args.report, Header::new(format!("proxy:{}", args.to), 0))?;
    let mut torrents: Vec<Torrent> = fixture::all().map(|it| it.torrent).to_vec();
    if args.torrent.is_some() {
        torrents.push(content::torrent(
            args.torrent.as_deref(),
            args.data.as_deref(),
        )?);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Stop::internal(format!("no runtime: {error}")))?;
    let Books { tally, reports } = runtime.block_on(serve(args, torrents, reports))?;
    if tally.more() > 0 {
        out::diagnose(format!(
            "btspec: {} more connections have no row of their own",
            tally.more()
        ));
    }
    let judged = tally.judged();
    let mut outcome = tally.outcome(args.to);
    let exit = match Exit::of_run(&outcome, 0, args.strict) {
        _ if judged == 0 => Exit::Nothing,
        exit => exit,
    };
    outcome.exit = exit.code();
    let written = Written {
        reports,
        format: args.format,
        verbose: args.verbose,
        strict: args.strict,
        repeat: vec![
            "proxy".to_owned(),
            format!("--listen {}", args.listen),
            format!("--to {}", args.to),
        ],
        sources: Sources::default(),
    };
    run::report(written, &outcome, NO_COMPLAINTS)?;
    Ok(exit)
}

/// Relays until somebody interrupts, or the wanted number of connections is over.
async fn serve(
    args: &ProxyArgs,
    torrents: Vec<Torrent>,
    mut reports: Reports,
) -> Result<Books, Stop> {
    let listener = TcpListener::bind(args.listen).await;
    let listener = listener
        .map_err(|error| Stop::usage(format!("cannot listen at {}: {error}", args.listen)))?;
    let at = listener
        .local_addr()
        .map_err(|error| Stop::internal(format!("no address of our own: {error}")))?;
    let halt = interrupt::halt();
    // Progress, so that a report on standard output stays one.
    out::diagnose(format!("listening at {at} for {}", args.to));
    reports.event(&RunEvent::Started {
        plays: 0,
        target: args.to.to_string(),
    });
    let books = Arc::new(Mutex::new(Books {
        tally: Tally::new(),
        reports,
    }));
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut connections = JoinSet::new();
    let mut number = 0_u32;
    let mut interrupted = std::pin::pin!(halt.asked());
    loop {
        let more = args.connections.is_none_or(|most| number < u32::from(most));
        if !more && connections.is_empty() {
            break;
        }
        tokio::select! {
            _ = &mut interrupted => break,
            Some(_) = connections.join_next() => {}
            permit = Arc::clone(&room).acquire_owned(), if more => {
                let Ok(permit) = permit else { break };
                tokio::select! {
                    _ = &mut interrupted => break,
                    accepted = listener.accept() => {
                        // Somebody who was gone before we looked.
                        let Ok((stream, dialler)) = accepted else { continue };
                        number = number.saturating_add(1);
                        let one = One {
                            number,
                            dialler,
                            to: args.to,
                            torrents: torrents.clone(),
                            books: Arc::clone(&books),
                        };
                        connections.spawn(async move {
                            one.relay(stream).await;
                            drop(permit);
                        });
                    }
                }
            }
        }
    }
    // What was seen of connections that are still open counts, too.
    connections.abort_all();
    while connections.join_next().await.is_some() {}
    let books = Arc::into_inner(books).ok_or_else(|| Stop::internal("a connection is left"))?;
    Ok(books.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// What all connections are written down in.
struct Books {
    tally: Tally,
    reports: Reports,
}

impl Books {
    /// Writes the row that was added last.
    fn close(&mut self) {
        if let Some(row) = self.tally.latest() {
            let event = RunEvent::CaseFinished(Box::new(row.clone()));
            self.reports.event(&event);
        }
    }

    /// Writes what has just happened on a connection that has a row.
    fn news(&mut self, number: u32, news: Vec<News>) {
        for news in news {
            let id = format!("proxy/{number}");
            self.reports.event(&match news {
                News::Line(entry) => RunEvent::Logged {
                    id,
                    entry: Box::new(entry),
                },
                News::Finding(side, finding) => RunEvent::Found {
                    id,
                    finding: Box::new(against(side, finding)),
                },
            });
        }
    }
}

/// One connection to relay.
struct One {
    number: u32,
    dialler: SocketAddr,
    to: SocketAddr,
    torrents: Vec<Torrent>,
    books: Arc<Mutex<Books>>,
}

impl One {
    async fn relay(self, stream: TcpStream) {
        let reached = match timeout(CONNECT, TcpStream::connect(self.to)).await {
            Ok(Ok(target)) => Ok(target),
            Ok(Err(error)) => Err(format!("the target takes no connection: {error}")),
            Err(_) => Err("the target takes no connection: no answer".to_owned()),
        };
        let target = match reached {
            Ok(target) => target,
            Err(why) => {
                out::diagnose(format!("#{}: {why}", self.number));
                let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
                books.tally.add_refused(self.number, self.dialler, &why);
                if has_row(self.number) {
                    books.close();
                }
                return;
            }
        };
        let mut watch = Watch::new(ConnId(self.number), self.torrents);
        let ends = Ends {
            dialler: self.dialler,
            target: self.to,
            span: Duration::ZERO,
        };
        if has_row(self.number) {
            let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
            if books.reports.streams() {
                watch = watch.with_news();
                let row = opened(self.number, &ends);
                books.reports.event(&RunEvent::Opened(Box::new(row)));
            }
        }
        let books = Arc::clone(&self.books);
        let mut heard = |watch: &mut Watch| {
            let news = watch.take_news();
            if !news.is_empty() {
                let mut books = books.lock().unwrap_or_else(PoisonError::into_inner);
                books.news(self.number, news);
            }
        };
        let mut open = Open {
            ends,
            began: Instant::now(),
            watch: Some(watch),
            books: self.books,
        };
        if let Some(watch) = &mut open.watch {
            relay(stream, target, watch, &mut heard).await;
        }
    }
}

/// A connection that counts however it ends, and when the proxy does.
struct Open {
    ends: Ends,
    began: Instant,
    watch: Option<Watch>,
    books: Arc<Mutex<Books>>,
}

impl Drop for Open {
    fn drop(&mut self) {
        let Some(watch) = self.watch.take() else {
            return;
        };
        self.ends.span = self.began.elapsed();
        let watched = watch.finish();
        if let Some(why) = &watched.not_judged {
            out::diagnose(format!("#{}: {why}", watched.conn.0));
        }
        let number = watched.conn.0;
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        books.tally.add(watched, &self.ends);
        if has_row(number) {
            books.close();
        }
    }
}

/// Connections at once; more wait.
const AT_ONCE: usize = 128;
/// How long the target may take to answer a connection.
const CONNECT: Duration = Duration::from_secs(15);
