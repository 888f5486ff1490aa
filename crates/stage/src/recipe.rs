//! Recipes: a YAML section a stage whose keys are that stage's flags.
//!
//! The keys become flags in front of the command line's own, parsed by the same
//! clap definition; a flag given on the command line replaces the recipe's.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use artifact::yaml::{self, Mapping, Value};
use artifact::{Error, Result};
use clap::Arg;

use crate::nearest;

/// The sections that a recipe may have: one a stage, and `about` for people.
const SECTIONS: [&str; 9] = [
    "about",
    "data-cifar",
    "models",
    "trainer",
    "scanner",
    "pruner",
    "finetuner",
    "deployer",
    "reporter",
];

/// `arguments` with the recipe's flags put in, where `--recipe FILE` is given.
pub(crate) fn expand(
    command: &clap::Command,
    section: &str,
    arguments: Vec<OsString>,
) -> Result<Vec<OsString>> {
    let Some(path) = recipe_path(&arguments) else {
        return Ok(arguments);
    };
    let recipe: Option<Mapping> = yaml::read(&path)?;
    let recipe = recipe.ok_or_else(|| {
        Error::Config(format!(
            "{}: the recipe is empty; expected a section a stage",
            path.display()
        ))
    })?;
    check_sections(&recipe, &path)?;
    let (leaf, place) = leaf(command, &arguments);
    let empty = Mapping::new();
    let flags = match recipe.get(section) {
        None | Some(Value::Null) => &empty,
        Some(Value::Mapping(map)) => map,
        Some(_) => return Err(bad(&path, section, "expected a map of flags")),
    };
    let mut expanded = arguments.clone();
    let mut added = Vec::new();
    for (key, value) in flags {
        let key = key.as_str().ok_or_else(|| bad(&path, section, "a key is not text"))?;
        check_key(command, key, section, &path)?;
        let shared = find(command, key).filter(|a| a.is_global_set()).map(|a| (command, a));
        let known = find(leaf, key).map(|a| (leaf, a)).or(shared);
        if known.is_some_and(|(c, a)| !given(&arguments, a) && !conflicts(c, a, &arguments)) {
            added.extend(flag(key, value).map_err(|e| bad(&path, &format!("{section}.{key}"), e))?);
        }
    }
    expanded.splice(place..place, added);
    Ok(expanded)
}

fn bad(path: &Path, place: &str, what: &str) -> Error {
    Error::Config(format!("{}: {place}: {what}", path.display()))
}

fn recipe_path(arguments: &[OsString]) -> Option<PathBuf> {
    let mut items = arguments.iter();
    while let Some(item) = items.next() {
        let text = item.to_string_lossy();
        if text == "--recipe" {
            return items.next().map(PathBuf::from);
        }
        if let Some(path) = text.strip_prefix("--recipe=") {
            return Some(PathBuf::from(path));
        }
    }
    None
}

fn check_sections(recipe: &Mapping, path: &Path) -> Result<()> {
    for key in recipe.keys().map(|k| k.as_str().unwrap_or("?")) {
        if !SECTIONS.contains(&key) {
            let hint = nearest::hint(key, SECTIONS);
            return Err(bad(path, key, &format!("unknown section{hint}")));
        }
    }
    Ok(())
}

/// The subcommand that the arguments name, if any, and the place right behind its name: the first
/// argument that is neither a flag nor a flag's value.
fn leaf<'a>(command: &'a clap::Command, arguments: &[OsString]) -> (&'a clap::Command, usize) {
    let mut place = 1;
    while let Some(text) = arguments.get(place).map(|a| a.to_string_lossy()) {
        place += 1;
        if let Some(sub) = command.find_subcommand(text.as_ref()) {
            return (sub, place);
        }
        match text.strip_prefix("--").and_then(|key| find(command, key)) {
            Some(flag) if flag.get_action().takes_values() => place += 1,
            _ if text.starts_with('-') => {}
            _ => break,
        }
    }
    (command, 1)
}

fn find<'a>(command: &'a clap::Command, key: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|a| a.get_long() == Some(key))
}

/// Whether the command line gives a flag that excludes `flag`: it wins over the recipe.
fn conflicts(command: &clap::Command, flag: &Arg, arguments: &[OsString]) -> bool {
    let excluded = command.get_arg_conflicts_with(flag);
    let excluding = command
        .get_arguments()
        .filter(|a| command.get_arg_conflicts_with(a).iter().any(|b| b.get_id() == flag.get_id()));
    excluded.into_iter().chain(excluding).any(|a| given(arguments, a))
}

