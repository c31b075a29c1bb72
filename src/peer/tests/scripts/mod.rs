//! Short scripts that bring out what a peer does: against a sound one, and against each fault.

pub(super) mod acts;
mod blocks;
mod extensions;
mod opening;
mod serving;

use std::time::Duration;

use bytes::Bytes;

use super::support::*;
use crate::peer::Input;
use crate::torrent::PieceSet;
use crate::wire::bencode::Value;
use crate::wire::extension::ExtendedHandshake;
use crate::wire::{BlockRef, Capability, ExtensionMessage, Handshake, Message};

/// What a script does with the peer.
pub(super) type Script = fn(&mut Talk);

/// All scripts with their names.
pub(super) fn all() -> impl Iterator<Item = &'static (&'static str, Script)> {
    let parts = [
        opening::SCRIPTS,
        blocks::SCRIPTS,
        serving::SCRIPTS,
        extensions::SCRIPTS,
    ];
    parts.into_iter().flatten()
}
