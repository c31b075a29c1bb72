//! Messages out of the message table: field by field, right values and boundary values.

use std::convert::Infallible;

use bytes::Bytes;

use super::ground::Ground;
use super::rng::Rng;
use crate::wire::bencode::{Dict, Value};
use crate::wire::extension::ExtendedHandshake;
use crate::wire::registry::{
    BEGIN, BITS, BLOCK, DATA, EXT_ID, EXTENSIONS, HASHES, INDEX, LENGTH, METADATA_PIECE, MSG_TYPE,
    PAYLOAD, TOTAL_SIZE,
};
use crate::wire::{
    BlockRef, ExtensionMessage, Field, FieldValue, Kind, Message, Source, UnknownId,
};

use super::case::What;

/// A source of field values: right ones, or boundaries so many times in a hundred.
#[derive(Debug)]
pub struct Draw<'a> {
    rng: &'a mut Rng,
    ground: &'a Ground,
    /// How often, in a hundred fields, a boundary is taken.
    wild: u64,
    /// What right fields are about.
    block: BlockRef,
    /// Fields that are known beforehand, and one of them that is drawn anew.
    given: Vec<(&'static Field, FieldValue)>,
    /// Places in `given` that are drawn anew.
    fresh: Option<usize>,
    place: usize,
}

impl<'a> Draw<'a> {
    /// Draws everything.
    pub fn new(rng: &'a mut Rng, ground: &'a Ground, wild: u64) -> Self {
        let block = ground.block(rng.bits());
        Self {
            rng,
            ground,
            wild,
            block,
            given: Vec::new(),
            fresh: None,
            place: 0,
        }
    }

    /// Draws one field anew, always a boundary, and keeps the others.
    fn altering(
        rng: &'a mut Rng,
        ground: &'a Ground,
        given: Vec<(&'static Field, FieldValue)>,
    ) -> Self {
        let fresh = Some(rng.index(given.len()));
        Self {
            given,
            fresh,
            ..Self::new(rng, ground, 100)
        }
    }

    /// The value that a field keeps, if it does.
    fn kept(&mut self) -> Option<FieldValue> {
        let place = self.place;
        self.place = place.saturating_add(1);
        if self.fresh == Some(place) {
            return None;
        }
        self.given.get(place).map(|(_, value)| value.clone())
    }

    fn wild(&mut self) -> bool {
        self.rng.percent(self.wild)
    }

    /// Wrong lengths of right bytes, and other bytes.
    fn spoil(&mut self, right: &Bytes) -> Bytes {
        let len = right.len();
        match self.rng.below(7) {
            0 => Bytes::new(),
            1 => right.slice(..len.saturating_sub(1)),
            2 => [right.as_ref(), &[0]].concat().into(),
            3 => right.slice(..len.min(1)),
            4 => {
                let mut bytes = right.to_vec();
                let at = self.rng.index(len);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << self.rng.below(8);
                }
                bytes.into()
            }
            5 => {
                let len = usize::try_from(self.rng.below(64)).unwrap_or(0);
                self.rng.bytes(len).into()
            }
            _ => [right.as_ref(), right.as_ref()].concat().into(),
        }
    }
}

/// Never fails.
fn sure<T>(result: Result<T, Infallible>) -> T {
    match result {
        Ok(value) => value,
        Err(never) => match never {},
    }
}

/// A message of a kind, with `wild` of a hundred fields at a boundary.
pub fn draw(kind: Kind, rng: &mut Rng, ground: &Ground, wild: u64) -> What {
    let mut from = Draw::new(rng, ground, wild);
    if kind.is_extension()
        && let Some(message) = sure(ExtensionMessage::read(kind, &mut from))
    {
        return What::extension(&message);
    }
    What::Message(sure(Message::read(kind, &mut from)))
}

/// The message with one field at a boundary.
pub fn alter(what: &What, rng: &mut Rng, ground: &Ground) -> What {
    match what {
        What::Message(message) => {
            let fields = message.fields();
            if fields.is_empty() {
                return what.clone();
            }
            let mut from = Draw::altering(rng, ground, fields);
            What::Message(sure(Message::read(message.kind(), &mut from)))
        }
        What::Extension { name, payload } => {
            if rng.percent(30) {
                return What::Extension {
                    name: name.clone(),
                    payload: spoil_bencode(payload, rng),
                };
            }
            let Ok(message) = ExtensionMessage::decode(name, payload) else {
                return What::Extension {
                    name: name.clone(),
                    payload: spoil_bencode(payload, rng),
                };
            };
            let mut from = Draw::altering(rng, ground, message.fields());
            match sure(ExtensionMessage::read(message.kind(), &mut from)) {
                Some(altered) => What::extension(&altered),
                None => what.clone(),
            }
        }
    }
}

