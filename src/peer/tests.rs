//! The reference peer against itself, and against a script, in virtual time.

mod connection;
mod download;
mod extension;
mod fast;
mod faults;
mod messages;
mod requests;
mod scripts;
mod superseed;
mod support;
