//! A case of the fuzzer: one connection, as data that can be changed, kept and written down.

use std::fmt;

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use crate::wire::handshake::PROTOCOL;
use crate::wire::{
    Capability, ExtensionMessage, Frame, Handshake, InfoHash, Message, PeerId, Reserved, hex,
};

/// One connection: how it begins, what is said, how it ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// Number in the campaign; the peer id follows from it.
    pub number: u64,
    /// How it begins.
    pub greeting: Greeting,
    /// What is said behind the handshake, in order.
    pub moves: Vec<Move>,
    /// How it ends.
    pub end: End,
}

/// The handshake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Greeting {
    /// The reserved bytes.
    #[serde(with = "reserved")]
    pub reserved: Reserved,
    /// What is wrong with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spoilt: Option<Spoilt>,
    /// Lengths of its first segments; the rest follows in one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cut: Vec<u16>,
}

/// What is wrong with a handshake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spoilt {
    /// Only so many bytes of it are sent, and nothing else.
    Take(u8),
    /// The byte in front of the protocol's name.
    Length(u8),
    /// One byte of the protocol's name is another.
    Protocol(u8),
    /// One byte of the info hash is another.
    InfoHash(u8),
}

/// Something that we do on the connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Move {
    /// Sends a message.
    Send(Send),
    /// Sends bytes as they are.
    Raw(#[serde(with = "bytes_hex")] Bytes),
    /// Waits for a state of the target, for a while.
    Await(Await),
    /// Waits for a request of the target, and answers the oldest that has no answer yet.
    Answer(AnswerWith),
    /// Lets so many milliseconds pass.
    Pause(u16),
    /// Stops or goes on reading.
    Reading(bool),
}

/// A message to send, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Send {
    /// What.
    pub what: What,
    /// How often in a row.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub times: u16,
    /// How its frame is.
    #[serde(default, skip_serializing_if = "Framing::is_honest")]
    pub framing: Framing,
    /// Lengths of its first segments; the rest follows in one. Empty: one write with what stands
    /// beside it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cut: Vec<u16>,
}

/// A message with its fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Any message. Extension messages here have an id that does not depend on the target.
    Message(#[serde(with = "message_hex")] Message),
    /// An extension message under the id that the target gave that extension, 0 if it gave none.
    /// The empty name is the extended handshake.
    Extension {
        /// Name of the extension.
        name: String,
        /// The bytes behind the id.
        #[serde(with = "bytes_hex")]
        payload: Bytes,
    },
}

/// What a frame's length prefix has to do with its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Framing {
    /// It is the body's length.
    #[default]
    Honest,
    /// It is this, whatever the body is.
    Length(u32),
    /// It is the body's length, and only so many bytes of the frame are sent.
    Take(u32),
}

/// States to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Await {
    /// Its handshake is here.
    Handshake,
    /// Its extended handshake is here.
    Extended,
    /// It does not choke us.
    Unchoked,
    /// It is interested in us.
    Interested,
}

/// How a request of the target is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerWith {
    /// By the block.
    Block,
    /// By the block with a wrong bit.
    Corrupt,
    /// By the block without its last byte.
    Short,
    /// By the block and a byte more.
    Long,
    /// By the block under the next offset.
    Shifted,
    /// By a reject.
    Reject,
    /// By the block, twice.
    Twice,
}

/// How we end the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Once everything owed is answered, and a valid request of ours, where one can be made.
    #[default]
    Probe,
    /// Once everything owed is answered.
    Quiet,
    /// At once, in order.
    Fin,
    /// At once, by a reset.
    Rst,
}

impl Greeting {
    /// A right handshake with these reserved bits.
    pub fn right(reserved: Reserved) -> Self {
        Self {
            reserved,
            spoilt: None,
            cut: Vec::new(),
        }
    }

    /// A right handshake as every case begins with: fast and extension protocol.
    pub fn usual() -> Self {
        Self::right(Reserved::with(&[Capability::Fast, Capability::Extended]))
    }

