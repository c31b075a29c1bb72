//! Properties of generated values: the generators that fuzzing uses, fixed seeds, bounded counts.

use arbitrary::{Arbitrary, Unstructured};
use btspec::wire::bencode::{self, Limits, Value};
use btspec::wire::{ExtensionMessage, Frame, FrameDecoder, Kind, Message};
use bytes::{Bytes, BytesMut};

/// Messages of one direction and where the stream is cut.
#[derive(Debug, Arbitrary)]
struct Stream {
    messages: [Message; 8],
    cuts: Vec<u8>,
}

#[test]
fn stream_decodes_to_its_messages_however_it_is_cut() {
    let mut seen = 0;
    for_each(1_000, |stream: Stream| {
        let mut bytes = BytesMut::new();
        for message in &stream.messages {
            message.encode_to(&mut bytes);
        }
        let mut decoder = FrameDecoder::new(1 << 20);
        let mut decoded = Vec::new();
        let mut cuts = stream.cuts.iter().map(|cut| usize::from(*cut).max(1));
        while !bytes.is_empty() {
            let len = cuts.next().unwrap_or(usize::MAX).min(bytes.len());
            decoder.push(&bytes.split_to(len));
            while let Some(frame) = decoder.next_frame().unwrap() {
                decoded.push(Message::decode(&frame).unwrap());
            }
        }
        seen += decoded.len();
        assert_eq!(decoded, stream.messages);
        assert!(decoder.buffered().is_empty());
    });
    assert!(
        seen > 7_000,
        "only {seen} messages: the generator has become vacuous"
    );
}

#[test]
fn extension_payload_decodes_to_itself() {
    let mut kinds = std::collections::BTreeSet::new();
    for_each(5_000, |message: ExtensionMessage| {
        kinds.insert(message.kind());
        let payload = message.encode_payload();
        let again = ExtensionMessage::decode(message.extension(), &payload);
        assert_eq!(again, Ok(message));
    });
    assert_eq!(
        kinds.len(),
        Kind::ALL.iter().filter(|kind| kind.is_extension()).count()
    );
}

#[test]
fn value_written_as_it_is_reads_back_the_same() {
    for_each(5_000, |value: Value| {
        let bytes = Bytes::from(bencode::encode_as_is(&value));
        let document = bencode::read(&bytes, Limits::PEER).unwrap();
        assert_eq!(document.value, value);
        assert_eq!(document.flaws.is_empty(), bencode::is_canonical(&bytes));
        assert!(bencode::is_canonical(&bencode::encode_canonical(&value)));
    });
}

#[test]
fn message_names_exactly_the_fields_of_its_row() {
    for_each(5_000, |message: Message| {
        let spec = message.kind().spec();
        let visited: Vec<_> = message
            .fields()
            .iter()
            .map(|(field, _)| field.name)
            .collect();
        let row: Vec<_> = spec.fields.iter().map(|field| field.name).collect();
        assert_eq!(visited, row);
        let frame = Frame::split_from(&mut message.encode()).unwrap();
        assert!(spec.id.is_none() || spec.id == frame.id());
    });
}

/// Generates `count` values from a fixed stream of random bytes.
#[track_caller]
fn for_each<T: for<'a> Arbitrary<'a>>(count: usize, mut check: impl FnMut(T)) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..count {
        let bytes: Vec<u8> = (0..512)
            .flat_map(|_| split_mix(&mut state).to_le_bytes())
            .collect();
        if let Ok(value) = T::arbitrary(&mut Unstructured::new(&bytes)) {
            check(value);
        }
    }
}

/// SplitMix64: small, good enough, the same everywhere.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
