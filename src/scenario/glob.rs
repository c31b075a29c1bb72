//! Patterns of result ids: `*` and `?`, nothing else.

/// Whether `pattern` means the result `id` (`SUITE/CASE[MATRIX]:ROLE:dials@VARIANT`). A pattern
/// without `:` means every role and direction, one without `@` only the plain play.
pub fn id_matches(pattern: &str, id: &str) -> bool {
    let (play, variant) = split(id, '@');
    let (wanted_play, wanted_variant) = split(pattern, '@');
    let variants = match (wanted_variant, variant) {
        (None, None) => true,
        (Some(wanted), Some(variant)) => matches(wanted, variant),
        (None, Some(_)) | (Some(_), None) => false,
    };
    let (case, _) = split(play, ':');
    let plays = if wanted_play.contains(':') {
        matches(wanted_play, play)
    } else {
        matches(wanted_play, case)
    };
    variants && plays
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    match text.split_once(at) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

/// Whether `pattern` matches the whole of `text`, in time that is linear in their product.
pub fn matches(pattern: &str, text: &str) -> bool {
    let text = text.chars().collect::<Vec<_>>();
    // Which prefixes of `text` the pattern so far matches.
    let mut reached = vec![false; text.len().saturating_add(1)];
    if let Some(nothing) = reached.first_mut() {
        *nothing = true;
    }
    for wanted in pattern.chars() {
        let mut next = vec![false; reached.len()];
        let mut any = false;
        for (i, slot) in next.iter_mut().enumerate() {
            let here = reached.get(i).copied().unwrap_or(false);
            any |= here;
            *slot = if wanted == '*' {
                any
            } else {
                i.checked_sub(1).is_some_and(|before| {
                    let one = text.get(before);
                    reached.get(before).copied().unwrap_or(false)
                        && (wanted == '?' || one == Some(&wanted))
                })
            };
        }
        reached = next;
    }
    reached.last().copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_match_the_whole() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abbcd", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*[fast=off]*", "x[fast=off]y", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
        assert!(!matches(&"*a".repeat(200), &"b".repeat(200)));
    }

    #[test]
    fn a_pattern_without_role_means_each_and_without_variant_the_plain_play() {
        let plain = "fast_ext/cancel[fast=off]:seed";
        for (pattern, id, expected) in [
            ("fast_ext/cancel*", plain, true),
            ("fast_ext/cancel*:seed", plain, true),
            ("fast_ext/cancel*:leech", plain, false),
            ("fast_ext/*", "fast_ext/cancel:leech:dials", true),
            ("fast_ext/*:leech", "fast_ext/cancel:leech:dials", false),
            ("fast_ext/*", "fast_ext/cancel:seed@drip", false),
            ("fast_ext/*@drip", "fast_ext/cancel:seed@drip", true),
            ("fast_ext/*@*", plain, false),
            ("rule/*", "rule/request-lengths", true),
        ] {
            assert_eq!(id_matches(pattern, id), expected, "{pattern} {id}");
        }
    }
}
