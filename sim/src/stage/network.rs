//! The way to the store and back: requests and answers take their time, get lost, or arrive twice; watches hear of what is
//! committed in its order, if they hear of it.

use super::Stage;
use crate::check::{By, Text, Write};
use crate::event::{Event, Process, Role};
use crate::link::Link;
use crate::rng::Chance;
use crate::scenario::{FaultKind, WayFault};
use crate::store::{Planned, unanswered};
use callboard_backends::memory::Delivery;
use callboard_core::machine::{Span, Time};
use callboard_core::store::{Reply, Request, Txn};

/// How long a client of the store waits for an answer.
const CLIENT_TIMEOUT: Span = Span::secs(5);

impl Stage {
    pub(super) fn net(&mut self, process: Process) -> &mut Chance {
        match process.role {
            Role::Agent => &mut self.hosts[process.at()].net,
            Role::Scheduler => &mut self.schedulers[process.at()].net,
        }
    }

    /// Gives the way between a process and the store.
    pub(super) fn link(&self, process: Process) -> Link {
        match process.role {
            Role::Agent => self.hosts[process.at()].link,
            Role::Scheduler => self.schedulers[process.at()].link,
        }
    }

    /// Tells whether nothing that is sent to a process arrives.
    pub(super) fn is_deaf(&self, process: Process) -> bool {
        self.link(process).is_deaf(self.now())
    }

    /// Sends a request on its way.
    pub(super) fn send(&mut self, from: Process, request: Request) {
        let now = self.now();
        self.court.asked(from, &request);
        if let Request::Commit { txn, .. } = &request {
            self.court.sent(from, txn);
        }
        if let Request::List { prefix } = &request {
            self.store.give_up(from, prefix);
        }
        let (lost, repeated) = (self.store.manners.lost_requests, self.store.manners.repeated);
        if self.link(from).is_mute(now) {
            return self.never_answered(from, request);
        }
        if self.net(from).happens(lost) {
            self.stats.hit(FaultKind::Way(WayFault::LoseRequests).name());
            return self.never_answered(from, request);
        }
        let mut net = self.net(from).clone();
        let at = now + self.store.latency(now, &mut net, &mut self.stats);
        if net.happens(repeated) && !matches!(request, Request::Watch { .. } | Request::OpenSession { .. }) {
            self.stats.hit(FaultKind::Way(WayFault::RepeatRequests).name());
            let again = at + net.span(Span(1), Span::secs(20));
            self.queue.push(again, Event::Arrive { from, request: request.clone(), answered: false });
        }
        *self.net(from) = net;
        self.queue.push(at, Event::Arrive { from, request, answered: true });
    }

    /// Lets a client find out by itself that nobody answers, or not even that.
    fn never_answered(&mut self, from: Process, request: Request) {
        // A connection that was never made is noticed; that one made falls silent is another fault.
        let told = self.net(from).coin() || matches!(request, Request::Watch { .. });
        if let Some(reply) = unanswered(request).filter(|_| told) {
            self.queue.push(self.now() + CLIENT_TIMEOUT, Event::Unanswered { to: from, reply });
        }
    }

    /// Lets a request arrive at the store.
    pub(super) fn arrive(&mut self, from: Process, request: Request, answered: bool) {
        if self.would_get_name(from, &request) {
            // Whoever switched it on sees by then whose name it has.
            return self.retire(from.index);
        }
        let now = self.now();
        let lost = self.store.manners.lost_answers;
        let is_watch = matches!(request, Request::Watch { .. });
        // The answer to a write that gets lost leaves its sender in doubt; that is all it ever learns.
        let loses = !is_watch && self.net(from).happens(lost);
        if loses {
            self.stats.hit(FaultKind::Way(WayFault::LoseAnswers).name());
        }
        let copy = (loses || self.is_deaf(from)).then(|| stripped(&request));
        let mut net = self.net(from).clone();
        if let Some(later) = self.store.commits_later(now, &request, &mut net) {
            self.queue.push(later, Event::Arrive { from, request: request.clone(), answered: false });
        }
        *self.net(from) = net;
        let served = self.store.serve(now, from, request);
        let by = match from.role {
            Role::Agent => By::Agent(self.hosts[from.at()].registration.host.clone()),
            Role::Scheduler => By::Scheduler,
        };
        self.court.book.blindness = self.link(from).blindness(now);
        self.publish(by, served.committed.as_ref(), served.deliveries);
        self.court.book.blindness = Span(0);
        self.arm_expiry();
        if !answered {
            return;
        }
        if let Some(request) = copy {
            return self.never_answered(from, request);
        }
        if let Some(reply) = served.reply {
            let mut net = self.net(from).clone();
            let at = now + self.store.hesitates(now) + self.store.latency(now, &mut net, &mut self.stats);
            *self.net(from) = net;
            self.queue.push(at, Event::Hear { to: from, reply });
        }
    }

