//! Runs the short commands of a driver: checks, versions, verbs.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::target::guard::MARK;
use crate::wire::escape::peer_text;

/// What a command came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ran {
    /// Exit code; `None` if a signal ended it.
    pub(super) code: Option<i32>,
    /// Standard output.
    pub(super) out: String,
    /// Last line of standard error, else of standard output.
    pub(super) last: String,
}

/// Runs a command to its end, which must come in `within`. If we die before, the guard of `folder`
/// ends it.
///
/// # Errors
/// When it cannot be started or does not end: why.
pub(super) async fn run(argv: &[String], folder: &Path, within: Duration) -> Result<Ran, String> {
    let Some((program, args)) = argv.split_first() else {
        return Err("empty command".to_owned());
    };
    let mut command = Command::new(program);
    command.args(args).current_dir(folder).kill_on_drop(true);
    command.stdin(Stdio::null());
    without_proxies(command.as_std_mut());
    command.env(MARK, folder);
    let output = match tokio::time::timeout(within, command.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return Err(format!("{program}: {error}")),
        Err(_) => return Err(format!("{program} has not ended in {} s", within.as_secs())),
    };
    let last = [&output.stderr, &output.stdout]
        .into_iter()
        .find_map(|bytes| last_line(bytes));
    Ok(Ran {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned(),
        last: last.unwrap_or_default(),
    })
}

/// Clients and their helpers speak to loopback only.
pub(super) fn without_proxies(command: &mut std::process::Command) {
    for name in ["http_proxy", "https_proxy", "all_proxy", "ftp_proxy"] {
        command.env_remove(name);
        command.env_remove(name.to_uppercase());
    }
}

fn last_line(bytes: &[u8]) -> Option<String> {
    let mut lines = bytes.split(|b| *b == b'\n').rev();
    let line = lines.find(|line| !line.trim_ascii().is_empty())?;
    Some(peer_text(line.trim_ascii_end()))
}
