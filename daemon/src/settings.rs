//! Where each setting comes from: the command line before the environment before the file of `--config` before the
//! default. Every setting is one option of the command line; its name there, with `_` for `-`, is its name in the file.
//!
//! **Invariant:** a value is checked the same way wherever it was written, and a secret is never shown.

mod file;

use crate::problem::{Kind, Problem};
use clap::builder::Resettable;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use file::File;
use serde::Serialize;
use std::ffi::OsString;

/// The commands that the file speaks to, beside the options that all commands have.
const COMMANDS: [&str; 6] = ["dev", "combined", "agent", "scheduler", "doctor", "config"];
/// Options that say what one call is to do.
const NOT_SETTINGS: [&str; 4] = ["config", "help", "output", "version"];

/// A setting, its value, and who set it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Setting {
    /// As in the file.
    pub(crate) name: String,
    /// As it was written; `(set)` for a secret; nothing where there is none.
    pub(crate) value: Option<String>,
    /// An option, a variable, a file and line, or `default`.
    pub(crate) from: String,
}

/// Reads the command line `arguments` of `command`, the environment, and the file that these name.
///
/// # Errors
/// What clap says of the command line, or what is wrong with the file.
pub(crate) fn matches(command: &Command, arguments: &[OsString]) -> anyhow::Result<(ArgMatches, File)> {
    let mut command =
        command.clone().mut_args(without_empty).mut_subcommands(|sub| each(sub, &without_empty));
    if has_its_own(&command, arguments) {
        // There `--config` is not a file with settings, and so the variable for such a file does not count.
        command = command.mut_arg("config", |arg| arg.env(Resettable::Reset));
    }
    let file = match path(&command, arguments) {
        Some(path) => File::read(&path, &all(&command))?,
        None => File::default(),
    };
    let command = command.mut_args(|arg| file.set_default(arg)).mut_subcommands(|sub| {
        if COMMANDS.contains(&sub.get_name()) { each(sub, &|arg| file.set_default(arg)) } else { sub }
    });
    Ok((command.try_get_matches_from(arguments)?, file))
}

/// Tells each setting and who set it, as `matches` of `config show` have it.
pub(crate) fn shown(command: &Command, matches: &ArgMatches, file: &File) -> Vec<Setting> {
    let of = deepest(matches);
    let mut rows: Vec<Setting> = all(command).iter().map(|arg| row(arg, of, file)).collect();
    rows.sort_by(|one, other| one.name.cmp(&other.name));
    rows
}

fn row(arg: &Arg, matches: &ArgMatches, file: &File) -> Setting {
    let name = arg.get_id().as_str();
    let option = || format!("--{}", arg.get_long().unwrap_or(name));
    let variable = || arg.get_env().unwrap_or_default().to_string_lossy().into_owned();
    let from = match matches.value_source(name) {
        Some(ValueSource::CommandLine) => option(),
        Some(ValueSource::EnvVariable) => variable(),
        Some(_) | None => file.place(name).unwrap_or_else(|| "default".into()),
    };
    let written: Vec<_> =
        matches.get_raw(name).into_iter().flatten().map(|text| text.to_string_lossy()).collect();
    let value = match written.as_slice() {
        [] => None,
        [..] if is_secret(arg) => Some("(set)".into()),
        [..] if matches!(arg.get_action(), ArgAction::SetTrue) => Some(matches.get_flag(name).to_string()),
        [..] => Some(written.join(",")),
    };
    Setting { name: name.into(), value, from }
}

/// Lists what can be set: all options of `config show`, which has those of every daemon.
fn all(command: &Command) -> Vec<Arg> {
    let show = command.find_subcommand("config").and_then(|config| config.find_subcommand("show"));
    let options = command.get_arguments().chain(show.into_iter().flat_map(Command::get_arguments));
    let settings =
        options.filter(|arg| arg.get_long().is_some() && !NOT_SETTINGS.contains(&arg.get_id().as_str()));
    settings.cloned().collect()
}

/// A secret is what clap is told not to show, either.
fn is_secret(arg: &Arg) -> bool {
    arg.is_hide_env_values_set()
}

fn each(command: Command, change: &impl Fn(Arg) -> Arg) -> Command {
    command.mut_args(change).mut_subcommands(|sub| each(sub, change))
}

/// An empty variable counts as not set, as it does with the tools of Consul and etcd.
fn without_empty(arg: Arg) -> Arg {
    let is_empty = arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
    if is_empty { arg.env(Resettable::Reset) } else { arg }
}

/// Finds the file that is named, before the rest of the command line is understood.
fn path(command: &Command, arguments: &[OsString]) -> Option<std::path::PathBuf> {
    // Whatever is wrong is said by the second reading.
    let matches = command.clone().ignore_errors(true).try_get_matches_from(arguments).ok()?;
    if has_its_own(command, arguments) {
        return None;
    }
    deepest(&matches).get_one::<std::path::PathBuf>("config").cloned()
}

/// Tells whether what is asked for has an option `--config` of its own.
fn has_its_own(command: &Command, arguments: &[OsString]) -> bool {
    let Ok(matches) = command.clone().ignore_errors(true).try_get_matches_from(arguments) else {
        return false;
    };
    let (mut command, mut matches) = (command, &matches);
    let mut depth = 0;
    while let Some((name, inner)) = matches.subcommand() {
        let Some(sub) = command.find_subcommand(name) else { return false };
        (command, matches, depth) = (sub, inner, depth + 1);
    }
    depth > 0 && command.get_arguments().any(|arg| arg.get_id() == "config")
}

fn deepest(matches: &ArgMatches) -> &ArgMatches {
    matches.subcommand().map_or(matches, |(_, inner)| deepest(inner))
}

/// Refuses what neither option nor variable can be honoured, so that nobody believes in it.
///
/// # Errors
/// The first variable of these that is set, and what to do instead.
pub(crate) fn refuse(variables: &[(&str, &str)]) -> Result<(), Problem> {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    match variables.iter().find(|(name, _)| is_set(name)) {
        Some((name, instead)) => {
            Err(Problem::new(Kind::Invalid, "is set, and this version cannot honour it")
                .at(*name)
                .hint(*instead))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
