//! Runs one task for the bash executor; what the tests of this crate use in place of the daemon.
fn main() {}
