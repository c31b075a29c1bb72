//! The peer under test, outside simulation: how it is named, reached, started and looked after.
//!
//! [`Spec`] is what a user says, [`Sources`] where we come from, [`look`] the first
//! glance. [`client`] starts real clients from driver files; [`serve`] puts the reference peer on
//! sockets for other people's tests. The loop that plays cases over sockets is `engine::driver`.

pub mod client;
pub mod guard;
pub mod halt;
pub mod live;
pub mod probe;
pub mod role;
pub mod serve;
pub mod source;
pub mod spec;
pub mod tracker;

pub use halt::{Halt, Halter};
pub use live::{Live, RESTART};
pub use probe::{Looks, ProbeError, Sight, look};
pub use role::{RoleError, role_of};
pub use serve::Server;
pub use source::{SourceError, SourceList, Sources};
pub use spec::{Address, LookupError, Spec, SpecError};
pub use tracker::{Listing, PeerForm, Tracker};
