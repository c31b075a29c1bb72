//! Byte-exact vectors: what each decodes to, at any cut, and that it is written back the same.
//!
//! `tests/data/vectors/*.txt` hold them: a name in brackets, the bytes in hex, and a line `= …` for
//! each section that the decoder should find in them, `! …` for each note about it. Files named
//! after an extension have `> …` for the payload as that extension.

use std::fs;
use std::path::Path;

use btspec::wire::dissect::{self, Section, SectionKind};
use btspec::wire::extension::ExtensionMessage;
use btspec::wire::frame::DEFAULT_LIMIT;
use btspec::wire::{
    BlockRef, Capability, ExtendedHandshake, ExtensionSpec, Frame, FrameDecoder, Handshake,
    HandshakeDecoder, HashRange, InfoHash, Message, PeerId, Reserved, bencode, hex,
};
use bytes::Bytes;
use sha1::{Digest, Sha1};

struct Vector {
    name: String,
    bytes: Bytes,
    expected: Vec<String>,
}

#[test]
fn every_vector_decodes_to_what_it_says() {
    for (file, vector) in vectors() {
        let sections = dissect::dissect(&vector.bytes);
        let lines: Vec<_> = sections
            .iter()
            .flat_map(|section| lines(&file, section))
            .collect();
        assert_eq!(lines, vector.expected, "{file}: {}", vector.name);
    }
}

#[test]
fn every_message_and_handshake_is_written_back_the_same() {
    let mut messages = 0;
    for (file, vector) in vectors() {
        for section in dissect::dissect(&vector.bytes) {
            let written = match &section.what {
                SectionKind::Handshake(handshake) => Bytes::from_owner(handshake.encode()),
                SectionKind::Message(message, _) => message.encode(),
                _ => continue,
            };
            assert_eq!(written, section.raw, "{file}: {}", vector.name);
            messages += 1;
        }
    }
    assert!(messages > 80, "{messages}");
}

#[test]
fn canonical_payload_is_written_back_the_same() {
    let mut payloads = 0;
    for (file, vector) in vectors() {
        let named = ExtensionSpec::by_name(file.trim_end_matches(".txt"));
        for section in dissect::dissect(&vector.bytes) {
            let SectionKind::Message(Message::Extended { ext_id, payload }, _) = section.what
            else {
                continue;
            };
            let extension = match (ext_id, named) {
                (0, _) => "",
                (_, Some(named)) => named.name,
                (_, None) => continue,
            };
            let Ok(message) = ExtensionMessage::decode(extension, &payload) else {
                continue;
            };
            let sorted = ExtensionMessage::form_flaws(extension, &payload).is_empty();
            // What libtorrent adds to a reject is read, and not written.
            let whole = !vector.name.contains("reject with total_size")
                && !vector.name.contains("ee inside");
            if sorted && whole {
                assert_eq!(message.encode_payload(), payload, "{file}: {}", vector.name);
                assert_eq!(message.into_message(ext_id).encode(), section.raw);
                payloads += 1;
            }
        }
    }
    assert!(payloads > 15, "{payloads}");
}

#[test]
fn every_vector_gives_the_same_frames_at_every_split_point() {
    for (file, vector) in vectors() {
        let bytes = &vector.bytes;
        let whole = frames(&[bytes]);
        for at in 0..=bytes.len() {
            let (one, two) = bytes.split_at(at);
            assert_eq!(
                frames(&[one, two]),
                whole,
                "{file}: {} cut at {at}",
                vector.name
            );
        }
        let bytewise: Vec<_> = bytes.chunks(1).collect();
        assert_eq!(frames(&bytewise), whole, "{file}: {}", vector.name);
    }
}

#[test]
fn every_handshake_decodes_the_same_at_every_split_point() {
    for (file, vector) in vectors() {
        let bytes = &vector.bytes;
        let mut whole = HandshakeDecoder::new();
        whole.push(bytes);
        for at in 0..=bytes.len() {
            let mut decoder = HandshakeDecoder::new();
            let taken = decoder.push(&bytes[..at]) + decoder.push(&bytes[at..]);
            assert_eq!(taken, bytes.len().min(Handshake::LEN));
            assert_eq!(
                decoder.handshake(),
                whole.handshake(),
                "{file}: {}",
                vector.name
            );
        }
    }
}

#[test]
fn built_messages_encode_to_their_vectors() {
    let files = [
        "messages.txt",
        "extended.txt",
        "hashes.txt",
        "lt_donthave.txt",
        "ut_pex.txt",
    ];
    let vectors: Vec<_> = vectors()
        .into_iter()
        .filter(|(file, _)| files.contains(&file.as_str()))
        .collect();
    let built = built();
    for (name, message) in &built {
        let (_, vector) = vectors
            .iter()
            .find(|(_, vector)| vector.name == *name)
            .unwrap_or_else(|| panic!("no vector {name}"));
        assert_eq!(
            hex::encode(&message.encode()),
            hex::encode(&vector.bytes),
            "{name}"
        );
    }
}

