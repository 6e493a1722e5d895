//! The whole of Callboard on this machine: real daemons, real tasks, loopback. Each test has a directory, ports and a
//! daemon of its own, and whatever it started is gone when it ends, also when it fails.

mod bids;
mod codes;
mod commands;
mod docker;
mod docker_troubles;
mod drain;
mod exec;
mod files;
mod foresight;
mod hollow;
mod instances;
mod kinds;
mod moves;
mod processes;
mod rehearse;
mod rollout;
mod running;
mod settings;
mod show;
mod trouble;
