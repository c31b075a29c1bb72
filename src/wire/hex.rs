//! Hexadecimal digits to bytes and back.

use std::fmt;

use bytes::Bytes;

/// Why text is not hex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HexError {
    /// A character that is no digit.
    #[error("byte {offset} is no hexadecimal digit")]
    NotADigit {
        /// Where it stands.
        offset: usize,
    },
    /// A digit without partner.
    #[error("an odd number of hexadecimal digits")]
    Odd,
    /// The wrong number of bytes.
    #[error("{actual} bytes, not {expected}")]
    WrongLength {
        /// How many there should be.
        expected: usize,
        /// How many there are.
        actual: usize,
    },
}

/// Bytes as lower-case digits.
pub fn encode(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or('0');
    let pairs = bytes.iter();
    pairs
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 0x0f)])
        .collect()
}

/// Reads digits of either case; white space between them does not count.
pub fn decode(text: &str) -> Result<Bytes, HexError> {
    let mut bytes = Vec::with_capacity(text.len() / 2);
    let mut high: Option<u32> = None;
    for (offset, c) in text.char_indices().filter(|(_, c)| !c.is_whitespace()) {
        let digit = c.to_digit(16).ok_or(HexError::NotADigit { offset })?;
        match high.take() {
            None => high = Some(digit),
            Some(high) => bytes.extend(u8::try_from((high << 4) | digit)),
        }
    }
    match high {
        None => Ok(bytes.into()),
        Some(_) => Err(HexError::Odd),
    }
}

/// Reads exactly `N` bytes.
pub fn decode_array<const N: usize>(text: &str) -> Result<[u8; N], HexError> {
    let bytes = decode(text)?;
    <[u8; N]>::try_from(bytes.as_ref()).map_err(|_| HexError::WrongLength {
        expected: N,
        actual: bytes.len(),
    })
}

/// Writes digits without an allocation.
pub(super) fn write(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(decode(&encode(&bytes)).unwrap(), bytes);
        assert_eq!(
            decode("DE ad\nbe EF").unwrap(),
            [0xde, 0xad, 0xbe, 0xef][..]
        );
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!(decode("0g"), Err(HexError::NotADigit { offset: 1 }));
        assert_eq!(decode("abc"), Err(HexError::Odd));
        let error = decode_array::<20>("00").unwrap_err();
        assert_eq!(error.to_string(), "1 bytes, not 20");
    }
}
