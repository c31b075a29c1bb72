//! The fast extension, requests and chokes.

use super::acts::*;
use super::*;

pub(super) const SCRIPTS: &[(&str, Script)] = &[
    ("have_all without fast", |talk| {
        after(talk, PLAIN, &[Message::HaveAll])
    }),
    ("have_none without fast", |talk| {
        after(talk, PLAIN, &[Message::HaveNone])
    }),
    ("suggest without fast", |talk| {
        after(talk, PLAIN, &[Message::SuggestPiece { index: 0 }]);
    }),
    ("reject without fast", |talk| {
        after(talk, PLAIN, &[reject(0, 0)])
    }),
    ("allowed_fast without fast", |talk| {
        after(talk, PLAIN, &[Message::AllowedFast { index: 0 }]);
    }),
    ("availability twice", |talk| {
        first(
            talk,
            BOTH,
            &[Message::HaveNone, Message::HaveNone, Message::HaveNone],
        );
    }),
    ("have_all", |talk| {
        first(talk, BOTH, &[Message::HaveAll, Message::Unchoke])
    }),
    ("have_none then have", |talk| {
        let messages = [
            Message::HaveNone,
            Message::Unchoke,
            Message::Have { index: 3 },
        ];
        first(talk, BOTH, &messages);
    }),
    ("late have_all", |talk| {
        let messages = [Message::HaveNone, Message::Interested, Message::HaveAll];
        first(talk, BOTH, &messages);
    }),
    ("interest alone", |talk| {
        first(talk, BOTH, &[Message::Interested])
    }),
    ("interest alone, plain", |talk| {
        first(talk, PLAIN, &[Message::Interested])
    }),
    ("bitfield with fast", |talk| {
        first(talk, BOTH, &[bitfield([1]), Message::Interested])
    }),
    ("suggest", |talk| {
        after(talk, BOTH, &[Message::SuggestPiece { index: 5 }])
    }),
    ("suggest unannounced", |talk| {
        after(talk, BOTH, &[Message::SuggestPiece { index: 50 }])
    }),
    ("suggest out of range", |talk| {
        after(talk, BOTH, &[Message::SuggestPiece { index: 67 }])
    }),
    ("many suggestions", |talk| {
        after(
            talk,
            BOTH,
            &[const { Message::SuggestPiece { index: 5 } }; 1200],
        );
    }),
    ("allowed_fast out of range", |talk| {
        after(talk, BOTH, &[Message::AllowedFast { index: 67 }]);
    }),
    ("allowed_fast unannounced", |talk| {
        let allowed = Message::AllowedFast { index: 50 };
        first(talk, BOTH, &[Message::HaveNone, allowed]);
    }),
    ("allowed_fast late", |talk| {
        let conn = talk.open(BOTH);
        talk.send(conn, &[Message::HaveAll]);
        talk.wait(secs(5));
        talk.send(conn, &[Message::AllowedFast { index: 5 }]);
        alive(talk, conn);
    }),
    ("choked requests", |talk| {
        let conn = talk.open(BOTH);
        talk.send(conn, &[Message::HaveNone, request(4, 0)]);
        alive(talk, conn);
    }),
    ("choked requests, plain", |talk| {
        let conn = talk.open(PLAIN);
        talk.send(conn, &[request(4, 0)]);
        alive(talk, conn);
    }),
    ("choked requests after another was unchoked", |talk| {
        set_up(talk, PLAIN);
        let conn = talk.open(PLAIN);
        talk.send(conn, &[request(4, 0)]);
    }),
    ("choked flood", |talk| {
        let conn = talk.open(BOTH);
        let requests: Vec<Message> = (0..600).map(|n| request(n % 60, 0)).collect();
        talk.send(conn, &requests);
    }),
    ("requests after choke", |talk| {
        after(talk, BOTH, &[Message::NotInterested, request(4, 0)]);
    }),
    ("choke with requests pending", |talk| {
        let conn = set_up(talk, BOTH);
        let allowed = allowed_fast(talk, conn);
        let mut messages: Vec<Message> = (4..20).map(|index| request(index, 0)).collect();
        messages.extend(allowed.first().map(|index| request(*index, 0)));
        messages.push(Message::NotInterested);
        talk.send(conn, &messages);
        alive(talk, conn);
    }),
    ("allowed-fast request", |talk| {
        let conn = talk.open(BOTH);
        talk.send(
            conn,
            &[
                Message::HaveNone,
                Message::Interested,
                Message::NotInterested,
            ],
        );
        let allowed = allowed_fast(talk, conn);
        for index in allowed {
            talk.send(conn, &[request(index, 0)]);
        }
    }),
    ("two starting peers", |talk| {
        talk.peer.change_settings(|s| s.allowed_fast = 5);
        set_up(talk, BOTH);
        let conn = talk.open(BOTH);
        talk.send(conn, &[Message::HaveNone, Message::Interested]);
    }),
    ("requests that are not valid", |talk| {
        let messages = [
            (67, 0, 1),
            (u32::MAX, 0, BLOCK),
            (4, BLOCK * 2, 1),
            (4, 1, u32::MAX),
        ];
        let conn = set_up(talk, BOTH);
        for (index, begin, length) in messages {
            let block = BlockRef::new(index, begin, length);
            talk.send(conn, &[Message::Request(block)]);
        }
        alive(talk, conn);
    }),
    ("requests of 16 KiB and more", |talk| {
        let block = BlockRef::new(4, 0, 20_000);
        after(talk, BOTH, &[Message::Request(block)]);
    }),
    ("unrequested reject", |talk| {
        after(talk, BOTH, &[reject(60, 0)])
    }),
    ("unrequested piece", |talk| {
        after(talk, BOTH, &[piece(60, 0)])
    }),
    ("cancels", |talk| {
        for bits in [BOTH, PLAIN] {
            let conn = set_up(talk, bits);
            let block = BlockRef::new(7, 0, BLOCK);
            let messages = [
                request(6, 0),
                Message::Request(block),
                request(8, 0),
                Message::Cancel(block),
                Message::Request(block),
            ];
            talk.send(conn, &messages);
            alive(talk, conn);
        }
    }),
    ("needless cancel", |talk| {
        let block = BlockRef::new(7, 0, BLOCK);
        after(talk, BOTH, &[Message::Cancel(block)]);
    }),
    ("same request twice", |talk| {
        talk.peer
            .change_settings(|s| s.serve_delay = Duration::from_millis(10));
        after(talk, BOTH, &[request(7, 0), request(7, 0)]);
    }),
    ("same block again", |talk| {
        let conn = set_up(talk, BOTH);
        talk.send(conn, &[request(7, 0)]);
        talk.send(conn, &[request(7, 0)]);
    }),
    ("too many requests", |talk| {
        let conn = set_up(talk, BOTH);
        let requests: Vec<Message> = (0..2100).map(|n| request(n % 60, 0)).collect();
        talk.send(conn, &requests);
    }),
    ("short last block", |talk| {
        let geometry = torrent().geometry();
        let block = geometry.blocks(geometry.last()).last().unwrap();
        after(talk, BOTH, &[Message::Request(block)]);
    }),
    ("rejects", |talk| {
        let conn = set_up(talk, BOTH);
        for block in requests(talk, conn) {
            talk.send(conn, &[Message::RejectRequest(block)]);
        }
        talk.wait(secs(40));
    }),
    ("reject of another length", |talk| {
        let conn = set_up(talk, BOTH);
        if let Some(block) = requests(talk, conn).first() {
            let other = BlockRef {
                length: 1,
                ..*block
            };
            talk.send(conn, &[Message::RejectRequest(other)]);
        }
    }),
    ("answer to a cancelled request", |talk| {
        let seeds = [set_up(talk, BOTH), set_up(talk, BOTH)];
        let asked = requests(talk, seeds[0]);
        for block in &asked {
            talk.send(seeds[0], &[answer(block)]);
        }
        for block in &asked {
            talk.send(seeds[1], &[answer(block)]);
        }
    }),
    ("their choke, then an unchoke", |talk| {
        for bits in [BOTH, PLAIN] {
            let conn = set_up(talk, bits);
            talk.send(conn, &[Message::Choke]);
            talk.wait(secs(1));
            talk.send(conn, &[Message::Unchoke]);
            talk.wait(secs(5));
        }
    }),
    ("piece behind a choke", |talk| {
        let conn = set_up(talk, PLAIN);
        if let Some(block) = requests(talk, conn).first() {
            talk.send(conn, &[Message::Choke, answer(block)]);
        }
    }),
    ("chokes, then one unchoke", |talk| {
        let conn = talk.open(BOTH);
        let choke = Message::Choke;
        let have = bitfield([1]);
        talk.send(
            conn,
            &[have, choke.clone(), choke.clone(), choke, Message::Unchoke],
        );
    }),
    ("unchoke twice", |talk| {
        after(talk, BOTH, &[Message::Unchoke, Message::Unchoke])
    }),
    ("never unchoked", |talk| {
        let conn = talk.open(BOTH);
        talk.send(conn, &[Message::HaveAll]);
        talk.wait(secs(20));
    }),
    ("choked again", |talk| {
        let conn = set_up(talk, BOTH);
        talk.send(conn, &[Message::Choke]);
        for block in requests(talk, conn) {
            talk.send(conn, &[Message::RejectRequest(block)]);
        }
        talk.wait(secs(20));
    }),
    ("interest again and again", |talk| {
        after(talk, BOTH, &[const { Message::Interested }; 4]);
    }),
];
