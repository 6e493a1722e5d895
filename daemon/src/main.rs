//! The binary `callboard`: daemons that drive the machines with tokio, the HTTP API over them, and the command line.
//!
//! **Invariant:** nothing here decides where a task runs or when it stops: `callboard_core` does.

mod announce;
mod api;
mod change;
mod cli;
mod data_dir;
mod demo;
mod docker;
mod doctor;
mod drive;
mod events;
mod hollow;
mod host;
mod journal;
mod names;
mod plan;
mod policy;
mod problem;
mod process;
mod rehearse;
mod settings;
mod since;
mod storage;
mod views;
mod write;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use tikv_jemallocator::Jemalloc;

/// What two cores of a simulation make and free for each other waits for no lock in it, as it does in that of libc.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// The word by which an agent has this binary look after one task.
pub(crate) const SHIM: &str = "shim";

fn main() -> ExitCode {
    // There is one for each task, for as long as that runs: it reads no more of the command line than this, to be small.
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == SHIM)
        && let Some(dir) = words.next()
    {
        let words: Vec<OsString> = words.collect();
        return callboard_executors::bash::shim_main(Path::new(&dir), &words);
    }
    // Fails only when a provider was installed already, which would do as well.
    let _already = rustls::crypto::ring::default_provider().install_default();
    match cli::run() {
        Ok(code) => code,
        Err(error) => {
            cli::out::message(&format!("callboard: {error:#}"));
            problem::exit_code(&error)
        }
    }
}
