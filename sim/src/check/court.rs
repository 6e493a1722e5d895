//! Brings what happened before the checkers, in the order in which it happened.

use super::book::Book;
use super::page::Alive;
use super::record::Text;
use super::{
    By, Check, End, Fault, Findings, Seen, Violation, Write, again, attribution, batch, bids, bound, brake,
    budget, capacity, convergence, copies, cure, doubt, drain, eligibility, emptied, ending, evidence,
    exclusive, failures, foreign, freshness, garbage, generation, growth, herd, honesty, identity, isolation,
    ledger, lifecycle, limits, lock, name, orphan, outage, overtime, ownership, pair, poison, policy, ports,
    precedence, preemption, prefix, prompt, proof, quiet, registration, relocation, removal, replacement,
    reread, rest, restart, reunion, rollout, rubbish, rules, sending, starts, stopping, succession, surplus,
    system, traffic, unfit, upgrade, vacancy, versions, views, waiting,
};
use crate::event::Process;
use callboard_core::machine::{Span, Time};
use callboard_core::registry;
use callboard_core::store::{Change, Entry, Reply, Request, Txn};
use callboard_core::work::{Order, Run};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// All checkers and what they share.
#[derive(Clone)]
pub(crate) struct Court {
    pub(crate) book: Book,
    checks: Vec<Box<dyn Check>>,
    findings: Findings,
}

impl Court {
    /// Calls all checkers. `lag` is how slowly news may travel, `stale` how long a machine may be without them, `outlives`
    /// how long sessions outlive their owners' last word.
    pub(crate) fn new(seed: u64, (lag, stale): (Span, Span), outlives: Span) -> Court {
        let mut checks: Vec<Box<dyn Check>> = vec![
            Box::new(cure::Cure::default()),
            Box::new(lock::Fencing::default()),
            Box::new(sending::Sending),
            Box::new(ownership::Ownership),
            Box::new(doubt::Doubt::default()),
            Box::new(succession::Succession::default()),
            Box::new(evidence::Evidence::default()),
            Box::new(foreign::Foreign::default()),
            Box::new(name::Naming::default()),
            Box::new(restart::Intensity::default()),
            Box::new(rest::Rest::default()),
            Box::new(views::Views::new(stale)),
            Box::new(surplus::Surplus::default()),
            Box::new(upgrade::Upgrade::default()),
            Box::new(quiet::Quiet::default()),
            Box::new(registration::Registrations::default()),
            Box::new(growth::Growth::default()),
            Box::new(rollout::Rollouts::default()),
            Box::new(waiting::Waiting::default()),
            Box::new(reunion::Reunion::default()),
            Box::new(garbage::Garbage::default()),
            Box::new(prompt::Prompt::default()),
            Box::new(traffic::Traffic::default()),
            Box::new(reread::Rereading::default()),
            Box::new(freshness::Freshness),
            Box::new(emptied::Emptied),
            Box::new(ending::Ending::default()),
            Box::new(attribution::Attribution::default()),
            Box::new(prefix::Prefix),
            Box::new(again::Again::default()),
            Box::new(removal::Removal::default()),
            Box::new(isolation::Isolation::default()),
            Box::new(honesty::Honesty),
            Box::new(poison::Poison::default()),
            Box::new(herd::Herd::default()),
            Box::new(unfit::Unfit::default()),
            Box::new(policy::Policies),
            Box::new(starts::Starts::default()),
            Box::new(failures::Failures),
            Box::new(proof::Proof),
            Box::new(limits::Limits),
            Box::new(overtime::Overtime::default()),
        ];
        checks.extend(outward(lag, outlives));
        Court::of(seed, lag, checks)
    }

    /// Calls those that need no more than a store and a table of processes show.
    pub(crate) fn recorded(lag: Span, outlives: Span) -> Court {
        Court::of(0, lag, outward(lag, outlives))
    }

    fn of(seed: u64, lag: Span, checks: Vec<Box<dyn Check>>) -> Court {
        let findings = Findings { now: Time(0), seed, list: Vec::new() };
        Court { book: Book { lag, ..Book::default() }, checks, findings }
    }

