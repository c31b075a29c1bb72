//! `btspec schema`.

use std::io::Write;

use btspec::outcome::Exit;

use super::args::{SchemaArgs, SchemaOf};
use super::out;
use super::stop::Stop;

pub(super) fn run(args: &SchemaArgs) -> Result<Exit, Stop> {
    let schema = match args.of {
        SchemaOf::Scenario => btspec::scenario::schema::schema(),
        SchemaOf::Run => btspec::report::jsonl::schema(),
        SchemaOf::Report => btspec::report::json::schema(),
        SchemaOf::Fuzz => btspec::fuzz::report::schema(),
        SchemaOf::Matrix => btspec::report::matrix::schema(),
    };
    let mut stdout = out::stdout();
    stdout.write_all(schema.as_bytes())?;
    stdout.flush()?;
    Ok(Exit::Ok)
}
