//! The reference peer against itself, and against a script, in virtual time.

mod download;
mod faults;
mod messages;
mod support;
