//! Capture files.

use super::{Reach, text};
use crate::capture::{conversations, file, is_capture, listing};

/// A capture file: what cannot be read has a place in the file, no byte of a stream comes from
/// nowhere, and what is said of it is printable and ends.
pub fn capture(input: &[u8]) -> Reach {
    let mut reached = Reach::new();
    if !is_capture(input) {
        reached.insert("no capture");
        return reached;
    }
    let found = match conversations(input) {
        Ok(found) => found,
        Err(error) => {
            assert!(error.offset <= input.len(), "{error}");
            text::is_one_line(&error.to_string());
            reached.insert("broken header");
            return reached;
        }
    };
    let packets = file::packets(input).expect("as before").flatten();
    let captured: usize = packets.map(|packet| packet.data.len()).sum();
    let mut bytes = 0;
    for conversation in &found.all {
        for stream in [&conversation.up, &conversation.down] {
            let len = stream.bytes().len() as u64;
            let mut end = 0;
            let mut zeros = 0;
            for gap in stream.gaps() {
                assert!(gap.offset >= end && gap.len > 0, "gaps in order: {gap:?}");
                end = gap.offset + gap.len;
                assert!(end <= len || gap.offset == len, "{gap:?} of {len}");
                zeros += if end <= len { gap.len } else { 0 };
            }
            bytes += len - zeros + stream.behind_gap();
            reached.extend((!stream.gaps().is_empty()).then_some("gap"));
            reached.extend((stream.behind_gap() > 0).then_some("long gap"));
            reached.extend(
                stream
                    .end()
                    .map(|end| if end.reset { "reset" } else { "end" }),
            );
        }
        reached.insert(if conversation.whole {
            "opened"
        } else {
            "open before"
        });
    }
    assert!(bytes <= captured as u64, "{bytes} bytes out of {captured}");
    for (count, name) in [
        (found.not_tcp, "not TCP"),
        (found.unknown_link, "unknown link"),
    ] {
        reached.extend((count > 0).then_some(name));
    }
    if let Some(error) = &found.broken {
        assert!(error.offset < input.len(), "{error}");
        text::is_one_line(&error.to_string());
        reached.insert("broken");
    }
    let mut out = Vec::new();
    listing::write(found, &mut out).expect("a Vec takes everything");
    let out = String::from_utf8(out).expect("text");
    text::is_plain(&out);
    reached.extend(out.contains(" request ").then_some("message"));
    reached.extend(
        out.contains("not decoded: no handshake")
            .then_some("not in plain"),
    );
    if cfg!(fuzz_selftest) {
        assert!(!out.contains(" cancel index="), "the planted bug");
    }
    reached
}

pub(super) fn reachable() -> Vec<&'static str> {
    vec![
        "no capture",
        "broken header",
        "broken",
        "gap",
        "long gap",
        "reset",
        "end",
        "opened",
        "open before",
        "not TCP",
        "unknown link",
        "message",
        "not in plain",
    ]
}
