//! `btspec decode [FILE|-]`: bytes of one direction, or a capture.

use std::fs::File;
use std::io::{self, Read, Write};

use btspec::capture::{self, listing};
use btspec::outcome::Exit;
use btspec::wire::dissect::{self, SectionKind};

use super::args::DecodeArgs;
use super::out;
use super::stop::Stop;

/// What a desk machine holds in memory, twice.
const MAX_INPUT: u64 = 256 * 1024 * 1024;

pub(super) fn run(args: &DecodeArgs) -> Result<Exit, Stop> {
    let file = read(args)?;
    let name = args.file.display();
    if capture::is_capture(&file) {
        return decode_capture(&file).map_err(|error| Stop {
            message: error
                .message
                .replacen("error: ", &format!("error: {name}: "), 1),
            ..error
        });
    }
    let stream = dissect::input(&file).map_err(|error| Stop::usage(format!("{name}: {error}")))?;
    let mut stdout = out::stdout();
    let mut messages = 0_u64;
    let mut other = 0_u64;
    for section in dissect::dissect(&stream) {
        match section.what {
            SectionKind::Handshake(_) | SectionKind::Message(..) => messages += 1,
            _ => other += 1,
        }
        writeln!(
            stdout,
            "{:>8} {:>8}  {section}",
            section.offset,
            section.raw.len()
        )?;
        for note in section.notes() {
            writeln!(stdout, "{:>8} {:>8}    note: {note}", "", "")?;
        }
    }
    writeln!(
        stdout,
        "{} bytes: {messages} messages, {other} sections that are none",
        stream.len()
    )?;
    stdout.flush()?;
    Ok(Exit::Ok)
}

/// Every connection of a capture; what could be read of a broken one before the error.
fn decode_capture(file: &[u8]) -> Result<Exit, Stop> {
    let found = capture::conversations(file).map_err(Stop::usage)?;
    let broken = found.broken.clone();
    let mut stdout = out::stdout();
    listing::write(found, &mut stdout)?;
    stdout.flush()?;
    match broken {
        None => Ok(Exit::Ok),
        Some(error) => Err(Stop::usage(error)),
    }
}

fn read(args: &DecodeArgs) -> Result<Vec<u8>, Stop> {
    let name = args.file.display();
    let unreadable = |error: io::Error| Stop::usage(format!("cannot read {name}: {error}"));
    let mut bytes = Vec::new();
    let mut source: Box<dyn Read> = if args.file.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(&args.file).map_err(unreadable)?)
    };
    source
        .by_ref()
        .take(MAX_INPUT + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > MAX_INPUT {
        return Err(Stop::usage(format!(
            "{name} is longer than {MAX_INPUT} bytes"
        )));
    }
    Ok(bytes)
}
