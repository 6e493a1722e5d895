//! What is expected, in words.

use crate::scenario::{Expectation, RolloutEnd};
use callboard_core::model::Name;
use std::fmt;

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = |service: &Option<Name>| service.as_deref().unwrap_or("each service").to_owned();
        match self {
            Expectation::MinHealthy { service, at_least, from, until } => {
                let least = at_least.map_or("its min of".into(), |least| least.to_string());
                write!(f, "{} never has fewer than {least} healthy tasks", whose(service))?;
                from.map_or(Ok(()), |from| write!(f, ", from {from}"))?;
                until.map_or(Ok(()), |until| write!(f, ", until {until}"))
            }
            Expectation::HealthyBy { service, count, at } => {
                let many = count.map_or("all its".into(), |count| count.to_string());
                write!(f, "{} has {many} healthy tasks at {at}", whose(service))
            }
            Expectation::RecoveredWithin { after, within } => {
                let after = after.map_or("the last fault".into(), |after| after.to_string());
                write!(f, "all services are complete again within {within} after {after}")
            }
            Expectation::MovesAtMost { count } => write!(f, "at most {count} tasks are moved"),
            Expectation::MovesPerHour { count } => write!(f, "at most {count} tasks are moved in any hour"),
            Expectation::DelayBelow { percent, of, below } => {
                write!(f, "{percent} in a hundred tasks wait for {of} less than {below}")
            }
            Expectation::MovesAtLeast { count } => write!(f, "at least {count} tasks are moved"),
            Expectation::Rollout { service, state, by } => {
                let end = match state {
                    RolloutEnd::Done => "is completed",
                    RolloutEnd::Failed => "is given up",
                };
                write!(f, "the rollout of {service} {end}")?;
                by.map_or(Ok(()), |by| write!(f, " by {by}"))
            }
            Expectation::UnplacedAtMost { count } => {
                write!(f, "at most {count} tasks are without a place at the end")
            }
            Expectation::RestartsAtMost { count } => write!(f, "at most {count} restarts in place"),
            Expectation::OutOfMemoryAtMost { count } => {
                write!(f, "at most {count} tasks are killed for want of memory")
            }
            Expectation::VersionAtEnd { service, version } => {
                write!(f, "{service} runs version {version} only at the end")
            }
            Expectation::DrainedBy { at } => write!(f, "drained hosts are empty at {at}"),
        }
    }
}
