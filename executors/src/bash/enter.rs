//! The way into a task: a process that joins the task's control groups, takes on its limits and its user, and becomes its
//! shell. It is the only one that does anything for a task with the rights of the agent.
//!
//! **Invariant:** nothing that a task says counts before its user has taken over: not even its environment, which could
//! have a program load what it names.

use super::kin::TOKEN_NAME;
use super::place::Place;
use super::plan::{Plan, shell};
use crate::Failure;
use callboard_core::model::Bash;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::convert::Infallible;
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

/// What a shell gives back that did not come to be.
const NOT_ENTERED: u8 = 125;

/// A command of a task: the number of its container, how the shell takes it, and the command itself.
pub(super) struct Words<'a> {
    pub(super) container: usize,
    pub(super) script: &'a str,
    /// It ends at the first command that fails.
    pub(super) careful: bool,
}

/// Prepares a process of its own process group that will run a command of a task. `way` is the command line that becomes
/// [`enter_main`] when the directory and the words are appended.
pub(super) fn command(
    way: &[OsString],
    place: &Place,
    plan: &Plan,
    words: &Words<'_>,
) -> Result<Command, Failure> {
    let (program, arguments) =
        way.split_first().ok_or_else(|| Failure("no shim is configured".to_string()))?;
    let mut command = Command::new(program);
    command.args(arguments).arg(&place.path).arg(words.container.to_string());
    command.arg(if words.careful { "-ec" } else { "-c" }).arg(words.script);
    // By the token it is known as the run's, from its first moment on.
    command.env_clear().env(TOKEN_NAME, &plan.token);
    command.stdin(Stdio::null()).process_group(0);
    Ok(command)
}

/// Becomes the shell of a task; says why, where its output goes, when that cannot be.
pub(super) fn enter_main(place: &Place, words: &[OsString]) -> ExitCode {
    let Err(failure) = enter(place, words);
    let _ = writeln!(std::io::stderr(), "callboard: {failure}");
    ExitCode::from(NOT_ENTERED)
}

fn enter(place: &Place, words: &[OsString]) -> Result<Infallible, Failure> {
    let [container, flag, script] = words else {
        return Err(Failure("a task is entered by its agent and its shim only".to_string()));
    };
    let plan: Option<Plan> = place.read("spec.json")?;
    let plan = plan.ok_or_else(|| Failure("there is no spec.json".to_string()))?;
    let number = container.to_str().and_then(|text| text.parse().ok());
    let nothing = Bash::default();
    let bash = number.and_then(|number| plan.containers().nth(number)).map_or(&nothing, |(_, bash)| bash);
    let mut command = Command::new(shell(&plan.path)?);
    command.arg(flag).arg(script).env_clear().envs(plan.environment(place, bash)?).current_dir(place.work());
    if let Some(groups) = &plan.groups {
        groups.enter().map_err(|error| Failure::of("cannot enter the control groups of the task", error))?;
    }
    limit(Resource::Core, 0)?;
    if let Some(files) = plan.open_files {
        limit(Resource::Nofile, files)?;
    }
    if plan.no_new_privileges {
        let set = rustix::thread::set_no_new_privs(true);
        set.map_err(|error| Failure::of("cannot give up gaining privileges", error))?;
    }
    if let Some(account) = &plan.account {
        // Other groups than its own it has none.
        command.uid(account.uid).gid(account.gid);
    }
    Err(Failure::of(format_args!("cannot start a shell in {}", place.work().display()), command.exec()))
}

/// Sets a limit that cannot be raised again; one that is lower already stays.
fn limit(what: Resource, most: u64) -> Result<(), Failure> {
    let most = getrlimit(what).maximum.map_or(most, |bound| bound.min(most));
    let limit = Rlimit { current: Some(most), maximum: Some(most) };
    setrlimit(what, limit).map_err(|error| Failure::of("cannot limit the task", error))
}
