//! One line of JSON for each row, written and flushed as it is judged.
//!
//! The lines are those of [`crate::outcome::stream`], which also reads them back.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;

use super::Context;
use crate::outcome::stream::{End, Found, Header, Line, Logged, SCHEMA};
use crate::outcome::{CaseOutcome, RunEvent, RunOutcome, TargetInfo};

/// Writes a finished run as it would have been streamed.
pub fn write(run: &RunOutcome, _: &Context, out: &mut dyn io::Write) -> io::Result<()> {
    let mut header = Header::new(&run.target.spec, run.seed);
    header.tool.clone_from(&run.tool);
    Stream::begin(io::BufWriter::new(out), header)?.end(run)
}

/// Lines of a run that goes on.
#[derive(Debug)]
pub struct Stream<W> {
    out: W,
    /// A digest of the line that was written for each row.
    written: BTreeMap<String, u64>,
    target: Option<TargetInfo>,
}

impl<W: io::Write> Stream<W> {
    /// Writes the header.
    pub fn begin(out: W, header: Header) -> io::Result<Self> {
        let mut stream = Self {
            out,
            written: BTreeMap::new(),
            target: None,
        };
        stream.line(&serialized(&Line::Header(header))?)?;
        Ok(stream)
    }

    /// Writes what is worth a line. After an error nothing more should be written.
    pub fn event(&mut self, event: &RunEvent) -> io::Result<()> {
        match event {
            RunEvent::Profile(info) => self.target(info),
            RunEvent::CaseFinished(case) | RunEvent::Opened(case) => self.case(case),
            RunEvent::Logged { id, entry } => {
                let (id, entry) = (id.clone(), (**entry).clone());
                let line = Line::Entry(Box::new(Logged { id, entry }));
                self.line(&serialized(&line)?)
            }
            RunEvent::Found { id, finding } => {
                let (id, finding) = (id.clone(), (**finding).clone());
                let line = Line::Finding(Box::new(Found { id, finding }));
                self.line(&serialized(&line)?)
            }
            _ => Ok(()),
        }
    }

    /// Writes the rows that no event told, such as those of rules, and the summary.
    pub fn end(mut self, run: &RunOutcome) -> io::Result<()> {
        self.target(&run.target)?;
        for case in &run.cases {
            self.case(case)?;
        }
        self.line(&serialized(&Line::Summary(Box::new(End::of(run))))?)
    }

    fn target(&mut self, info: &TargetInfo) -> io::Result<()> {
        if self.target.as_ref() == Some(info) {
            return Ok(());
        }
        self.target = Some(info.clone());
        self.line(&serialized(&Line::Target(info.clone()))?)
    }

    fn case(&mut self, case: &CaseOutcome) -> io::Result<()> {
        let text = serialized(&Line::Case(Box::new(case.clone())))?;
        let mut digest = DefaultHasher::new();
        text.hash(&mut digest);
        let digest = digest.finish();
        if self.written.insert(case.id.clone(), digest) == Some(digest) {
            return Ok(());
        }
        self.line(&text)
    }

    /// In one piece, and out of our hands before the next case.
    fn line(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}

fn serialized(line: &Line) -> io::Result<String> {
    let mut text = serde_json::to_string(line).map_err(io::Error::from)?;
    text.push('\n');
    Ok(text)
}

/// The JSON Schema of a line, as committed in `docs/run.schema.json`.
pub fn schema() -> String {
    let mut schema = schemars::schema_for!(Line);
    schema.insert("title".to_owned(), serde_json::Value::from(SCHEMA));
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Verdict, stream};

    /// Takes so many lines.
    struct Full(usize);

    impl io::Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(1).ok_or(io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn finished(id: &str, verdict: Verdict) -> (CaseOutcome, RunEvent) {
        let mut case = CaseOutcome::new(id, "s", "s/c");
        case.verdict = verdict;
        (case.clone(), RunEvent::CaseFinished(Box::new(case)))
    }

    #[test]
    fn the_end_adds_what_no_event_told() {
        let (a, told) = finished("a", Verdict::Pass);
        let (_, before) = finished("b", Verdict::Fail);
        let (b, _) = finished("b", Verdict::Pass);
        let (rule, _) = finished("rule/x", Verdict::Pass);
        let target = TargetInfo {
            spec: "self".to_owned(),
            ..TargetInfo::default()
        };
        let run = RunOutcome::new(target, 3, vec![a, b, rule]);
        let mut out = Vec::new();
        let mut stream = Stream::begin(&mut out, Header::new("self", 3)).unwrap();
        stream.event(&told).unwrap();
        stream.event(&before).unwrap();
        stream.end(&run).unwrap();
        let text = String::from_utf8(out).unwrap();
        let cases = text.matches("\"line\":\"case\"").count();
        assert_eq!(cases, 4, "one more for the row that changed\n{text}");
        let read = stream::read(text.as_bytes()).unwrap();
        assert!(read.complete);
        assert_eq!(read.run, run);
    }

    #[test]
    fn a_full_disk_is_an_error() {
        assert!(Stream::begin(Full(0), Header::new("self", 3)).is_err());
        let mut stream = Stream::begin(Full(1), Header::new("self", 3)).unwrap();
        let (_, told) = finished("a", Verdict::Pass);
        assert!(stream.event(&told).is_err());
    }
}
