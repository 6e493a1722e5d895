//! The simulator as a user runs it: what each command answers, with which exit code, and what it writes.

mod expectations;
mod futures;
mod fuzz;
mod pages;
mod replay;
mod results;
mod show;
mod shrink;
mod stage;
mod verify;
