//! What text may hold that ends up on somebody's terminal.

/// Asserts that nothing in `text` moves a cursor, starts a line or turns its direction.
#[track_caller]
pub(super) fn is_one_line(text: &str) {
    let bad = text.chars().find(|&c| c.is_control() || turns(c));
    assert_eq!(bad, None, "{text:?}");
}

/// The same of text that may have several lines.
#[track_caller]
pub(super) fn is_plain(text: &str) {
    text.split('\n').for_each(is_one_line);
}

/// Characters that hide or reorder what stands beside them.
fn turns(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}'
        | '\u{61c}' | '\u{feff}')
}
