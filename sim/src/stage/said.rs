//! Events in words, for those who follow a run step by step.

use super::Stage;
use crate::event::{Event, Moment, Process, Role, Undo};
use callboard_core::machine::{Time, Wake};
use callboard_core::registry;
use callboard_core::store::{Change, Op, Outcome, Reply, Request};
use callboard_core::work::Report;

impl Stage {
    /// Lets whoever follows every step know what is about to happen.
    pub(super) fn told_of(&mut self, event: &Event) {
        let (now, what) = (self.now(), self.said(event));
        let host = self.place(event).and_then(|host| self.hosts.get(host as usize));
        let host = host.map(|host| host.registration.host.clone());
        self.witness.trace.iter_mut().for_each(|trace| trace.event(now, what.clone(), host.clone()));
    }

    /// Says what an event is, in words.
    pub(super) fn said(&self, event: &Event) -> String {
        match event {
            Event::Wake(process) => format!("{} wakes{}", self.named(*process), self.reason(*process)),
            Event::Decided { by, .. } => format!("{} does what it decided", self.named(*by)),
            Event::Arrive { from, request, answered } => {
                let again = if *answered { "" } else { ", once more" };
                format!("the store gets from {}: {}{again}", self.named(*from), asked(request))
            }
            Event::Hear { to, reply } => format!("{} hears: {}", self.named(*to), answered(reply)),
            Event::Unanswered { to, reply } => {
                format!("{} gives up waiting: {}", self.named(*to), answered(reply))
            }
            Event::Watched { to, reply, .. } => format!("{} sees: {}", self.named(*to), answered(reply)),
            Event::Answer { to, answers } => {
                let reports: Vec<String> = answers.iter().map(|it| reported(&it.clone().report())).collect();
                format!("{} is told by its executor: {}", self.named(*to), reports.join("; "))
            }
            Event::Inquire { from, .. } => {
                format!("a late question of {} reaches the registry", self.named(*from))
            }
            Event::Told { to, reply } => {
                format!("{} is told by the registry: {}", self.named(*to), entered(reply))
            }
            Event::Life { host, pid, moment } => self.lived(*host, *pid, *moment),
            Event::MemoryFull { host, .. } => format!("{}: memory may be used up", self.host_name(*host)),
            Event::SignsOfLife => "watches give signs of life".into(),
            Event::Unheard(host) => format!("the peers of {} have not heard of it", self.host_name(*host)),
            Event::Expire => "the store looks for sessions that have lapsed".into(),
            Event::Apply => "users apply their configuration".into(),
            Event::Script(index) => {
                let happening = self.scenario.timeline.get(*index as usize);
                happening.map_or(String::new(), |it| format!("the timeline: {}", it.action))
            }
            Event::Drip(_) => "something goes wrong by chance".into(),
            Event::Flap { host, .. } => {
                format!("the way of {} to the store comes or goes", self.host_name(*host))
            }
            Event::Undo(undo) => self.undone(*undo),
            Event::UserRetry => "users try again to write".into(),
            Event::Checkpoint => "a checkpoint of the store is taken".into(),
            Event::Expect(_) => "something that is expected is due".into(),
        }
    }

    /// Gives the host on which an event happens, if there is one.
    pub(super) fn place(&self, event: &Event) -> Option<u32> {
        let of = |process: &Process| (process.role == Role::Agent).then_some(process.index);
        match event {
            Event::Wake(process)
            | Event::Decided { by: process, .. }
            | Event::Arrive { from: process, .. }
            | Event::Hear { to: process, .. }
            | Event::Unanswered { to: process, .. }
            | Event::Watched { to: process, .. }
            | Event::Answer { to: process, .. }
            | Event::Inquire { from: process, .. }
            | Event::Told { to: process, .. } => of(process),
            Event::Life { host, .. }
            | Event::MemoryFull { host, .. }
            | Event::Unheard(host)
            | Event::Flap { host, .. } => Some(*host),
            Event::Undo(_)
            | Event::SignsOfLife
            | Event::Expire
            | Event::Apply
            | Event::Script(_)
            | Event::Drip(_)
            | Event::UserRetry
            | Event::Checkpoint
            | Event::Expect(_) => None,
        }
    }

