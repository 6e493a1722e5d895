//! Rehearses Callboard: the real machines, on a virtual clock, in an invented world of hosts, builds, faults and a store
//! that misbehaves. One seed reproduces a run, byte for byte.
//!
//! ```
//! use callboard_sim::{Options, Profile, draw, run};
//! let scenario = draw(Profile::Tiny, 7);
//! let outcome = run(&scenario, &Options::default());
//! assert_eq!(outcome.hash, run(&scenario, &Options::default()).hash);
//! ```
//!
//! **Invariant:** no clock is read, and nothing is drawn but from the seed.

mod agent;
mod build;
mod check;
mod clock;
pub mod compare;
mod departed;
mod desk;
mod event;
mod expect;
mod host;
pub mod journal;
mod link;
pub mod measure;
pub mod museum;
pub mod promise;
mod queue;
pub mod recording;
mod rehearsal;
pub mod replay;
pub mod report;
mod rng;
mod run;
pub mod scenario;
pub mod search;
mod sometimes;
mod stage;
mod stats;
mod store;
mod trace;
mod trial;
mod witness;

pub use build::Build;
pub use check::Violation;
pub use expect::Judgement;
pub use rehearsal::{Mishaps, Moved, Proposal, Rehearsal, StoreKind, record, rehearse};
pub use run::{Options, Outcome, Summary, quoted, run, run_watched};
pub use scenario::{Profile, ReadError, Scenario, draw, draw_around, drawn, read, read_with};
pub use sometimes::{POINTS, Sometimes};
pub use stats::{ServiceStats, Stats};
pub use trial::{Seen, Trial};
