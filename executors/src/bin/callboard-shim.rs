//! Runs one task of the bash executor, given its directory; what this crate's tests use in place of the daemon.

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let dir = arguments.next().map(PathBuf::from).unwrap_or_default();
    callboard_executors::bash::shim_main(&dir, &arguments.collect::<Vec<_>>())
}
