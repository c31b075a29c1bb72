//! Which names of files and folders may come from a torrent onto a disk.

/// Why a name may not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameFlaw {
    /// Nothing.
    #[error("the name is empty")]
    Empty,
    /// More bytes than file systems take.
    #[error("the name has {0} bytes, {MAX_NAME_LEN} are the limit")]
    TooLong(usize),
    /// Bytes that are no text.
    #[error("the name is not UTF-8")]
    NotUtf8,
    /// `.`, `..` and the like.
    #[error("the name is `.` or `..`")]
    Dots,
    /// A separator of folders: the path is absolute or hides further parts.
    #[error("the name contains a path separator")]
    Separator,
    /// NUL or another control character.
    #[error("the name contains NUL or another control character")]
    Control,
    /// A drive, as in `C:`.
    #[error("the name begins with a drive letter")]
    Drive,
    /// A name that Windows gives to a device, as `NUL` or `com1.txt`.
    #[error("the name is reserved on Windows")]
    Reserved,
}

/// The name as text, if it can only mean a file or folder right there, on any system.
pub(super) fn checked(name: &[u8]) -> Result<&str, NameFlaw> {
    if name.is_empty() {
        return Err(NameFlaw::Empty);
    }
    if name.len() > MAX_NAME_LEN {
        return Err(NameFlaw::TooLong(name.len()));
    }
    let text = std::str::from_utf8(name).map_err(|_| NameFlaw::NotUtf8)?;
    if text.contains(['/', '\\']) {
        return Err(NameFlaw::Separator);
    }
    if text.contains(char::is_control) {
        return Err(NameFlaw::Control);
    }
    // Windows drops dots and spaces at the end, so `.. ` is `..` there.
    let trimmed = text.trim_end_matches(['.', ' ']);
    if trimmed.is_empty() {
        return Err(NameFlaw::Dots);
    }
    if matches!(name, [letter, b':', ..] if letter.is_ascii_alphabetic()) {
        return Err(NameFlaw::Drive);
    }
    let stem = trimmed.split('.').next().unwrap_or(trimmed).trim_end();
    if DEVICES
        .iter()
        .any(|device| device.eq_ignore_ascii_case(stem))
    {
        return Err(NameFlaw::Reserved);
    }
    Ok(text)
}

/// What Linux, macOS and Windows take as one name.
const MAX_NAME_LEN: usize = 255;

#[rustfmt::skip]
const DEVICES: &[&str] = &[
    "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$",
    "COM0", "COM1", "COM2", "COM3", "COM4", "COM5", "COM6", "COM7", "COM8", "COM9",
    "LPT0", "LPT1", "LPT2", "LPT3", "LPT4", "LPT5", "LPT6", "LPT7", "LPT8", "LPT9",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_usual_names() {
        for name in [
            "a", "a b.txt", ".hidden", "..a", "console", "COM10", "ü: x", "nul-x", "a..b",
        ] {
            assert_eq!(checked(name.as_bytes()), Ok(name));
        }
        assert!(checked(&[b'a'; 255]).is_ok());
    }

    #[test]
    fn refuses_names_that_mean_something_else() {
        let cases: &[(&[u8], NameFlaw)] = &[
            (b"", NameFlaw::Empty),
            (b".", NameFlaw::Dots),
            (b"..", NameFlaw::Dots),
            (b"...", NameFlaw::Dots),
            (b".. ", NameFlaw::Dots),
            (b"/etc", NameFlaw::Separator),
            (b"a/b", NameFlaw::Separator),
            (b"..\\a", NameFlaw::Separator),
            (b"a\0b", NameFlaw::Control),
            (b"a\nb", NameFlaw::Control),
            ("a\u{9b}b".as_bytes(), NameFlaw::Control),
            (b"C:", NameFlaw::Drive),
            (b"c:a", NameFlaw::Drive),
            (b"\xff", NameFlaw::NotUtf8),
            (b"NUL", NameFlaw::Reserved),
            (b"con.tar.gz", NameFlaw::Reserved),
            (b"Aux .x", NameFlaw::Reserved),
            (b"lpt1. ", NameFlaw::Reserved),
            (&[b'a'; 256], NameFlaw::TooLong(256)),
        ];
        for (name, flaw) in cases {
            assert_eq!(checked(name), Err(*flaw), "{}", name.escape_ascii());
        }
    }
}