/// The message with these values in place of its own, as far as they fit.
pub fn rebuild(what: &What, fields: Vec<(&'static Field, FieldValue)>, ground: &Ground) -> What {
    let mut rng = Rng::new(0);
    let mut from = Draw {
        given: fields,
        ..Draw::new(&mut rng, ground, 0)
    };
    match what {
        What::Message(message) => What::Message(sure(Message::read(message.kind(), &mut from))),
        What::Extension { name, payload } => {
            let Ok(message) = ExtensionMessage::decode(name, payload) else {
                return what.clone();
            };
            let read = sure(ExtensionMessage::read(message.kind(), &mut from));
            read.map_or_else(|| what.clone(), |message| What::extension(&message))
        }
    }
}

/// Every field with its value.
pub fn fields(what: &What) -> Vec<(&'static Field, FieldValue)> {
    match what {
        What::Message(message) => message.fields(),
        What::Extension { name, payload } => ExtensionMessage::decode(name, payload)
            .map(|message| message.fields())
            .unwrap_or_default(),
    }
}

impl Source for Draw<'_> {
    type Error = Infallible;

    fn u8(&mut self, field: &'static Field) -> Result<u8, Infallible> {
        if let Some(value) = self.kept().and_then(|value| value.as_int()) {
            return Ok(u8::try_from(value).unwrap_or(0));
        }
        let any = [0, 1, 2, 3, 9, 101, 127, 128, 254, 255];
        let wild = self.wild();
        Ok(match (field == &EXT_ID, wild) {
            // Ids of ours, of nobody, and the handshake's.
            (true, _) | (false, true) => self.rng.pick(&any).copied().unwrap_or(0),
            (false, false) => self.rng.byte(),
        })
    }

    fn u16(&mut self, _: &'static Field) -> Result<u16, Infallible> {
        if let Some(value) = self.kept().and_then(|value| value.as_int()) {
            return Ok(u16::try_from(value).unwrap_or(0));
        }
        let edges = [0, 1, 255, 256, 1023, 32_767, 32_768, 65_535];
        Ok(self.rng.pick(&edges).copied().unwrap_or(6881))
    }

    fn u32(&mut self, field: &'static Field) -> Result<u32, Infallible> {
        if let Some(value) = self.kept().and_then(|value| value.as_int()) {
            return Ok(u32::try_from(value).unwrap_or(0));
        }
        if self.wild() {
            let values = self.ground.values(field);
            return Ok(self.rng.pick(values).copied().unwrap_or(0));
        }
        Ok(if field == &INDEX {
            self.block.index
        } else if field == &BEGIN {
            self.block.begin
        } else if field == &LENGTH {
            self.block.length
        } else {
            0
        })
    }

    fn hash(&mut self, _: &'static Field) -> Result<[u8; 32], Infallible> {
        if let Some(FieldValue::Bytes(bytes)) = self.kept()
            && let Ok(hash) = <[u8; 32]>::try_from(bytes.as_ref())
        {
            return Ok(hash);
        }
        Ok([self.rng.byte(); 32])
    }

    fn bytes(&mut self, field: &'static Field) -> Result<Bytes, Infallible> {
        if let Some(FieldValue::Bytes(bytes)) = self.kept() {
            return Ok(bytes);
        }
        let torrent = self.ground.torrent();
        let right = if field == &BLOCK {
            torrent.block(&self.block).unwrap_or_default()
        } else if field == &BITS {
            let bytes = torrent.geometry().bitfield_len();
            let full = self.rng.percent(30);
            vec![if full { 0xff } else { 0 }; bytes].into()
        } else if field == &DATA {
            torrent.metainfo().info_piece(0).unwrap_or_default()
        } else if field == &PAYLOAD {
            let kinds = [Kind::UtMetadataRequest, Kind::UtPex, Kind::LtDonthave];
            let kind = self.rng.pick(&kinds).copied().unwrap_or(Kind::UtPex);
            match draw(kind, self.rng, self.ground, 20) {
                What::Extension { payload, .. } => payload,
                What::Message(_) => Bytes::new(),
            }
        } else if field == &HASHES {
            Bytes::from_static(&[0; 64])
        } else {
            Bytes::new()
        };
        Ok(if self.wild() {
            self.spoil(&right)
        } else {
            right
        })
    }

    fn unknown_id(&mut self, _: &'static Field) -> Result<UnknownId, Infallible> {
        let kept = self.kept().and_then(|value| value.as_int());
        let kept = kept.and_then(|id| UnknownId::new(u8::try_from(id).ok()?));
        let drawn = UnknownId::new(self.rng.byte()).or_else(|| UnknownId::new(99));
        // Every byte that is no known id will do, and 99 is one.
        Ok(kept.or(drawn).unwrap_or_else(unknown))
    }

    fn int(&mut self, field: &'static Field) -> Result<i128, Infallible> {
        if let Some(value) = self.kept().and_then(|value| value.as_int()) {
            return Ok(value);
        }
        if field == &MSG_TYPE {
            let known = 0..=2;
            let ints = self.ground.ints().iter();
            let other: Vec<i128> = ints.copied().filter(|it| !known.contains(it)).collect();
            return Ok(self.rng.pick(&other).copied().unwrap_or(3));
        }
        if self.wild() {
            return Ok(self.rng.pick(self.ground.ints()).copied().unwrap_or(0));
        }
        let pieces = u64::from(self.ground.torrent().metainfo().info_pieces());
        Ok(match field == &METADATA_PIECE {
            true => i128::from(self.rng.below(pieces.max(1))),
            false => 0,
        })
    }

    fn optional_int(&mut self, field: &'static Field) -> Result<Option<i128>, Infallible> {
        if let Some(value) = self.kept().and_then(|value| value.as_int()) {
            return Ok(Some(value));
        }
        if self.wild() {
            return self
                .int(field)
                .map(|value| self.rng.percent(80).then_some(value));
        }
        let len = self.ground.torrent().metainfo().info_bytes().len();
        let len = i128::try_from(len).unwrap_or(0);
        Ok((field == &TOTAL_SIZE).then_some(len))
    }

    fn dict(&mut self, _: &'static Field) -> Result<Dict, Infallible> {
        let base = match self.kept() {
            Some(FieldValue::Bencode(Value::Dict(dict))) => return Ok(dict),
            _ => match self.given.first() {
                Some((_, FieldValue::Bencode(Value::Dict(dict)))) => dict.clone(),
                _ => hello_dict(),
            },
        };
        Ok(if self.wild() {
            alter_dict(base, self.rng, self.ground)
        } else {
            base
        })
    }
}

