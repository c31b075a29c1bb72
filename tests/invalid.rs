//! Files that are not accepted: each gives its message, with place and caret.

use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use btspec::scenario::{Lint, ScenarioError, lint, load};

/// Compares with `snapshots/NAME.snap`.
#[track_caller]
fn snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

fn errors(path: &Path) -> String {
    let errors = load(&[path.to_owned()]).expect_err("the file should not be accepted");
    let shown: Vec<String> = errors.iter().map(ScenarioError::render).collect();
    shown.join("\n\n")
}

/// Relative, so that messages name the same path everywhere: tests run in the package's folder.
fn data(folder: &str, name: &str) -> PathBuf {
    PathBuf::from(format!("tests/data/{folder}/{name}.yaml"))
}

fn listed(folder: &str) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(format!("tests/data/{folder}"))
        .unwrap()
        .map(|entry| {
            entry
                .unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    names.sort();
    names
}

/// One test for each file, and one that no file is left out.
macro_rules! files {
    ($folder:literal, $prefix:literal, $show:expr, $list:ident: $($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                let name = stringify!($name);
                snapshot(&format!("{}_{name}", $prefix), &$show(&data($folder, name)));
            }
        )*

        #[test]
        fn $list() {
            assert_eq!(listed($folder), [$(stringify!($name)),*]);
        }
    };
}

mod invalid {
    use super::*;

    files! {
        "invalid", "invalid", errors, every_file_has_its_test:
        anchor
        argument_type
        bad_hex
        bad_yaml
        block_loop
        block_parameter
        block_returns
        block_sees_only_itself
        block_without_parameter
        boolean_yes
        branch_action
        branch_within
        captured_twice
        case_key
        check_pair
        cite_not_of_case
        closed_no
        duplicate_case
        duplicate_key
        empty
        empty_until
        expression_depth
        expression_end
        expression_function
        expression_types
        expression_without_braces
        fail_if_without_cites
        field_bytes
        field_of_bare_message
        field_type
        field_width
        file_above
        file_key
        file_missing
        given_twice
        idle_empty
        known_id
        label_twice
        matcher_type
        matrix_label
        matrix_too_large
        merge_key
        missing_cites
        missing_field
        missing_suite
        misspelt_field
        modifier_beside_message
        modifier_in_message
        modifier_without_meaning
        need_of_target
        no_action
        no_cases
        no_connection
        not_a_map
        one_branch
        repeat_empty
        reserved_bit
        rules_because
        sha1_length
        silence_of
        spec_2
        step_is_text
        suite_id
        tabs
        tag
        timeout_unit
        too_many_connections
        too_many_steps
        two_actions
        two_documents
        two_messages
        unknown_action
        unknown_axis
        unknown_block
        unknown_bytes
        unknown_capture
        unknown_field
        unknown_label
        unknown_lane
        unknown_matcher
        unknown_message
        unknown_modifier
        unknown_need
        unknown_peer
        unknown_requirement
        unknown_role
        unknown_rule
        unknown_state
        unknown_variable
        unknown_variant
        unknown_verb
        unknown_verdict
        used_before_capture
        variable_name
        wait_because
        wait_duration
        when_of_case
    }
}

fn findings(path: &Path) -> String {
    let suites = load(&[path.to_owned()]).unwrap_or_else(|errors| panic!("{errors:#?}"));
    let shown: Vec<String> = suites.iter().flat_map(lint).map(|it| it.render()).collect();
    shown.join("\n\n")
}

mod linted {
    use super::*;

    files! {
        "lint", "lint", findings, every_file_has_its_test:
        cite_never_judged
        expect_of_old_request
        expect_of_state
        negative_unproved
        next_without_tag
        nothing_judged
        proof_before_handshake
        slow_without_tag
        step_without_cite
        unreachable
        unused_connection
        verdict_without_note
    }

