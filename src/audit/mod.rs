//! Proof that the suites see (DESIGN 8): plays them in simulation against peers that are known to
//! be defective ([`Audit::faults`]), trivial ([`Audit::nulls`]) or sound ([`Audit::twins`], [`Audit::repeats`]).
//!
//! `bench` plays, the other files judge what it came to, each with its table. The defects are
//! those of [`crate::peer::fault`], the null peers those of [`crate::peer::null`].

mod bench;
mod blind;
mod faults;
mod nulls;
mod proved;
mod repeats;
mod twins;

pub use bench::Audit;
pub use faults::{Blame, FaultRow, FaultTable, Kill, Standing};
pub use nulls::{Exempt, NULL_EXEMPT, NullRow, NullTable};
pub use proved::{cited, proved};
pub use repeats::{Difference, RepeatTable};
pub use twins::{ENOUGH, TWINS, Twin, TwinRow, TwinTable};
