//! Text that may hold a peer's bytes, made fit for a terminal.

use std::borrow::Cow;

use serde_json::Value;

use crate::wire::escape::peer_text;

/// `text` as it may be printed. Plain text is returned as it is, at any length; as soon as a
/// control or direction-changing character is in it, the whole goes through
/// [`peer_text`], which escapes and caps it.
pub fn safe(text: &str) -> Cow<'_, str> {
    if text.chars().all(plain) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(peer_text(text.as_bytes()))
    }
}

/// One line of prose as it may be printed: as [`safe`], and cut where no reader would go on.
pub fn line(text: &str) -> Cow<'_, str> {
    cut(safe(text), LINE_CHARS)
}

/// `text`, with an ellipsis for what is beyond `limit` characters.
pub(super) fn cut(text: Cow<'_, str>, limit: usize) -> Cow<'_, str> {
    // A byte is no more than a character.
    if text.len() <= limit || text.chars().nth(limit).is_none() {
        return text;
    }
    let mut cut = text
        .chars()
        .take(limit.saturating_sub(1))
        .collect::<String>();
    cut.push('…');
    Cow::Owned(cut)
}

/// Longest line of prose in characters.
pub const LINE_CHARS: usize = 2_000;

/// A short value that came off the wire: escaped, and cut to `limit` characters.
pub fn short(text: &str, limit: usize) -> String {
    cut(peer_text(text.as_bytes()).into(), limit).into_owned()
}

/// A decoded field's value on one line.
pub fn value(value: &Value, limit: usize) -> String {
    match value {
        Value::String(text) => short(text, limit),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(_) | Value::Object(_) => short(&value.to_string(), limit),
    }
}

/// Neither control (C0, DEL, C1) nor one of the characters that reorder or hide a line.
fn plain(c: char) -> bool {
    !c.is_control()
        && !matches!(
            c,
            '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{2069}'
                | '\u{61c}'
                | '\u{feff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_moves_the_cursor_survives() {
        for text in [
            "a\x1b[2Jb",
            "a\nb",
            "a\rb",
            "x\u{202e}y",
            "\u{9b}2J",
            "\u{200b}",
        ] {
            let shown = safe(text);
            assert!(shown.chars().all(plain), "{text:?} became {shown:?}");
        }
        assert_eq!(safe("π ≤ 4 · ok"), "π ≤ 4 · ok");
    }

    #[test]
    fn long_values_are_cut() {
        assert_eq!(short(&"a".repeat(50), 10), "aaaaaaaaa…");
    }
}
