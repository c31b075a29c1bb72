//! The name that somebody probably meant.

/// The candidate closest to `word`, unless even that is far off.
///
/// Case is ignored. Of equally close candidates the first wins.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word
        .chars()
        .take(MAX_LEN)
        .flat_map(char::to_lowercase)
        .collect();
    let limit = word.len().div_ceil(3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(&word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions and replacements that lead from one to the other.
fn distance(word: &[char], candidate: &str) -> usize {
    let mut row: Vec<usize> = (0..=word.len()).collect();
    for (i, theirs) in candidate.chars().flat_map(char::to_lowercase).enumerate() {
        let mut next = vec![i + 1];
        let mut left = i + 1;
        for (ours, pair) in word.iter().zip(row.windows(2)) {
            let [diagonal, above] = pair else { continue };
            let replaced = diagonal + usize::from(*ours != theirs);
            left = replaced.min(above + 1).min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

/// Longer words are cut: they are nobody's slip.
const MAX_LEN: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        let names = ["request", "reject_request", "piece", "B6-RJ-01"];
        assert_eq!(nearest("requst", names), Some("request"));
        assert_eq!(nearest("b6-rj-02", names), Some("B6-RJ-01"));
        assert_eq!(nearest("peice", names), Some("piece"));
        assert_eq!(nearest("handshake", names), None);
        assert_eq!(nearest("", names), None);
        assert_eq!(nearest("x", []), None);
    }

    #[test]
    fn counts_edits() {
        let distance = |a: &str, b| distance(&a.chars().collect::<Vec<_>>(), b);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
        assert_eq!(distance("same", "same"), 0);
    }
}
