//! The JSON report and its schema.

use std::io;

use super::Context;
use crate::outcome::RunOutcome;

/// Writes the run as `btspec.report/1`, with a newline at the end.
pub fn write(run: &RunOutcome, _: &Context, out: &mut dyn io::Write) -> io::Result<()> {
    let mut buffered = io::BufWriter::new(out);
    serde_json::to_writer_pretty(&mut buffered, run).map_err(io::Error::from)?;
    io::Write::write_all(&mut buffered, b"\n")?;
    io::Write::flush(&mut buffered)
}

/// The JSON Schema of the report, as committed in `docs/report.schema.json`.
pub fn schema() -> String {
    let mut schema = schemars::schema_for!(RunOutcome);
    schema.insert(
        "title".to_owned(),
        serde_json::Value::from(crate::outcome::run::SCHEMA),
    );
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}
