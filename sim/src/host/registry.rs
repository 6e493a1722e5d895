//! The registry of a simulated machine, as a Consul agent is one: it outlives the agent and the machine's failures, may be
//! away, forget everything, and lose or delay what it is asked and what it answers.

use super::{Host, Outward};
use crate::event::{Event, Process};
use crate::scenario::RegistryManners;
use callboard_core::machine::{Span, Time};
use callboard_core::registry::{Reply, Request};
use callboard_core::work::Run;
use std::collections::BTreeSet;

/// What a machine's registry holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registry {
    pub(crate) held: BTreeSet<Run>,
    /// Answers nothing until then.
    pub(crate) away_until: Time,
}

impl Host {
    /// Takes what the agent asks of the registry.
    pub(crate) fn inquire(
        &mut self,
        now: Time,
        agent: Process,
        request: Request,
        manners: &RegistryManners,
    ) -> Vec<Outward> {
        if self.chance.happens(manners.lost_requests) {
            return Vec::new();
        }
        if self.chance.happens(manners.late) {
            let at = now + self.chance.span(Span(100), Span::secs(8));
            return vec![Outward::Plan(at, Event::Inquire { from: agent, request })];
        }
        self.inquired(now, agent, request, manners)
    }

    /// Lets the registry do what it was asked.
    pub(crate) fn inquired(
        &mut self,
        now: Time,
        agent: Process,
        request: Request,
        manners: &RegistryManners,
    ) -> Vec<Outward> {
        let away = now < self.registry.away_until;
        if away && self.chance.coin() {
            return Vec::new();
        }
        let refused = if away { Err("connection refused".to_string()) } else { Ok(()) };
        let mut out = Vec::new();
        let reply = match request {
            Request::Register(spec) => {
                let run = spec.run();
                if refused.is_ok() {
                    self.registry.held.insert(run.clone());
                }
                Reply::Registered(run, refused)
            }
            Request::Deregister(run) => {
                if refused.is_ok() {
                    self.registry.held.remove(&run);
                }
                Reply::Deregistered(run, refused)
            }
            Request::List => Reply::Listed(refused.map(|()| self.registry.held.iter().cloned().collect())),
            Request::Ask { run, check } => {
                let is_known = refused.is_ok() && self.registry.held.contains(&run);
                let passes = self.procs.iter().any(|proc| proc.healthy && proc.run == run);
                let result = if passes { Ok(()) } else { Err("connection refused".into()) };
                Reply::Found { run, check, verdict: is_known.then_some(result) }
            }
            Request::Tell { .. } => return out,
        };
        if !self.chance.happens(manners.lost_answers) {
            let at = now + self.chance.span(Span(1), Span(20));
            out.push(Outward::Plan(at, Event::Told { to: agent, reply }));
        }
        out
    }
}
