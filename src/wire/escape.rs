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
const fn is_invisible(c: char) -> bool {
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