    fn host_name(&self, host: u32) -> &str {
        self.hosts.get(host as usize).map_or("?", |host| host.name())
    }

    pub(super) fn named(&self, process: Process) -> String {
        match process.role {
            Role::Agent => format!("the agent of {}", self.host_name(process.index)),
            Role::Scheduler => format!("scheduler {}", process.index),
        }
    }

    /// Says why a machine asked to be woken.
    fn reason(&self, process: Process) -> String {
        let wake = match process.role {
            Role::Agent => self.hosts[process.at()].agent.as_ref().and_then(|agent| agent.wake_at()),
            Role::Scheduler => self.schedulers[process.at()].machine.as_ref().and_then(|it| it.wake_at()),
        };
        let what = wake.map(|(_, wake): (Time, Wake)| match wake {
            Wake::Plan => "to plan",
            Wake::Session => "to keep its session",
            Wake::Store => "to ask the store again",
            Wake::Host => "to look for lost hosts",
            Wake::Health => "to judge a task's health",
            Wake::Backoff => "since a back-off has run out",
            Wake::Check => "to make a health check",
            Wake::Usage => "to measure usage",
        });
        what.map_or(String::new(), |what| format!(" {what}"))
    }

    fn lived(&self, host: u32, pid: u32, moment: Moment) -> String {
        let task = self.hosts.get(host as usize).and_then(|host| host.proc(pid));
        let id = task.map_or("a process", |proc| &*proc.run.id);
        let what = match moment {
            Moment::Born => "has started",
            Moment::Healthy => "becomes healthy",
            Moment::Unhealthy => "stops being healthy",
            Moment::Exit => "ends by itself",
            Moment::Complete => "is done",
            Moment::KillAgent => "kills its agent and ends",
            Moment::KillMachine => "takes its machine down",
            Moment::Stopped => "ends as asked",
            Moment::OverLimit => "is killed for its memory",
            Moment::Killed => "is killed",
        };
        format!("{id} on {} {what}", self.host_name(host))
    }

    fn undone(&self, undo: Undo) -> String {
        match undo {
            Undo::Boot(host) => format!("{} is switched on", self.host_name(host)),
            Undo::StartAgent(host) => format!("the agent of {} is started", self.host_name(host)),
            Undo::Thaw(host) => format!("{} goes on", self.host_name(host)),
            Undo::PowerOff(host, _) => format!("{} is switched off", self.host_name(host)),
            Undo::Heal(role, index) => {
                let who = match role {
                    Role::Agent => format!("the agent of {}", self.host_name(index)),
                    Role::Scheduler => format!("scheduler {index}"),
                };
                format!("{who} and the store may reach each other again")
            }
            Undo::Steady(Role::Agent, host) => {
                format!("the clock of {} goes right again", self.host_name(host))
            }
            Undo::Steady(Role::Scheduler, index) => {
                format!("the clock of scheduler {index} goes right again")
            }
            Undo::Mend => "the junk in the store is mended".into(),
            Undo::Downgrade => "the records of a later version are written in the old shape".into(),
            Undo::Clear => "the way to the store is as it always is again".into(),
            Undo::StartScheduler(index) => format!("scheduler {index} is started"),
            Undo::Retire(host) => format!("the other machine named {} is gone", self.host_name(host)),
            Undo::Undrain(host) => format!("{} is drained no longer", self.host_name(host)),
            Undo::PutBack => "users write again what they deleted".into(),
        }
    }
}

fn asked(request: &Request) -> String {
    match request {
        Request::OpenSession { ttl, .. } => format!("open a session of {ttl}"),
        Request::RenewSession(_) => "keep my session".into(),
        Request::CloseSession(_) => "end my session".into(),
        Request::List { prefix } => format!("list {prefix}"),
        Request::Watch { prefix, after } => format!("watch {prefix} after revision {}", after.0),
        Request::Commit { write, txn } => {
            let ops: Vec<String> = txn
                .ops
                .iter()
                .map(|op| match op {
                    Op::Put { key, .. } => format!("put {key}"),
                    Op::Delete { key } => format!("delete {key}"),
                })
                .collect();
            format!("write {}: {}", write.0, ops.join(", "))
        }
    }
}

