//! What the bench programs share: inputs, and our side of each measurement.
#![allow(dead_code, reason = "each bench program uses its own part")]

pub(crate) mod inputs;
pub(crate) mod ours;
pub(crate) mod swarm;