    /// Sets the time.
    pub(crate) fn at(&mut self, now: Time) {
        self.book.now = now;
        self.findings.now = now;
    }

    pub(crate) fn sent(&mut self, from: Process, txn: &Txn) {
        for check in &mut self.checks {
            check.sent(&self.book, from, txn, &mut self.findings);
        }
    }

    pub(crate) fn asked(&mut self, from: Process, request: &Request) {
        for check in &mut self.checks {
            check.asked(&self.book, from, request, &mut self.findings);
        }
    }

    pub(crate) fn heard(&mut self, to: Process, reply: &Reply) {
        for check in &mut self.checks {
            check.heard(to, reply);
        }
    }

    pub(crate) fn committed(&mut self, by: By, txn: Option<&Txn>, changes: &[Change]) -> Vec<Write> {
        let writes: Vec<Write> = changes.iter().map(|change| self.book.take(change)).collect();
        let (before, is_stranger) = (self.findings.list.len(), by == By::Stranger);
        if is_stranger {
            let new = writes.iter().filter(|write| write.task_before.is_none());
            let new = new.filter_map(|write| write.task_after.as_ref());
            self.book.foreign.extend(new.map(|task| (task.id.clone(), task.generation)));
        }
        let seen = Seen { book: &self.book, by, txn, writes: &writes };
        for check in &mut self.checks {
            check.committed(&seen, &mut self.findings);
        }
        if is_stranger {
            // Strangers have promised nothing.
            self.findings.list.truncate(before);
        }
        writes
    }

    /// Takes in a store that was put back to these entries.
    pub(crate) fn restored<'a>(&mut self, entries: impl Iterator<Item = &'a Arc<Entry>>) {
        self.book.forget_store();
        for entry in entries {
            self.book.take(&Change::Put(entry.clone()));
        }
        self.fault(&Fault::Amnesia);
    }

    /// Takes in that somebody has written by hand what only machines may write: what was known may be lost.
    pub(crate) fn meddled(&mut self) {
        self.book.amnesia = Some(self.book.now);
        self.book.meddled = true;
    }

    /// Takes in that the executors of a host do not tell of all that runs.
    pub(crate) fn misled(&mut self, host: Text, until: Time) {
        let last = self.book.misled.entry(host).or_default();
        *last = until.max(*last);
    }

    /// Takes in that the health checks of a host say the opposite of what is so.
    pub(crate) fn deceived(&mut self, host: Text, until: Time) {
        let last = self.book.lying.entry(host).or_default();
        *last = until.max(*last);
    }

    pub(crate) fn ordered(&mut self, host: &Text, order: &Order) {
        for check in &mut self.checks {
            check.ordered(&self.book, host, order, &mut self.findings);
        }
    }

    /// Takes in how many starts that an agent ordered are under way, of so many that may be.
    pub(crate) fn starting(&mut self, host: &Text, under_way: usize, most: usize) {
        for check in &mut self.checks {
            check.starting(host, (under_way, most), &mut self.findings);
        }
    }

    pub(crate) fn inquired(&mut self, host: &Text, request: &registry::Request) {
        for check in &mut self.checks {
            check.inquired(&self.book, host, request);
        }
    }

    pub(crate) fn registry(&mut self, host: &Text, held: &BTreeSet<Run>) {
        for check in &mut self.checks {
            check.registry(host, held);
        }
    }

    pub(crate) fn born(&mut self, host: &Text, id: &Text, alive: Alive) {
        self.book.live.entry((host.clone(), id.clone())).or_default().push(alive.clone());
        for check in &mut self.checks {
            check.born(&self.book, host, id, &alive, &mut self.findings);
        }
    }

    pub(crate) fn gone(&mut self, host: &Text, id: &Text, pid: u32, ordered: bool) {
        let key = (host.clone(), id.clone());
        let Some(list) = self.book.live.get_mut(&key) else { return };
        let Some(index) = list.iter().position(|alive| alive.pid == pid) else { return };
        let alive = list.remove(index);
        if list.is_empty() {
            self.book.live.remove(&key);
        }
        for check in &mut self.checks {
            check.gone(&self.book, host, id, &alive, ordered, &mut self.findings);
        }
    }

    /// Takes in that a start of a placement ran to its end.
    pub(crate) fn completed(&mut self, run: &Run) {
        self.book.completed.insert((run.id.clone(), run.generation), run.attempt);
    }

    /// Takes in that a process which is about to go did its work until now.
    pub(crate) fn was_healthy(&mut self, host: &Text, id: &Text, pid: u32) {
        let list = self.book.live.get_mut(&(host.clone(), id.clone()));
        if let Some(alive) = list.and_then(|list| list.iter_mut().find(|alive| alive.pid == pid)) {
            alive.healthy = true;
        }
    }

    /// Takes in that a task's true health changed.
    pub(crate) fn health(&mut self, host: &Text, id: &Text, service: &Text, pid: u32, healthy: bool) {
        let list = self.book.live.get_mut(&(host.clone(), id.clone()));
        if let Some(alive) = list.and_then(|list| list.iter_mut().find(|alive| alive.pid == pid)) {
            alive.healthy = healthy;
            alive.healthy_since = self.book.now;
        }
        let page = self.book.services.entry(service.clone()).or_default();
        page.healthy = if healthy { page.healthy + 1 } else { page.healthy.saturating_sub(1) };
        page.least = page.least.min(page.healthy);
    }

    pub(crate) fn fault(&mut self, fault: &Fault) {
        if let Fault::Trouble { until } | Fault::Outage { until } = fault {
            self.book.trouble_until = self.book.trouble_until.max(*until);
        }
        for check in &mut self.checks {
            check.fault(&self.book, fault);
        }
    }

    /// Blames for something that was expected of the scenario.
    pub(crate) fn blame(&mut self, promise: &str, what: String) {
        self.findings.blame(promise, what);
    }

    /// Asks all checkers for what only the end shows.
    pub(crate) fn end(&mut self, end: impl FnOnce(&Book) -> EndFacts) {
        let EndFacts { calm, settle, fit_hosts, unsound, remains, weights, reasons } = end(&self.book);
        let end = End { book: &self.book, calm, settle, fit_hosts, unsound, remains, weights, reasons };
        for check in &mut self.checks {
            check.end(&end, &mut self.findings);
        }
    }

    pub(crate) fn verdict(self) -> Vec<Violation> {
        self.findings.list
    }
}

