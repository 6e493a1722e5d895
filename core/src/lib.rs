//! The decisions of Callboard: two pure state machines, the scheduler and the agent, and all they are made of.
//!
//! A driver hands a machine what happened and carries out what it answers; a simulator does the same with invented
//! happenings. Same inputs, same bytes out, on every machine.
//!
//! **Invariant:** no clock, no randomness, no I/O, no logger, no hash order; `no_std` makes the compiler hold most of it.

#![no_std]

extern crate alloc;

pub mod agent;
mod beat;
pub mod config;
pub mod invariants;
pub mod keys;
pub mod machine;
pub mod mirror;
pub mod model;
pub mod placement;
pub mod policy;
pub mod rebalance;
pub mod record;
pub mod registry;
pub mod scheduler;
pub mod session;
pub mod store;
pub mod table;
pub mod why;
pub mod work;
pub mod world;
