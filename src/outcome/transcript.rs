//! One line of a case's wire log.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::Millis;
use crate::wire::bencode;
use crate::wire::escape::peer_text;
use crate::wire::{Field, FieldValue, hex};

/// A message, or something that happened, in order of arrival.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TranscriptEntry {
    /// Since the case began.
    pub at_ms: Millis,
    /// The tester's number of the connection, from 1; absent for events of the whole case.
    pub conn: Option<u32>,
    /// Which way, as seen from the tester.
    pub dir: EntryDir,
    /// Name of the message (`request`, `handshake`, …), `undecodable`, `raw`, or of the event
    /// (`step`, `deadline`, `connected`, `closed`, `died`, `verb`, …).
    pub kind: String,
    /// Sent by the tester on its own (keep-alives, answers of the reference core, background).
    pub auto: bool,
    /// Decoded fields in wire order. Bytes are hex; long ones are cut and end in `…`.
    pub fields: Fields,
    /// First bytes as they stood on the wire, length prefix included; at most
    /// [`TranscriptEntry::HEX_BYTES`] of blocks and metadata, [`TranscriptEntry::MESSAGE_BYTES`] of
    /// everything else. `len` has the whole length.
    pub hex: Option<String>,
    /// Bytes on the wire.
    pub len: u64,
    /// What a reader should know beside it.
    pub note: Option<String>,
}

impl TranscriptEntry {
    /// How many bytes `hex` shows at most of a message that carries content: a block, metadata.
    pub const HEX_BYTES: usize = 96;
    /// How many bytes `hex` shows at most of everything else: enough for extended handshakes, so
    /// that a recording can be judged again.
    pub const MESSAGE_BYTES: usize = 2048;

    /// How many bytes `hex` shows at most of a message of this kind.
    pub fn kept_bytes(kind: &str) -> usize {
        match kind {
            "piece" | "ut_metadata_data" => Self::HEX_BYTES,
            _ => Self::MESSAGE_BYTES,
        }
    }

    /// Bytes on the wire that `hex` does not have.
    pub fn missing_bytes(&self) -> u64 {
        let kept = self.hex.as_ref().map_or(0, |hex| hex.len() / 2);
        self.len.saturating_sub(kept as u64)
    }

    /// Something that happened and is no message: a deadline, a close, a step that began.
    pub fn event(
        at: impl Into<Millis>,
        conn: Option<u32>,
        kind: impl Into<String>,
        note: Option<String>,
    ) -> Self {
        Self {
            at_ms: at.into(),
            conn,
            dir: EntryDir::Event,
            kind: kind.into(),
            auto: false,
            fields: Fields::default(),
            hex: None,
            len: 0,
            note,
        }
    }

    /// A message or raw bytes of `conn`, with its bytes as they stood on the wire.
    pub fn message(
        at: impl Into<Millis>,
        conn: u32,
        dir: EntryDir,
        kind: impl Into<String>,
        fields: Fields,
        raw: &[u8],
    ) -> Self {
        let kind = kind.into();
        let shown = raw.get(..Self::kept_bytes(&kind)).unwrap_or(raw);
        Self {
            at_ms: at.into(),
            conn: Some(conn),
            dir,
            kind,
            auto: false,
            fields,
            hex: Some(hex::encode(shown)),
            len: raw.len() as u64,
            note: None,
        }
    }
}

/// Direction of a transcript entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EntryDir {
    /// From the tester to the target.
    Sent,
    /// From the target to the tester.
    Received,
    /// Neither: something happened.
    Event,
}

/// Named values in wire order; a JSON object.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Fields(pub Vec<(String, Value)>);

impl Fields {
    /// The value of a field.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0
            .iter()
            .find_map(|(key, value)| (key == name).then_some(value))
    }

    /// Appends a field.
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        self.0.push((name.into(), value.into()));
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<N: Into<String>, V: Into<Value>> FromIterator<(N, V)> for Fields {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}

impl From<Vec<(&'static Field, FieldValue)>> for Fields {
    /// What `Message::fields` and `ExtensionMessage::fields` give.
    fn from(fields: Vec<(&'static Field, FieldValue)>) -> Self {
        fields
            .into_iter()
            .map(|(field, value)| (field.name, json(&value)))
            .collect()
    }
}

/// A field's value in JSON: numbers as numbers, bytes as hex, bencoding as it is nested.
fn json(value: &FieldValue) -> Value {
    match value {
        FieldValue::Int(number) => int(*number),
        FieldValue::Bytes(bytes) => short_hex(bytes).into(),
        FieldValue::Bencode(value) => bencoded(value),
    }
}

fn int(number: i128) -> Value {
    match (u64::try_from(number), i64::try_from(number)) {
        (Ok(number), _) => number.into(),
        (_, Ok(number)) => number.into(),
        // Beyond what JSON readers hold exactly.
        _ => number.to_string().into(),
    }
}

fn short_hex(bytes: &[u8]) -> String {
    match bytes.get(..TranscriptEntry::HEX_BYTES) {
        Some(shown) if shown.len() < bytes.len() => format!("{}…", hex::encode(shown)),
        _ => hex::encode(bytes),
    }
}

/// Repeated keys of a dictionary: the last one stands.
fn bencoded(value: &bencode::Value) -> Value {
    match value {
        bencode::Value::Int(number) => int(*number),
        bencode::Value::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) if text.chars().all(|c| !c.is_control()) => peer_text(bytes).into(),
            _ => short_hex(bytes).into(),
        },
        bencode::Value::List(values) => values.iter().map(bencoded).collect::<Vec<_>>().into(),
        bencode::Value::Dict(entries) => entries
            .iter()
            .map(|(key, value)| (peer_text(key), bencoded(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    fields.push(entry);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

impl JsonSchema for Fields {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Fields".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "Named values in wire order; bytes are hex.",
            "additionalProperties": true
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_wire_order_through_json() {
        let fields: Fields = [("index", 7), ("begin", 0), ("length", 16384)]
            .into_iter()
            .collect();
        let text = serde_json::to_string(&fields).unwrap();
        assert_eq!(text, r#"{"index":7,"begin":0,"length":16384}"#);
        assert_eq!(serde_json::from_str::<Fields>(&text).unwrap(), fields);
    }

    #[test]
    fn decoded_fields_become_json() {
        let handshake = bencode::Value::dict([
            ("m", bencode::Value::dict([("ut_metadata", 3.into())])),
            ("v", bencode::Value::text("x\u{202e}")),
            ("yourip", bencode::Value::bytes(&[127, 0, 0, 1])),
        ]);
        let fields: Fields = vec![
            (&crate::wire::registry::INDEX, FieldValue::Int(7)),
            (&crate::wire::registry::DICT, FieldValue::Bencode(handshake)),
        ]
        .into();
        assert_eq!(
            serde_json::to_string(&fields).unwrap(),
            r#"{"index":7,"dict":{"m":{"ut_metadata":3},"v":"x\\u{202e}","yourip":"7f000001"}}"#
        );
    }

    #[test]
    fn long_messages_show_their_beginning_and_their_length() {
        let raw = vec![0xab; 20_000];
        for (kind, kept) in [("piece", 96), ("extended_handshake", 2048)] {
            let entry = TranscriptEntry::message(
                std::time::Duration::ZERO,
                1,
                EntryDir::Received,
                kind,
                Fields::default(),
                &raw,
            );
            assert_eq!((entry.len, entry.missing_bytes()), (20_000, 20_000 - kept));
            assert_eq!(entry.hex.map(|hex| hex.len() as u64), Some(kept * 2));
        }
    }
}
