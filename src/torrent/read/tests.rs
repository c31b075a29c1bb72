use super::*;

/// Hash of one piece; the tests below never look at it.
const HASH: &str = "20:aaaaaaaaaaaaaaaaaaaa";

fn single(info: &str) -> String {
    format!("d4:infod{info}ee")
}

fn multi(files: &str) -> String {
    format!("d4:infod5:filesl{files}e4:name1:n12:piece lengthi16384e6:pieces{HASH}ee")
}

fn parse(file: &str) -> Result<Metainfo, MetainfoError> {
    Metainfo::parse(file.as_bytes())
}

#[track_caller]
fn refused(file: &str, message: &str) {
    assert_eq!(parse(file).unwrap_err().to_string(), message, "{file}");
}

#[test]
fn hashes_the_exact_bytes_of_the_info_dictionary() {
    // The hash was computed with Python's hashlib.
    let content = Content::from_bytes(&b"0123456789abcdefghij"[..], 16384).unwrap();
    let built = Builder::new("a").build(&content).unwrap();
    let hash = built
        .info_hash()
        .0
        .map(|byte| format!("{byte:02x}"))
        .concat();
    assert_eq!(hash, "ab215a0362b9652a16bfac0e656c4a407ba8d91f");
    let mut info = b"d6:lengthi20e4:name1:a12:piece lengthi16384e6:pieces20:".to_vec();
    info.extend(content.piece_hash(0).unwrap());
    info.push(b'e');
    assert_eq!(built.info_bytes()[..], info);
    assert_eq!(
        Metainfo::from_info(&info).unwrap().info_hash(),
        built.info_hash()
    );
}

#[test]
fn keeps_an_unsorted_info_dictionary_as_it_is() {
    let info = format!("d6:pieces{HASH}4:name1:n12:piece lengthi16384e6:lengthi03ee");
    let file = format!("d8:announce3:a:b4:info{info}3:zzzl{info}ee");
    let read = parse(&file).unwrap();
    assert_eq!(read.info_bytes()[..], *info.as_bytes());
    assert_eq!(
        read.info_hash().0,
        <[u8; 20]>::from(Sha1::digest(info.as_bytes()))
    );
    assert_eq!(read.announce(), Some("a:b"));
    assert_eq!(read.encode()[..], *file.as_bytes());
    assert_eq!(parse(&format!("{file}\n")).unwrap().info_bytes(), &info);
}

#[test]
fn reads_what_it_writes() {
    let geometry = Geometry::new(100_000, 32768).unwrap();
    let content = Content::from_seed(1, geometry);
    let built = Builder::new("folder")
        .file(&["a"], 33_000)
        .file(&["empty"], 0)
        .file(&["sub", "b"], 67_000)
        .extra("zz", Value::text("kept"))
        .announce("http://127.0.0.1:1/announce")
        .private()
        .build(&content)
        .unwrap();
    assert_eq!(Metainfo::parse(&built.encode()), Ok(built.clone()));
    assert_eq!(built.name(), "folder");
    assert_eq!(built.geometry(), geometry);
    assert!(built.is_private());
    assert!(!built.is_single_file());
    assert!(bencode::is_canonical(&built.encode()));
    let files: Vec<_> = built
        .files()
        .iter()
        .map(|file| (file.path.join("/"), file.len, file.offset))
        .collect();
    let expected = [
        ("a", 33_000, 0),
        ("empty", 0, 33_000),
        ("sub/b", 67_000, 33_000),
    ];
    assert_eq!(files, expected.map(|(p, l, o)| (p.to_owned(), l, o)));
    for index in 0..geometry.pieces() {
        assert!(built.is_piece(index, &content.piece(index).unwrap()));
    }
    assert!(!built.is_piece(0, &content.piece(1).unwrap()));
    assert!(!built.is_piece(9, b""));
}

#[test]
fn reads_version_1_of_a_hybrid_torrent() {
    let read = parse(&format!(
        "d4:infod9:file treede5:filesl\
         d6:lengthi16380e4:pathl1:aee\
         d4:attr1:p6:lengthi4e4:pathl4:.pad1:4ee\
         d6:lengthi16380e4:pathl1:bee\
         d4:attr1:p6:lengthi4e4:pathl4:.pad1:4ee\
         e12:meta versioni2e4:name1:n12:piece lengthi16384e6:pieces40:{}ee",
        "a".repeat(40)
    ))
    .unwrap();
    let pads: Vec<_> = read.files().iter().map(|file| file.pad).collect();
    assert_eq!(pads, [false, true, false, true]);
    assert_eq!(read.geometry().pieces(), 2);
}

