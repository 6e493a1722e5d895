//! What happens on machines, and who must know of it: the checkers, the statistics, the expectations.

use super::Stage;
use crate::check::{Alive, Text};
use crate::host::Outward;
use callboard_core::machine::{Span, Time};
use callboard_core::why::Note;

impl Stage {
    /// Lets the rest of the world know what happened on a machine.
    pub(super) fn outward(&mut self, host: u32, happened: Vec<Outward>) {
        if happened.is_empty() {
            return;
        }
        let (now, at) = (self.now(), host as usize);
        let name: Text = self.hosts[at].registration.host.clone();
        for outward in happened {
            match outward {
                Outward::Plan(when, event) => self.queue.push(when, event),
                Outward::Born(pid) => {
                    let Some(proc) = self.hosts[at].proc(pid) else { continue };
                    let alive = Alive {
                        pid,
                        generation: proc.run.generation,
                        attempt: proc.run.attempt,
                        port: proc.spec.task.port,
                        since: now,
                        ordered: proc.ordered.0,
                        limit: proc.spec.task.once.as_ref().and_then(|once| once.time_limit),
                        healthy: false,
                        healthy_since: now,
                    };
                    let id = proc.run.id.clone();
                    self.stats.born(proc.run.attempt);
                    proc.build.faults().for_each(|name| self.stats.hit(name));
                    self.witness.process(&name, &id, Some(&proc.spec.task.service.clone()), "lives");
                    self.court.born(&name, &id, alive);
                }
                Outward::Gone(proc) => {
                    if proc.healthy {
                        self.healthy(
                            now,
                            &name,
                            &proc.spec.task.id,
                            &proc.spec.task.service,
                            proc.pid,
                            false,
                        );
                        // It is counted out, but at its end it did its work.
                        self.court.was_healthy(&name, &proc.run.id, proc.pid);
                    }
                    if proc.exit.as_ref().is_some_and(|exit| exit.code == Some(0)) {
                        self.court.completed(&proc.run);
                    }
                    self.stats.gone(proc.stops > 0);
                    self.witness.gone(proc.stops > 0);
                    let what = if proc.stops > 0 { "has stopped" } else { "is dead" };
                    self.witness.process(&name, &proc.run.id, Some(&proc.spec.task.service), what);
                    self.court.gone(&name, &proc.run.id, proc.pid, proc.stops > 0);
                }
                Outward::Health(pid, healthy) => {
                    let Some(proc) = self.hosts[at].proc(pid) else { continue };
                    let (id, service) = (proc.run.id.clone(), proc.spec.task.service.clone());
                    self.healthy(now, &name, &id, &service, pid, healthy);
                }
                Outward::OutOfMemory => self.stats.out_of_memory += 1,
                Outward::OverLimit => self.stats.over_limit += 1,
                Outward::AgentDown => {
                    self.kill_agent(host, Span::secs(5));
                }
                Outward::MachineDown => {
                    self.crash(host, Some(Span::secs(60)));
                }
            }
        }
        self.blame_expectations();
    }

    fn healthy(&mut self, now: Time, host: &Text, id: &Text, service: &Text, pid: u32, healthy: bool) {
        self.witness.process(host, id, Some(service), if healthy { "is healthy" } else { "is not healthy" });
        self.court.health(host, id, service, pid, healthy);
        self.stats.service_changed(now, &self.court.book, service);
        self.witness.service_changed(now, &self.court.book, service);
        self.expecting.service_changed(now, &self.court.book, service);
    }

    /// Takes what a machine says to the operator.
    pub(super) fn note(&mut self, host: Option<&Text>, note: Note) {
        if self.stats.noted(&note) {
            self.expecting.moved(self.queue.now());
        }
        self.witness.noted(self.queue.now(), host, &note);
        self.tidings.noted(self.queue.now(), host, note);
    }

    /// Keeps count of who believes to hold locks.
    pub(super) fn count_locks(&mut self, process: crate::event::Process, note: &Note) {
        let scheduler = &mut self.schedulers[process.at()];
        if matches!(note, Note::LockTaken { .. }) {
            scheduler.locks += 1;
        } else if matches!(note, Note::LockLost { .. }) {
            scheduler.locks = scheduler.locks.saturating_sub(1);
        }
    }
}
