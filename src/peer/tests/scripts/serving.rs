//! Availability, and blocks that we serve.

use super::acts::*;
use super::*;

pub(super) const SCRIPTS: &[(&str, Script)] = &[
    ("spare bits", |talk| {
        let mut bits = vec![0; torrent().geometry().bitfield_len()];
        *bits.last_mut().unwrap() = 0xff;
        let bits = bits.into();
        first(talk, BOTH, &[Message::Bitfield { bits }, Message::Unchoke]);
    }),
    ("late bitfield", |talk| {
        first(talk, BOTH, &[Message::Interested, bitfield([1])])
    }),
    ("two bitfields", |talk| {
        first(talk, BOTH, &[bitfield([1]), bitfield([])])
    }),
    ("empty bitfield", |talk| {
        first(talk, BOTH, &[Message::Bitfield { bits: Bytes::new() }]);
    }),
    ("zero bitfield", |talk| {
        first(talk, PLAIN, &[bitfield([]), Message::Interested])
    }),
    ("bitfield, then have", |talk| {
        let have = Message::Have { index: 3 };
        first(talk, BOTH, &[bitfield([1]), have, Message::Unchoke]);
    }),
    ("bitfield, then extended handshake", |talk| {
        first(talk, BOTH, &[bitfield([1]), hello(&[("ut_metadata", 20)])]);
    }),
    ("have out of range", |talk| {
        after(talk, BOTH, &[Message::Have { index: 67 }])
    }),
    ("have twice", |talk| {
        let have = Message::Have { index: 3 };
        after(talk, BOTH, &[have.clone(), have]);
    }),
    ("serves everything", |talk| {
        let other = talk.open(BOTH);
        talk.send(other, &[Message::HaveNone]);
        let conn = talk.open(BOTH);
        talk.send(conn, &[Message::HaveAll, Message::Unchoke]);
        for _ in 0..40 {
            for block in requests(talk, conn) {
                talk.send(conn, &[answer(&block)]);
            }
        }
        alive(talk, conn);
    }),
    ("serves zeros", |talk| {
        let conn = set_up(talk, BOTH);
        for block in requests(talk, conn) {
            let (index, begin) = (block.index, block.begin);
            let block = vec![0; block.length as usize].into();
            talk.send(
                conn,
                &[Message::Piece {
                    index,
                    begin,
                    block,
                }],
            );
        }
        talk.wait(secs(20));
    }),
    ("serves backwards", |talk| {
        let conn = set_up(talk, BOTH);
        for block in requests(talk, conn).iter().rev() {
            talk.send(conn, &[answer(block)]);
        }
    }),
    ("serves short blocks", |talk| {
        let conn = set_up(talk, PLAIN);
        for block in requests(talk, conn) {
            let (index, begin) = (block.index, block.begin);
            let block = vec![0; 100].into();
            talk.send(
                conn,
                &[Message::Piece {
                    index,
                    begin,
                    block,
                }],
            );
        }
    }),
    ("serves drops", |talk| {
        let conn = set_up(talk, BOTH);
        if let Some(block) = requests(talk, conn).first() {
            for part in answer(block).encode().chunks(128) {
                talk.raw(conn, part);
            }
        }
    }),
    ("block twice", |talk| {
        let conn = set_up(talk, PLAIN);
        if let Some(block) = requests(talk, conn).first() {
            let block = answer(block);
            talk.send(conn, &[block.clone(), block]);
        }
    }),
    ("unasked blocks, plain", |talk| {
        after(talk, PLAIN, &[piece(5, 0), piece(60, 0), piece(60, BLOCK)]);
    }),
    ("block out of range", |talk| {
        let block = Bytes::from_static(&[0; 16]);
        let (index, begin) = (67, 0);
        after(
            talk,
            PLAIN,
            &[Message::Piece {
                index,
                begin,
                block,
            }],
        );
    }),
    ("huge block", |talk| {
        let block = vec![0; 100_000].into();
        let (index, begin) = (4, 0);
        after(
            talk,
            PLAIN,
            &[Message::Piece {
                index,
                begin,
                block,
            }],
        );
    }),
];
