//! What the targets share that is no part of btspec.

mod librqbit;

pub use librqbit::decode;
