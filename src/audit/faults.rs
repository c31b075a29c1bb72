//! Defective reference peers: each must be seen, and only where it is defective.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};

use super::bench::Audit;
use super::blind::blind;
use super::proved::cited_by;
use crate::engine::self_mode::reference;
use crate::outcome::{CaseOutcome, Finding, RunOutcome, Verdict};
use crate::peer::fault::{self, FaultRole, FaultSet, FaultSpec};
use crate::requirement::{Level, catalogue};
use crate::scenario::Play;
use crate::scenario::ast::{Direction, Role};

/// A row that saw a defect for what it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kill {
    /// The requirement that it cites.
    pub requirement: String,
    /// Id of the row.
    pub row: String,
    /// `fail` or `warn`.
    pub verdict: Verdict,
}

/// A row that changed although it is about something else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Blame {
    /// Id of the row.
    pub row: String,
    /// What it cites where it changed.
    pub requirements: Vec<String>,
    /// `fail` or `warn`.
    pub verdict: Verdict,
    /// Why, in its own words.
    pub reason: String,
}

/// What became of a defect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Something that cites a requirement that it breaks has seen it.
    Killed,
    /// Nothing has, although something cites them.
    Survived,
    /// No case and no rule cites what it breaks.
    Uncited,
}

/// One defect and what the suites made of it.
#[derive(Debug, Clone)]
pub struct FaultRow {
    /// The defect.
    pub fault: &'static FaultSpec,
    /// What became of it.
    pub standing: Standing,
    /// Who saw it.
    pub kills: Vec<Kill>,
    /// What else changed.
    pub blamed: Vec<Blame>,
    /// Rows that were inconclusive, skipped or an error with it and not without.
    pub lost: Vec<(String, Verdict, String)>,
    /// Consequences that it lists and that no row shows: they are no excuse.
    pub needless: Vec<&'static str>,
}

impl FaultRow {
    /// The requirements that it proves: broken by it, and seen to be.
    pub fn proves(&self) -> BTreeSet<&str> {
        self.kills.iter().map(|k| k.requirement.as_str()).collect()
    }

    /// Whether the suites did right by it.
    pub fn is_good(&self) -> bool {
        let excused = self.standing == Standing::Killed && !self.needless.is_empty();
        self.standing != Standing::Survived && self.blamed.is_empty() && !excused
    }
}

/// All defects.
#[derive(Debug, Clone)]
pub struct FaultTable {
    /// A row for each defect, in the order of the catalogue.
    pub rows: Vec<FaultRow>,
    /// Rows of the sound reference peer that are neither pass, info nor skip.
    pub unsound: Vec<Blame>,
    /// Requirements that a judged step or a rule cites and that no defect proves. Of some defects
    /// only: those that they break.
    pub unproved: BTreeSet<String>,
    /// Rules that neither the reference peer nor a twin put to the test.
    pub idle_rules: Vec<String>,
    /// Kinds of play (case, role, direction) in which no defect of a cited requirement was seen.
    pub blind: Vec<String>,
}

impl FaultTable {
    /// Requirements that a defect breaks and that were seen broken by what cites them.
    pub fn proved(&self) -> BTreeSet<String> {
        let proved = self.rows.iter().flat_map(FaultRow::proves);
        proved.map(str::to_owned).collect()
    }

    /// Whether every defect was seen, nothing else was blamed, everything that is cited is proved
    /// (in each case, role and direction that cites it), and no rule is idle.
    pub fn is_good(&self) -> bool {
        self.unsound.is_empty()
            && self.unproved.is_empty()
            && self.idle_rules.is_empty()
            && self.blind.is_empty()
            && self.rows.iter().all(FaultRow::is_good)
            && self.excused() * MOST_EXCUSED <= fault::all().count()
    }

    /// Defects that list consequences.
    fn excused(&self) -> usize {
        let rows = self.rows.iter();
        rows.filter(|row| !row.fault.also.is_empty()).count()
    }

    fn count(&self, standing: Standing) -> usize {
        let rows = self.rows.iter();
        rows.filter(|row| row.standing == standing).count()
    }
}

