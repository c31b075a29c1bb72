//! Super-seeding (BEP 16): everything is hidden, and each peer is offered a piece at a time.

use super::fault::Quirk;
use super::host::Peer;
use crate::wire::Message;

impl Peer {
    /// Offers a peer its next piece: the one that the fewest peers have or were offered.
    pub(super) fn offer_piece(&mut self, conn: u32) {
        if !self.settings.super_seed || self.defects.has(Quirk::SuperSeedOffersNothing) {
            return;
        }
        let many = if self.defects.has(Quirk::SuperSeedOffersMany) {
            self.torrent.geometry().pieces() * 2 / 3
        } else {
            1
        };
        for _ in 0..many {
            let Some(index) = self.rarest_for(conn) else {
                return;
            };
            if let Some(c) = self.connections.get_mut(&conn) {
                c.offered.push(index);
            }
            self.send(conn, Message::Have { index });
        }
    }

    fn rarest_for(&self, conn: u32) -> Option<u32> {
        let c = self.connections.get(&conn)?;
        let pieces = self.torrent.geometry().pieces();
        let known = |index: u32| {
            let others = self.connections.values();
            others
                .filter(|c| c.their_pieces.get(index) || c.offered.contains(&index))
                .count()
        };
        let first = c.cursor;
        (first..pieces)
            .chain(0..first)
            .filter(|index| !c.their_pieces.get(*index) && !c.offered.contains(index))
            .min_by_key(|index| known(*index))
    }

    /// A peer has got a piece. BEP 16: whoever was given it before has passed it on, and gets
    /// another one.
    pub(super) fn spread(&mut self, from: u32, index: u32) {
        if !self.settings.super_seed || self.defects.has(Quirk::SuperSeedStops) {
            return;
        }
        let givers: Vec<u32> = self
            .connections
            .values()
            .filter(|c| c.id != from && c.offered.last() == Some(&index))
            .map(|c| c.id)
            .collect();
        for conn in givers {
            self.offer_piece(conn);
        }
    }

    /// Whether a super-seed leaves a request for a piece unserved.
    pub(super) fn withholds(&self, conn: u32, index: u32) -> bool {
        if !self.settings.super_seed {
            return false;
        }
        let c = self.connections.get(&conn);
        let offered = c.is_some_and(|c| c.offered.contains(&index));
        if offered {
            self.defects.has(Quirk::SuperSeedRefuses)
        } else {
            !self.defects.has(Quirk::SuperSeedServesAll)
        }
    }
}
