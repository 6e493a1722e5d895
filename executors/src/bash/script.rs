//! Runs one command inside a task, for a health check.
//!
//! **Invariant:** when it returns, the command and its process group are gone.

use super::child::Unreaped;
use super::enter::{self, Words};
use super::place::Place;
use super::plan::Plan;
use crate::{Failure, quote};
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;

/// How much of the output's end is kept.
const OUTPUT_BYTES_MAX: usize = 2048;

/// Runs it with the environment of the first container, and kills it with its process group after `timeout`.
pub(super) async fn run(
    way: &[OsString],
    place: &Place,
    command: &str,
    timeout: Duration,
) -> Result<(), Failure> {
    let failed = |error| Failure::of("cannot run the script", error);
    let plan: Option<Plan> = place.read("spec.json")?;
    let plan = plan.filter(|_| place.is_locked().unwrap_or(false));
    let plan = plan.ok_or_else(|| Failure("the task does not run".to_string()))?;
    let (reader, writer) = std::io::pipe().map_err(failed)?;
    plan.give(&writer).map_err(failed)?;
    let words = Words { container: 0, script: command, careful: false };
    let mut shell = enter::command(way, place, &plan, &words)?;
    shell.stdout(Stdio::from(writer.try_clone().map_err(failed)?)).stderr(Stdio::from(writer));
    let child = Unreaped::spawn(&mut shell).map_err(failed)?;
    // It holds the writing ends; without them the output ends with the command.
    drop(shell);
    let output = tokio::spawn(collect(Receiver::from_owned_fd(OwnedFd::from(reader)).map_err(failed)?));
    let in_time = tokio::time::timeout(timeout, child.ended()).await.is_ok();
    let status = child.kill_group().map_err(failed)?;
    let output = tokio::time::timeout(Duration::from_millis(500), output).await;
    let output = quote(&output.ok().and_then(Result::ok).unwrap_or_default());
    match status.code() {
        _ if !in_time => {
            Err(Failure(format!("the script did not end within {} ms{output}", timeout.as_millis())))
        }
        Some(0) => Ok(()),
        Some(code) => Err(Failure(format!("the script ended with exit code {code}{output}"))),
        None => Err(Failure(format!("the script was killed: {status}{output}"))),
    }
}

async fn collect(mut pipe: Receiver) -> Vec<u8> {
    let mut output = Vec::new();
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = pipe.read(&mut buffer).await {
        output.extend_from_slice(&buffer[..count]);
        let surplus = output.len().saturating_sub(OUTPUT_BYTES_MAX);
        output.drain(..surplus);
    }
    output
}
