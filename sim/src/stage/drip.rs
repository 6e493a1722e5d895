//! What goes wrong again and again, at random times and places.

use super::Stage;
use crate::event::Event;
use crate::scenario::{FaultKind, Lasts};
use callboard_core::machine::{Span, Time};

impl Stage {
    /// Plans the next of a trickle after a time.
    pub(super) fn plan_drip(&mut self, index: u32, after: Time) {
        let trickle = &self.scenario.trickle[index as usize];
        let mean = Span(3_600_000 / trickle.per_hour.max(1));
        let at = after + self.drips[index as usize].exponential(mean);
        if at.0 < trickle.until.0 {
            self.queue.push(at, Event::Drip(index));
        }
    }

    /// Lets something go wrong, and plans the next.
    pub(super) fn drip(&mut self, index: u32) {
        let now = self.now();
        self.plan_drip(index, now);
        let trickle = &self.scenario.trickle[index as usize];
        let chance = &mut self.drips[index as usize];
        let lasting = chance.span(trickle.lasting.0, trickle.lasting.1);
        let drawn = chance.below(self.hosts.len() as u64);
        let host = u32::try_from(drawn).unwrap_or(0);
        let (kind, size, each) = (trickle.fault, trickle.fault.row().size.left_out(), trickle.each.clone());
        let lasting = (kind.row().lasts != Lasts::AtOnce).then_some(lasting);
        let name = self.hosts[host as usize].registration.host.clone();
        let what = kind.words(&name, lasting);
        self.witness.begins(now, &what, lasting.unwrap_or_default(), kind.is_by_user());
        match kind {
            FaultKind::Host(kind) => {
                let hosts = each.map_or_else(|| vec![host], |label| self.alike(host, &label));
                hosts.into_iter().for_each(|host| self.strike_host(kind, host, lasting, size));
            }
            FaultKind::Scheduler(kind) => self.strike_scheduler(kind, lasting, size),
            FaultKind::Service(kind) => {
                let services = &self.scenario.desired.services;
                let drawn = self.drips[index as usize].below(services.len() as u64);
                let service = services.get(usize::try_from(drawn).unwrap_or(0)).map(|it| it.name.clone());
                service.iter().for_each(|service| self.strike_service(kind, service));
            }
            FaultKind::Store(kind) => self.strike_store(kind, lasting, size),
            FaultKind::Way(kind) => self.strike_way(kind, lasting, size),
        }
    }
}