impl Audit {
    /// Plays against the reference peer with each of `faults`, one at a time. `done` hears of each
    /// when it is over, in any order.
    pub fn faults(
        &self,
        faults: &[&'static FaultSpec],
        done: &(dyn Fn(&FaultRow) + Sync),
    ) -> FaultTable {
        let sound = self.run(&reference(|config| config), true, |_| true);
        let normal: BTreeMap<&str, Normal<'_>> = sound
            .cases
            .iter()
            .map(|row| (row.id.as_str(), (row.verdict, row.reason.as_deref())))
            .collect();
        let cited = cited_by(&self.plays);
        let rows = self.each(faults, |fault| {
            let make = reference(|config| config.with_faults(FaultSet::one(fault)));
            let run = self.run(&make, true, |play| concerns(fault, play));
            let row = judge(fault, &run, &normal, &cited);
            done(&row);
            row
        });
        let mut table = FaultTable {
            rows,
            unsound: sound.cases.iter().filter_map(unsound).collect(),
            unproved: BTreeSet::new(),
            idle_rules: Vec::new(),
            blind: Vec::new(),
        };
        let proved = table.proved();
        let all = faults.len() == fault::all().count();
        let concerned = |id: &&String| {
            all || faults
                .iter()
                .any(|fault| fault.breaks.contains(&id.as_str()))
        };
        let unproved = cited.difference(&proved).filter(concerned);
        table.unproved = unproved.cloned().collect();
        if all {
            table.idle_rules = self.idle_rules(&sound);
            table.blind = blind(&self.plays, &table.rows);
        }
        table
    }
}

/// Whether a play can show the fault.
fn concerns(fault: &FaultSpec, play: &Play) -> bool {
    let role = match fault.role {
        FaultRole::Any => true,
        FaultRole::Seed => play.role == Role::Seed,
        FaultRole::Leech => play.role == Role::Leech,
    };
    let about = || {
        let mut ids = fault.breaks.iter().chain(fault.also);
        ids.any(|id| play.case.cites.iter().any(|cite| cite.id == **id))
    };
    // What floods a peer costs as much as all the rest, and shows nothing of other defects.
    let flood = play.case.tags.iter().any(|tag| tag == LOAD);
    role && (!fault.dials || play.direction == Direction::Dials) && (!flood || about())
}

fn unsound(row: &CaseOutcome) -> Option<Blame> {
    let sound = matches!(row.verdict, Verdict::Pass | Verdict::Info | Verdict::Skip);
    (!sound).then(|| Blame::of(row))
}

fn judge(
    fault: &'static FaultSpec,
    run: &RunOutcome,
    normal: &BTreeMap<&str, Normal<'_>>,
    cited: &BTreeSet<String>,
) -> FaultRow {
    let mut kills = Vec::new();
    let mut blamed = Vec::new();
    let mut lost = Vec::new();
    let mut needless: Vec<&'static str> = fault.also.to_vec();
    for row in &run.cases {
        let before = normal.get(row.id.as_str()).copied();
        if before == Some((row.verdict, row.reason.as_deref())) {
            continue;
        }
        if row.verdict == Verdict::Info {
            kills.extend(told(fault, row));
            continue;
        }
        if !matches!(row.verdict, Verdict::Fail | Verdict::Warn) {
            let before = before.map(|(verdict, _)| verdict);
            if !row.verdict.judged() && before != Some(Verdict::Skip) {
                let reason = row.reason.clone().unwrap_or_default();
                lost.push((row.id.clone(), row.verdict, reason));
            }
            continue;
        }
        let mut about = false;
        let mut excuses = BTreeSet::new();
        for finding in decisive(row) {
            let Some(id) = finding.requirement.as_deref() else {
                continue;
            };
            about |= fault.breaks.contains(&id) || presumes(id, fault);
            excuses.insert(id);
            if fault.breaks.contains(&id) && kills_as(id, finding.verdict) {
                kills.push(Kill {
                    requirement: id.to_owned(),
                    row: row.id.clone(),
                    verdict: finding.verdict,
                });
            }
        }
        if about {
            continue;
        }
        if fault.also.iter().any(|id| excuses.contains(id)) {
            needless.retain(|id| !excuses.contains(id));
        } else {
            blamed.push(Blame::of(row));
        }
    }
    kills.sort();
    kills.dedup();
    let standing = if !kills.is_empty() {
        Standing::Killed
    } else if fault.breaks.iter().any(|id| cited.contains(*id)) {
        Standing::Survived
    } else {
        Standing::Uncited
    };
    FaultRow {
        fault,
        standing,
        kills,
        blamed,
        lost,
        needless,
    }
}

/// What a sound peer's row comes to, and why.
type Normal<'a> = (Verdict, Option<&'a str>);

