//! YAML → client drivers, strictly: the one file of the target layer that names the YAML crate.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::file::{ClientFile, Command, FileError, Flaw, Need, Script, TrackerPlan};
use super::template::{Template, Vars};
use crate::peer::Role;
use crate::target::tracker::PeerForm;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    name: String,
    script: Option<String>,
    #[serde(default)]
    vars: BTreeMap<String, RawVar>,
    #[serde(default)]
    needs: Vec<RawNeed>,
    version: Option<Vec<String>>,
    #[serde(default = "both_roles")]
    roles: Vec<RawRole>,
    #[serde(default = "one")]
    jobs: usize,
    #[serde(default = "one")]
    instances: usize,
    #[serde(default)]
    isolate: bool,
    start: Vec<String>,
    after_start: Option<Vec<String>>,
    ready: Option<RawReady>,
    #[serde(default)]
    files: BTreeMap<String, String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    verbs: BTreeMap<String, Vec<String>>,
    stop: Option<RawStop>,
    tracker: Option<RawTracker>,
    #[serde(default)]
    without: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct RawTracker {
    addresses: Option<String>,
    #[serde(default)]
    peers: RawForm,
    interval: Option<String>,
}

#[derive(Deserialize, Clone, Copy, Default)]
#[serde(rename_all = "snake_case")]
enum RawForm {
    #[default]
    Compact,
    Dictionary,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawVar {
    env: String,
    default: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawNeed {
    run: Vec<String>,
    hint: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawReady {
    within: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawRole {
    Seed,
    Leech,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStop {
    grace: String,
}

fn both_roles() -> Vec<RawRole> {
    vec![RawRole::Seed, RawRole::Leech]
}

fn one() -> usize {
    1
}

/// Reads a driver file and the script beside it.
pub(super) fn from_path(path: &Path) -> Result<ClientFile, FileError> {
    let shown = path.display().to_string();
    let text = read(path)?;
    from_text(&shown, &text, |script| {
        let beside = path.parent().unwrap_or_else(|| Path::new(""));
        read(&beside.join(script))
    })
}

/// Makes a driver of a command line.
pub(super) fn from_command(command: &str) -> Result<ClientFile, FileError> {
    let flawed = |flaw| FileError::Value {
        file: "--exec".to_owned(),
        key: command.to_owned(),
        flaw,
    };
    if command.trim().is_empty() {
        return Err(flawed(Flaw::Empty));
    }
    let start = Command::Shell(Template::parse(&from_here(command)));
    check(&start, &["port", "torrent", "data", "role", "bind", "dir"]).map_err(flawed)?;
    Ok(ClientFile {
        name: "exec".to_owned(),
        script: None,
        vars: Vars::new(),
        needs: Vec::new(),
        version: None,
        roles: vec![Role::Seed, Role::Leech],
        jobs: 1,
        instances: 1,
        isolate: false,
        start,
        after_start: None,
        ready_within: READY_WITHIN,
        files: Vec::new(),
        env: Vec::new(),
        verbs: BTreeMap::new(),
        other_verb: None,
        grace: GRACE,
        without: Vec::new(),
        // Whoever announces can be asked to dial; whoever does not is none the worse for it.
        tracker: tracker(RawTracker::default()).ok(),
    })
}

/// The command as it would run in the user's own folder: paths in it are relative to that.
fn from_here(command: &str) -> String {
    match std::env::current_dir() {
        Ok(here) => {
            let quoted = here.display().to_string().replace('\'', "'\\''");
            format!("cd '{quoted}' && {command}")
        }
        Err(_) => command.to_owned(),
    }
}

/// Reads a driver; `file` names it in messages, `script_text` finds its script.
pub(super) fn from_text(
    file: &str,
    text: &str,
    script_text: impl FnOnce(&str) -> Result<String, FileError>,
) -> Result<ClientFile, FileError> {
    let form = |message: String| FileError::Form {
        file: file.to_owned(),
        message,
    };
    if text.len() > FILE_LIMIT {
        return Err(form(format!("is longer than {FILE_LIMIT} bytes")));
    }
    let raw: RawFile = serde_yaml::from_str_with_options(text, options())
        .map_err(|error| form(error.to_string()))?;
    let script = match &raw.script {
        Some(name) if is_inside(name) => Some(Script {
            name: name.clone(),
            text: script_text(name)?,
        }),
        Some(name) => {
            return Err(FileError::Value {
                file: file.to_owned(),
                key: "script".to_owned(),
                flaw: Flaw::Path(name.clone()),
            });
        }
        None => None,
    };
    client(raw, script).map_err(|(key, flaw)| FileError::Value {
        file: file.to_owned(),
        key,
        flaw,
    })
}

fn client(raw: RawFile, script: Option<Script>) -> Result<ClientFile, (String, Flaw)> {
    if !is_word(&raw.name) {
        return Err(("name".to_owned(), Flaw::Name(raw.name)));
    }
    if !(1..=64).contains(&raw.jobs) {
        return Err(("jobs".to_owned(), Flaw::Jobs(raw.jobs)));
    }
    if !(1..=64).contains(&raw.instances) {
        return Err(("instances".to_owned(), Flaw::Jobs(raw.instances)));
    }
    let vars = variables(raw.vars)?;
    let own = vars.keys().map(String::as_str);
    let early = own.chain(EARLY.iter().copied()).collect::<Vec<_>>();
    let running = [&early, RUNNING].concat();
    let asked = [&running, ASKED].concat();

    let needs = raw.needs.into_iter().enumerate().map(|(i, need)| {
        let run = command(&format!("needs[{i}].run"), need.run, &early)?;
        let hint = need.hint;
        Ok(Need { run, hint })
    });
    let needs = needs.collect::<Result<_, _>>()?;
    let optional = |key: &str, argv: Option<Vec<String>>, known: &[&str]| {
        argv.map(|argv| command(key, argv, known)).transpose()
    };
    let mut verbs = BTreeMap::new();
    for (name, argv) in raw.verbs {
        let key = format!("verbs.{name}");
        if !is_word(&name) {
            return Err((key, Flaw::Name(name)));
        }
        verbs.insert(name, command(&key, argv, &asked)?);
    }
    Ok(ClientFile {
        name: raw.name,
        script,
        needs,
        version: optional("version", raw.version, &early)?,
        roles: roles(&raw.roles)?,
        jobs: raw.jobs,
        instances: raw.instances,
        isolate: raw.isolate,
        start: command("start", raw.start, &running)?,
        after_start: optional("after_start", raw.after_start, &running)?,
        ready_within: match raw.ready {
            Some(ready) => duration("ready.within", &ready.within)?,
            None => READY_WITHIN,
        },
        files: files(raw.files, &running)?,
        env: environment(raw.env, &running)?,
        other_verb: verbs.remove("other"),
        verbs,
        grace: match raw.stop {
            Some(stop) => duration("stop.grace", &stop.grace)?,
            None => GRACE,
        },
        without: raw.without,
        tracker: raw.tracker.map(tracker).transpose()?,
        vars,
    })
}

fn tracker(raw: RawTracker) -> Result<TrackerPlan, (String, Flaw)> {
    let addresses = raw.addresses.map(|text| text.parse());
    Ok(TrackerPlan {
        addresses: addresses
            .transpose()
            .map_err(|flaw| ("tracker.addresses".to_owned(), Flaw::Addresses(flaw)))?,
        form: match raw.peers {
            RawForm::Compact => PeerForm::Compact,
            RawForm::Dictionary => PeerForm::Dictionary,
        },
        interval: match raw.interval {
            Some(text) => duration("tracker.interval", &text)?,
            None => INTERVAL,
        },
    })
}

/// The file's own variables, read from the environment.
fn variables(raw: BTreeMap<String, RawVar>) -> Result<Vars, (String, Flaw)> {
    let mut vars = Vars::new();
    for (name, var) in raw {
        let key = format!("vars.{name}");
        if [EARLY, RUNNING, ASKED].concat().contains(&name.as_str()) {
            return Err((key, Flaw::Reserved(name)));
        }
        if !is_word(&name) {
            return Err((key, Flaw::Name(name)));
        }
        let set = std::env::var(&var.env).ok();
        let value = set.filter(|value| !value.is_empty());
        vars.insert(name, value.unwrap_or(var.default));
    }
    Ok(vars)
}

fn roles(raw: &[RawRole]) -> Result<Vec<Role>, (String, Flaw)> {
    if raw.is_empty() {
        return Err(("roles".to_owned(), Flaw::Empty));
    }
    let roles = raw.iter().map(|role| match role {
        RawRole::Seed => Role::Seed,
        RawRole::Leech => Role::Leech,
    });
    Ok(roles.collect())
}

fn files(
    raw: BTreeMap<String, String>,
    known: &[&str],
) -> Result<Vec<(PathBuf, Template)>, (String, Flaw)> {
    let files = raw.into_iter().map(|(path, text)| {
        let key = format!("files.{path}");
        if !is_inside(&path) {
            return Err((key, Flaw::Path(path)));
        }
        let template = Template::parse(&text);
        check_template(&template, known).map_err(|flaw| (key, flaw))?;
        Ok((PathBuf::from(path), template))
    });
    files.collect()
}

fn environment(
    raw: BTreeMap<String, String>,
    known: &[&str],
) -> Result<Vec<(String, Template)>, (String, Flaw)> {
    let env = raw.into_iter().map(|(name, text)| {
        let template = Template::parse(&text);
        check_template(&template, known).map_err(|flaw| (format!("env.{name}"), flaw))?;
        Ok((name, template))
    });
    env.collect()
}

fn command(key: &str, argv: Vec<String>, known: &[&str]) -> Result<Command, (String, Flaw)> {
    let argv = argv.iter().map(|part| Template::parse(part));
    let command = Command::Argv(argv.collect());
    check(&command, known).map_err(|flaw| (key.to_owned(), flaw))?;
    Ok(command)
}

fn check(command: &Command, known: &[&str]) -> Result<(), Flaw> {
    if command.templates().is_empty() {
        return Err(Flaw::Empty);
    }
    command
        .templates()
        .iter()
        .try_for_each(|template| check_template(template, known))
}

fn check_template(template: &Template, known: &[&str]) -> Result<(), Flaw> {
    match template.names().find(|name| !known.contains(name)) {
        None => Ok(()),
        Some(name) => Err(Flaw::UnknownVariable {
            name: name.to_owned(),
            known: known.iter().map(|name| format!("`{{{name}}}`")).fold(
                String::new(),
                |list, name| match list.as_str() {
                    "" => name,
                    list => format!("{list}, {name}"),
                },
            ),
        }),
    }
}

fn duration(key: &str, text: &str) -> Result<Duration, (String, Flaw)> {
    let parsed = match text.strip_suffix("ms") {
        Some(number) => number.parse().ok().map(Duration::from_millis),
        None => text
            .strip_suffix('s')
            .and_then(|number| number.parse().ok())
            .map(Duration::from_secs),
    };
    parsed.ok_or_else(|| (key.to_owned(), Flaw::Duration(text.to_owned())))
}

fn is_word(text: &str) -> bool {
    let part = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    !text.is_empty() && text.bytes().all(part)
}

/// Whether a path stays below the folder that it is relative to.
fn is_inside(path: &str) -> bool {
    let mut parts = Path::new(path).components();
    !path.is_empty() && parts.all(|part| matches!(part, Component::Normal(_)))
}

fn read(path: &Path) -> Result<String, FileError> {
    std::fs::read_to_string(path).map_err(|error| FileError::Read {
        path: path.display().to_string(),
        why: error.to_string(),
    })
}

fn options() -> serde_yaml::Options {
    serde_yaml::options! {
        merge_keys: serde_yaml::options::MergeKeyPolicy::Error,
        strict_booleans: true,
    }
}

/// What can be used before a client runs.
const EARLY: &[&str] = &["script"];

/// What can be used to start a client: its state folder, torrent and data in it, where its peer
/// port and a control port of its own shall listen, and its role.
const RUNNING: &[&str] = &["dir", "torrent", "data", "bind", "port", "ctl", "role"];

/// What verbs have besides.
const ASKED: &[&str] = &["verb", "arg"];

const READY_WITHIN: Duration = Duration::from_secs(60);

/// Time between two announces.
const INTERVAL: Duration = Duration::from_secs(5);

/// Time between the polite signal and the one that cannot be ignored.
const GRACE: Duration = Duration::from_secs(3);

const FILE_LIMIT: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<ClientFile, FileError> {
        from_text("x.yaml", text, |_| Ok("# script".to_owned()))
    }

    fn flaw(text: &str) -> String {
        load(text).unwrap_err().to_string()
    }

    #[test]
    fn every_embedded_driver_loads() {
        for name in ClientFile::names() {
            let file = ClientFile::find(name).unwrap();
            assert_eq!(file.name(), name);
            assert!(file.other_verb.is_some(), "{name}: no probe for verbs");
        }
    }

    #[test]
    fn a_driver_needs_no_more_than_a_name_and_a_command() {
        let file = load("name: tiny\nstart: [tinybt, -p, \"{port}\", -d, \"{data}\"]\n").unwrap();
        assert_eq!((file.jobs(), file.instances()), (1, 1));
        assert!(!file.isolate());
        assert_eq!(file.roles(), [Role::Seed, Role::Leech]);
        assert_eq!(file.verbs().count(), 0);
    }

    #[test]
    fn says_where_a_driver_file_is_wrong() {
        let unknown = flaw("name: x\nstrat: [x]\n");
        assert!(unknown.contains("strat"), "{unknown}");
        assert!(
            unknown.contains("2:1") || unknown.contains("line 2"),
            "{unknown}"
        );
        assert!(flaw("name: x\n").contains("start"));
        assert!(flaw("name: x\nstart: 7\n").starts_with("x.yaml: "));
        for (text, message) in [
            ("name: x\nstart: []", "x.yaml: `start`: is empty"),
            (
                "name: X\nstart: [x]",
                "x.yaml: `name`: `X` is not made of a-z, 0-9, `-` and `_`",
            ),
            (
                "name: x\nstart: [x]\njobs: 0",
                "x.yaml: `jobs`: `0` is not from 1 to 64",
            ),
            (
                "name: x\nstart: [x]\ninstances: 65",
                "x.yaml: `instances`: `65` is not from 1 to 64",
            ),
            (
                "name: x\nstart: [x]\nready: {within: soon}",
                "x.yaml: `ready.within`: `soon` is no duration such as 30s or 500ms",
            ),
            (
                "name: x\nstart: [x]\nfiles: {../x: y}",
                "x.yaml: `files.../x`: `../x` must be a relative path without `..`",
            ),
            (
                "name: x\nstart: [x]\nscript: /bin/sh",
                "x.yaml: `script`: `/bin/sh` must be a relative path without `..`",
            ),
            (
                "name: x\nstart: [x]\nvars: {port: {env: P, default: q}}",
                "x.yaml: `vars.port`: `port` is filled by btspec",
            ),
            (
                "name: x\nstart: [x]\nversion: [x, \"{port}\"]",
                "x.yaml: `version`: nothing fills `{port}`; here you can use `{script}`",
            ),
        ] {
            assert_eq!(flaw(text), message);
        }
    }

    #[test]
    fn variables_come_from_the_environment() {
        let text = "name: x\nvars: {tool: {env: BTSPEC_NO_SUCH_VARIABLE, default: theirs}}\n\
                    start: [\"{tool}\"]\n";
        let file = load(text).unwrap();
        assert_eq!(file.start.fill(&file.vars), ["theirs"]);
    }

    #[test]
    fn a_command_line_is_a_driver() {
        let file = ClientFile::exec("tinybt -p {port} {torrent}").unwrap();
        let vars = Vars::from([
            ("port".to_owned(), "1".to_owned()),
            ("torrent".to_owned(), "a b".to_owned()),
        ]);
        let here = std::env::current_dir().unwrap();
        let line = format!("cd '{}' && tinybt -p '1' 'a b'", here.display());
        assert_eq!(file.start.fill(&vars), ["sh", "-c", &line]);
        let error = ClientFile::exec("tinybt {prt}").unwrap_err().to_string();
        assert!(error.contains("nothing fills `{prt}`"), "{error}");
        assert!(ClientFile::exec("  ").is_err());
    }

    #[test]
    fn an_unknown_client_is_told_the_known_ones() {
        let error = ClientFile::find("transmision").unwrap_err().to_string();
        assert_eq!(
            error,
            "there is no client `transmision` (did you mean `transmission`?); embedded are \
             aria2, libtorrent, libtorrent-2-0, rqbit, transmission, webtorrent, or give the path of a driver file"
        );
        let error = ClientFile::find("./no/such.yaml").unwrap_err().to_string();
        assert!(error.starts_with("cannot read ./no/such.yaml: "), "{error}");
    }
}
