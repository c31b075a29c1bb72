//! Whole downloads between two reference peers.

use std::time::Duration;

use super::support::*;
use crate::peer::config::Announce;
use crate::peer::event::ExtensionNote;
use crate::peer::{PeerEvent, Process};

#[test]
fn leech_downloads_everything_from_a_seed_at_every_latency() {
    for latency in [0, 1, 50, 400] {
        let mut net = Net::of([seed(), leech()]);
        net.latency = Duration::from_millis(latency);
        net.dial(1, 0);
        net.run_until(secs(300), |net| net.peers[1].pieces().is_full());
        net.run_for(secs(10));
        assert!(!net.peers[1].connections().next().unwrap().us().interested);
        assert_eq!(net.closed(0), []);
        assert_eq!(net.closed(1), []);
    }
}

#[test]
fn seed_that_dials_serves_too() {
    let mut net = Net::of([seed(), leech()]);
    net.dial(0, 1);
    net.run_until(secs(60), |net| net.peers[1].pieces().is_full());
}

#[test]
fn download_does_not_depend_on_segments() {
    for segment in [1, 3, 7, 1460] {
        let config = leech().with_settings(|s| s.pipeline = 3);
        let mut net = Net::of([seed(), config]);
        net.segment = segment;
        net.dial(1, 0);
        net.run_until(secs(60), |net| net.peers[1].pieces().count() >= 2);
    }
}

#[test]
fn downloads_without_fast_and_with_lazy_bitfield() {
    for announce in [Announce::Compact, Announce::Bitfield, Announce::Lazy] {
        let plain = seed()
            .with_reserved(crate::wire::Reserved::default())
            .with_settings(|s| s.announce = announce);
        let mut net = Net::of([plain, leech()]);
        net.dial(1, 0);
        net.run_until(secs(60), |net| net.peers[1].pieces().is_full());
    }
}

#[test]
fn slow_seed_with_delays_is_downloaded_from() {
    let slow = seed().with_settings(|s| {
        s.unchoke_delay = secs(10);
        s.serve_delay = Duration::from_millis(300);
        s.pacing = Duration::from_millis(5);
    });
    let mut net = Net::of([slow, leech()]);
    net.latency = Duration::from_millis(20);
    net.dial(1, 0);
    net.run_until(secs(300), |net| net.peers[1].pieces().is_full());
}

#[test]
fn swarm_of_leeches_shares_and_ends_with_cancels() {
    let mut net = Net::of([seed(), leech(), leech().with_seed(3), leech().with_seed(4)]);
    net.latency = Duration::from_millis(10);
    for (from, to) in [(1, 0), (2, 0), (3, 0), (1, 2), (2, 3), (1, 3)] {
        net.dial(from, to);
    }
    net.run_until(secs(300), |net| {
        net.peers.iter().all(|p| p.pieces().is_full())
    });
    net.run_for(secs(5));
    for n in 0..4 {
        assert_eq!(net.closed(n), [], "peer {n}");
    }
    let uploaded = net.peers[1].stats().sent.payload();
    assert!(uploaded > 0);
}

#[test]
fn metadata_is_fetched_and_checked() {
    let fetcher = leech().with_settings(|s| {
        s.fetch_metadata = true;
        s.auto_download = false;
    });
    let mut net = Net::of([seed(), fetcher]);
    net.dial(1, 0);
    net.run_for(secs(1));
    let info = torrent().metainfo().info_bytes().clone();
    assert!(net.events.iter().any(|(n, event)| *n == 1
        && matches!(event, PeerEvent::Extension { name: "ut_metadata", note: ExtensionNote::Metadata(bytes), .. } if *bytes == info)));
}

#[test]
fn two_runs_are_alike() {
    let run = || {
        let mut net = Net::of([seed(), leech()]);
        net.latency = Duration::from_millis(3);
        net.dial(1, 0);
        net.run_for(secs(60));
        format!("{:?}", net.events)
    };
    assert_eq!(run(), run());
}

#[test]
fn idle_connection_is_kept_by_keep_alives_and_memory_stays_small() {
    let mut net = Net::of([seed(), leech()]);
    net.dial(1, 0);
    net.run_for(secs(3600));
    assert_eq!(net.closed(0), []);
    assert!(net.peers[0].health().resident < 9 << 20);
    assert!(net.peers[1].health().resident < 9 << 20);
}
