//! ut_pex (BEP 11) and lt_donthave (BEP 54) as they come in. What we tell of others is in
//! [`exchange`](super::exchange).

use bytes::Bytes;

use super::event::ExtensionNote;
use super::extension::{Extension, Link};
use crate::wire::ExtensionMessage;

/// ut_pex: tells the owner which peers the other end knows.
#[derive(Debug, Default)]
pub struct Pex {
    /// Private torrents are no exception (a defect).
    pub(super) careless: bool,
}

impl Extension for Pex {
    fn on_message(&mut self, link: &mut Link<'_>, payload: &Bytes) {
        // BEP 27: peers of a private torrent come from its tracker alone.
        if link.torrent.metainfo().is_private() && !self.careless {
            return;
        }
        if let Ok(ExtensionMessage::Pex(pex)) = ExtensionMessage::decode("ut_pex", payload) {
            link.note(ExtensionNote::Peers {
                added: pex.added().into_iter().map(|(peer, _)| peer).collect(),
                dropped: pex.dropped(),
            });
        }
    }
}

/// lt_donthave: the other end takes a `have` back.
#[derive(Debug, Default)]
pub struct DontHave;

impl Extension for DontHave {
    fn on_message(&mut self, link: &mut Link<'_>, payload: &Bytes) {
        if let Ok(ExtensionMessage::DontHave { index }) =
            ExtensionMessage::decode("lt_donthave", payload)
        {
            link.lost_piece(index);
            link.note(ExtensionNote::LostPiece { index });
        }
    }
}
