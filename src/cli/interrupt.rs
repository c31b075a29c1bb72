//! SIGINT and SIGTERM, or Ctrl-C: the first asks for the end, the second is one.

use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};

use btspec::target::Halt;
use btspec::target::halt::{Halter, halt as request};

use super::out;

/// Asked for by the first signal. From the first call on, no signal but the second ends the
/// process by itself: whoever calls this has to look at what it gets.
pub(super) fn halt() -> Halt {
    static HALT: OnceLock<Halt> = OnceLock::new();
    HALT.get_or_init(|| {
        let (halter, halt) = request();
        let (ready, waits) = channel();
        std::thread::spawn(move || listen(&halter, &ready));
        // Ends when we listen, or when we cannot: then signals do what they always do.
        let _ = waits.recv();
        halt
    })
    .clone()
}

/// A signal as a user knows it, and the exit code that shells have for it.
type Signal = (&'static str, i32);

fn listen(halter: &Halter, ready: &Sender<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else { return };
    runtime.block_on(async {
        let Ok(mut signals) = Signals::new() else {
            return;
        };
        let _ = ready.send(());
        let (name, _) = signals.next().await;
        halter.ask(format!("interrupted by {name}"));
        out::diagnose(format!(
            "btspec: {name}: ends, and writes what there is; once more ends at once"
        ));
        let (_, code) = signals.next().await;
        std::process::exit(code);
    });
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => ("SIGINT", 130),
            _ = self.terminate.recv() => ("SIGTERM", 143),
        }
    }
}

#[cfg(not(unix))]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    async fn next(&mut self) -> Signal {
        self.0.recv().await;
        ("Ctrl-C", 130)
    }
}
