//! The table as Markdown and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::machine::Machine;
use crate::measure::{Group, Rival, Sample, median};

/// Everything that a run has measured.
pub(crate) struct Report {
    rounds: usize,
    before: Machine,
    machine: (String, Value),
    rows: Vec<Row>,
    /// Cost in simulation.
    pub(crate) curves: Vec<Curve>,
    /// What was measured against libtorrent.
    pub(crate) live: Vec<Row>,
}

/// We and one other.
pub(crate) struct Row {
    /// The work.
    pub(crate) what: String,
    /// What a time is for.
    pub(crate) item: &'static str,
    /// Our time.
    pub(crate) ours: Sample,
    /// Who the other one is.
    pub(crate) beside: &'static str,
    /// Their time.
    pub(crate) theirs: Sample,
    /// Our speed divided by theirs, for each round.
    pub(crate) ratios: Vec<f64>,
    /// The ratio that is good enough.
    pub(crate) reach: Option<f64>,
    /// The ratio that would be good.
    pub(crate) want: Option<f64>,
    /// Why this row says nothing.
    pub(crate) void: Option<String>,
}

/// How a cost grows.
pub(crate) struct Curve {
    /// What it is the cost of.
    pub(crate) what: &'static str,
    /// What a time is for.
    pub(crate) item: &'static str,
    /// Size, and nanoseconds per item with the least and the most over the rounds.
    pub(crate) points: Vec<(u64, Sample, f64, f64)>,
}

impl Report {
    /// Nothing yet.
    pub(crate) fn new(rounds: usize, before: Machine) -> Self {
        Self {
            rounds,
            before,
            machine: (String::new(), Value::Null),
            rows: Vec::new(),
            curves: Vec::new(),
            live: Vec::new(),
        }
    }

    /// Takes in what was measured.
    pub(crate) fn add(&mut self, groups: Vec<Group>) {
        for group in &groups {
            let rows = group.rivals.iter().map(|rival| Row::of(group, rival));
            self.rows.extend(rows);
        }
    }

    /// The last look at the machine.
    pub(crate) fn end(&mut self, after: &Machine) {
        self.machine = (self.before.line(after), self.before.json(after));
    }

    /// For people.
    pub(crate) fn markdown(&self) -> String {
        let mut out = format!(
            "Median of {} rounds; {}.\n\n\
             | what | ours | beside | theirs | our speed ÷ theirs | range | reach | want | |\n\
             | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
            self.rounds, self.machine.0
        );
        for row in self.rows.iter().chain(&self.live) {
            let _ = writeln!(out, "{}", row.markdown());
        }
        for curve in &self.curves {
            let _ = write!(out, "\n{}", curve.markdown());
        }
        out
    }

    /// For programs.
    pub(crate) fn json(&self) -> String {
        let rows: Vec<Value> = self.rows.iter().chain(&self.live).map(Row::json).collect();
        let curves: Vec<Value> = self.curves.iter().map(Curve::json).collect();
        let value = json!({
            "rounds": self.rounds,
            "machine": self.machine.1,
            "rows": rows,
            "curves": curves,
        });
        format!("{value:#}\n")
    }
}

impl Row {
    fn of(group: &Group, rival: &Rival) -> Self {
        let pairs = group.ours.samples.iter().zip(&rival.contestant.samples);
        let ratios = pairs.filter_map(|(ours, theirs)| match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => Some(theirs / ours),
            _ => None,
        });
        Self {
            what: group.what.to_owned(),
            item: group.item,
            ours: group.ours.figure(),
            beside: rival.contestant.name,
            theirs: rival.contestant.figure(),
            ratios: ratios.collect(),
            reach: rival.reach,
            want: rival.want,
            void: None,
        }
    }

    fn ratio(&self) -> Option<f64> {
        (!self.ratios.is_empty()).then(|| median(&self.ratios))
    }

    fn result(&self) -> String {
        if let Some(why) = &self.void {
            return format!("void: {why}");
        }
        for sample in [&self.ours, &self.theirs] {
            if let Err(why) = sample {
                return format!("not run: {why}");
            }
        }
        let reaches = |goal: f64| self.ratio().is_some_and(|ratio| ratio >= goal);
        let result = match (self.reach, self.want) {
            (_, Some(want)) if reaches(want) => "wanted",
            (Some(reach), _) if reaches(reach) => "reached",
            (Some(_), _) => "short",
            _ => "",
        };
        result.to_owned()
    }

    fn markdown(&self) -> String {
        let figure = |sample: &Sample| match sample {
            Ok(ns) => format!("{} / {}", time(*ns), self.item),
            Err(_) => "–".to_owned(),
        };
        let goal = |goal: Option<f64>| goal.map_or_else(|| "–".to_owned(), times);
        format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            self.what,
            figure(&self.ours),
            self.beside,
            figure(&self.theirs),
            self.ratio()
                .map_or_else(|| "–".to_owned(), |ratio| format!("**{}**", times(ratio))),
            range(&self.ratios),
            goal(self.reach),
            goal(self.want),
            self.result(),
        )
    }

    fn json(&self) -> Value {
        json!({
            "what": self.what,
            "item": self.item,
            "ours_ns": self.ours.as_ref().ok(),
            "beside": self.beside,
            "theirs_ns": self.theirs.as_ref().ok(),
            "ratio": self.ratio(),
            "ratios": self.ratios,
            "reach": self.reach,
            "want": self.want,
            "result": self.result(),
        })
    }
}

impl Curve {
    fn markdown(&self) -> String {
        let mut out = format!(
            "| {} | time / {} | range |\n| --- | --- | --- |\n",
            self.what, self.item
        );
        for (size, sample, least, most) in &self.points {
            let _ = match sample {
                Ok(ns) => writeln!(
                    out,
                    "| {size} | {} | {} to {} |",
                    time(*ns),
                    time(*least),
                    time(*most)
                ),
                Err(why) => writeln!(out, "| {size} | not run: {why} | |"),
            };
        }
        out
    }

    fn json(&self) -> Value {
        let points = self.points.iter().map(|(size, sample, least, most)| {
            json!({"size": size, "ns": sample.as_ref().ok(), "least": least, "most": most})
        });
        let points: Vec<Value> = points.collect();
        json!({"what": self.what, "item": self.item, "points": points})
    }
}

fn range(ratios: &[f64]) -> String {
    let least = ratios.iter().copied().reduce(f64::min);
    let most = ratios.iter().copied().reduce(f64::max);
    match (least, most) {
        (Some(least), Some(most)) => format!("{} to {}", times(least), times(most)),
        _ => "–".to_owned(),
    }
}

fn times(ratio: f64) -> String {
    match ratio {
        ratio if ratio >= 100.0 => format!("{ratio:.0}x"),
        ratio if ratio >= 10.0 => format!("{ratio:.1}x"),
        ratio => format!("{ratio:.2}x"),
    }
}

fn time(ns: f64) -> String {
    match ns {
        ns if ns < 100.0 => format!("{ns:.1} ns"),
        ns if ns < 10_000.0 => format!("{ns:.0} ns"),
        ns if ns < 10_000_000.0 => format!("{:.1} µs", ns / 1e3),
        ns if ns < 10_000_000_000.0 => format!("{:.1} ms", ns / 1e6),
        ns => format!("{:.2} s", ns / 1e9),
    }
}
