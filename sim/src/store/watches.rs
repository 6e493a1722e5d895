//! Who watches what, what each watcher hears and when, and what is the matter with a watch: it may be deaf, end, lose an
//! event, tell of the past, or tell of several transactions at once.
//!
//! **Invariant:** what one transaction did under a watch's prefix is told whole or not at all, and no sign of life
//! overtakes it.

use super::SimStore;
use crate::event::Process;
use crate::rng::Chance;
use crate::scenario::{FaultKind, WayFault};
use crate::stats::Stats;
use callboard_backends::memory::{Delivery, WatcherId};
use callboard_core::machine::{Span, Time};
use callboard_core::store::{Change, Reply, Revision};
use std::collections::{BTreeMap, VecDeque};

/// The watches of all machines.
#[derive(Clone, Debug, Default)]
pub(super) struct Watches {
    by_watcher: BTreeMap<WatcherId, Watching>,
    by_process: BTreeMap<(Process, String), WatcherId>,
}

/// One watch of a machine.
#[derive(Clone, Debug)]
struct Watching {
    process: Process,
    prefix: String,
    /// Nothing overtakes what was sent before.
    last: Time,
    /// Hears nothing any more, and does not know.
    deaf: bool,
    /// Answers that are on their way, for a watch that merges; the last one may still be added to.
    answers: VecDeque<Answer>,
    /// What was told last, for a watch that tells of the past.
    told: Option<(Revision, Vec<Change>)>,
}

/// What a watch that merges tells at once.
#[derive(Clone, Debug)]
struct Answer {
    /// Leaves the store then; whatever is committed later is in the next one.
    leaves: Time,
    revision: Revision,
    changes: BTreeMap<String, Change>,
}

/// Something that a watcher will hear.
pub(crate) struct Planned {
    pub(crate) to: Process,
    pub(crate) watcher: WatcherId,
    pub(crate) at: Time,
    pub(crate) reply: Reply,
}

impl Watches {
    fn begin(&mut self, process: Process, prefix: String, watcher: WatcherId) {
        self.by_process.insert((process, prefix.clone()), watcher);
        let (last, deaf, answers, told) = (Time(0), false, VecDeque::new(), None);
        let watching = Watching { process, prefix, last, deaf, answers, told };
        self.by_watcher.insert(watcher, watching);
    }

    fn of(&self, process: Process) -> Vec<(String, WatcherId)> {
        let from = (process, String::new());
        let of_process = self.by_process.range(from..).take_while(|((of, _), _)| *of == process);
        of_process.map(|((_, prefix), watcher)| (prefix.clone(), *watcher)).collect()
    }
}

impl SimStore {
    /// Begins a watch; gives what it missed, or why it ends.
    pub(super) fn watch(
        &mut self,
        process: Process,
        prefix: String,
        after: Revision,
    ) -> Result<Vec<Delivery>, Reply> {
        // A machine that watches again has given up the watch before.
        self.give_up(process, &prefix);
        match self.memory.watch(&prefix, after) {
            Ok((watcher, deliveries)) => {
                self.watches.begin(process, prefix, watcher);
                Ok(deliveries)
            }
            Err(error) => Err(Reply::WatchEnded { prefix, why: error.to_string() }),
        }
    }

    /// Ends the watch that a process has of a prefix, if it has one.
    pub(crate) fn give_up(&mut self, process: Process, prefix: &str) {
        if let Some(before) = self.watches.by_process.remove(&(process, prefix.to_string())) {
            self.end_watch(before);
        }
    }

