//! `docs/library.md` names items and tests that exist, and its examples run.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            files.push(path);
        }
    }
    files
}

/// The cells in backticks of the rows of the tables: item and test.
fn rows() -> Vec<(String, String)> {
    let text = fs::read_to_string("docs/library.md").unwrap();
    let quoted = |cell: &str| cell.trim().trim_matches('`').to_owned();
    text.lines()
        .filter(|line| line.starts_with('|') && line.contains('`'))
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').collect();
            assert_eq!(cells.len(), 3, "{line}");
            (quoted(cells[1]), quoted(cells[2]))
        })
        .collect()
}

#[test]
fn every_item_and_test_named_in_the_docs_exists() {
    let code: String = sources(Path::new("src/peer"))
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let mut tests = BTreeSet::new();
    for part in code.split("#[test]\n").skip(1) {
        let name = part.trim_start().strip_prefix("fn ").unwrap_or_default();
        tests.extend(name.split('(').next().map(str::to_owned));
    }
    let rows = rows();
    assert!(rows.len() >= 80, "{}", rows.len());
    for (item, test) in rows {
        assert!(tests.contains(&test), "no test `{test}`");
        let (owner, name) = item.split_once("::").unwrap();
        let known = ["struct", "enum", "trait"]
            .iter()
            .any(|word| code.contains(&format!("pub {word} {owner}")));
        assert!(known, "no type `{owner}`");
        let forms = [
            format!("fn {name}("),
            format!("pub {name}: "),
            format!("    {name} {{"),
            format!("    {name}("),
            format!("    {name},"),
        ];
        let exists = forms.iter().any(|form| code.contains(form.as_str()));
        assert!(exists, "no `{name}` in `{owner}`");
    }
}

/// The examples of the page, as a program of somebody else would have them.
mod examples {
    use std::time::Duration;

    use btspec::peer::{Extension, Input, Link, Output, Peer, PeerConfig, Process, Role};
    use btspec::torrent::fixture;
    use btspec::wire::{Capability, Handshake, PeerId, Reserved};
    use bytes::Bytes;

    #[test]
    fn a_seed_answers_a_handshake() {
        let torrent = fixture::one_piece().torrent;
        let theirs = Handshake {
            reserved: Reserved::with(&[Capability::Fast]),
            info_hash: torrent.info_hash(),
            peer_id: PeerId(*b"-XX0000-000000000000"),
        };
        let mut peer = Peer::new(PeerConfig::new(torrent, Role::Seed));
        let at = Duration::ZERO;
        let remote = "127.0.0.1:5000".parse().unwrap();
        peer.handle(Input::Accepted { conn: 2, remote }, at);
        let bytes = Bytes::copy_from_slice(&theirs.encode());
        peer.handle(Input::Bytes { conn: 2, bytes }, at);
        let mut written = Vec::new();
        while let Some(output) = peer.poll_output() {
            if let Output::Bytes { conn: 2, bytes } = output {
                written.extend_from_slice(&bytes);
            }
        }
        // The handshake and have_all.
        assert_eq!(written.len(), 68 + 5);
        assert!(peer.poll_deadline().is_some());
    }

    #[derive(Debug)]
    struct Shout;

    impl Extension for Shout {
        fn on_message(&mut self, link: &mut Link<'_>, payload: &Bytes) {
            link.send(payload.to_ascii_uppercase().into());
        }
    }

    #[test]
    fn an_extension_is_added_by_name() {
        let config = PeerConfig::new(fixture::one_piece().torrent, Role::Leech);
        let mut peer = Peer::new(config);
        let added = peer.add_extension("x_shout", Box::new(|| Box::new(Shout)));
        assert!(added.is_ok());
        let again = peer.add_extension("x_shout", Box::new(|| Box::new(Shout)));
        assert!(again.is_err());
    }
}
