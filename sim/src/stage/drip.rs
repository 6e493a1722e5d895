//! What goes wrong again and again, at random times and places.

use super::Stage;
use crate::event::Event;
use crate::scenario::{Action, Fault, FaultKind, Happening, Hosts, Lasts, On};
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
        let (kind, each) = (trickle.fault, trickle.each.clone());
        let lasting = (kind.row().lasts != Lasts::AtOnce).then_some(lasting);
        let on = match kind {
            FaultKind::Host(_) => {
                let hosts = each.map_or_else(|| vec![host], |label| self.alike(host, &label));
                let name = |host: u32| self.hosts[host as usize].registration.host.clone();
                On::Hosts(Hosts::Named(hosts.into_iter().map(name).collect()))
            }
            FaultKind::Scheduler(_) => On::Schedulers(1),
            FaultKind::Service(_) => {
                let services = &self.scenario.desired.services;
                let drawn = self.drips[index as usize].below(services.len() as u64);
                let service = services.get(usize::try_from(drawn).unwrap_or(0));
                let Some(service) = service else { return };
                On::Service(service.name.clone())
            }
            FaultKind::Store(_) | FaultKind::Way(_) => On::All,
        };
        let fault = Fault { kind, on, lasting, size: kind.row().size.left_out() };
        self.tidings.played(now, &fault);
        self.witness.begins(now, &fault, fault.lasting.unwrap_or_default(), kind.is_by_user());
        self.strike(&fault);
        self.struck.push(Happening { at: Span(now.0), action: Action::Fault(fault) });
    }
}
