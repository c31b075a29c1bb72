//! Cases that need no extension see the defects of leeches that know none, too.

mod command;

use command::run;

#[test]
fn a_leech_without_extensions_is_seen_to_read_behind_what_ends_the_stream() {
    for (fault, case) in [
        ("takes-length-prefix-as-signed", "framing/top-bit"),
        (
            "reads-on-behind-second-handshake",
            "handshake/second-handshake",
        ),
    ] {
        let filter = format!("id({case}*:leech)");
        for twin in ["plain", "extended-off"] {
            let play = |rest: &[&str]| {
                let args = [
                    "run", "--role", "leech", "--twin", twin, "--filter", &filter,
                ];
                run(args.iter().chain(rest))
            };
            let broken = play(&["--fault", fault]);
            assert_eq!(broken.code, 1, "{twin}, {fault}: {broken:#?}");
            assert!(broken.out.contains(case), "{broken:#?}");
            let sound = play(&[]);
            assert_eq!(sound.code, 0, "{twin}: {sound:#?}");
        }
    }
}
