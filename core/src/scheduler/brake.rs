//! How fast silent hosts are given up. When many fall silent at once it is more likely that something between them and
//! the store has failed than that they have; replacing all their tasks would then turn a small fault into a large one.
//!
//! **Invariant:** while no host is heard of, none is given up, nor what is left on one that was given up before.

use crate::machine::{Span, Time};
use crate::model::Name;
use crate::why::Note;
use crate::world::{Presence, Timer, World};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Paces the giving up of hosts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Brake {
    /// When the last allowance was computed.
    counted: Time,
    /// Hosts that may be given up now, in thousandths.
    allowance: u64,
    /// Hosts given up of late, and when.
    released: BTreeMap<Name, Time>,
    /// The operator has been told.
    told: bool,
}

/// Hosts a second that are given up in ordinary times.
const RATE: u64 = 1;
/// How much slower it goes when more than a third of the hosts fell silent of late.
const BRAKED: u64 = 10;
/// Only so many silent hosts are suspicious.
const MANY: usize = 3;
/// Hosts silent for longer than this say nothing about the present.
const OF_LATE: Span = Span::secs(600);

impl Brake {
    /// Gives up hosts that are silent for too long, as fast as seems wise. Tells how many are left waiting.
    pub(crate) fn release(&mut self, now: Time, world: &mut World, due: &[Name]) {
        let grace = world.host_grace();
        let ready = |host: &Name| match world.hosts.get(host).map(|host| host.presence) {
            Some(Presence::Suspect { since }) => now.since(since) >= grace,
            Some(Presence::Ready | Presence::Lost) | None => false,
        };
        let mut waiting: Vec<Name> = due.iter().filter(|host| ready(host)).cloned().collect();
        if waiting.is_empty() {
            return;
        }
        self.released.retain(|_, at| now.since(*at) <= OF_LATE);
        let (hosts, silent, alive) = self.census(now, world);
        let burst = 10.max(hosts as u64 / 50) * 1000;
        let braked = silent >= MANY && silent * 3 > hosts;
        let per_second = if braked { RATE * 1000 / BRAKED } else { RATE * 1000 };
        let earned = now.since(self.counted).0.saturating_mul(per_second) / 1000;
        self.counted = now;
        self.allowance = (self.allowance.saturating_add(earned)).min(if braked { 1000 } else { burst });
        if alive == 0 {
            self.allowance = 0;
        }
        if braked && !self.told {
            world.notes.push(Note::Braked { silent, hosts });
        }
        self.told = braked;
        // Where there are tasks, somebody waits for that.
        waiting.sort_by_cached_key(|host| (is_empty(world, host), host.clone()));
        for host in waiting {
            if alive > 0 && is_put_away(world, &host) {
                world.set_presence(now, &host, Presence::Lost);
            } else if self.allowance >= 1000 {
                self.allowance -= 1000;
                world.set_presence(now, &host, Presence::Lost);
                self.released.insert(host, now);
            } else {
                world.timers.insert((now + Span(1000), Timer::Host(host)));
            }
        }
    }

    /// Counts registered hosts, those that fell silent of late, and those that are heard of. One that was drained and falls
    /// silent with nothing on it was to be switched off, and says nothing of the others.
    fn census(&self, now: Time, world: &World) -> (usize, usize, usize) {
        let (mut hosts, mut silent, mut alive) = (0, 0, 0);
        for (name, host) in world.hosts.iter().filter(|(_, host)| host.registration.is_some()) {
            match host.presence {
                Presence::Ready => alive += 1,
                Presence::Suspect { .. } | Presence::Lost if is_put_away(world, name) => continue,
                Presence::Suspect { since } if now.since(since) <= OF_LATE => silent += 1,
                Presence::Lost if self.released.contains_key(name) => silent += 1,
                Presence::Suspect { .. } | Presence::Lost => continue,
            }
            hosts += 1;
        }
        (hosts, silent, alive)
    }
}

fn is_empty(world: &World, host: &Name) -> bool {
    world.hosts.get(host).is_none_or(|host| host.tasks.is_empty())
}

/// Tells whether a host was drained, and nothing is left on it.
fn is_put_away(world: &World, host: &Name) -> bool {
    world.is_draining(host) && is_empty(world, host)
}