    /// Its bytes.
    pub fn encode(&self, info_hash: InfoHash, peer_id: PeerId) -> Bytes {
        let handshake = Handshake {
            reserved: self.reserved,
            info_hash,
            peer_id,
        };
        let mut bytes = BytesMut::from(handshake.encode().as_slice());
        match &self.spoilt {
            None => {}
            Some(Spoilt::Take(len)) => bytes.truncate(usize::from(*len)),
            Some(Spoilt::Length(len)) => flip(&mut bytes, 0, |_| *len),
            Some(Spoilt::Protocol(at)) => {
                let at = usize::from(*at) % PROTOCOL.len();
                flip(&mut bytes, 1_usize.saturating_add(at), |byte| byte ^ 1);
            }
            Some(Spoilt::InfoHash(at)) => {
                let at = usize::from(*at) % 20;
                flip(&mut bytes, 28_usize.saturating_add(at), |byte| byte ^ 1);
            }
        }
        bytes.freeze()
    }
}

fn flip(bytes: &mut BytesMut, at: usize, change: impl Fn(u8) -> u8) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte = change(*byte);
    }
}

impl Case {
    /// Our peer id on its connection.
    pub fn peer_id(&self) -> PeerId {
        let mut id = *b"-BT0100-000000000000";
        let digits = format!("{:012}", self.number % 1_000_000_000_000);
        id.iter_mut()
            .skip(8)
            .zip(digits.bytes())
            .for_each(|(to, from)| *to = from);
        PeerId(id)
    }

    /// How many steps a scenario of it has: the connection, what is done on it, an end that says
    /// something.
    pub fn steps(&self) -> usize {
        let end = usize::from(matches!(self.end, End::Fin | End::Rst));
        self.moves.len().saturating_add(1).saturating_add(end)
    }
}

impl Send {
    /// A message, once, framed as it should be.
    pub fn once(what: What) -> Self {
        Self {
            what,
            times: 1,
            framing: Framing::Honest,
            cut: Vec::new(),
        }
    }

    /// The frame, with extension ids looked up by `id_of`.
    pub fn encode(&self, id_of: impl Fn(&str) -> Option<u8>) -> Bytes {
        let message = self.what.message(id_of);
        let frame = message.encode();
        let mut frame = match self.framing {
            Framing::Honest => frame,
            Framing::Length(length) => {
                let body = frame.get(Frame::PREFIX_LEN..).unwrap_or_default();
                let mut bytes = BytesMut::from(length.to_be_bytes().as_slice());
                bytes.extend_from_slice(body);
                bytes.freeze()
            }
            Framing::Take(len) => {
                let len = usize::try_from(len).unwrap_or(usize::MAX).min(frame.len());
                frame.slice(..len)
            }
        };
        if self.times > 1 && frame.len().saturating_mul(usize::from(self.times)) <= REPEATED_LEN {
            let repeated = frame.repeat(usize::from(self.times));
            frame = repeated.into();
        }
        frame
    }
}

impl What {
    /// The message, with extension ids looked up by `id_of`.
    pub fn message(&self, id_of: impl Fn(&str) -> Option<u8>) -> Message {
        match self {
            Self::Message(message) => message.clone(),
            Self::Extension { name, payload } => Message::Extended {
                ext_id: if name.is_empty() {
                    0
                } else {
                    id_of(name).unwrap_or(0)
                },
                payload: payload.clone(),
            },
        }
    }

    /// An extension message.
    pub fn extension(message: &ExtensionMessage) -> Self {
        Self::Extension {
            name: message.extension().to_owned(),
            payload: message.encode_payload(),
        }
    }

    /// Name for people.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Message(message) => message.name(),
            Self::Extension { name, payload } => {
                let read = ExtensionMessage::decode(name, payload);
                read.map_or("extended", |message| message.kind().name())
            }
        }
    }
}

impl Framing {
    fn is_honest(&self) -> bool {
        *self == Self::Honest
    }
}

impl Move {
    /// A plain message.
    pub fn say(message: Message) -> Self {
        Self::Send(Send::once(What::Message(message)))
    }

    /// A plain extension message.
    pub fn extended(message: &ExtensionMessage) -> Self {
        Self::Send(Send::once(What::extension(message)))
    }

    /// Whether it puts bytes on the wire.
    pub fn speaks(&self) -> bool {
        matches!(self, Self::Send(_) | Self::Raw(_) | Self::Answer(_))
    }
}

