//! The few flags of the program.

use std::path::PathBuf;

/// What was asked for.
#[derive(Debug, Default)]
pub(crate) struct Args {
    /// Where the same goes as JSON.
    pub(crate) json: Option<PathBuf>,
    /// How often everything is measured.
    pub(crate) rounds: usize,
    /// Inputs a hundredth of the size: to see that it works.
    pub(crate) quick: bool,
    /// Also what needs libtorrent.
    pub(crate) live: bool,
    /// Just rows whose first column has this in it.
    pub(crate) only: Option<String>,
    /// Fetch the Node package and end.
    pub(crate) install_node: bool,
}

const USAGE: &str = "\
cargo bench --bench ratios -- [--json FILE] [--rounds N] [--only TEXT] [--live] [--quick]
cargo bench --bench ratios -- --install-node

  --json FILE      write the table to FILE as well, as JSON
  --rounds N       measure everything N times in turn (default 7)
  --only TEXT      only rows with TEXT in their first column
  --live           also the rows that need libtorrent (see docs/clients.md)
  --quick          tiny inputs, one round: shows that it works, and nothing else
  --install-node   npm install the package that stands for Node.js, and end";

impl Args {
    /// Reads the arguments; the error is the usage.
    pub(crate) fn parse(given: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut args = Self {
            rounds: 7,
            ..Self::default()
        };
        let mut given = given;
        while let Some(flag) = given.next() {
            let mut value = || {
                let value = given.next();
                value.ok_or_else(|| format!("{flag} needs a value\n{USAGE}"))
            };
            match flag.as_str() {
                // From cargo.
                "--bench" => {}
                "--json" => args.json = Some(value()?.into()),
                "--rounds" => {
                    let rounds = value()?.parse().ok().filter(|rounds| *rounds > 0);
                    args.rounds = rounds.ok_or_else(|| format!("no number of rounds\n{USAGE}"))?;
                }
                "--only" => args.only = Some(value()?),
                "--live" => args.live = true,
                "--quick" => {
                    args.quick = true;
                    args.rounds = 1;
                }
                "--install-node" => args.install_node = true,
                _ => return Err(format!("unknown argument {flag}\n{USAGE}")),
            }
        }
        Ok(args)
    }

    /// `full`, or a hundredth of it where the point is only that it works.
    pub(crate) fn scaled(&self, full: usize) -> usize {
        if self.quick { full.div_ceil(100) } else { full }
    }

    /// Whether a row of this name is wanted.
    pub(crate) fn wants(&self, what: &str) -> bool {
        self.only.as_ref().is_none_or(|only| what.contains(only))
    }
}