#[test]
fn built_handshakes_encode_to_their_vectors() {
    use Capability::{Dht, Extended, Fast};
    let by_name = [
        ("handshake, reserved all zero", vec![]),
        ("handshake, BEP 10 only", vec![Extended]),
        ("handshake, BEP 6 only", vec![Fast]),
        ("handshake, BEP 5 only", vec![Dht]),
        ("handshake, BEP 5+6+10", vec![Dht, Fast, Extended]),
    ];
    for (name, capabilities) in by_name {
        let handshake = Handshake {
            reserved: Reserved::with(&capabilities),
            info_hash: InfoHash(std::array::from_fn(|at| u8::try_from(at + 1).unwrap())),
            peer_id: PeerId(*b"-XX0001-abcdefghijkl"),
        };
        let vectors = vectors();
        let (_, vector) = vectors
            .iter()
            .find(|(_, vector)| vector.name == name)
            .unwrap();
        assert_eq!(handshake.encode()[..], vector.bytes, "{name}");
    }
}

/// Content `0123456789abcdefghij` in one piece; the info hash is SHA-1 over exactly these bytes.
#[test]
fn info_dictionary_is_canonical_and_keeps_its_hash() {
    let info = hex::decode(
        "64363a6c656e67746869323065343a6e616d65313a6131323a7069656365206c656e677468693136333834\
         65363a70696563657332303a7c8e1dc5a4fd22f1311a7a1f3e3401215c0ccab365",
    )
    .unwrap();
    assert!(bencode::is_canonical(&info));
    let document = bencode::read(&info, bencode::Limits::PEER).unwrap();
    assert_eq!(document.flaws, []);
    let again = bencode::encode_canonical(&document.value);
    let hash = InfoHash(Sha1::digest(again).into());
    assert_eq!(hash.to_string(), "ab215a0362b9652a16bfac0e656c4a407ba8d91f");
}

/// B10-RX-17, whole and short: lists in lists, deeper than anything may follow.
#[test]
fn nesting_bomb_is_refused_at_the_limit() {
    for (levels, prefix) in [(50_000, "000186a7"), (5_000, "00002717")] {
        let mut body = b"\x14\x00d1:z".to_vec();
        body.extend(std::iter::repeat_n(b'l', levels));
        body.extend(std::iter::repeat_n(b'e', levels + 1));
        let frame = Frame::from_body(&body);
        assert_eq!(hex::encode(&frame.raw()[..4]), prefix);
        let Ok(Message::Extended { payload, .. }) = Message::decode(&frame) else {
            panic!("not extended");
        };
        let error = ExtensionMessage::decode("", &payload).unwrap_err();
        let text =
            "`extended_handshake` is not bencoded: more than 32 levels of nesting at byte 35";
        assert_eq!(error.to_string(), text);
    }
}