    /// Tells watchers what was committed; the checkers first, and at once.
    pub(super) fn publish(&mut self, by: By, txn: Option<&Txn>, deliveries: Vec<Delivery>) {
        let now = self.now();
        for delivery in deliveries {
            if delivery.watcher == self.store.witness {
                self.tidings.committed(now, &delivery);
                let writes = self.court.committed(by.clone(), txn, &delivery.changes);
                self.witness.committed(&self.court.book, &delivery.changes, &writes);
                self.took(&writes);
                continue;
            }
            let Some(process) = self.store.watcher(delivery.watcher) else { continue };
            if self.is_deaf(process) {
                continue;
            }
            let mut net = self.net(process).clone();
            let planned = self.store.deliver(now, delivery, &mut net, &mut self.stats);
            *self.net(process) = net;
            for Planned { to, watcher, at, reply } in planned {
                let event = if matches!(reply, Reply::WatchEnded { .. }) {
                    Event::Hear { to, reply }
                } else {
                    Event::Watched { to, watcher, reply }
                };
                self.queue.push(at, event);
            }
        }
    }

    /// Lets those watches give a sign of life whose turn it is.
    pub(super) fn give_signs_of_life(&mut self) {
        let now = self.now();
        for Planned { to, reply, .. } in self.store.signs_of_life(now) {
            if !self.is_deaf(to) && self.stands_still_until(to) < now {
                self.hear(to, reply);
            }
        }
        self.queue.push(now + Span::secs(1), Event::SignsOfLife);
    }

    /// Keeps statistics and expectations in step with what was written.
    fn took(&mut self, writes: &[Write]) {
        let (now, book) = (self.queue.now(), &self.court.book);
        for write in writes {
            self.stats.sometimes.wrote(write, book);
            if write.place.is_task() {
                self.stats.wrote_task(write);
            }
            let task = write.task_after.as_ref().or(write.task_before.as_ref());
            let service: Option<&Text> = match task.filter(|_| write.place.is_task()) {
                Some(task) => Some(&task.service),
                None => write.place.service(),
            };
            if let Some(service) = service {
                self.stats.service_changed(now, book, service);
                self.witness.service_changed(now, book, service);
                self.expecting.service_changed(now, book, service);
            }
        }
        self.blame_expectations();
    }

    /// Ends sessions that have lapsed.
    pub(super) fn expire(&mut self) {
        self.expiry = None;
        let (deliveries, _) = self.store.expire(self.queue.now());
        self.publish(By::Session, None, deliveries);
        self.arm_expiry();
    }

    /// Makes sure that lapsed sessions are noticed.
    pub(super) fn arm_expiry(&mut self) {
        let Some(at) = self.store.next_expiry(self.now()) else { return };
        if self.expiry.is_none_or(|armed: Time| at < armed) {
            self.expiry = Some(at);
            self.queue.push(at, Event::Expire);
        }
    }
}

/// Copies what is needed to tell a client that nobody answered.
fn stripped(request: &Request) -> Request {
    match request {
        Request::Commit { write, .. } => Request::Commit { write: *write, txn: Txn::default() },
        Request::OpenSession { .. }
        | Request::RenewSession(_)
        | Request::CloseSession(_)
        | Request::List { .. }
        | Request::Watch { .. } => request.clone(),
    }
}