impl fmt::Display for Case {
    /// One line, for transcripts and reports.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "handshake {}", hex::encode(&self.greeting.reserved.0))?;
        if let Some(spoilt) = &self.greeting.spoilt {
            write!(f, " {spoilt:?}")?;
        }
        for it in &self.moves {
            match it {
                Move::Send(send) => {
                    write!(f, ", {}", send.what.name())?;
                    if let What::Message(message) = &send.what {
                        for (field, value) in message.fields() {
                            if let Some(value) = value.as_int() {
                                write!(f, " {}={value}", field.name)?;
                            }
                        }
                    }
                    if send.times > 1 {
                        write!(f, " x{}", send.times)?;
                    }
                    if !send.framing.is_honest() {
                        write!(f, " {:?}", send.framing)?;
                    }
                }
                Move::Raw(bytes) => write!(f, ", {} raw bytes", bytes.len())?,
                other => write!(f, ", {other:?}")?,
            }
        }
        match self.end {
            End::Probe | End::Quiet => Ok(()),
            End::Fin => f.write_str(", fin"),
            End::Rst => f.write_str(", rst"),
        }
    }
}

const fn once() -> u16 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
const fn is_once(times: &u16) -> bool {
    *times == 1
}

/// Longest run of a repeated message.
const REPEATED_LEN: usize = 4 << 20;

mod reserved {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use crate::wire::{Reserved, hex};

    pub(super) fn serialize<S: Serializer>(it: &Reserved, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&hex::encode(&it.0))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Reserved, D::Error> {
        let text = String::deserialize(from)?;
        hex::decode_array(&text)
            .map(Reserved)
            .map_err(D::Error::custom)
    }
}

mod bytes_hex {
    use bytes::Bytes;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use crate::wire::hex;

    pub(super) fn serialize<S: Serializer>(it: &Bytes, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&hex::encode(it))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        hex::decode(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

mod message_hex {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use crate::wire::{Frame, Message, hex};

    pub(super) fn serialize<S: Serializer>(it: &Message, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&hex::encode(&it.encode()))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Message, D::Error> {
        let mut bytes = hex::decode(&String::deserialize(from)?).map_err(D::Error::custom)?;
        let frame = Frame::split_from(&mut bytes).ok_or_else(|| D::Error::custom("no frame"))?;
        Message::decode(&frame).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::BlockRef;

    fn case() -> Case {
        Case {
            number: 12,
            greeting: Greeting::usual(),
            moves: vec![
                Move::say(Message::Interested),
                Move::Await(Await::Unchoked),
                Move::Send(Send {
                    times: 3,
                    framing: Framing::Length(9),
                    cut: vec![1, 2],
                    ..Send::once(What::Message(Message::Request(BlockRef::new(1, 2, 3))))
                }),
                Move::extended(&ExtensionMessage::MetadataRequest { piece: -1 }),
                Move::Raw(Bytes::from_static(b"\0\x01")),
                Move::Answer(AnswerWith::Corrupt),
            ],
            end: End::Rst,
        }
    }

    #[test]
    fn comes_back_from_json() {
        let text = serde_json::to_string(&case()).unwrap();
        assert_eq!(
            serde_json::from_str::<Case>(&text).unwrap(),
            case(),
            "{text}"
        );
        assert_eq!(case().steps(), 8);
        assert_eq!(case().peer_id().0[8..], *b"000000000012");
    }

    #[test]
    fn frames_can_lie() {
        let lie = |framing, times| {
            let what = What::Message(Message::Have { index: 7 });
            let send = Send {
                framing,
                times,
                ..Send::once(what)
            };
            send.encode(|_| None)
        };
        assert_eq!(lie(Framing::Honest, 1)[..], *b"\0\0\0\x05\x04\0\0\0\x07");
        assert_eq!(lie(Framing::Length(1), 1)[..], *b"\0\0\0\x01\x04\0\0\0\x07");
        assert_eq!(lie(Framing::Take(6), 1)[..], *b"\0\0\0\x05\x04\0");
        assert_eq!(lie(Framing::Honest, 3).len(), 27);
    }

    #[test]
    fn extension_messages_go_under_the_targets_id() {
        let what = What::extension(&ExtensionMessage::MetadataRequest { piece: 0 });
        let id = |name: &str| (name == "ut_metadata").then_some(9);
        assert!(matches!(
            what.message(id),
            Message::Extended { ext_id: 9, .. }
        ));
        assert!(matches!(
            what.message(|_| None),
            Message::Extended { ext_id: 0, .. }
        ));
    }
}
