//! Extended handshakes, extensions and what is left.

use super::acts::*;
use super::*;

pub(super) const SCRIPTS: &[(&str, Script)] = &[
    ("empty dictionary", |talk| ext(talk, b"de")),
    ("unknown key", |talk| {
        ext(talk, b"d1:md11:ut_metadatai5ee4:zz_ti1ee")
    }),
    ("unknown name", |talk| {
        ext(talk, b"d1:md11:ut_metadatai5e4:zz_ti1eee")
    }),
    ("capital m", |talk| ext(talk, b"d1:Md11:ut_metadatai5eee")),
    ("m a list", |talk| ext(talk, b"d1:mli1eee")),
    ("cut dictionary", |talk| ext(talk, b"d1:m")),
    ("list", |talk| ext(talk, b"le")),
    ("no payload", |talk| ext(talk, b"")),
    ("unsorted", |talk| {
        ext(talk, b"d1:v3:abc1:md11:ut_metadatai5eee")
    }),
    ("repeated", |talk| ext(talk, b"d1:mde1:mdee")),
    ("trailing", |talk| ext(talk, b"degarbage")),
    ("large", |talk| {
        let v = Value::bytes(&[b'v'; 60_000]);
        ext(talk, &ExtendedHandshake::new().with("v", v).encode());
    }),
    ("nested", |talk| {
        let payload = ["d1:z", &"l".repeat(5000), &"e".repeat(5000), "e"].concat();
        ext(talk, payload.as_bytes());
    }),
    ("minus zero", |talk| ext(talk, b"d4:reqqi-0ee")),
    ("id 261", |talk| ext(talk, b"d1:md11:ut_metadatai261eee")),
    ("binary name", |talk| ext(talk, b"d1:v2:\xff\xfee")),
    ("odd address", |talk| ext(talk, b"d6:yourip3:abce")),
    ("odd port", |talk| ext(talk, b"d1:pi70000ee")),
    ("odd upload_only", |talk| ext(talk, b"d11:upload_onlyi7ee")),
    ("upload_only", |talk| {
        let conn = talk.open(BOTH);
        let only = raw_hello(b"d11:upload_onlyi1ee");
        talk.send(conn, &[only, Message::HaveAll, Message::Unchoke]);
    }),
    ("reqq of 3", |talk| {
        let conn = talk.open(BOTH);
        let reqq = raw_hello(b"d4:reqqi3ee");
        talk.send(conn, &[reqq, Message::HaveAll, Message::Unchoke]);
    }),
    ("reqq below zero", |talk| {
        let conn = talk.open(BOTH);
        let reqq = raw_hello(b"d4:reqqi-1ee");
        talk.send(conn, &[reqq, Message::HaveAll, Message::Unchoke]);
    }),
    ("handshake again", |talk| {
        let again = hello(&[("ut_metadata", 20), ("ut_pex", 21)]);
        after(talk, BOTH, &[again.clone(), again]);
    }),
    ("handshake adds", |talk| {
        after(talk, BOTH, &[hello(&[("ut_pex", 22)])])
    }),
    ("metadata off", |talk| {
        after(talk, BOTH, &[hello(&[("ut_metadata", 0)])])
    }),
    ("pex off", |talk| {
        after(talk, BOTH, &[hello(&[("ut_pex", 0)])]);
        talk.wait(secs(70));
    }),
    ("two with ids of their own", |talk| {
        let first = talk.open(BOTH);
        talk.send(first, &[hello(&[("ut_metadata", 20)])]);
        let second = talk.open(BOTH);
        talk.send(second, &[hello(&[("ut_metadata", 30)])]);
        talk.send(first, &[metadata_request()]);
    }),
    ("extended without the bit", |talk| {
        first(
            talk,
            &[Capability::Fast],
            &[hello(&[]), Message::Interested, Message::HaveNone],
        );
    }),
    ("unknown extended id", |talk| {
        let payload = Bytes::from_static(b"de");
        after(
            talk,
            BOTH,
            &[Message::Extended {
                ext_id: 250,
                payload,
            }],
        );
    }),
    ("garbage for an extension", |talk| {
        let payload = Bytes::from_static(b"garbage");
        after(talk, BOTH, &[Message::Extended { ext_id: 1, payload }]);
    }),
    ("port", |talk| {
        after(talk, BOTH, &[Message::Port { port: 1 }])
    }),
    ("port zero", |talk| {
        after(talk, BOTH, &[Message::Port { port: 0 }])
    }),
    ("long mixed segment", |talk| {
        let conn = talk.open(BOTH);
        let have = Message::Have { index: 2 };
        let interested = Message::Interested;
        talk.send(
            conn,
            &[Message::KeepAlive, have, interested, Message::Unchoke],
        );
    }),
    ("idle behind the extended handshake", |talk| {
        let conn = talk.open(PLAIN);
        talk.send(conn, &[hello(&[("ut_metadata", 20)])]);
        talk.wait(secs(8));
        talk.send(conn, &[metadata_request()]);
    }),
    ("metadata again and again", |talk| {
        let conn = set_up(talk, BOTH);
        for _ in 0..8 {
            talk.send(conn, &[metadata(0)]);
        }
        talk.send(conn, &[metadata(0), metadata(0)]);
        alive(talk, conn);
    }),
    ("metadata that there is not", |talk| {
        for piece in [1, 7, -1, 1 << 31, 1 << 32, 1 << 18, 1 << 50] {
            after(talk, BOTH, &[metadata(piece)]);
        }
    }),
    ("metadata under the highest id", |talk| {
        first(talk, BOTH, &[hello(&[("ut_metadata", 255)]), metadata(0)]);
    }),
    ("metadata under a low id", |talk| {
        first(talk, BOTH, &[hello(&[("ut_metadata", 5)]), metadata(0)]);
    }),
    ("metadata without an id", |talk| {
        first(talk, BOTH, &[metadata(0)]);
    }),
    ("metadata between blocks", |talk| {
        after(talk, BOTH, &[request(4, 0), metadata(0), request(4, BLOCK)]);
    }),
    ("metadata for two", |talk| {
        let one = set_up(talk, BOTH);
        let other = set_up(talk, BOTH);
        talk.send(one, &[metadata(0)]);
        talk.send(other, &[metadata(0)]);
    }),
    ("metadata flood", |talk| {
        let conn = set_up(talk, BOTH);
        talk.send(conn, &vec![metadata(0); 100]);
        alive(talk, conn);
    }),
    ("metadata of unknown types", |talk| {
        for payload in [
            &b"d8:msg_typei9e5:piecei0ee"[..],
            b"d8:msg_typei256e5:piecei0ee",
            b"d8:msg_typei9e5:piecei0eexx",
        ] {
            after(talk, BOTH, &[ours(1, payload)]);
        }
    }),
    ("odd metadata requests", |talk| {
        for payload in [
            &b"d2:aa4:xeey8:msg_typei0e5:piecei0ee"[..],
            b"d8:msg_typei0e5:piecei0e10:total_sizei7ee",
            b"d8:msg_typei0ee",
            b"d8:msg_typei0e5:piece1:0e",
            b"d8:msg_typei0e5:piecei0eegarbage",
        ] {
            after(talk, BOTH, &[ours(1, payload)]);
        }
        let nested = [&b"d2:aa"[..], &[b'l'; 600], &[b'e'; 600], b"e"].concat();
        after(talk, BOTH, &[ours(1, &nested)]);
    }),
    ("metadata that nobody asked for", |talk| {
        let data = |piece| ExtensionMessage::MetadataData {
            piece,
            total_size: Some(4),
            data: Bytes::from_static(b"d1:e"),
        };
        after(talk, BOTH, &[data(0).into_message(1)]);
        after(talk, BOTH, &[data(1 << 40).into_message(1)]);
        let reject = ExtensionMessage::MetadataReject { piece: 0 };
        after(talk, BOTH, &[reject.into_message(1)]);
    }),
    ("metadata offered", |talk| {
        let payload = ExtendedHandshake::new()
            .with_m(&[("ut_metadata", 20)])
            .with("metadata_size", Value::Int(9))
            .encode();
        first(talk, BOTH, &[raw_hello(&payload)]);
    }),
    ("pieces taken back", |talk| {
        for names in [
            &[("lt_donthave", 22), ("ut_metadata", 20)][..],
            &[("ut_metadata", 20)],
        ] {
            let conn = talk.open(BOTH);
            talk.send(conn, &[hello(names), bitfield([3, 4, 5])]);
            talk.send(conn, &[gone(4), gone(4), gone(9), Message::Unchoke]);
            talk.send(conn, &[have(4)]);
            alive(talk, conn);
        }
    }),
    ("taken back twice", |talk| {
        let messages = [bitfield([3, 4]), gone(4), gone(4), Message::Unchoke];
        first(talk, BOTH, &messages);
    }),
    ("everything taken back", |talk| {
        first(
            talk,
            BOTH,
            &[bitfield([4]), gone(4), have(4), Message::Unchoke],
        );
    }),
    ("requested piece taken back", |talk| {
        for bits in [BOTH, PLAIN] {
            let conn = talk.open(bits);
            talk.send(conn, &[bitfield([4]), Message::Unchoke]);
            talk.send(conn, &[gone(4), have(4)]);
            talk.send(conn, &[piece(4, 0)]);
            alive(talk, conn);
        }
    }),
    ("taken back by one of two", |talk| {
        let loser = talk.open(BOTH);
        let keeper = talk.open(BOTH);
        talk.send(loser, &[bitfield([4])]);
        talk.send(keeper, &[bitfield([4])]);
        talk.send(loser, &[gone(4)]);
        talk.send(keeper, &[Message::Unchoke]);
        alive(talk, keeper);
    }),
    ("odd pieces taken back", |talk| {
        let pieces = torrent().geometry().pieces();
        after(talk, BOTH, &[gone(pieces)]);
        after(talk, BOTH, &[gone(u32::MAX)]);
        after(talk, BOTH, &[ours(3, b"\0\0\0")]);
    }),
    ("drops a piece", |talk| {
        let conns = [
            (BOTH, &[("lt_donthave", 22)][..]),
            (PLAIN, &[("lt_donthave", 22)]),
            (BOTH, &[("ut_metadata", 20)]),
        ]
        .map(|(bits, names)| {
            let conn = talk.open(bits);
            talk.send(conn, &[hello(names), Message::Interested]);
            conn
        });
        for conn in conns {
            talk.send(conn, &[request(4, 0)]);
        }
        let argv = ["discard", "4"].map(str::to_owned).to_vec();
        talk.give(Input::Verb { argv });
        for conn in conns {
            talk.send(conn, &[request(4, BLOCK)]);
        }
        talk.wait(secs(5));
    }),
    ("id above 127", |talk| {
        let conn = talk.open(BOTH);
        talk.send(conn, &[hello(&[("ut_metadata", 201)]), metadata_request()]);
    }),
    ("port that is none", |talk| ext(talk, b"d1:pi0ee")),
    ("block of a piece that ends before", |talk| {
        let block = BlockRef::new(4, BLOCK, BLOCK + 1);
        after(talk, BOTH, &[Message::Request(block)]);
    }),
    ("plain seed", |talk| {
        let pieces = torrent().geometry().pieces();
        first(talk, PLAIN, &[bitfield(0..pieces), Message::Unchoke]);
    }),
    ("dialled", |talk| {
        let conn = talk.dial();
        talk.wait(secs(1));
        talk.raw(conn, &Talk::handshake_with(BOTH).encode());
        talk.send(conn, &[Message::HaveNone, Message::Interested]);
        alive(talk, conn);
    }),
    ("dialled, split and coalesced", |talk| {
        let conn = talk.dial();
        let mut bytes = Talk::handshake_with(BOTH).encode().to_vec();
        bytes.extend_from_slice(&Message::HaveAll.encode());
        bytes.extend_from_slice(&Message::Interested.encode());
        talk.raw(conn, &bytes[..48]);
        talk.raw(conn, &bytes[48..]);
        alive(talk, conn);
    }),
    ("dialled, another hash", |talk| {
        let conn = talk.dial();
        let mut handshake = Talk::handshake_with(BOTH);
        handshake.info_hash = unknown_hash();
        talk.raw(conn, &handshake.encode());
        talk.wait(secs(1));
    }),
];
