//! Why a service's next task goes where it goes, or nowhere: host by host, the choice between the best two, and what
//! would change the answer.

use super::bids::told;
use super::place::Candidate;
use super::preempt::{Sacrifice, sacrifice};
use crate::machine::Time;
use crate::model::{Kind, Name, Service, TaskDefinition};
use crate::placement::{Obstacle, Reasons, Remedy, Term, remedies};
use crate::world::{GroupKey, World};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

/// What a service's next task meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Every host. Those on which it may run come first, best first.
    pub hosts: Vec<HostReason>,
    /// What each by itself would let it be placed; empty where it can be.
    pub remedies: Vec<Remedy>,
}

impl Explanation {
    /// Tells which host is the best, which is the runner-up, and by which figure the one comes before the other.
    #[must_use]
    pub fn choice(&self) -> Option<String> {
        let mut fit = self.hosts.iter().filter(|reason| reason.obstacles.is_empty());
        let best = fit.next()?;
        let Some(next) = fit.next() else { return Some(format!("only {} would take one more", best.host)) };
        let mut figures = best.terms.iter().zip(&next.terms);
        let by = figures.find(|(a, b)| a != b).map_or_else(
            || "which is alike in all figures, so that the name decides".to_string(),
            |(best, next)| format!("by {best} against {next}"),
        );
        Some(format!("one more would go to {}, the runner-up is {}, {by}", best.host, next.host))
    }
}

/// What stands in the way of a service's next task on one host, and what speaks for the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostReason {
    /// The host.
    pub host: Name,
    /// Everything that forbids it; empty where it may run.
    pub obstacles: Vec<Obstacle>,
    /// The figures by which it is compared, the most important first.
    pub terms: Vec<Term>,
    /// What it says to the offer of one more task, where hosts are asked.
    pub bid: Option<String>,
    /// Memory that nobody holds, MiB.
    pub free_memory: u64,
    /// Processor share that nobody holds.
    pub free_cpu_units: u64,
}

impl fmt::Display for HostReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.obstacles.is_empty() {
            if let Some(bid) = &self.bid {
                write!(f, "{bid}; ")?;
            }
            for term in &self.terms {
                write!(f, "{term}; ")?;
            }
            return write!(f, "{} MiB and {} cpu units free", self.free_memory, self.free_cpu_units);
        }
        let obstacles: Vec<String> = self.obstacles.iter().map(|obstacle| format!("{obstacle}")).collect();
        f.write_str(&obstacles.join("; "))
    }
}

/// Says what a host that is offered a task of a service has bid.
fn said(world: &World, service: &Name, host: &Name) -> Option<String> {
    let auction = world.auctions.get(service).filter(|auction| auction.offers.contains_key(host))?;
    let bid = auction.bid(host);
    Some(bid.map_or_else(|| "has not bid yet".to_string(), |bid| format!("bids {}", told(bid))))
}

/// Explains, host by host, where one more task of a service could go. Hosts on which it may run come first, best first.
#[must_use]
pub fn explain(
    world: &World,
    now: Time,
    key: &GroupKey,
    service: &Service,
    definition: &TaskDefinition,
) -> Explanation {
    let candidate = Candidate::new(world, now, key, service, definition);
    let figures = Reasons::new(&candidate.need, candidate.view());
    let mut reasons: Vec<_> = world
        .fleet
        .iter()
        .map(|(row, at)| {
            let (free_memory, free_cpu_units) = at.free();
            let mut obstacles = candidate.of_host(&at.host);
            if world.hosts.get(&at.host).is_some_and(|host| host.registration.is_some()) {
                obstacles.extend(figures.all(row));
            }
            let (host, terms, bid) = (at.host.clone(), figures.terms(row), said(world, &key.1, &at.host));
            (figures.order(row), HostReason { host, obstacles, terms, bid, free_memory, free_cpu_units })
        })
        .collect();
    reasons.sort_by(|(order_a, a), (order_b, b)| {
        let fit = a.obstacles.is_empty().cmp(&b.obstacles.is_empty()).reverse();
        fit.then_with(|| order_a.cmp(order_b))
    });
    let hosts: Vec<HostReason> = reasons.into_iter().map(|(_, reason)| reason).collect();
    let mut found = Vec::new();
    if hosts.first().is_some_and(|first| !first.obstacles.is_empty()) {
        let missing = world.blocked.get(key).map_or(1, |blocked| blocked.missing);
        let row = |reason: &HostReason| world.fleet.find(&reason.host).map(|row| world.fleet.row(row));
        let barred = hosts.iter().filter_map(|reason| Some((row(reason)?, &*reason.obstacles)));
        found = remedies(&candidate.need, missing, barred);
        if service.kind == Kind::System {
            // One on each host is what it is.
            found.retain(|remedy| !remedy.is_second_on_a_host());
        }
        let made = sacrifice(world, now, key, service, definition);
        found.extend(made.map(|Sacrifice { host, victims }| {
            let asked = service.preempt;
            Remedy::TakeRoom { host, victims, asked }
        }));
    }
    Explanation { hosts, remedies: found }
}