    #[test]
    fn every_lint_is_shown_by_a_file() {
        let files = std::fs::read_dir("tests/data/lint").unwrap();
        let shown: Vec<String> = files.map(|file| findings(&file.unwrap().path())).collect();
        let shown = shown.concat();
        for lint in Lint::ALL {
            let name = format!("warning[{}]", lint.name());
            assert!(shown.contains(&name), "{name}");
        }
    }

    #[test]
    fn our_own_suites_have_no_findings() {
        assert_eq!(findings(Path::new("scenarios")), "");
    }

    #[test]
    fn sound_files_have_no_findings() {
        assert_eq!(findings(&data("scenarios", "sound")), "");
    }
}

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, write: impl FnOnce(&mut std::fs::File)) -> Self {
        let folder = std::env::temp_dir().join(format!("btspec-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut file = std::fs::File::create(folder.join("hostile.yaml")).unwrap();
        write(&mut file);
        Self(folder)
    }

    fn errors(&self) -> String {
        let text = errors(&self.0.join("hostile.yaml"));
        text.replace(self.0.to_str().unwrap(), "TMP")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_hundred_levels_of_nesting_are_refused() {
    let flow = Scratch::new("flow", |file| {
        write!(file, "spec: {}1{}", "[".repeat(100), "]".repeat(100)).unwrap();
    });
    snapshot("invalid_hostile_flow_nesting", &flow.errors());
    let block = Scratch::new("block", |file| {
        for level in 0..100 {
            writeln!(file, "{}a:", " ".repeat(level)).unwrap();
        }
    });
    snapshot("invalid_hostile_block_nesting", &block.errors());
    let deep = Scratch::new("deep", |file| {
        write!(file, "{}", "[".repeat(500_000)).unwrap();
    });
    snapshot("invalid_hostile_deep_nesting", &deep.errors());
}

#[test]
fn alias_bombs_are_refused() {
    let bomb = Scratch::new("bomb", |file| {
        writeln!(file, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]").unwrap();
        for level in 1..20 {
            let before = format!("*a{}", level - 1);
            writeln!(
                file,
                "a{level}: &a{level} [{}]",
                vec![before; 10].join(", ")
            )
            .unwrap();
        }
    });
    snapshot("invalid_hostile_alias_bomb", &bomb.errors());
}

#[test]
fn large_files_are_refused_unread() {
    let large = Scratch::new("large", |file| {
        file.seek(SeekFrom::Start(100 << 20)).unwrap();
        file.write_all(b"x").unwrap();
    });
    assert_eq!(
        large.errors(),
        "error: TMP/hostile.yaml: more than 1024 KiB: too long for a scenario"
    );
}

#[test]
fn many_values_are_refused() {
    let many = Scratch::new("many", |file| {
        write!(file, "spec: [{}]", "1,".repeat(300_000)).unwrap();
    });
    assert!(many.errors().contains("more than 100000 values"));
}

#[test]
fn what_is_not_utf8_is_refused() {
    let bytes = Scratch::new("bytes", |file| file.write_all(b"spec: \xff\xfe").unwrap());
    assert_eq!(
        bytes.errors(),
        "error: TMP/hostile.yaml: not UTF-8 at byte 6"
    );
    let control = Scratch::new("control", |file| {
        file.write_all(b"spec: \x00\x1b[31m").unwrap()
    });
    assert!(!control.errors().contains('\x1b'));
}

#[test]
fn missing_and_empty_paths_are_named() {
    let missing = errors(Path::new("tests/data/no_such.yaml"));
    assert!(
        missing.starts_with("error: tests/data/no_such.yaml: "),
        "{missing}"
    );
    assert_eq!(
        errors(Path::new("tests/data/vectors")),
        "error: tests/data/vectors: no scenario in this folder"
    );
}

#[cfg(unix)]
#[test]
fn links_are_not_followed_to_bytes() {
    let linked = Scratch::new("linked", |file| {
        let case = std::fs::read_to_string(data("invalid", "file_missing")).unwrap();
        file.write_all(case.as_bytes()).unwrap();
    });
    std::os::unix::fs::symlink("/etc/hostname", linked.0.join("no_such.bin")).unwrap();
    assert!(linked.errors().contains("is or passes a link"));
}