/// What only the world knows about the end of a run.
pub(crate) struct EndFacts {
    pub(crate) calm: Span,
    pub(crate) settle: Span,
    pub(crate) fit_hosts: Vec<Text>,
    pub(crate) unsound: Vec<(Text, u32)>,
    pub(crate) remains: Vec<(Text, Run)>,
    pub(crate) weights: Vec<(Process, usize)>,
    pub(crate) reasons: Option<BTreeMap<Text, String>>,
}

/// Gives the checkers that look at a store and a table of processes, and at nothing inside a machine.
fn outward(lag: Span, outlives: Span) -> Vec<Box<dyn Check>> {
    vec![
        Box::new(vacancy::Vacancy::new(outlives, lag)),
        Box::new(pair::Pairs),
        Box::new(ledger::Ledgers),
        Box::new(capacity::Capacity),
        Box::new(ports::PortClaims),
        Box::new(brake::Brake::default()),
        Box::new(eligibility::Eligibility),
        Box::new(rules::Rules::default()),
        Box::new(bound::Bound::default()),
        Box::new(system::System),
        Box::new(batch::Batches::default()),
        Box::new(bids::Bids::default()),
        Box::new(preemption::Preemption::default()),
        Box::new(relocation::Relocation),
        Box::new(precedence::Precedence::default()),
        Box::new(identity::Identity::default()),
        Box::new(rubbish::Rubbish),
        Box::new(budget::Budget),
        Box::new(outage::Outage::default()),
        Box::new(generation::Immutable),
        Box::new(versions::Versions::default()),
        Box::new(copies::Copies),
        Box::new(exclusive::Exclusive::default()),
        Box::new(orphan::Orphans),
        Box::new(stopping::Stops),
        Box::new(lifecycle::Lifecycle),
        Box::new(convergence::Convergence::default()),
        Box::new(replacement::Replacement::new(outlives)),
        Box::new(drain::Drained::default()),
    ]
}
