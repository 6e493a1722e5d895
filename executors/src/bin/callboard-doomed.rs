//! An agent that is killed at a step; this crate's own tests look at what it leaves.
//!
//! Reads from its standard input, as JSON, what it is: `kind`, `dir`, `shim`, `control_groups`, `engine`, `spec` and `step`.
//! It starts the task, lets it run for a moment, stops it and removes it.

use callboard_core::machine::Span;
use callboard_core::work::Spec;
use callboard_executors::{Executor, bash, docker, failpoint};
use serde::Deserialize;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

#[derive(Deserialize)]
struct Doom {
    kind: String,
    dir: PathBuf,
    shim: String,
    control_groups: bool,
    engine: String,
    spec: Spec,
    step: u64,
}

fn main() -> ExitCode {
    match live() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn live() -> Result<(), Box<dyn std::error::Error>> {
    let doom: Doom = serde_json::from_reader(std::io::stdin())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let executor = open(&doom)?;
        let (spec, grace) = (Arc::new(doom.spec), Span::secs(5));
        failpoint::die_at(doom.step);
        executor.start(&spec).await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
        executor.stop(&spec.run(), Some(grace)).await?;
        executor.exited(&spec.run()).await;
        executor.remove(&spec.run()).await?;
        Ok(())
    })
}

fn open(doom: &Doom) -> Result<Box<dyn Executor>, Box<dyn std::error::Error>> {
    if doom.kind == "docker" {
        let mut settings = docker::Settings::new(doom.dir.clone(), doom.engine.clone());
        settings.publish_at("127.0.0.1");
        return Ok(Box::new(docker::Docker::open(settings)?));
    }
    let mut settings = bash::Settings::new(doom.dir.clone(), vec![doom.shim.clone()]);
    settings.control_groups = doom.control_groups;
    Ok(Box::new(bash::Bash::open(settings)?))
}
