//! What would let a task be placed that fits nowhere: each single thing that would have to be otherwise, the least of it
//! that would do.

use super::amount::Amount;
use super::fleet::Row;
use super::need::Need;
use super::obstacle::Obstacle;
use crate::model::{HOST_LABEL, Name, Rule};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

/// One thing that, were it otherwise, would let the task be placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// It asks for no more than a host has free that lacks nothing else.
    AskLess {
        /// Of what.
        of: Amount,
        /// How much.
        at_most: u64,
        /// The host.
        host: Name,
    },
    /// Nothing but this stands against some hosts.
    Clear {
        /// What, on the first of them.
        obstacle: Obstacle,
        /// The first of them by name.
        host: Name,
        /// How many there are.
        hosts: usize,
    },
    /// Less important tasks make room.
    TakeRoom {
        /// The host.
        host: Name,
        /// The tasks, with their priorities.
        victims: Vec<(Name, u8)>,
        /// Its service asks for it, so that they do where nothing keeps them.
        asked: bool,
    },
    /// There are more hosts like one that would do were it empty.
    MoreHosts {
        /// How many would take all that wait.
        count: u64,
        /// Like this one.
        like: Name,
        /// With what the service requires.
        rules: Vec<Rule>,
    },
    /// There is a larger host: of those that the service may use none is large enough, however empty.
    LargerHost {
        /// Of what they have too little.
        of: Amount,
        /// How much is needed.
        needed: u64,
        /// The most that any of them has.
        largest: u64,
    },
}

impl Remedy {
    /// Tells whether it is to let more tasks of the service onto a host that has some.
    pub(crate) fn is_second_on_a_host(&self) -> bool {
        let Remedy::Clear { obstacle: Obstacle::Limit { same, .. }, .. } = self else { return false };
        same == HOST_LABEL
    }
}

/// A host and everything that forbids it.
pub(crate) type Barred<'a> = (&'a Row, &'a [Obstacle]);

/// Finds all remedies for a service of which so many tasks wait.
pub(crate) fn remedies<'a>(
    need: &Need,
    missing: u32,
    hosts: impl Iterator<Item = Barred<'a>> + Clone,
) -> Vec<Remedy> {
    let mut less: BTreeMap<Amount, (u64, Name)> = BTreeMap::new();
    let mut clear: BTreeMap<String, (Obstacle, Name, usize)> = BTreeMap::new();
    for (at, obstacles) in hosts.clone() {
        let [only] = obstacles else { continue };
        if let Some((of, free)) = only.amount() {
            if free > 0 && less.get(&of).is_none_or(|(most, _)| free > *most) {
                less.insert(of, (free, at.host.clone()));
            }
            continue;
        }
        let entry = clear.entry(only.kind()).or_insert_with(|| (only.clone(), at.host.clone(), 0));
        entry.2 += 1;
    }
    let less = less.into_iter().map(|(of, (at_most, host))| Remedy::AskLess { of, at_most, host });
    let mut clear: Vec<(Obstacle, Name, usize)> = clear.into_values().collect();
    clear.sort_by_key(|(_, _, hosts)| usize::MAX - hosts);
    let clear = clear.into_iter().map(|(obstacle, host, hosts)| Remedy::Clear { obstacle, host, hosts });
    less.chain(clear).chain(growth(need, missing, hosts)).collect()
}