fn built() -> Vec<(&'static str, Message)> {
    let bits = |hex: &str| Message::Bitfield {
        bits: hex::decode(hex).unwrap(),
    };
    let have = |index| Message::Have { index };
    let handshake =
        |handshake: ExtendedHandshake| ExtensionMessage::Handshake(handshake).into_message(0);
    let piece = |index, begin, block: &'static [u8]| Message::Piece {
        index,
        begin,
        block: Bytes::from_static(block),
    };
    let range = HashRange {
        pieces_root: hex::decode_array(
            "b94e52b1cacfa6f03995febeadd83604817c297b385e10d97e2ba21f6bc31686",
        )
        .unwrap(),
        base_layer: 1,
        index: 0,
        length: 2,
        proof_layers: 1,
    };
    let hashes = "91ba1b58ae584fde9a26d7f74fb955d515d1c576c1c7e865a0bac16d81fa10b3\
                  dd4c1ff0e672d96500f0a6cc129f862768a165bc0404aed5ce296833c425d81a\
                  f66d484b2314664651f6589b203bcb2945dcea852f3a36c41bd17eaa12997f4e";
    let full = ExtendedHandshake::new()
        .with_m(&[("ut_pex", 1), ("ut_metadata", 3)])
        .with("yourip", bencode::Value::bytes(&[127, 0, 0, 1]))
        .with("v", bencode::Value::text("XX 0.0.1"))
        .with("upload_only", 1)
        .with("reqq", 250)
        .with("p", 6881)
        .with("metadata_size", 31235);
    vec![
        ("keep-alive", Message::KeepAlive),
        ("choke", Message::Choke),
        ("unchoke", Message::Unchoke),
        ("interested", Message::Interested),
        ("not interested", Message::NotInterested),
        ("have 0", have(0)),
        ("have 1", have(1)),
        ("have 0x01020304", have(0x0102_0304)),
        ("bitfield n=1 {0}", bits("80")),
        ("bitfield n=8 all", bits("ff")),
        ("bitfield n=9 all", bits("ff80")),
        ("bitfield n=10 {0,1,9}", bits("c040")),
        ("bitfield n=33 {32}", bits("0000000080")),
        (
            "request 0 0 16384",
            Message::Request(BlockRef::new(0, 0, 16384)),
        ),
        (
            "request 42 43 44",
            Message::Request(BlockRef::new(42, 43, 44)),
        ),
        (
            "request 1 0x4000 0x1000",
            Message::Request(BlockRef::new(1, 0x4000, 0x1000)),
        ),
        ("piece 0 0 \"hello\"", piece(0, 0, b"hello")),
        ("piece 2 16384 empty", piece(2, 16384, b"")),
        (
            "cancel 0 0 16384",
            Message::Cancel(BlockRef::new(0, 0, 16384)),
        ),
        ("port 6881", Message::Port { port: 6881 }),
        ("port 0", Message::Port { port: 0 }),
        ("suggest 1", Message::SuggestPiece { index: 1 }),
        ("have all", Message::HaveAll),
        ("have none", Message::HaveNone),
        (
            "reject 0 0 16384",
            Message::RejectRequest(BlockRef::new(0, 0, 16384)),
        ),
        ("allowed fast 5", Message::AllowedFast { index: 5 }),
        (
            "extended handshake, empty dict",
            handshake(ExtendedHandshake::new()),
        ),
        (
            "extended handshake {m:{ut_metadata:3,ut_pex:1}}",
            handshake(ExtendedHandshake::new().with_m(&[("ut_metadata", 3), ("ut_pex", 1)])),
        ),
        ("extended handshake, full", handshake(full)),
        (
            "extended handshake disabling ut_pex",
            handshake(ExtendedHandshake::new().with_m(&[("ut_pex", 0)])),
        ),
        (
            "ut_metadata request piece 0 to sub-id 3",
            ExtensionMessage::MetadataRequest { piece: 0 }.into_message(3),
        ),
        (
            "ut_metadata reject piece 0 to sub-id 3",
            ExtensionMessage::MetadataReject { piece: 0 }.into_message(3),
        ),
        ("request (1,0,2,1)", Message::HashRequest(range)),
        (
            "reply to (1,0,2,1)",
            Message::Hashes {
                range,
                hashes: hex::decode(hashes).unwrap(),
            },
        ),
        (
            "reject of (0,8,2,0)",
            Message::HashReject(HashRange {
                base_layer: 0,
                index: 8,
                proof_layers: 0,
                ..range
            }),
        ),
        (
            "piece 258",
            ExtensionMessage::DontHave { index: 258 }.into_message(7),
        ),
    ]
}

fn frames(chunks: &[&[u8]]) -> (Vec<Frame>, bool, usize) {
    let mut decoder = FrameDecoder::new(DEFAULT_LIMIT);
    let mut frames = Vec::new();
    let mut failed = false;
    for chunk in chunks {
        decoder.push(chunk);
        while !failed {
            match decoder.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(_) => failed = true,
            }
        }
    }
    let left = if failed { 0 } else { decoder.buffered().len() };
    (frames, failed, left)
}

fn lines(file: &str, section: &Section) -> Vec<String> {
    let mut lines = vec![format!("= {section}")];
    lines.extend(section.notes().iter().map(|note| format!("! {note}")));
    let SectionKind::Message(
        Message::Extended {
            ext_id: 1..,
            payload,
        },
        _,
    ) = &section.what
    else {
        return lines;
    };
    let Some(extension) = ExtensionSpec::by_name(file.trim_end_matches(".txt")) else {
        return lines;
    };
    lines.push(match ExtensionMessage::decode(extension.name, payload) {
        Ok(message) => format!("> {message}"),
        Err(error) => format!("> {error}"),
    });
    lines
}

/// All vectors with their file's name.
fn vectors() -> Vec<(String, Vector)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/vectors");
    let mut paths: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let files = paths.iter().map(|path| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(path).unwrap())
    });
    files
        .flat_map(|(name, text)| {
            parse(&text)
                .into_iter()
                .map(move |vector| (name.clone(), vector))
                .collect::<Vec<_>>()
        })
        .collect()
}

fn parse(text: &str) -> Vec<Vector> {
    let blocks = text.split("\n\n").filter(|block| block.starts_with('['));
    blocks
        .map(|block| {
            let (head, rest) = block.split_once('\n').unwrap();
            let name = head
                .strip_prefix('[')
                .and_then(|head| head.strip_suffix(']'))
                .unwrap();
            let is_text = |line: &&str| line.starts_with(['=', '!', '>']);
            let digits: String = rest.lines().filter(|line| !is_text(line)).collect();
            Vector {
                name: name.to_owned(),
                bytes: hex::decode(&digits).unwrap(),
                expected: rest.lines().filter(is_text).map(str::to_owned).collect(),
            }
        })
        .collect()
}
