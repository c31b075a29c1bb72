//! Extension ids: who gave which id to what, and which of them the other side may use.

use std::collections::{BTreeMap, BTreeSet};

use super::event::Stand;
use super::told::{Order, Told};
use crate::wire::extension::ExtendedHandshake;

/// Names whose ids are remembered; an `m` with more is cut off there.
const MAX_NAMES: usize = 256;
/// The same for names that are switched off: many of them leave room for those that are on.
const MAX_OFF: usize = 64;

/// The ids that one side has given to extensions by the `m` of its extension handshakes.
///
/// A later handshake adds to the ones before (BEP 10, "handshake message"): names that it does not
/// mention keep their ids, 0 switches a name off. The other side "may choose to ignore" later
/// handshakes or parts of them, so an id once given may be used for ever.
#[derive(Debug, Clone)]
pub struct ExtIds {
    map: Told<BTreeMap<String, u8>>,
    /// For every id its latest name, also when it is out of use, and where it was first given.
    seen: BTreeMap<u8, (String, Order)>,
    /// Ids that were given to several names.
    contested: BTreeSet<u8>,
    /// Names that ever had an id.
    used: BTreeSet<String>,
    handshakes: u32,
    /// What the side's very first extension handshake told: all that a peer is sure to know, for it
    /// may ignore later ones.
    first: BTreeMap<String, u8>,
}

impl Default for ExtIds {
    fn default() -> Self {
        Self {
            map: Told::new(BTreeMap::new()),
            seen: BTreeMap::new(),
            contested: BTreeSet::new(),
            used: BTreeSet::new(),
            handshakes: 0,
            first: BTreeMap::new(),
        }
    }
}

impl ExtIds {
    /// The side's message at `order` is this extension handshake, its `nth` with the id of one,
    /// counted from 1.
    pub(super) fn tell(&mut self, order: Order, nth: u32, handshake: &ExtendedHandshake) {
        self.handshakes = self.handshakes.saturating_add(1);
        let mut map = self.map.sent().clone();
        for (name, id) in handshake.m() {
            let Ok(id) = u8::try_from(id) else { continue };
            let room = match id {
                0 => map.values().filter(|id| **id == 0).count() < MAX_OFF,
                _ => map.len() < MAX_NAMES,
            };
            if !room && !map.contains_key(&name) {
                continue;
            }
            if id != 0 {
                let before = self.seen.get(&id);
                if before.is_some_and(|(other, _)| *other != name) {
                    self.contested.insert(id);
                }
                let first = before.map_or(order, |(_, first)| *first);
                self.seen.insert(id, (name.clone(), first));
                self.used.insert(name.clone());
            }
            map.insert(name, id);
        }
        if nth == 1 {
            self.first = map.clone();
        }
        self.map.tell(order, map);
    }

    /// The other side has read everything up to `order`.
    pub(super) fn prove(&mut self, order: Order) {
        self.map.prove(order);
    }

    /// The id of `name` by the side's last handshake; `None` if never given or switched off.
    pub fn id(&self, name: &str) -> Option<u8> {
        self.map.sent().get(name).copied().filter(|id| *id != 0)
    }

    /// [`id`](Self::id), where it is also what the first handshake gave: whether the other side
    /// honours later ones or ignores them (BEP 10, "handshake message"), it knows this id.
    pub fn certain_id(&self, name: &str) -> Option<u8> {
        let id = self.id(name)?;
        (self.first.get(name) == Some(&id)).then_some(id)
    }

    /// The name of an id: by the last handshake that gives it one.
    pub fn name(&self, id: u8) -> Option<&str> {
        if id == 0 {
            return None;
        }
        self.map
            .values()
            .find_map(|map| map.iter().find(|(_, v)| **v == id))
            .map(|(name, _)| name.as_str())
            .or_else(|| self.seen.get(&id).map(|(name, _)| name.as_str()))
    }

    /// Whether the other side may use `id`: [`Stand::Right`] by the last handshake, and
    /// [`Stand::Crossing`] by an earlier one. The latter never becomes wrong, for a peer may ignore
    /// later handshakes.
    pub fn stand(&self, id: u8) -> Stand {
        if id != 0 && self.map.sent().values().any(|v| *v == id) {
            Stand::Right
        } else if self.seen.contains_key(&id) {
            Stand::Crossing
        } else {
            Stand::Wrong
        }
    }

    /// Whether the side gave `id` to several names, so that nobody can say which of them the other
    /// side means by it: it may go by any handshake.
    pub fn contested(&self, id: u8) -> bool {
        self.contested.contains(&id)
    }

    /// The id of `name` by the last handshake that the other side has provably read.
    pub fn known_id(&self, name: &str) -> Option<u8> {
        self.map.known().get(name).copied().filter(|id| *id != 0)
    }

    /// Whether the side has set `name` to 0, and to nothing else before: a later handshake may be
    /// ignored.
    pub fn switched_off(&self, name: &str) -> bool {
        self.map.sent().get(name) == Some(&0) && !self.used.contains(name)
    }

    /// Whether the side ever gave `name` an id.
    pub fn ever(&self, name: &str) -> bool {
        self.used.contains(name)
    }

    /// Whether any extension is switched off.
    pub fn any_switched_off(&self) -> bool {
        let mut names = self.map.sent().keys();
        names.any(|name| self.switched_off(name))
    }

    /// Two names with the same id, by all handshakes together.
    pub fn clash(&self) -> Option<(&str, &str, u8)> {
        let mut by_id: BTreeMap<u8, &str> = BTreeMap::new();
        for (name, id) in self.iter() {
            if let Some(other) = by_id.insert(id, name) {
                return Some((other, name, id));
            }
        }
        None
    }

    /// How many handshakes there were.
    pub fn handshakes(&self) -> u32 {
        self.handshakes
    }

    /// The names in use with their ids, by the last handshake.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u8)> {
        self.map
            .sent()
            .iter()
            .filter(|(_, id)| **id != 0)
            .map(|(name, id)| (name.as_str(), *id))
    }

    /// Place of the first message that gave this id.
    pub(super) fn first_given(&self, id: u8) -> Option<Order> {
        self.seen.get(&id).map(|(_, order)| *order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(m: &[(&str, u8)]) -> ExtendedHandshake {
        ExtendedHandshake::new().with_m(m)
    }

    #[test]
    fn only_what_the_first_handshake_told_is_certain() {
        let mut ids = ExtIds::default();
        ids.tell(1, 1, &told(&[("ut_metadata", 3)]));
        assert_eq!(ids.certain_id("ut_metadata"), Some(3));
        ids.tell(2, 2, &told(&[("ut_metadata", 4), ("ut_pex", 5)]));
        assert_eq!(
            (ids.id("ut_metadata"), ids.certain_id("ut_metadata")),
            (Some(4), None)
        );
        assert_eq!(
            (ids.id("ut_pex"), ids.certain_id("ut_pex")),
            (Some(5), None)
        );
    }
}
