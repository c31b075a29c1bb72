//! Self mode's world: hosts, connections and time, as a discrete-event simulation.
//!
//! No tokio, no sockets, no clock: a queue of (virtual time, event). [`Network`] knows what TCP
//! would do with bytes, ends and resets; [`World`] hosts the processes on it and drives a tester.
//! At equal times bytes and connection events are delivered first, then deadlines run, then what
//! was written meanwhile is sent; ties go by connection number. A ten minute timeout costs
//! microseconds, and equal inputs give equal runs.

pub mod network;
pub mod world;

#[cfg(test)]
mod tests;

pub use network::{HostId, Link, Listening, Network};
pub use world::{SimError, World, WorldConfig};
