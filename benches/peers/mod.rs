//! Those that we are measured beside, on the same bytes.

pub(crate) mod bare;
pub(crate) mod copy;
pub(crate) mod librqbit;
pub(crate) mod node;
pub(crate) mod skip;