#[test]
fn says_at_once_what_is_no_torrent() {
    refused(
        "<!DOCTYPE html>",
        "not a torrent file: unexpected byte 0x3c at byte 0",
    );
    refused(
        "4:spam",
        "not a torrent file: it holds a string, not a dictionary",
    );
    refused("de", "`info` is missing in the dictionary at byte 0");
    refused(
        "d4:infoi5ee",
        "`info` at byte 7: an integer where a dictionary is due",
    );
    refused(
        "d4:infod9:file treede12:meta versioni2eee",
        "`info` at byte 7: torrents of version 2 alone (BEP 52) are not supported; hybrid ones are",
    );
    let deep = "l".repeat(1000);
    refused(
        &deep,
        "not a torrent file: more than 100 levels of nesting at byte 100",
    );
    refused("", "the torrent file is cut off: unexpected end at byte 0");
}

#[test]
fn says_that_a_file_is_cut_off_wherever_that_is() {
    let file = multi("d6:lengthi3e4:pathl1:a1:bee");
    assert!(parse(&file).is_ok());
    for len in 0..file.len() {
        let error = parse(&file[..len]).unwrap_err();
        assert!(matches!(error.problem, Problem::Truncated(_)), "{error}");
    }
}

#[test]
fn names_the_key_and_the_byte_of_a_wrong_info_dictionary() {
    let rest = format!("4:name1:n12:piece lengthi16384e6:pieces{HASH}");
    let cases = [
        (
            format!("6:lengthi3e4:name1:n6:pieces{HASH}"),
            "`info.piece length` is missing in the dictionary at byte 7",
        ),
        (
            "6:lengthi3e4:name1:n12:piece lengthi16384e".into(),
            "`info.pieces` is missing in the dictionary at byte 7",
        ),
        (
            format!("6:lengthi3e12:piece lengthi16384e6:pieces{HASH}"),
            "`info.name` is missing in the dictionary at byte 7",
        ),
        (
            "6:lengthi3e4:name1:n12:piece lengthi16384e6:piecesle".into(),
            "`info.pieces` at byte 58: a list where a string is due",
        ),
        (
            "6:lengthi3e4:name1:n12:piece lengthi16384e6:pieces19:aaaaaaaaaaaaaaaaaaa".into(),
            "`info.pieces` at byte 58: 19 bytes are no multiple of 20",
        ),
        (
            "6:lengthi3e4:name1:n12:piece lengthi16384e6:pieces0:".into(),
            "`info.pieces` at byte 58: 0 hashes where the lengths make 1 pieces",
        ),
        (
            format!("6:lengthi16385e{rest}"),
            "`info.pieces` at byte 62: 1 hashes where the lengths make 2 pieces",
        ),
        (
            format!("6:lengthi0e{rest}"),
            "`info.length` at byte 16: the content is empty",
        ),
        (
            format!("6:lengthi-1e{rest}"),
            "`info.length` at byte 16: -1 is not a length",
        ),
        (
            format!("6:lengthi99999999999999999999e{rest}"),
            "`info.length` at byte 16: 99999999999999999999 is not a length",
        ),
        (
            format!("6:lengthi9999999999999e{rest}"),
            "`info.length` at byte 16: 610351563 pieces are more than the limit of 2097152",
        ),
        (
            format!("6:length1:3{rest}"),
            "`info.length` at byte 16: a string where an integer is due",
        ),
        (
            format!("6:lengthi3e6:lengthi4e{rest}"),
            "`info.length` at byte 16: stands twice in its dictionary",
        ),
        (
            rest.clone(),
            "`info` at byte 7: neither `length` nor `files`",
        ),
        (
            format!("5:filesld6:lengthi3e4:pathl1:aeee6:lengthi3e{rest}"),
            "`info` at byte 7: both `length` and `files`",
        ),
        (
            format!("6:lengthi3e4:name1:n12:piece lengthi0e6:pieces{HASH}"),
            "`info.piece length` at byte 43: the piece length is 0",
        ),
        (
            format!("6:lengthi3e4:name1:n12:piece lengthi536870913e6:pieces{HASH}"),
            "`info.piece length` at byte 43: the piece length 536870913 is above the limit of \
             536870912",
        ),
        (
            format!("6:lengthi3e4:name2:..12:piece lengthi16384e6:pieces{HASH}"),
            "`info.name` at byte 25: the name is `.` or `..`",
        ),
    ];
    for (info, message) in cases {
        refused(&single(&info), message);
    }
}

