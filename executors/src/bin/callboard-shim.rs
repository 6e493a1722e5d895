//! Runs one task of the bash executor, given its directory; what this crate's tests use in place of the daemon.

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let dir = std::env::args_os().nth(1).map(PathBuf::from).unwrap_or_default();
    callboard_executors::bash::shim_main(&dir)
}
