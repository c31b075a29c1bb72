//! Bounds of scenario files and the default deadlines (SCENARIOS 3.13 and "Bounds").

use std::time::Duration;

/// Largest scenario file that is read.
pub const FILE_LEN: u64 = 1 << 20;
/// Largest file that `send_raw: {file: …}` takes in.
pub const RAW_FILE_LEN: u64 = 1 << 20;
/// Steps of a case with blocks and repeats in place.
pub const STEPS: u64 = 10_000;
/// Connections of a case.
pub const CONNECTIONS: usize = 16;
/// The same of a case in the lane `alone`.
pub const CONNECTIONS_ALONE: usize = 640;
/// Bytes that a case may send.
pub const SENT_LEN: u64 = 64 << 20;
/// Depth of an expression.
pub const EXPR_DEPTH: usize = 32;
/// Parts of an expression, `vars` in place.
pub const EXPR_NODES: usize = 1_000;
/// Entries of a list that an expression builds.
pub const LIST: usize = 1 << 17;
/// Bytes of a value that an expression builds.
pub const VALUE_LEN: usize = 1 << 24;
/// Depth of `use` in `use`.
pub const USE_DEPTH: usize = 8;
/// Plays of one matrix.
pub const MATRIX: usize = 64;

/// For an owed answer.
pub const ANSWER: Duration = Duration::from_secs(15);
/// For a close.
pub const CLOSE: Duration = Duration::from_secs(15);
/// For what is the target's right: unchoke, interest, first request.
pub const GRANT: Duration = Duration::from_secs(65);
/// For a connection and both handshakes.
pub const CONNECT: Duration = Duration::from_secs(15);
/// For the target to dial us.
pub const ACCEPT: Duration = Duration::from_secs(90);
/// For a whole case.
pub const CASE: Duration = Duration::from_secs(60);

/// Depth of the YAML tree.
pub const YAML_DEPTH: usize = 48;
/// Values in one file.
pub const YAML_NODES: usize = 100_000;
/// Longest delay.
pub const DELAY: Duration = Duration::from_secs(24 * 3600);
