//! `btspec completions SHELL` and `btspec man`: written from the definition of the arguments.

use std::io::Write;

use btspec::outcome::Exit;
use clap::{Command, CommandFactory};

use super::args::{Cli, CompletionsArgs};
use super::out;
use super::stop::Stop;

/// Prints a completion script.
pub(super) fn completions(args: &CompletionsArgs) -> Result<Exit, Stop> {
    // Into memory: the generator panics where it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), NAME, &mut script);
    write(&script)
}

/// Prints the manual: the program, then each subcommand, in one page.
pub(super) fn man() -> Result<Exit, Stop> {
    let mut command = Cli::command();
    command.build();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    for subcommand in command.get_subcommands().filter(|sub| !is_hidden(sub)) {
        let mut section = Vec::new();
        let name = subcommand.get_name();
        section.extend(
            format!(".SH \"{NAME} {name}\"\n")
                .to_uppercase()
                .into_bytes(),
        );
        let man = clap_mangen::Man::new(subcommand.clone());
        man.render_description_section(&mut section)?;
        man.render_synopsis_section(&mut section)?;
        man.render_options_section(&mut section)?;
        page.extend(as_subsections(&section));
    }
    write(&page)
}

/// Sections within the one of a subcommand: a heading of the second order instead of the first.
fn as_subsections(section: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(section);
    let mut lines = Vec::new();
    for (number, line) in text.lines().enumerate() {
        match line.strip_prefix(".SH ") {
            Some(title) if number > 0 => lines.push(format!(".SS {title}")),
            _ => lines.push(line.to_owned()),
        }
    }
    (lines.join("\n") + "\n").into_bytes()
}

fn is_hidden(command: &Command) -> bool {
    command.is_hide_set() || command.get_name() == "help"
}

fn write(bytes: &[u8]) -> Result<Exit, Stop> {
    let mut stdout = out::stdout();
    stdout.write_all(bytes)?;
    stdout.flush()?;
    Ok(Exit::Ok)
}

const NAME: &str = "btspec";
