//! `btspec run --lock`: coverage that is lost is a complaint.

mod command;

use command::{folder, run};

const FILTER: &str = "id(handshake/answered:*) | id(fast_ext/seed-has-all:*)";

#[test]
fn what_was_judged_must_be_judged_again() {
    let lock = folder("lock").join("btspec.lock");
    let lock = lock.to_str().unwrap();
    let play = |rest: &[&str]| {
        let args = ["run", "--lock", lock, "--filter"];
        run(args.iter().chain(rest))
    };
    play(&[FILTER]).stops(2, &["btspec.lock", "--update-lock writes it"]);
    assert_eq!(play(&[FILTER, "--update-lock"]).code, 0);
    let text = std::fs::read_to_string(lock).unwrap();
    assert!(text.contains("\nhandshake/answered:leech good\n"), "{text}");
    assert!(
        text.contains("\nfast_ext/seed-has-all:seed good\n"),
        "{text}"
    );

    // The same, and its parts: one role, each share.
    assert_eq!(play(&[FILTER]).code, 0);
    assert_eq!(play(&[FILTER, "--role", "leech"]).code, 0);
    for share in ["hash:1/2", "hash:2/2"] {
        let ran = play(&[FILTER, "--partition", share]);
        assert!([0, 4].contains(&ran.code), "{ran:#?}");
    }

    // Another verdict is no loss; a case that is gone, or only skipped, is.
    let broken = play(&[FILTER, "--fault", "seed-says-have-none"]);
    assert!(!broken.out.contains("was judged once"), "{broken:#?}");
    let fewer = play(&["id(handshake/answered:*)"]);
    assert_eq!(fewer.code, 1, "{fewer:#?}");
    let gone = "`fast_ext/seed-has-all:seed` was judged once and is not played any more";
    assert!(fewer.out.contains(gone), "{fewer:#?}");
    let skipped = play(&[FILTER, "--twin", "fast-off"]);
    assert_eq!(skipped.code, 1, "{skipped:#?}");
    assert!(skipped.out.contains("is skipped now"), "{skipped:#?}");

    // Said to be right, it is.
    assert_eq!(play(&["id(handshake/answered:*)", "--update-lock"]).code, 0);
    assert_eq!(play(&["id(handshake/answered:*)"]).code, 0);
}

#[test]
fn a_file_that_is_no_lock_is_usage() {
    let lock = folder("no-lock").join("x.lock");
    std::fs::write(&lock, "handshake/answered:seed\n").unwrap();
    let lock = lock.to_str().unwrap();
    run(["run", "--lock", lock]).stops(2, &["x.lock:1: ", "`ID good`"]);
    run(["run", "--update-lock"]).stops(2, &["--lock"]);
}