/// Finds how the fleet would have to grow, by the hosts that the service may use, or by all where it may use none.
fn growth<'a>(need: &Need, missing: u32, hosts: impl Iterator<Item = Barred<'a>> + Clone) -> Option<Remedy> {
    let is_kept = |obstacles: &[Obstacle]| obstacles.iter().any(Obstacle::is_of_kind);
    let may_use = hosts.clone().any(|(_, obstacles)| !is_kept(obstacles));
    let hosts = hosts.filter(|(_, obstacles)| !may_use || !is_kept(obstacles));
    let rows = hosts.clone().map(|(at, _)| at);
    // A further host like one is where that one is, and near what that one is near.
    let is_far = |obstacles: &[Obstacle]| obstacles.iter().any(|it| matches!(it, Obstacle::NotNear { .. }));
    let near = hosts.filter(|(_, obstacles)| !is_far(obstacles));
    let capacities = near.map(|(at, _)| (need.on_empty(at), at));
    // Of those that are the same the first.
    let best = capacities.reduce(|best, next| if next.0 > best.0 { next } else { best });
    // No further host has the name of one that is required by name, nor tasks that it must be beside.
    let by_name = need.require.iter().any(|reading| reading.rule.label == HOST_LABEL);
    if let Some((each, like)) = best.filter(|(each, _)| *each > 0) {
        if by_name || need.is_beside_others() {
            return None;
        }
        let count = u64::from(missing.max(1)).div_ceil(each);
        let rules = need.require.iter().map(|reading| reading.rule.clone()).collect();
        return Some(Remedy::MoreHosts { count, like: like.host.clone(), rules });
    }
    need.amounts().into_iter().find_map(|(of, needed)| {
        let largest = rows.clone().map(|at| of.had_by(at)).max().unwrap_or(0);
        (largest < needed).then_some(Remedy::LargerHost { of, needed, largest })
    })
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Remedy::AskLess { of, at_most, host } => {
                write!(f, "fits on {host} when it asks for at most {at_most} {of}")
            }
            Remedy::Clear { obstacle, host, hosts: 1 } => write!(f, "fits on {host} {}", once(obstacle)),
            Remedy::Clear { obstacle, host, hosts } => {
                let others = if *hosts == 2 { "1 other" } else { &format!("{} others", hosts - 1) };
                write!(f, "fits on {host}, and on {others} alike, {}", once(obstacle))
            }
            Remedy::TakeRoom { host, victims, asked } => {
                let victims: Vec<String> =
                    victims.iter().map(|(id, priority)| format!("{id} (priority {priority})")).collect();
                let how = if *asked { "as" } else { "with `preempt: true`:" };
                write!(f, "fits on {host} {how} {} would make room", victims.join(", "))
            }
            Remedy::MoreHosts { count, like, rules } => {
                let hosts = if *count == 1 { "host" } else { "hosts" };
                write!(f, "fits with {count} more {hosts} like {like}")?;
                let rules: Vec<String> = rules.iter().map(Rule::to_string).collect();
                if rules.is_empty() { Ok(()) } else { write!(f, " with {}", rules.join(", ")) }
            }
            Remedy::LargerHost { of, needed, largest } => write!(
                f,
                "fits on no host however empty: it needs {needed} {of}, and the most that one has is {largest}"
            ),
        }
    }
}

/// Says when an obstacle is gone.
fn once(obstacle: &Obstacle) -> String {
    match obstacle {
        Obstacle::Unregistered => "once it has registered".into(),
        Obstacle::Silent(_) | Obstacle::Lost => "once it is heard of again".into(),
        Obstacle::Draining => "once it is drained no longer".into(),
        Obstacle::Unfit(why) => format!("once its agent can start tasks ({why})"),
        Obstacle::UnfitFor { executor, why } => format!("once {executor} can start tasks there ({why})"),
        Obstacle::Pressed { .. } => "once memory is free there".into(),
        Obstacle::NoExecutor(kind) => format!("once it offers the {kind} executor"),
        Obstacle::Policy(why) => format!("once its policy allows {why}"),
        Obstacle::Rule { rule, .. } => format!("if it has {rule}, or without that rule"),
        Obstacle::NotNear { service, same } => format!("once a task of {service} is in its {same}"),
        Obstacle::NotApart { service, same } => {
            format!("once no task of {service} is in its {same}")
        }
        Obstacle::Limit { same, tasks } => {
            format!("if the limit lets {} of the service into one {same}", u64::from(*tasks) + 1)
        }
        Obstacle::Memory { .. }
        | Obstacle::Cpu { .. }
        | Obstacle::Disk { .. }
        | Obstacle::Resource { .. } => "once enough is free".into(),
        Obstacle::Port(port) => format!("once port {port} is free there"),
        Obstacle::NoPort => "once a port of its range is free".into(),
        Obstacle::Promised(service) => format!("once {service} is there and leaves room"),
        Obstacle::Ledger(_) => "once its ledger can be written".into(),
        Obstacle::Avoided { again_in, .. } => format!("in {again_in}, when it is tried there again"),
    }
}