    /// Plans what a watcher hears of a transaction, and when, if it ever does.
    pub(crate) fn deliver(
        &mut self,
        now: Time,
        delivery: Delivery,
        chance: &mut Chance,
        stats: &mut Stats,
    ) -> Vec<Planned> {
        let manners = &self.manners;
        let up_again = self.down_until.max(self.leaderless_until);
        let Delivery { watcher, revision, changes } = delivery;
        let Some(watching) = self.watches.by_watcher.get_mut(&watcher) else { return Vec::new() };
        let mut happens = |fault: WayFault, ppm: u32| {
            let happens = chance.happens(ppm);
            if happens {
                stats.hit(FaultKind::Way(fault).name());
            }
            happens
        };
        watching.deaf |= happens(WayFault::DeafenWatches, manners.deaf_watches);
        if watching.deaf || happens(WayFault::LoseEvents, manners.lost_events) {
            return Vec::new();
        }
        let is_cut = happens(WayFault::CutWatches, manners.cut_watches);
        let is_late = happens(WayFault::DelayEvents, manners.delayed_events);
        let is_overtaken = happens(WayFault::ReorderEvents, manners.reordered_events);
        let is_doubled = happens(WayFault::DoubleEvents, manners.doubled_events);
        let (low, high) = manners.watch_delay;
        let (to, prefix) = (watching.process, watching.prefix.clone());
        if manners.merged_watches && watching.answers.back().is_some_and(|answer| answer.leaves >= now) {
            watching.merge(revision, changes);
            return Vec::new();
        }
        let late = if is_late { chance.span(Span::secs(1), Span::secs(30)) } else { Span(0) };
        let at = (now + chance.span(low, high) + late).max(watching.last).max(up_again);
        watching.last = at;
        if is_cut {
            self.watches.by_process.remove(&(to, prefix.clone()));
            self.end_watch(watcher);
            let reply = Reply::WatchEnded { prefix, why: "connection lost".into() };
            return vec![Planned { to, watcher, at, reply }];
        }
        if manners.merged_watches {
            // The answer is made up when it leaves, half-way at most; on its way it no longer changes.
            let leaves = now + Span(at.since(now).0 / 2);
            watching.answers.push_back(Answer { leaves, revision, changes: BTreeMap::new() });
            watching.merge(revision, changes);
            let reply = Reply::Changed { prefix, revision, changes: Vec::new() };
            return vec![Planned { to, watcher, at, reply }];
        }
        let past = (manners.rewound_watches > 0).then(|| watching.told.replace((revision, changes.clone())));
        let past = past.flatten().filter(|_| chance.happens(manners.rewound_watches));
        if past.is_some() {
            stats.hit(FaultKind::Way(WayFault::RewindWatches).name());
        }
        let overtaken = if is_overtaken { chance.span(Span(1), Span::secs(2)) } else { Span(0) };
        let changed = |(revision, changes)| Reply::Changed { prefix: prefix.clone(), revision, changes };
        let twice = is_doubled.then(|| changed((revision, changes.clone())));
        let replies = [Some(changed((revision, changes))), twice, past.map(changed)];
        let at = at + overtaken;
        replies.into_iter().flatten().map(|reply| Planned { to, watcher, at, reply }).collect()
    }

    /// Gives what a watcher hears now, once its answer has arrived.
    pub(crate) fn arrived(&mut self, watcher: WatcherId, reply: Reply) -> Reply {
        let answers = self.watches.by_watcher.get_mut(&watcher).map(|watching| &mut watching.answers);
        match (answers.and_then(VecDeque::pop_front), reply) {
            (Some(Answer { revision, changes, .. }), Reply::Changed { prefix, .. }) => {
                Reply::Changed { prefix, revision, changes: changes.into_values().collect() }
            }
            (_, reply) => reply,
        }
    }

    /// Lists the watches that give a sign of life in this second: each has its turn, unless it is deaf, or something that
    /// happened is on its way.
    pub(crate) fn signs_of_life(&self, now: Time) -> Vec<Planned> {
        let turns = (self.manners.sign_of_life.0 / 1_000).max(1);
        let turn = now.0 / 1_000 % turns;
        let revision = self.memory.revision();
        let due =
            self.watches.by_watcher.iter().filter(|(watcher, watching)| {
                watcher.0 % turns == turn && !watching.deaf && watching.last < now
            });
        let sign = |(watcher, watching): (&WatcherId, &Watching)| {
            let reply = Reply::Changed { prefix: watching.prefix.clone(), revision, changes: Vec::new() };
            Planned { to: watching.process, watcher: *watcher, at: now, reply }
        };
        if self.is_up(now) { due.map(sign).collect() } else { Vec::new() }
    }

    /// Tells whose a watcher is.
    pub(crate) fn watcher(&self, watcher: WatcherId) -> Option<Process> {
        self.watches.by_watcher.get(&watcher).map(|watching| watching.process)
    }

    /// Forgets the watches of a process that is no more.
    pub(crate) fn forget(&mut self, process: Process) {
        for (prefix, watcher) in self.watches.of(process) {
            self.watches.by_process.remove(&(process, prefix));
            self.end_watch(watcher);
        }
    }

    /// Ends the watches of a process and gives what it hears of that.
    pub(crate) fn cut(&mut self, process: Process) -> Vec<Reply> {
        let watches = self.watches.of(process);
        self.forget(process);
        let ended = |(prefix, _)| Reply::WatchEnded { prefix, why: "connection lost".into() };
        watches.into_iter().map(ended).collect()
    }

    /// Ends every watch that is among the given, and gives who hears of it.
    pub(crate) fn cut_all(&mut self, why: &str, mut among: impl FnMut() -> bool) -> Vec<(Process, Reply)> {
        let mut ended = Vec::new();
        for ((process, prefix), watcher) in std::mem::take(&mut self.watches.by_process) {
            if among() {
                self.end_watch(watcher);
                ended.push((process, Reply::WatchEnded { prefix, why: why.into() }));
            } else {
                self.watches.by_process.insert((process, prefix), watcher);
            }
        }
        ended
    }

    fn end_watch(&mut self, watcher: WatcherId) {
        self.watches.by_watcher.remove(&watcher);
        self.memory.unwatch(watcher);
    }
}

impl Watching {
    /// Adds a transaction to the answer that will leave next. What it overwrites is never told.
    fn merge(&mut self, revision: Revision, changes: Vec<Change>) {
        if let Some(answer) = self.answers.back_mut() {
            answer.revision = answer.revision.max(revision);
            answer.changes.extend(changes.into_iter().map(|change| (change.key().to_string(), change)));
        }
    }
}