fn answered(reply: &Reply) -> String {
    match reply {
        Reply::SessionOpened(Ok(_)) => "the session is open".into(),
        Reply::SessionOpened(Err(why)) => format!("no session: {why}"),
        Reply::SessionRenewed(_, Ok(true)) => "the session lives".into(),
        Reply::SessionRenewed(_, Ok(false)) => "the session is over".into(),
        Reply::SessionRenewed(_, Err(why)) => format!("whether the session lives is not known: {why}"),
        Reply::Listed { prefix, result: Ok(listing) } => {
            format!("{prefix} holds {} keys at revision {}", listing.entries.len(), listing.revision.0)
        }
        Reply::Listed { prefix, result: Err(why) } => format!("{prefix} cannot be listed: {why}"),
        Reply::Changed { prefix, revision, changes } if changes.is_empty() => {
            format!("{prefix}: a sign of life at revision {}", revision.0)
        }
        Reply::Changed { revision, changes, .. } => {
            let keys: Vec<String> = changes
                .iter()
                .map(|change| match change {
                    Change::Put(entry) => entry.key.clone(),
                    Change::Delete { key, .. } => format!("{key} gone"),
                })
                .collect();
            format!("revision {}: {}", revision.0, keys.join(", "))
        }
        Reply::WatchEnded { prefix, .. } => format!("the watch of {prefix} ended"),
        Reply::Done { write, outcome } => match outcome {
            Outcome::Committed(revision) => {
                format!("write {} is committed at revision {}", write.0, revision.0)
            }
            Outcome::Refused(refusal) => format!("write {} is refused: {refusal}", write.0),
            Outcome::Unknown(why) => format!("what became of write {} is not known: {why}", write.0),
        },
    }
}

fn reported(report: &Report) -> String {
    match report {
        Report::Inspected(Ok(inventory)) => match inventory.silent.keys().next() {
            None => format!("{} tasks are here", inventory.found.len()),
            Some(kind) => format!("{} tasks are here; {kind} cannot tell", inventory.found.len()),
        },
        Report::Inspected(Err(why)) => format!("what is here is not known: {why}"),
        Report::Starting(run, why) => format!("{} is being started: {why}", run.id),
        Report::Started(run, Ok(())) => format!("{} is started", run.id),
        Report::Started(run, Err(why)) => format!("{} is not started: {why}", run.id),
        Report::Exited(run, exit) if exit.out_of_memory => format!("{} was killed for memory", run.id),
        Report::Exited(run, _) => format!("{} ended", run.id),
        Report::Stopped(run, Ok(())) => format!("{} is stopped", run.id),
        Report::Stopped(run, Err(why)) => format!("{} may not be stopped: {why}", run.id),
        Report::Checked { run, check, result: Ok(()) } => format!("{} passes check {check}", run.id),
        Report::Checked { run, check, result: Err(why) } => format!("{} fails check {check}: {why}", run.id),
        Report::Measured(usage) => {
            format!("{} of {} MiB are in use", usage.memory_used, usage.memory_total)
        }
    }
}

fn entered(reply: &registry::Reply) -> String {
    match reply {
        registry::Reply::Registered(run, Ok(())) => format!("{} is entered", run.id),
        registry::Reply::Registered(run, Err(why)) => format!("{} may not be entered: {why}", run.id),
        registry::Reply::Deregistered(run, Ok(())) => format!("{} is taken out", run.id),
        registry::Reply::Deregistered(run, Err(why)) => format!("{} may still be there: {why}", run.id),
        registry::Reply::Listed(Ok(runs)) => format!("{} runs are entered", runs.len()),
        registry::Reply::Listed(Err(why)) => format!("what is entered is not known: {why}"),
        registry::Reply::Found { run, check, verdict } => match verdict {
            Some(Ok(())) => format!("{} passes check {check}", run.id),
            Some(Err(why)) => format!("{} fails check {check}: {why}", run.id),
            None => format!("check {check} of {} has no verdict", run.id),
        },
    }
}
