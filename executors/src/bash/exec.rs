//! Runs a program inside a task for a person: with the environment, work directory and control groups of its container.
//!
//! **Invariant:** when it returns, the program and its process group are gone.

use super::child::Unreaped;
use super::enter::{self, Words};
use super::place::Place;
use super::plan::Plan;
use crate::Failure;
use crate::exec::{Exec, Said, choose, feed};
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::sync::{mpsc, watch};

/// The most that a pipe holds.
const PIPE_BYTES: usize = 64 * 1024;
/// How long after the end of the program it is waited for more that was written.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Runs it until it ends, or nobody wants to know any more.
pub(super) async fn run(way: &[OsString], place: &Place, exec: Exec) -> Result<i32, Failure> {
    let failed = |error| Failure::of("cannot run the program", error);
    let plan: Option<Plan> = place.read("spec.json")?;
    let plan = plan.filter(|_| place.is_locked().unwrap_or(false));
    let plan = plan.ok_or_else(|| Failure("the task does not run".to_string()))?;
    let containers = plan.containers().enumerate().map(|(number, (container, _))| (container, number));
    let container = choose(&plan.spec.definition, containers, exec.container.as_deref())?;
    let words: Vec<String> = exec.words.iter().map(|word| quoted(word)).collect();
    let script = format!("exec {}", words.join(" "));
    let mut shell = enter::command(way, place, &plan, &Words { container, script: &script, careful: false })?;
    let (input, feeder) = std::io::pipe().map_err(failed)?;
    let (out_reader, out) = std::io::pipe().map_err(failed)?;
    let (err_reader, err) = std::io::pipe().map_err(failed)?;
    plan.give(&input).and_then(|()| plan.give(&out)).and_then(|()| plan.give(&err)).map_err(failed)?;
    shell.stdin(Stdio::from(input)).stdout(Stdio::from(out)).stderr(Stdio::from(err));
    let child = Unreaped::spawn(&mut shell).map_err(failed)?;
    // It holds the other ends of the pipes; without them these end with the program.
    drop(shell);
    let receiver = |reader| Receiver::from_owned_fd(OwnedFd::from(reader)).map_err(failed);
    let (over, ended) = watch::channel(false);
    let mut pumps = tokio::task::JoinSet::new();
    pumps.spawn(pump(receiver(out_reader)?, ended.clone(), exec.output.clone(), Said::Out));
    pumps.spawn(pump(receiver(err_reader)?, ended, exec.output.clone(), Said::Err));
    let feeder = Sender::from_owned_fd(OwnedFd::from(feeder)).map_err(failed)?;
    tokio::select! {
        () = child.ended() => {}
        () = exec.output.closed() => {}
        () = feed(exec.input, feeder) => {}
    }
    let status = child.kill_group().map_err(failed)?;
    over.send_replace(true);
    // However slowly somebody listens: what it wrote is passed on, or nobody does any more.
    while pumps.join_next().await.is_some() {}
    Ok(status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(-1))
}

/// Passes on what is written until there is no more; after the end of the program, until nothing comes for a moment.
async fn pump(
    mut pipe: Receiver,
    mut ended: watch::Receiver<bool>,
    output: mpsc::Sender<Said>,
    said: fn(Vec<u8>) -> Said,
) {
    let mut buffer = [0; 16 * 1024];
    // What the program itself has left in the pipe; others that hold it may write for ever.
    let mut left = PIPE_BYTES;
    while left > 0 {
        let is_over = *ended.borrow();
        let silence = async {
            // Whoever would tell is gone when the program is.
            drop(ended.wait_for(|ended| *ended).await);
            tokio::time::sleep(LAST_WORDS).await;
        };
        let read = tokio::select! {
            biased;
            read = pipe.read(&mut buffer) => read,
            () = silence => return,
        };
        let Ok(count @ 1..) = read else { return };
        left = left.saturating_sub(if is_over { count } else { 0 });
        if output.send(said(buffer[..count].to_vec())).await.is_err() {
            return;
        }
    }
}

/// Writes a word so that a shell takes it as it is.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_is_more_than_itself() {
        let check = |word: &str, expect: &str| assert_eq!(quoted(word), expect, "{word}");
        check("", "''");
        check("a b; $(c) `d` \"e\" \\ *\n", "'a b; $(c) `d` \"e\" \\ *\n'");
        check("it's", "'it'\\''s'");
    }
}
