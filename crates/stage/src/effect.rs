//! Flags that act only beside certain values of another: given without these they are refused.

use std::ffi::OsString;

use artifact::{Error, Result};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

/// A flag that has an effect only where another has certain values.
#[derive(Debug, Clone, Copy)]
pub struct OnlyWith {
    /// The flag's long name.
    pub flag: &'static str,
    /// The long name of the other.
    pub other: &'static str,
    /// The values of the other that matter.
    pub values: Values,
    /// A switch that gives it an effect beside any value.
    pub unless: Option<&'static str>,
}

impl OnlyWith {
    /// The rule that `flag` acts only beside these `values` of `other`.
    pub const fn new(flag: &'static str, other: &'static str, values: Values) -> Self {
        Self { flag, other, values, unless: None }
    }

    /// The same, but that `switch` gives it an effect beside any value.
    #[must_use]
    pub const fn unless(self, switch: &'static str) -> Self {
        Self { unless: Some(switch), ..self }
    }
}

/// Values of a flag.
#[derive(Debug, Clone, Copy)]
pub enum Values {
    /// Any of these.
    OneOf(&'static [&'static str]),
    /// Any but 0.
    NotZero,
    /// Any: it has none unless it is given.
    Given,
}

impl Values {
    fn have(self, value: &str) -> bool {
        match self {
            Self::OneOf(all) => all.contains(&value),
            Self::NotZero => value.parse::<f64>() != Ok(0.0),
            Self::Given => !value.is_empty(),
        }
    }

    fn text(self, other: &str) -> String {
        match self {
            Self::OneOf([all @ .., last]) if !all.is_empty() => {
                format!("--{other} {} or {last}", all.join(", "))
            }
            Self::OneOf(all) => format!("--{other} {}", all.concat()),
            Self::NotZero => format!("--{other} over 0"),
            Self::Given => format!("--{other}"),
        }
    }
}

/// Refuses flags of the command line that have no effect beside the others by `rules`.
///
/// A recipe is written for many runs: one of its keys that has no effect because the command line
/// chose otherwise is passed over, and told.
///
/// # Errors
/// `Config` with the flag, the value beside which it has no effect, and what it belongs to.
pub(crate) fn check(
    rules: &[OnlyWith],
    command: &Command,
    matches: &ArgMatches,
    typed: &[OsString],
) -> Result<()> {
    let (command, matches) = leaf(command, matches);
    for rule in rules {
        let (Some(flag), Some(other)) = (find(command, rule.flag), find(command, rule.other))
        else {
            continue;
        };
        let value = value(matches, other);
        let switch = rule.unless.and_then(|name| find(command, name));
        let acts = rule.values.have(&value) || switch.is_some_and(|s| given(matches, s));
        if !given(matches, flag) || acts {
            continue;
        }
        let or = rule.unless.map_or(String::new(), |name| format!(", or --{name}"));
        let belongs = rule.values.text(rule.other) + &or;
        let beside = match rule.values {
            Values::Given => "by itself".to_owned(),
            _ => format!("with --{} {value}", rule.other),
        };
        let what = format!("--{}: has no effect {beside}; it belongs to {belongs}", rule.flag);
        if !was_typed(typed, rule.flag) && was_typed(typed, rule.other) {
            tracing::info!("recipe: {what}");
            continue;
        }
        return Err(Error::Config(what));
    }
    Ok(())
}

/// The command that was chosen and what was given to it.
fn leaf<'a>(command: &'a Command, matches: &'a ArgMatches) -> (&'a Command, &'a ArgMatches) {
    match matches.subcommand() {
        Some((name, below)) => match command.find_subcommand(name) {
            Some(sub) => leaf(sub, below),
            None => (command, matches),
        },
        None => (command, matches),
    }
}

fn find<'a>(command: &'a Command, long: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|a| a.get_long() == Some(long))
}

/// Its last value, or its default.
fn value(matches: &ArgMatches, arg: &Arg) -> String {
    let values = matches.get_raw(arg.get_id().as_str());
    values.and_then(Iterator::last).map(|v| v.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Whether it is on the command line or in the recipe, and asks for something.
fn given(matches: &ArgMatches, arg: &Arg) -> bool {
    matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine)
        && value(matches, arg) != "false"
}

/// Whether the user typed it: what else was parsed comes from the recipe.
fn was_typed(typed: &[OsString], long: &str) -> bool {
    let name =
        |text: &str| text.strip_prefix("--").and_then(|t| t.split('=').next().map(str::to_owned));
    typed.iter().any(|text| name(&text.to_string_lossy()).as_deref() == Some(long))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: [OnlyWith; 4] = [
        OnlyWith::new("gamma", "schedule", Values::OneOf(&["step", "multi-step"])),
        OnlyWith::new("flip", "images", Values::NotZero),
        OnlyWith::new("momentum", "schedule", Values::OneOf(&["cosine"])).unless("hold"),
        OnlyWith::new("fit", "side", Values::Given),
    ];

    fn found(given: &str, typed: &str) -> String {
        let command = Command::new("trainer")
            .arg(Arg::new("gamma").long("gamma").default_value("0.1"))
            .arg(Arg::new("schedule").long("schedule").default_value("cosine"))
            .arg(Arg::new("momentum").long("momentum").default_value("0.9"))
            .arg(Arg::new("hold").long("hold").action(clap::ArgAction::SetTrue))
            .arg(Arg::new("fit").long("fit").default_value("crop"))
            .arg(Arg::new("side").long("side"))
            .arg(Arg::new("images").long("images").default_value("0"))
            .arg(Arg::new("flip").long("flip").num_args(0..=1).default_missing_value("true"));
        let words = |text: &str| -> Vec<OsString> {
            format!("trainer {text}").split_whitespace().map(OsString::from).collect()
        };
        let matches = command.clone().get_matches_from(words(given));
        check(&RULES, &command, &matches, &words(typed))
            .map_or_else(|e| e.to_string(), |()| "fine".into())
    }

    #[test]
    fn a_flag_without_effect_is_refused() {
        let check = |given: &str, expected: &str| assert_eq!(found(given, given), expected);
        check("", "fine");
        check("--schedule step --gamma 0.2", "fine");
        check(
            "--gamma=0.2",
            "--gamma: has no effect with --schedule cosine; it belongs to --schedule step or \
             multi-step",
        );
        check("--flip", "--flip: has no effect with --images 0; it belongs to --images over 0");
        check("--flip=false", "fine");
        check(
            "--momentum 0.5 --schedule step",
            "--momentum: has no effect with --schedule step; it belongs to --schedule cosine, or \
             --hold",
        );
        check("--momentum 0.5 --schedule step --hold", "fine");
        check("--flip --images 64", "fine");
        check("--fit pad", "--fit: has no effect by itself; it belongs to --side");
        check("--fit pad --side 32", "fine");
    }

    #[test]
    fn a_recipes_key_gives_way_to_the_command_line() {
        let whole = "--gamma=0.2 --schedule constant";
        assert_eq!(found(whole, "--schedule constant"), "fine");
        assert!(found(whole, "").contains("has no effect"), "a recipe that contradicts itself");
        assert!(found("--gamma=0.2", "").contains("has no effect"));
    }
}
