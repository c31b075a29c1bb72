//! Clients that btspec starts itself.
//!
//! A driver is data: `clients/NAME.yaml` says how a client is started, told to do things and
//! stopped, with at most one helper script beside it ([`ClientFile`]). A started one is a
//! [`Client`]; each lives in a folder of its own below the guard of [`guard`](super::guard).

mod alarm;
pub mod doctor;
mod file;
mod folder;
mod health;
mod kept;
mod launch;
mod load;
mod log;
mod ports;
mod run;
mod template;

pub use alarm::is_alarm;
pub use file::{ClientFile, FileError, Flaw};
pub use health::Usage;
pub use launch::{Client, ClientError, ClientHealth, Launcher, VerbOutcome};
