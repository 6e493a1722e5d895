//! What of a run concerns a host, a service or a task: all that names it, and what happened to the hosts that it was on,
//! since that is where the reasons are.

use super::look::Named;
use callboard_core::model::Name;
use callboard_sim::replay::{Line, LineKind, Replay, Step};
use std::collections::BTreeSet;

/// Whom everything must concern that is shown.
pub(super) struct Concern<'a> {
    named: &'a Named<'a>,
    /// Hosts that what is named was on.
    hosts: BTreeSet<Name>,
    /// The service of the task that is named.
    service: Option<Name>,
}

impl<'a> Concern<'a> {
    /// Begins where a run is now.
    pub(super) fn new(named: &'a Named<'a>, replay: &Replay) -> Concern<'a> {
        let task = named.task.and_then(|id| replay.task(id));
        let of_service = named.service.map(|service| replay.tasks_of(service)).unwrap_or_default();
        let service = task.as_ref().map(|task| task.service.clone());
        let hosts = of_service.into_iter().chain(task).map(|task| task.host).collect();
        Concern { named, hosts, service }
    }

    /// Keeps of a step the lines of these kinds that concern what is named.
    pub(super) fn retain(&mut self, step: &mut Step, kinds: impl Fn(LineKind) -> bool) {
        step.lines.iter().for_each(|line| self.learn(line));
        let mut kept: Vec<bool> = step.lines.iter().map(|line| kinds(line.kind) && self.has(line)).collect();
        // What happened is said in a line of its own, and in others whom it hit.
        let hits = kept.iter().any(|kept| *kept);
        for (kept, line) in kept.iter_mut().zip(&step.lines) {
            *kept |= hits && line.kind == LineKind::Happening && line.host.is_none();
        }
        let mut kept = kept.into_iter();
        step.lines.retain(|_| kept.next().unwrap_or(false));
    }

    /// Takes in where what is named is.
    fn learn(&mut self, line: &Line) {
        let Named { service, task, .. } = self.named;
        let by_task = task.is_some() && line.task.as_deref() == *task;
        let by_service = service.is_some() && line.service.as_deref() == *service && line.task.is_some();
        if by_task || by_service {
            self.hosts.extend(line.host.clone());
        }
        if by_task {
            self.service = line.service.clone().or(self.service.take());
        }
    }

    fn has(&self, line: &Line) -> bool {
        let Named { host, service, task } = self.named;
        let is = |wanted: &Option<&str>, name: &Option<Name>| {
            wanted.is_none_or(|wanted| name.as_deref() == Some(wanted))
        };
        let named = is(host, &line.host) && is(service, &line.service) && is(task, &line.task);
        named || (service.is_some() || task.is_some()) && self.bears_on(line)
    }

    /// Tells whether a line that names neither service nor task bears on what is named all the same.
    fn bears_on(&self, line: &Line) -> bool {
        let service = self.named.service.or(self.service.as_deref());
        let of_service = line.service.as_deref().is_none_or(|name| Some(name) == service);
        match (line.kind, &line.host) {
            (LineKind::Happening, None) => {
                service.is_some_and(|service| line.text.split([' ', ':', ',']).any(|word| word == service))
            }
            (LineKind::Decision, None) => line.service.is_some() && of_service && line.task.is_none(),
            (LineKind::Happening | LineKind::Decision, Some(host)) => {
                line.task.is_none() && of_service && self.hosts.contains(host)
            }
            (LineKind::Order | LineKind::Store | LineKind::Truth, _) => false,
        }
    }
}
