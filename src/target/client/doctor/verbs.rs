//! What a driver says to verbs: those that it has, and one that nobody has.

use std::path::Path;

use super::{Came, Doctor};
use crate::peer::Role;
use crate::target::client::launch::{Client, VerbOutcome};

/// Commands that undo each other or change nothing, in this order. `add-peer` has a check of its own.
const ASKED: &[(&str, Fits)] = &[
    ("complete", Fits::Both),
    ("content-dir", Fits::Both),
    ("slots 4", Fits::Both),
    ("connections 50", Fits::Both),
    ("announce", Fits::Both),
    ("pause", Fits::Both),
    ("resume", Fits::Both),
    ("select none", Fits::Leech),
    ("select all", Fits::Leech),
    ("super-seed on", Fits::Seed),
    ("super-seed off", Fits::Seed),
    ("recheck", Fits::Both),
];

/// In which role a command means something.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fits {
    Both,
    Seed,
    Leech,
}

impl Fits {
    fn role(self, role: Role) -> bool {
        match self {
            Self::Both => true,
            Self::Seed => role == Role::Seed,
            Self::Leech => role == Role::Leech,
        }
    }
}

impl Doctor<'_> {
    /// Asks for every verb that can be asked for without doing harm.
    pub(super) async fn verbs(&mut self, client: &Client) {
        let came = match client.probe_verbs().await {
            Ok(()) if self.file.other_verb.is_none() => Came::Well("no key `other`".to_owned()),
            Ok(()) => Came::Well("exit code 64".to_owned()),
            Err(error) => Came::badly(error.to_string(), UNKNOWN),
        };
        self.say("an unknown verb is refused", came);
        for (command, fits) in ASKED {
            let verb = command.split(' ').next().unwrap_or_default();
            if client.knows(verb) && fits.role(self.role) {
                let outcome = client.verb(command).await;
                let came = self.judge(verb, outcome).with_log_of(client);
                self.say(format!("verb `{command}`"), came);
            }
        }
        let own = self.file.verbs().filter(|verb| {
            let asked = |command: &str| command.split(' ').next() == Some(verb);
            *verb != "add-peer" && !ASKED.iter().any(|(command, _)| asked(command))
        });
        for verb in own {
            let why = match verb {
                "discard" => "it would take a piece away",
                _ => "no case asks for it",
            };
            self.say(format!("verb `{verb}`"), Came::Skipped(why.to_owned()));
        }
    }

    fn judge(&self, verb: &str, outcome: VerbOutcome) -> Came {
        match (verb, outcome) {
            ("complete", VerbOutcome::Failed(_)) if self.role == Role::Leech => {
                Came::Well("it says that it is not complete".to_owned())
            }
            ("complete", VerbOutcome::Done(_)) if self.role == Role::Leech => {
                Came::badly("an empty client says that it has every piece", COMPLETE)
            }
            ("complete", VerbOutcome::Failed(why)) => Came::badly(why, COMPLETE),
            ("content-dir", VerbOutcome::Done(text)) if !Path::new(&text).is_dir() => {
                Came::badly(format!("`{text}` is no folder"), CONTENT_DIR)
            }
            (_, VerbOutcome::Done(_)) => Came::Well(String::new()),
            (_, VerbOutcome::Unknown) => Came::badly("exit code 64, unknown", DECLARED),
            (_, VerbOutcome::Cannot(why) | VerbOutcome::Failed(why)) => Came::badly(why, DECLARED),
        }
    }
}

const UNKNOWN: &str = "`other` and the script behind it must end with exit code 64 for verbs that \
                       they do not know";

const DECLARED: &str = "a verb under `verbs` must end with exit code 0 when done; leave out those \
                        that the client cannot do, and their cases are skipped";

const COMPLETE: &str = "`complete` must end with 0 if every piece is there, and with another code \
                        than 0 and 64 if not";

const CONTENT_DIR: &str = "`content-dir` must print the absolute path of the folder with the \
                           content, as a rule {data}, and nothing else";