#[expect(
    clippy::expect_used,
    reason = "id 99 is in no row of the table; a test says so"
)]
fn unknown() -> UnknownId {
    UnknownId::new(99).expect("99 is unknown")
}

/// Our usual extended handshake.
pub fn hello() -> ExtensionMessage {
    ExtensionMessage::Handshake(ExtendedHandshake { dict: hello_dict() })
}

/// The same with other ids: whoever answers under ids that he has from elsewhere is caught.
pub fn other_hello() -> ExtensionMessage {
    let m = [("ut_metadata", 31), ("ut_pex", 32), ("lt_donthave", 33)];
    let dict = ExtendedHandshake::new()
        .with_m(&m)
        .with("v", Value::text("btspec"));
    ExtensionMessage::Handshake(dict)
}

fn hello_dict() -> Dict {
    ExtendedHandshake::new()
        .with_m(&[("ut_metadata", 101), ("ut_pex", 77), ("lt_donthave", 102)])
        .with("v", Value::text("btspec"))
        .dict
}

/// One entry of a dictionary otherwise, or one more, or one less.
fn alter_dict(mut dict: Dict, rng: &mut Rng, ground: &Ground) -> Dict {
    let keys: [&[u8]; 12] = [
        b"m",
        b"v",
        b"p",
        b"reqq",
        b"metadata_size",
        b"yourip",
        b"ipv6",
        b"upload_only",
        b"added",
        b"added.f",
        b"dropped",
        b"e",
    ];
    let key = rng.pick(&keys).copied().unwrap_or(b"m");
    let key = Bytes::from_static(key);
    match rng.below(8) {
        0 if !dict.is_empty() => {
            let at = rng.index(dict.len());
            dict.remove(at);
        }
        1 | 2 => {
            // Ids: none, one of another extension, beyond a byte, negative.
            let names = EXTENSIONS.iter().map(|extension| extension.name);
            let ids: Vec<(Bytes, Value)> = names
                .filter(|_| rng.percent(60))
                .collect::<Vec<_>>()
                .into_iter()
                .map(|name| {
                    let ids = [0, 1, 2, 3, 101, 255, 256, -1];
                    let id = rng.pick(&ids).copied().unwrap_or(0);
                    (Bytes::from_static(name.as_bytes()), Value::Int(id))
                })
                .collect();
            put(&mut dict, Bytes::from_static(b"m"), Value::Dict(ids));
        }
        _ => {
            let value = value(rng, ground, 2);
            put(&mut dict, key, value);
        }
    }
    dict
}

