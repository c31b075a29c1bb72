use super::*;
use crate::outcome::{Finding, TargetInfo};

fn run(role: &str, rows: &[(&str, Verdict, &str)]) -> RunOutcome {
    let rows = rows.iter().map(|(id, verdict, reason)| {
        let suite = id.split('/').next().unwrap();
        let mut case = CaseOutcome::new(*id, suite, *id);
        case.role = (suite != "rule").then(|| role.to_owned());
        case.verdict = *verdict;
        case.reason = Some((*reason).to_owned());
        let mut finding = Finding::new(*verdict, *reason, std::time::Duration::ZERO);
        finding.requirement = Some("B6-AF-13".to_owned());
        case.findings = vec![finding];
        case
    });
    let target = TargetInfo {
        role: Some(role.to_owned()),
        ..TargetInfo::default()
    };
    RunOutcome::new(target, 1, rows.collect())
}

fn shown(observations: &Observations, run: &RunOutcome) -> Vec<String> {
    let changed = observations.compare(run);
    changed.iter().map(Changed::to_string).collect()
}

fn load(text: &str) -> Observations {
    Observations::load("x.yaml", text).unwrap_or_else(|error| panic!("{}", error.render()))
}

#[test]
fn what_is_new_changed_or_gone_is_told() {
    use Verdict::{Info, Pass, Skip};
    let before = run(
        "seed",
        &[
            ("s/a:seed", Info, "closed after 3 s"),
            ("s/b:seed", Info, "\"have\" came"),
            ("s/c:seed", Info, "gone"),
            ("s/d:seed", Pass, ""),
            ("rule/r", Info, "broken 3 times of 4"),
        ],
    );
    let empty = load("");
    assert_eq!(
        shown(&empty, &before)[0],
        "x.yaml: `s/a:seed` saw `B6-AF-13: closed after N s`, which is not in the file"
    );
    let text = empty.update(&before);
    let file = load(&text);
    assert_eq!(shown(&file, &before), [""; 0]);
    let after = run(
        "seed",
        &[
            ("s/a:seed", Info, "closed after 950 ms"),
            ("s/b:seed", Info, "nothing came"),
            ("s/c:seed", Pass, ""),
            ("s/d:seed", Skip, "not offered"),
            ("s/e:seed", Info, "have came"),
            ("rule/q", Info, "broken 1 times of 1"),
            ("rule/r", Pass, ""),
        ],
    );
    assert_eq!(
        shown(&file, &after),
        [
            "x.yaml:11: `s/b:seed` saw `B6-AF-13: nothing came`, and `B6-AF-13: \"have\" came` before",
            "x.yaml:15: `s/c:seed` is pass now, and saw `B6-AF-13: gone` before",
            "x.yaml: `s/e:seed` saw `B6-AF-13: have came`, which is not in the file",
            "x.yaml: `rule/q` as seed saw `B6-AF-13: broken`, which is not in the file",
        ]
    );
    let text = file.update(&after);
    assert_eq!(shown(&load(&text), &after), [""; 0]);
    assert!(
        !text.contains("s/c:seed") && text.contains("rule/r"),
        "{text}"
    );
}

#[test]
fn the_other_role_and_what_was_not_judged_are_left_in_peace() {
    use Verdict::{Inconclusive, Info, Skip};
    let seed = run("seed", &[("s/a:seed", Info, "x"), ("rule/r", Info, "")]);
    let file = load(&load("").update(&seed));
    let leech = run("leech", &[("s/a:leech", Inconclusive, "no unchoke")]);
    assert_eq!(shown(&file, &leech), [""; 0]);
    assert_eq!(file.update(&leech), file.update(&seed));
    let skipped = run("seed", &[("s/a:seed", Skip, "not played")]);
    assert_eq!(shown(&file, &skipped), [""; 0]);
    assert_eq!(file.update(&skipped), file.update(&seed));
    // A rule's id tells no role: as leech it is another observation.
    let rule = run("leech", &[("rule/r", Info, "")]);
    assert_eq!(shown(&file, &rule).len(), 1);
}

#[test]
fn what_varies_is_not_compared_and_stays() {
    let file = load("- {case: s/a:seed, role: seed, varies: \"its clock: decides\"}\n");
    for verdict in [Verdict::Info, Verdict::Pass] {
        let run = run("seed", &[("s/a:seed", verdict, "x")]);
        assert_eq!(shown(&file, &run), [""; 0]);
        assert!(
            file.update(&run)
                .ends_with("  varies: \"its clock: decides\"\n")
        );
    }
}

#[test]
fn what_a_peer_says_stays_text() {
    let evil = "\u{1b}[2J\"\n- case: x\\ \u{202e}";
    let run = run("seed", &[("s/a:seed", Verdict::Info, evil)]);
    let text = load("").update(&run);
    assert_eq!(text.lines().count(), 6, "{text}");
    let file = load(&text);
    assert_eq!(shown(&file, &run), [""; 0]);
    assert_eq!(file.update(&run), text);
}

#[test]
fn what_is_wrong_has_a_place() {
    for (text, said) in [
        ("case: x\n", "observations are a list"),
        ("- x\n", "an entry is a mapping"),
        ("- case: x\n  rol: seed\n", "did you mean `role`?"),
        ("- case: x\n  role: peer\n", "no such role"),
        ("- case: x\n  role: seed\n", "no `saw`"),
        ("- role: seed\n  saw: x\n", "no `case`"),
        ("- case: x\n  saw: x\n", "no `role`"),
        ("- case: x\n  role: seed\n  varies: ''\n", "no reason"),
        (
            "- {case: x, role: seed, saw: x, varies: x}\n",
            "one of the two",
        ),
        (
            "- {case: x, role: seed, saw: 3}\n",
            "a number where text belongs",
        ),
        (
            "- {case: x, role: seed, saw: x}\n- {case: x, role: seed, saw: y}\n",
            "a second time",
        ),
    ] {
        let error = Observations::load("x.yaml", text).unwrap_err().render();
        assert!(error.contains(said) && error.contains("x.yaml:"), "{error}");
    }
}