/// Requirements that leave the choice are reported, never judged: a defect of one is seen where
/// the report tells something else than of the sound peer.
fn told(fault: &FaultSpec, row: &CaseOutcome) -> Vec<Kill> {
    let ids = row.findings.iter().filter_map(|f| f.requirement.as_deref());
    let open = |id: &&str| {
        let level = catalogue().get(id).map(|entry| entry.level);
        fault.breaks.contains(id) && level == Some(Level::May)
    };
    let kill = |id: &str| Kill {
        requirement: id.to_owned(),
        row: row.id.clone(),
        verdict: Verdict::Info,
    };
    ids.filter(open).map(kill).collect()
}

/// The findings that made a row what it is: in a case those of its steps and of rules that it
/// cites.
fn decisive(row: &CaseOutcome) -> impl Iterator<Item = &Finding> {
    row.findings.iter().filter(|finding| {
        let counts = matches!(finding.verdict, Verdict::Fail | Verdict::Warn);
        let own = finding.rule.is_none() || row.is_rule() || cites(row, finding);
        counts && own
    })
}

fn cites(row: &CaseOutcome, finding: &Finding) -> bool {
    let id = finding.requirement.as_ref();
    id.is_some_and(|id| row.requirements.contains(id))
}

/// Whether the entry cannot be judged on a target that breaks what the fault breaks.
fn presumes(id: &str, fault: &FaultSpec) -> bool {
    let entry = catalogue().get(id);
    entry.is_some_and(|entry| {
        let mut presumed = entry.presumes.iter();
        presumed.any(|id| fault.breaks.contains(&id.as_str()))
    })
}

/// Whether this verdict is what a broken requirement deserves.
fn kills_as(id: &str, verdict: Verdict) -> bool {
    let level = catalogue().get(id).map(|entry| entry.level);
    verdict == Verdict::Fail || verdict == Verdict::Warn && level != Some(Level::Must)
}

impl Blame {
    fn of(row: &CaseOutcome) -> Self {
        let ids: BTreeSet<String> = decisive(row)
            .filter_map(|f| f.requirement.clone())
            .collect();
        Self {
            row: row.id.clone(),
            requirements: ids.into_iter().collect(),
            verdict: row.verdict,
            reason: row.reason.clone().unwrap_or_default(),
        }
    }
}

/// Tag of cases that are about great numbers.
const LOAD: &str = "load";

impl fmt::Display for FaultTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.rows {
            write!(f, "{row}")?;
        }
        for row in &self.unsound {
            writeln!(f, "without a fault: {row}")?;
        }
        if !self.unproved.is_empty() {
            let ids: Vec<&str> = self.unproved.iter().map(String::as_str).collect();
            writeln!(f, "cited and not proved: {}", ids.join(" "))?;
        }
        for rule in &self.idle_rules {
            writeln!(f, "never put to the test: {rule}")?;
        }
        for blind in &self.blind {
            writeln!(f, "no defect shows: {blind}")?;
        }
        let blamed = self
            .rows
            .iter()
            .filter(|row| !row.blamed.is_empty())
            .count();
        writeln!(
            f,
            "{} faults: {} killed, {} survived, {} of requirements that nothing cites; \
             {blamed} blamed elsewhere, {} with consequences; {} requirements proved, \
             {} cited and not proved",
            self.rows.len(),
            self.count(Standing::Killed),
            self.count(Standing::Survived),
            self.count(Standing::Uncited),
            self.excused(),
            self.proved().len(),
            self.unproved.len(),
        )
    }
}

impl fmt::Display for FaultRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let standing = match self.standing {
            Standing::Killed => "killed",
            Standing::Survived => "SURVIVED",
            Standing::Uncited => "uncited",
        };
        let mut rows = String::new();
        for id in self.fault.breaks {
            let mut by = self.kills.iter().filter(|kill| kill.requirement == *id);
            if let Some(first) = by.next() {
                let more = match by.count() {
                    0 => String::new(),
                    n => format!(" +{n}"),
                };
                write!(rows, "  {id} by {}{more}", first.row)?;
            } else {
                write!(rows, "  {id} -")?;
            }
        }
        writeln!(f, "{standing:<9} {:<44}{rows}", self.fault.name)?;
        for blame in &self.blamed {
            writeln!(f, "{:10}BLAMES {blame}", "")?;
        }
        for id in &self.needless {
            writeln!(f, "{:10}lists {id} for nothing", "")?;
        }
        Ok(())
    }
}

impl fmt::Display for Blame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = self.requirements.join(" ");
        write!(f, "{} {} ({ids}): {}", self.verdict, self.row, self.reason)
    }
}

/// At most one defect in so many may list consequences.
const MOST_EXCUSED: usize = 10;
