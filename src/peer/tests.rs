//! The reference peer against itself, and against a script, in virtual time.

mod download;
mod messages;
mod support;