#[test]
fn names_the_file_whose_path_is_wrong() {
    let good = "d6:lengthi1e4:pathl1:aee";
    let cases = [
        (
            "d6:lengthi1e4:pathl1:a2:..ee",
            "[1].path[1]",
            "the name is `.` or `..`",
        ),
        (
            "d6:lengthi1e4:pathl4:/etcee",
            "[1].path[0]",
            "the name contains a path separator",
        ),
        (
            "d6:lengthi1e4:pathl0:ee",
            "[1].path[0]",
            "the name is empty",
        ),
        (
            "d6:lengthi1e4:pathl2:a\0ee",
            "[1].path[0]",
            "the name contains NUL or another control character",
        ),
        (
            "d6:lengthi1e4:pathl3:NULee",
            "[1].path[0]",
            "the name is reserved on Windows",
        ),
        ("d6:lengthi1e4:pathlee", "[1].path", "empty"),
        (
            "d6:lengthi1e4:path1:ae",
            "[1].path",
            "a string where a list is due",
        ),
        (
            "d6:lengthi1e4:pathli1eee",
            "[1].path[0]",
            "an integer where a string is due",
        ),
        (
            "d6:lengthi1e4:pathl1:aee",
            "[1].path",
            "another file is in the way of this path",
        ),
        (
            "d6:lengthi1e4:pathl1:a1:bee",
            "[1].path",
            "another file is in the way of this path",
        ),
        (
            "d6:lengthi-1e4:pathl1:bee",
            "[1].length",
            "-1 is not a length",
        ),
        (
            "d6:lengthi18446744073709551615e4:pathl1:bee",
            "[1].length",
            "18446744073709551615 is not a length",
        ),
        ("le", "[1]", "a list where a dictionary is due"),
    ];
    for (bad, key, problem) in cases {
        let error = parse(&multi(&[good, bad].concat())).unwrap_err();
        assert_eq!(error.key, format!("info.files{key}"), "{bad}");
        assert_eq!(error.problem.to_string(), problem, "{bad}");
        // The bad file begins at byte 40.
        assert!((40..40 + bad.len()).contains(&error.offset), "{error}");
    }
    refused(
        &multi(&format!("{good}d6:lengthi1e4:pathl1:b1:c2:..ee")),
        "`info.files[1].path[2]` at byte 65: the name is `.` or `..`",
    );
    refused(&multi(""), "`info.files` at byte 15: empty");
    let deep = format!("d6:lengthi1e4:pathl{}ee", "1:a".repeat(64));
    let error = parse(&multi(&deep)).unwrap_err();
    assert_eq!(error.problem, Problem::PathTooDeep(64));
    // The other way round: a folder where a later file wants to be.
    let error = parse(&multi(
        "d6:lengthi1e4:pathl1:a1:beed6:lengthi1e4:pathl1:aee",
    ))
    .unwrap_err();
    assert_eq!(error.problem, Problem::PathTaken);
}

#[test]
fn counts_from_the_info_dictionary_that_a_peer_sent() {
    let error = Metainfo::from_info(b"d6:lengthi3e4:name2:..e").unwrap_err();
    assert_eq!((error.key.as_str(), error.offset), ("info.name", 18));
    assert!(Metainfo::from_info(b"").is_err());
}

#[test]
fn survives_every_changed_byte() {
    let file = multi("d6:lengthi3e4:pathl1:a1:beed4:attr1:p6:lengthi3e4:pathl1:bee");
    for at in 0..file.len() {
        for byte in 0..=255 {
            let mut bytes = file.clone().into_bytes();
            bytes[at] = byte;
            if let Err(error) = Metainfo::parse(&bytes) {
                assert!(error.offset <= bytes.len(), "{error}");
                assert!(!error.to_string().contains(char::is_control));
            }
        }
    }
}