fn check_key(command: &clap::Command, key: &str, section: &str, path: &Path) -> Result<()> {
    let commands = || std::iter::once(command).chain(command.get_subcommands());
    if key != "recipe" && commands().any(|c| find(c, key).is_some()) {
        return Ok(());
    }
    let longs: Vec<&str> =
        commands().flat_map(clap::Command::get_arguments).filter_map(|a| a.get_long()).collect();
    Err(bad(
        path,
        &format!("{section}.{key}"),
        &format!("unknown key{}", nearest::hint(key, longs)),
    ))
}

fn given(arguments: &[OsString], flag: &Arg) -> bool {
    arguments.iter().map(|a| a.to_string_lossy()).any(|text| match text.strip_prefix("--") {
        Some(long) => long.split('=').next() == flag.get_long(),
        None => text.starts_with('-') && flag.get_short().is_some_and(|s| text.contains(s)),
    })
}

fn flag(key: &str, value: &Value) -> Result<Option<OsString>, &'static str> {
    let text = match value {
        Value::Bool(false) | Value::Null => return Ok(None),
        Value::Bool(true) => return Ok(Some(format!("--{key}").into())),
        Value::Sequence(items) if items.is_empty() => return Ok(None),
        Value::Sequence(items) => {
            let items: Result<Vec<String>, _> = items.iter().map(scalar).collect();
            items?.join(",")
        }
        other => scalar(other)?,
    };
    Ok(Some(format!("--{key}={text}").into()))
}

fn scalar(value: &Value) -> Result<String, &'static str> {
    match value {
        Value::String(s) => Ok(s.clone()),
        Value::Number(n) => Ok(n.to_string()),
        _ => Err("expected a number, text, true, false or a list of these"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ArgAction;

    fn command() -> clap::Command {
        clap::Command::new("trainer")
            .arg(Arg::new("epochs").long("epochs"))
            .arg(Arg::new("nesterov").long("nesterov").action(ArgAction::SetTrue))
            .arg(Arg::new("ratios").long("ratios"))
            .arg(Arg::new("recipe").long("recipe"))
            .arg(Arg::new("quiet").short('q').long("quiet").action(ArgAction::SetTrue))
            .arg(Arg::new("verbose").short('v').action(ArgAction::Count).conflicts_with("quiet"))
            .subcommand(clap::Command::new("plan").arg(Arg::new("drop").long("drop")))
    }

    fn check(text: &str, given: &str, expected: &str) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("r.yaml");
        artifact::file::write(&path, text.as_bytes()).expect("writes");
        let mut arguments: Vec<OsString> = vec!["trainer".into()];
        arguments.extend(given.split_whitespace().map(OsString::from));
        arguments.extend(["--recipe".into(), path.into()]);
        let found = match expand(&command(), "trainer", arguments) {
            Ok(a) => a.iter().map(|a| a.to_string_lossy()).collect::<Vec<_>>().join(" "),
            Err(e) => e.to_string(),
        };
        assert!(found.contains(expected), "{found} lacks {expected}");
    }

    #[test]
    fn keys_become_flags_and_the_command_line_wins() {
        check("trainer: {epochs: 3, nesterov: true}", "", "trainer --epochs=3 --nesterov --recipe");
        check("trainer: {epochs: 3, nesterov: false}", "--epochs 5", "trainer --epochs 5 --recipe");
        check("trainer: {epochs: 3}", "--epochs=5", "trainer --epochs=5 --recipe");
        check("trainer: {ratios: [0.4, 0.5]}", "", "--ratios=0.4,0.5");
        check("pruner: {}\nabout: text", "", "trainer --recipe");
        check("trainer: {ratios: []}", "", "trainer --recipe");
        check("trainer: {quiet: true}", "-v", "trainer -v --recipe");
        check("trainer: {drop: 1, epochs: 2}", "plan", "trainer plan --drop=1 --recipe");
        check("trainer: {epochs: 2}", "--ratios plan", "trainer --epochs=2 --ratios plan");
    }

    #[test]
    fn what_nobody_knows_is_refused() {
        check("trainer: {epoch: 3}", "", "trainer.epoch: unknown key (did you mean epochs?)");
        check("trainr: {epochs: 3}", "", "unknown section (did you mean trainer?)");
        check("trainer: {epochs: {a: 1}}", "", "trainer.epochs: expected a number");
        check("trainer: {epochs: 1, epochs: 2}", "", "`epochs` stands twice");
        check("# nothing yet\n", "", "the recipe is empty");
    }
}
