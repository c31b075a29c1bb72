//! librqbit-peer-protocol as the other decoder of `decode_diff`. `tests/corpus.rs` includes this
//! file, so that the corpus is compared on stable, too.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use btspec::fuzzing::{Foreign, ForeignExtension};
use btspec::wire::{BlockRef, ExtensionMessage, Message};
use bytes::Bytes;
use librqbit_peer_protocol::extended::{ExtendedMessage, PeerExtendedMessageIds};
use librqbit_peer_protocol::{Message as Theirs, MessageDeserializeError as Refusal, Request};

/// What it makes of the first message.
pub fn decode(bytes: &[u8]) -> Foreign {
    quietly(|| match Theirs::deserialize(bytes, &[]) {
        Ok((message, used)) => in_our_terms(&message, used),
        Err(refusal) => refused(&refusal),
    })
}

fn in_our_terms(theirs: &Theirs<'_>, used: usize) -> Foreign {
    let block = |request: &Request| BlockRef::new(request.index, request.begin, request.length);
    let message = match theirs {
        Theirs::KeepAlive => Message::KeepAlive,
        Theirs::Choke => Message::Choke,
        Theirs::Unchoke => Message::Unchoke,
        Theirs::Interested => Message::Interested,
        Theirs::NotInterested => Message::NotInterested,
        Theirs::Have(index) => Message::Have { index: *index },
        Theirs::Bitfield(bits) => Message::Bitfield {
            bits: Bytes::copy_from_slice(bits.0),
        },
        Theirs::Request(request) => Message::Request(block(request)),
        Theirs::Cancel(request) => Message::Cancel(block(request)),
        Theirs::Piece(piece) => {
            let (one, two) = piece.data();
            Message::Piece {
                index: piece.index,
                begin: piece.begin,
                block: [one, two].concat().into(),
            }
        }
        Theirs::Extended(_) => {
            return Foreign::Message {
                message: None,
                extension: Some(extension(theirs, used)),
                used,
            };
        }
    };
    Foreign::Message {
        message: Some(message),
        extension: None,
        used,
    }
}

fn extension(theirs: &Theirs<'_>, used: usize) -> ForeignExtension {
    match theirs {
        Theirs::Extended(ExtendedMessage::Handshake(handshake)) => ForeignExtension::Handshake {
            ut_metadata: handshake.m.ut_metadata,
            ut_pex: handshake.m.ut_pex,
            metadata_size: handshake.metadata_size,
            reqq: handshake.reqq,
        },
        Theirs::Extended(ExtendedMessage::UtMetadata(_)) => {
            // Its fields are private: what it writes of them is read by us.
            let mut written = vec![0; used + KEYS_LEN];
            let ids = || PeerExtendedMessageIds::my();
            let len = theirs.serialize(&mut written, &ids).expect("room for it");
            let payload = Bytes::copy_from_slice(&written[HEAD_LEN..len]);
            ForeignExtension::Metadata(ExtensionMessage::decode("ut_metadata", &payload))
        }
        Theirs::Extended(ExtendedMessage::UtPex(pex)) => ForeignExtension::Pex {
            added: pex.added_peers().count(),
            dropped: pex.dropped_peers().count(),
        },
        _ => ForeignExtension::Other,
    }
}

fn refused(refusal: &Refusal) -> Foreign {
    match refusal {
        Refusal::NotEnoughData(..) => Foreign::Incomplete,
        Refusal::UnsupportedMessageId(_) => Foreign::UnknownId,
        Refusal::IncorrectMsgLen { .. } => Foreign::WrongLength,
        other => Foreign::Payload(format!("{other:?}")),
    }
}

thread_local! {
    /// Whether a panic of this thread is the other decoder's.
    static THEIRS: Cell<bool> = const { Cell::new(false) };
}

/// Runs the other decoder; a panic in it is a result. The hook of libFuzzer would abort.
fn quietly(decode: impl FnOnce() -> Foreign) -> Foreign {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            if !THEIRS.get() {
                before(info);
            }
        }));
    });
    THEIRS.set(true);
    let result = catch_unwind(AssertUnwindSafe(decode));
    THEIRS.set(false);
    result.unwrap_or(Foreign::Panicked)
}

/// Length prefix, message id, extended id.
const HEAD_LEN: usize = 6;
/// More than the keys of a ut_metadata message take.
const KEYS_LEN: usize = 128;