fn put(dict: &mut Dict, key: Bytes, value: Value) {
    match dict.iter_mut().find(|(known, _)| *known == key) {
        Some((_, old)) => *old = value,
        None => {
            dict.push((key, value));
            dict.sort_by(|a, b| a.0.cmp(&b.0));
        }
    }
}

/// A bencoded value of any type.
fn value(rng: &mut Rng, ground: &Ground, depth: u32) -> Value {
    match rng.below(if depth == 0 { 2 } else { 4 }) {
        0 => Value::Int(rng.pick(ground.ints()).copied().unwrap_or(0)),
        1 => {
            let lengths = [0, 1, 4, 5, 6, 7, 16, 18, 300];
            let len = rng.pick(&lengths).copied().unwrap_or(0);
            Value::Bytes(rng.bytes(len).into())
        }
        2 => {
            let len = rng.below(3);
            Value::List(
                (0..len)
                    .map(|_| value(rng, ground, depth.saturating_sub(1)))
                    .collect(),
            )
        }
        _ => {
            let inner = value(rng, ground, depth.saturating_sub(1));
            Value::Dict(vec![(Bytes::from_static(b"ut_metadata"), inner)])
        }
    }
}

/// Bencoding that no encoder writes: cut off, endless numbers, lengths beyond the end, nesting.
fn spoil_bencode(payload: &Bytes, rng: &mut Rng) -> Bytes {
    let len = payload.len();
    match rng.below(9) {
        0 => payload.slice(..rng.index(len)),
        1 => [payload.as_ref(), b"x"].concat().into(),
        2 => b"d8:msg_typei99999999999999999999999999999999ee"
            .to_vec()
            .into(),
        3 => b"d1:m4294967295:xe".to_vec().into(),
        4 => b"d1:v-1:xe".to_vec().into(),
        5 => {
            let depth = rng.pick(&[3_usize, 100, 1000, 5000]).copied().unwrap_or(3);
            [b"l".repeat(depth), b"e".repeat(depth)].concat().into()
        }
        6 => b"le".to_vec().into(),
        7 => b"d8:msg_typei-0e5:piecei00ee".to_vec().into(),
        _ => {
            let mut bytes = payload.to_vec();
            let at = rng.index(len);
            if let Some(byte) = bytes.get_mut(at) {
                *byte = rng.byte();
            }
            bytes.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::ground::Role;
    use crate::torrent::fixture;

    #[test]
    fn every_kind_is_drawn_and_comes_back() {
        let ground = Ground::new(fixture::main().torrent, Role::Seed);
        let mut rng = Rng::new(3);
        let mut names = std::collections::BTreeSet::new();
        for round in 0..200 {
            for kind in Kind::ALL {
                let what = draw(*kind, &mut rng, &ground, round % 100);
                let what = alter(&what, &mut rng, &ground);
                names.insert(what.name());
                let message = what.message(|_| Some(3));
                let mut bytes = message.encode();
                let frame = crate::wire::Frame::split_from(&mut bytes).unwrap();
                assert_eq!(Message::decode(&frame), Ok(message));
            }
        }
        assert_eq!(names.len(), Kind::ALL.len(), "{names:?}");
    }

    #[test]
    fn right_fields_name_a_block_of_the_torrent() {
        let ground = Ground::new(fixture::main().torrent, Role::Seed);
        let mut rng = Rng::new(3);
        for _ in 0..100 {
            let What::Message(Message::Request(block)) = draw(Kind::Request, &mut rng, &ground, 0)
            else {
                panic!("no request");
            };
            assert!(ground.torrent().geometry().contains(&block));
        }
    }

    #[test]
    fn the_unknown_id_is_unknown() {
        assert_eq!(unknown().get(), 99);
    }
}
