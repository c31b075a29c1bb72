//! Defects of the area.

use super::FaultSpec;

pub(super) const FAULTS: &[FaultSpec] = &[];
