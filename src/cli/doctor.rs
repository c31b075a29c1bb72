//! `btspec doctor --client FILE`: a driver, looked over step by step.

use std::io::Write;

use btspec::outcome::Exit;
use btspec::peer::Role;
use btspec::target::client::doctor::{Check, examine};
use btspec::target::client::{ClientFile, FileError};
use btspec::torrent::fixture;

use super::args::DoctorArgs;
use super::stop::Stop;
use super::{interrupt, out, reach};

pub(super) fn run(args: &DoctorArgs) -> Result<Exit, Stop> {
    let mut told = Told::new();
    let file = match ClientFile::find(&args.client) {
        Ok(file) => file,
        // That there is no such file is about the command line, all else about the driver.
        Err(error @ FileError::Unknown { .. }) => return Err(Stop::usage(error)),
        Err(FileError::Read { path, why }) if path == args.client => {
            return Err(Stop::usage(FileError::Read { path, why }));
        }
        Err(error) => {
            told.check(&Check::badly("file", error.to_string(), KEYS));
            return told.end();
        }
    };
    let roles: Vec<Role> = match args.role {
        None => vec![Role::Seed, Role::Leech],
        Some(role) => vec![role.into()],
    };
    if !roles.iter().any(|role| file.roles().contains(role)) {
        let name = file.name();
        return Err(Stop::usage(format!("{name} has not that role in `roles`")));
    }
    let launcher = reach::launcher()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Stop::internal(format!("no runtime: {error}")))?;
    told.line(&format!("ok    file: {}", args.client));
    let torrent = fixture::main().torrent;
    runtime
        .block_on(async {
            let mut tell = |check: Check| told.check(&check);
            let examined = examine(&file, &roles, &torrent, &launcher, &mut tell);
            // Dropping what runs ends the client, as the end of a run does.
            interrupt::halt().or(examined).await
        })
        .map_err(|why| Stop {
            exit: Exit::Unreachable,
            message: format!("error: {why}"),
        })?;
    told.end()
}

/// Checks as lines on standard output, each when it is over.
struct Told {
    failed: u32,
    broken: Option<std::io::Error>,
}

impl Told {
    fn new() -> Self {
        Self {
            failed: 0,
            broken: None,
        }
    }

    fn check(&mut self, check: &Check) {
        self.failed += u32::from(check.failed());
        self.line(&check.to_string());
    }

    fn line(&mut self, line: &str) {
        let mut stdout = out::stdout();
        if let Err(error) = writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
            self.broken = Some(error);
        }
    }

    fn end(mut self) -> Result<Exit, Stop> {
        self.line(&match self.failed {
            0 => "nothing wrong with this driver".to_owned(),
            1 => "1 check failed".to_owned(),
            failed => format!("{failed} checks failed"),
        });
        match (self.broken, self.failed) {
            (Some(error), _) => Err(error.into()),
            (None, 0) => Ok(Exit::Ok),
            (None, _) => Ok(Exit::Found),
        }
    }
}

const KEYS: &str = "docs/clients.md lists the keys of a driver and the places that can be filled";
