//! Exit codes and the one function that decides between them.

use std::fmt;

use super::{RunOutcome, Verdict};

/// Exit code of the process. The first that applies, in the order 2, 5, 3, 1, 4, 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Nothing to complain about.
    Ok = 0,
    /// A fail; an unexpected pass; a stale or expired expectation; an `inconclusive` that no
    /// expectation lists; lost coverage (`--lock`); with `--strict`, a warn or a
    /// changed observation (`--observations`).
    Found = 1,
    /// Usage, scenario, torrent, data or expectations file wrong, found before anything is sent.
    Usage = 2,
    /// Target unreachable at the start, never served, or lost before the last case.
    Unreachable = 3,
    /// Nothing was selected, or everything selected was skipped.
    Nothing = 4,
    /// An internal error, or a case that ended in `error`.
    Internal = 5,
}

impl Exit {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 6] = [
        Self::Ok,
        Self::Found,
        Self::Usage,
        Self::Unreachable,
        Self::Nothing,
        Self::Internal,
    ];

    /// The number handed to the operating system.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// One line for `--help` and the docs.
    pub fn doc(self) -> &'static str {
        match self {
            Self::Ok => "nothing to complain about",
            Self::Found => {
                "a fail, an unexpected pass, a stale or expired expectation, an unlisted \
                 inconclusive, lost coverage; with --strict a warn or a changed observation"
            }
            Self::Usage => "usage, scenario, torrent, data or expectations wrong; nothing was sent",
            Self::Unreachable => "target unreachable, never served, or lost before the last case",
            Self::Nothing => "nothing selected, or everything selected was skipped",
            Self::Internal => "internal error, or a case ended in error",
        }
    }

    /// The code of a finished run, with what the files beside it have to say.
    pub fn of_run(run: &RunOutcome, strict: bool) -> Self {
        let unlisted = |verdict: Verdict| {
            run.cases
                .iter()
                .any(|case| case.verdict == verdict && case.known.is_none())
        };
        if run.summary.error > 0 {
            Self::Internal
        } else if run.lost.is_some() {
            Self::Unreachable
        } else if run.complaints.iter().any(|it| it.is_bad(strict))
            || unlisted(Verdict::Fail)
            || unlisted(Verdict::Inconclusive)
            || (strict && unlisted(Verdict::Warn))
        {
            Self::Found
        } else if run
            .cases
            .iter()
            .filter(|case| !case.is_rule())
            .all(|case| case.verdict == Verdict::Skip)
            && run.cases.iter().all(|case| case.verdict == Verdict::Skip)
        {
            Self::Nothing
        } else {
            Self::Ok
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code(), self.doc())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{About, CaseOutcome, FileComplaint, TargetInfo};
    use super::*;

    fn run(verdicts: &[Verdict]) -> RunOutcome {
        let cases = verdicts
            .iter()
            .enumerate()
            .map(|(i, verdict)| {
                let mut case = CaseOutcome::new(format!("s/c{i}:seed"), "s", format!("s/c{i}"));
                case.verdict = *verdict;
                case
            })
            .collect();
        RunOutcome::new(TargetInfo::default(), 0, cases)
    }

    #[test]
    fn one_verdict_one_code() {
        for (verdict, strict, exit) in [
            (Verdict::Pass, false, Exit::Ok),
            (Verdict::Info, true, Exit::Ok),
            (Verdict::Warn, false, Exit::Ok),
            (Verdict::Warn, true, Exit::Found),
            (Verdict::Fail, false, Exit::Found),
            (Verdict::Inconclusive, false, Exit::Found),
            (Verdict::Skip, false, Exit::Nothing),
            (Verdict::Error, false, Exit::Internal),
        ] {
            assert_eq!(
                Exit::of_run(&run(&[verdict]), strict),
                exit,
                "{verdict} strict={strict}"
            );
        }
        assert_eq!(Exit::of_run(&run(&[]), false), Exit::Nothing);
    }

    #[test]
    fn error_beats_lost_beats_fail() {
        let mut all = run(&[Verdict::Fail, Verdict::Error]);
        all.lost = Some("gone".to_owned());
        assert_eq!(Exit::of_run(&all, false), Exit::Internal);
        let mut lost = run(&[Verdict::Fail]);
        lost.lost = Some("gone".to_owned());
        assert_eq!(Exit::of_run(&lost, false), Exit::Unreachable);
    }

    #[test]
    fn a_listed_result_is_no_complaint_but_a_stale_entry_is() {
        let mut listed = run(&[Verdict::Fail, Verdict::Pass]);
        listed.cases[0].known = Some("upstream issue".to_owned());
        assert_eq!(Exit::of_run(&listed, false), Exit::Ok);
        let complain = FileComplaint::warn(About::Observations, "changed");
        listed.complaints = vec![complain];
        assert_eq!(Exit::of_run(&listed, false), Exit::Ok);
        assert_eq!(Exit::of_run(&listed, true), Exit::Found);
        listed.complaints = vec![FileComplaint::fail(About::Expectations, "stale")];
        assert_eq!(Exit::of_run(&listed, false), Exit::Found);
    }
}
