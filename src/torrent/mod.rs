//! The content under test: geometry, piece bytes, metainfo, and which pieces somebody has.
//!
//! Nothing here knows a connection or a clock. [`Content`] is made from a seed on demand or read
//! from the user's files (`disk`, the one file that touches the file system beside
//! [`fixture::write()`] and [`Torrent::load`]). What peers say about pieces is in `session`.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods
)]

pub mod allowed_fast;
pub mod content;
pub mod fixture;
pub mod geometry;
pub mod metainfo;
pub mod piece_set;

mod disk;
mod name;
mod read;
mod subject;

pub use content::Content;
pub use disk::DataError;
pub use geometry::{BLOCK_LEN, Geometry, GeometryError};
pub use metainfo::{Builder, FileEntry, Metainfo};
pub use name::NameFlaw;
pub use piece_set::{BitfieldError, PieceSet};
pub use read::{MAX_TORRENT_LEN, MetainfoError, Problem};
pub use subject::{LoadError, Torrent};
