//! The one way in which a peer's bytes become text that is shown.
//!
//! Terminals, annotations, Markdown, HTML and file names all get what [`peer_text`] returns:
//! printable, on one line, and short.

/// Text of at most 200 characters, an ellipsis behind it if there was more.
pub const MAX_CHARS: usize = 200;

/// Makes a peer's bytes printable. Control characters, line ends, invisible and bidirectional
/// characters, bytes that are no UTF-8 and the backslash itself are escaped.
pub fn peer_text(bytes: &[u8]) -> String {
    let mut out = String::new();
    let mut room = MAX_CHARS;
    for chunk in bytes.utf8_chunks() {
        let escaped = chunk.valid().chars().map(escape_char);
        let invalid = chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}"));
        for text in escaped.chain(invalid) {
            match room.checked_sub(text.chars().count()) {
                Some(left) => room = left,
                None => {
                    out.push('\u{2026}');
                    return out;
                }
            }
            out.push_str(&text);
        }
    }
    out
}

fn escape_char(c: char) -> String {
    match c {
        '\\' => "\\\\".to_owned(),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        c if c.is_control() || is_invisible(c) => format!("\\u{{{:x}}}", u32::from(c)),
        c => c.to_string(),
    }
}

/// Characters that change how others are shown, or are not shown themselves.
pub(crate) const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_ordinary_text_alone() {
        assert_eq!(
            peer_text("µTorrent 3.5 – ok".as_bytes()),
            "µTorrent 3.5 – ok"
        );
    }

    #[test]
    fn escapes_what_could_take_over_a_terminal_or_a_line() {
        assert_eq!(
            peer_text(b"a\x1b[31m\r\n\tb\0"),
            "a\\u{1b}[31m\\r\\n\\tb\\u{0}"
        );
        assert_eq!(peer_text("\u{9b}2J\u{85}".as_bytes()), "\\u{9b}2J\\u{85}");
        assert_eq!(
            peer_text("\u{202e}gpj\u{2066}".as_bytes()),
            "\\u{202e}gpj\\u{2066}"
        );
        assert_eq!(
            peer_text("a\u{200b}b\u{2028}\u{feff}".as_bytes()),
            "a\\u{200b}b\\u{2028}\\u{feff}"
        );
        assert_eq!(peer_text(b"C:\\x"), "C:\\\\x");
    }

    #[test]
    fn shows_bytes_that_are_no_text_as_hex() {
        assert_eq!(peer_text(b"a\xffb\xe2\x82"), "a\\xffb\\xe2\\x82");
    }

    #[test]
    fn is_never_longer_than_the_cap_and_never_cuts_an_escape() {
        let long = peer_text(&[b'a'; 300]);
        assert_eq!(long.chars().count(), MAX_CHARS + 1);
        assert!(long.ends_with("a\u{2026}"));
        let escapes = peer_text(&[0xff; 300]);
        assert_eq!(escapes, format!("{}\u{2026}", "\\xff".repeat(50)));
        assert_eq!(peer_text(&[b'a'; 200]), "a".repeat(200));
    }
}
