//! What the machine and its tasks use, and which task is asked to move when memory runs short: the offender before the
//! bystander, the less important first.
//!
//! **Invariant:** a further task of a host is asked to move only when nothing became of the last request for a while, and
//! nothing is stopped here.

use super::Agent;
use super::local::{Local, State};
use crate::beat;
use crate::machine::{Span, Time};
use crate::model::{Desired, Generation, MoveRequest, Name, Usage};
use crate::why::Note;
use crate::work::Order;
use alloc::borrow::Cow;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Reverse;
use serde::{Deserialize, Serialize};

const INTERVAL: Span = Span::secs(5);
const DEADLINE: Span = Span::secs(15);
/// Measurements in a row that make pressure, or its end.
const IN_A_ROW: u32 = 3;
/// In percent: a machine whose tasks wait for memory for so long, and that has so much of it in use, is short of it,
/// whatever else is free.
const STALLED: u64 = 10;
const STALLED_AT: u64 = 75;
/// How long a request is left alone before another task is asked, too.
const WISH_PATIENCE: Span = Span::secs(120);
/// How long after a request it is waited for the end of its task alone, which may hang.
const SERVED_PATIENCE: Span = Span::secs(600);
/// So many requests stand at a time; then the oldest is taken back for another.
const WISHES_MAX: usize = 3;
/// How old what was said may get while the truth is another, but not by much.
const USAGE_MAX_AGE: Span = Span::secs(60);
/// A tenth of a core: a use of processors that differs by no more is the same. Beyond it, it is said when what was said is
/// that old, since it goes up and down all the time and nothing is decided by it.
const CPU_SAME: u64 = 102;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Gauge {
    /// When it is measured, or the measurement counts as lost.
    until: Time,
    asked: bool,
    unanswered: u32,
    usage: Option<Arc<Usage>>,
    /// What the host says, and since when.
    published: Option<(Arc<Usage>, Time)>,
    over: u32,
    under: u32,
    /// Tasks that are asked to move, and since when.
    #[serde(default)]
    wishes: Vec<(MoveRequest, Time)>,
    /// Tasks that were asked in vain.
    spared: BTreeSet<(Name, Generation)>,
}

impl Gauge {
    pub(super) fn new() -> Gauge {
        Gauge {
            until: Time(0),
            asked: false,
            unanswered: 0,
            usage: None,
            published: None,
            over: 0,
            under: 0,
            wishes: Vec::new(),
            spared: BTreeSet::new(),
        }
    }

    pub(super) fn usage(&self) -> Option<&Usage> {
        self.usage.as_deref()
    }

    pub(super) fn published(&self) -> Option<&Usage> {
        self.published.as_ref().map(|(usage, _)| &**usage)
    }

    pub(super) fn wishes(&self) -> impl Iterator<Item = &MoveRequest> {
        self.wishes.iter().map(|(wish, _)| wish)
    }

    pub(super) fn wake_at(&self) -> Option<Time> {
        Some(self.until)
    }
}

impl Agent {
    pub(super) fn wake_gauge(&mut self, now: Time) {
        if self.gauge.until > now {
            return;
        }
        if self.gauge.asked {
            self.gauge.unanswered = self.gauge.unanswered.saturating_add(1);
        }
        self.gauge.asked = true;
        self.gauge.until = now + DEADLINE;
        self.order(Order::Measure);
        if self.unfit().is_some() {
            let usage = self.gauge.usage.clone().unwrap_or_default();
            self.say_usage(now, &usage);
        }
    }

    /// Takes a measurement.
    pub(super) fn measured(&mut self, now: Time, usage: Arc<Usage>) {
        if !core::mem::take(&mut self.gauge.asked) {
            return;
        }
        self.gauge.unanswered = 0;
        self.gauge.until = beat::next(now, INTERVAL, self.salt);
        if is_full(&usage, self.settings.pressure_percent) || is_stalled(&usage) {
            self.gauge.over = self.gauge.over.saturating_add(1);
            self.gauge.under = 0;
        } else {
            self.gauge.under = self.gauge.under.saturating_add(1);
            self.gauge.over = 0;
        }
        self.compare_usage(now, &usage);
        self.relieve(now, &usage);
        self.say_usage(now, &usage);
        self.gauge.usage = Some(usage);
    }

    /// Says what is used, where it differs enough from what was said, or for long enough.
    fn say_usage(&mut self, now: Time, usage: &Arc<Usage>) {
        let stalls = self.gauge.over >= IN_A_ROW && is_stalled(usage);
        let unfit = self.unfit().or_else(|| usage.unfit.clone());
        let unfit = unfit.or_else(|| stalls.then(|| "what runs there waits for memory".into()));
        let mut unfit_for = Cow::Borrowed(&usage.unfit_for);
        for (kind, why) in
            self.inspection.unfit_for().filter(|(kind, _)| !usage.unfit_for.contains_key(*kind))
        {
            unfit_for.to_mut().insert(kind.clone(), why);
        }
        let fresh = match &self.gauge.published {
            None => true,
            Some((said, _)) if said.unfit != unfit || said.unfit_for != *unfit_for => true,
            Some((said, _)) if Arc::ptr_eq(said, usage) => false,
            Some((said, since)) => {
                let is_same = (said.memory_used, &said.tasks) == (usage.memory_used, &usage.tasks);
                let is_old = now.since(*since) >= USAGE_MAX_AGE;
                is_notable(said, usage) || (is_old && (!is_same || is_otherwise_busy(said, usage)))
            }
        };
        if fresh {
            let said = if usage.unfit == unfit && usage.unfit_for == *unfit_for {
                usage.clone()
            } else {
                Arc::new(Usage { unfit, unfit_for: unfit_for.into_owned(), ..(**usage).clone() })
            };
            self.gauge.published = Some((said, now));
            self.writer.host_changed = true;
        }
    }

    fn unfit(&self) -> Option<String> {
        if let Some(why) = self.inspection.unfit() {
            return Some(format!("executors cannot tell what runs: {why}"));
        }
        (self.gauge.unanswered >= IN_A_ROW).then(|| "executors do not answer".into())
    }

    /// Asks a task to move while memory is short, and takes requests back that have become idle. One that is not served for
    /// a while stays when another task is asked, since its successor may take long to come up.
    fn relieve(&mut self, now: Time, usage: &Usage) {
        let (before, is_over) = (self.gauge.wishes.len(), self.gauge.under >= IN_A_ROW);
        let (mut is_served, mut wishes) = (false, core::mem::take(&mut self.gauge.wishes));
        wishes.retain(|(wish, since)| {
            let here = self.locals.get(&wish.id).filter(|local| {
                local.generation() == wish.generation && !matches!(local.state, State::Over(_))
            });
            let served = here.is_some_and(|local| local.task.desired == Desired::Stop);
            is_served |= served && now.since(*since) < SERVED_PATIENCE;
            here.is_some() && (served || !is_over)
        });
        self.gauge.wishes = wishes;
        self.writer.host_changed |= self.gauge.wishes.len() != before;
        if self.gauge.over < IN_A_ROW {
            self.gauge.spared.clear();
            return;
        }
        let is_new = |(_, since): &(MoveRequest, Time)| now.since(*since) < WISH_PATIENCE;
        if is_served || self.gauge.wishes.last().is_some_and(is_new) {
            return;
        }
        if self.gauge.wishes.len() >= WISHES_MAX {
            let (wish, _) = self.gauge.wishes.remove(0);
            self.gauge.spared.insert((wish.id, wish.generation));
            self.writer.host_changed = true;
        }
        let wish = self.choose(usage).or_else(|| {
            self.gauge.spared.clear();
            self.choose(usage)
        });
        if let Some(wish) = wish {
            self.note(Note::MoveRequested { id: wish.id.clone(), why: wish.reason.clone() });
            self.gauge.wishes.push((wish, now));
            self.writer.host_changed = true;
        }
    }

    /// Chooses who is asked to move.
    fn choose(&self, usage: &Usage) -> Option<MoveRequest> {
        let used = |local: &Local| usage.tasks.get(&local.task.id).copied().unwrap_or(0);
        // What reserves nothing exceeds that by all it uses.
        let excess = |local: &Local| used(local).saturating_sub(local.task.memory);
        let movable = || {
            self.locals.values().filter(|local| {
                let (id, generation) = (&local.task.id, local.generation());
                let spared = self.gauge.spared.contains(&(id.clone(), generation));
                let asked = self.gauge.wishes().any(|wish| wish.id == *id && wish.generation == generation);
                local.is_live() && !spared && !asked && local.task.desired == Desired::Run
            })
        };
        let mut host = format!("{} of {} MiB of the host are used", usage.memory_used, usage.memory_total);
        if is_stalled(usage) {
            host += &format!(", and all wait for memory {} % of the time", usage.stalled);
        }
        let offender = movable()
            .filter(|local| excess(local) > 0)
            .max_by_key(|local| (excess(local), Reverse(&local.task.id)));
        let (victim, reason) = match offender {
            Some(victim) => {
                let reason = format!("uses {} MiB and reserved {}, {host}", used(victim), victim.task.memory);
                (victim, reason)
            }
            None => {
                let priority = |local: &Local| local.definition.as_ref().map_or(0, |of| of.priority);
                let victim =
                    movable().min_by_key(|local| (priority(local), Reverse(used(local)), &local.task.id))?;
                let reason = format!(
                    "has the lowest priority ({}) and uses {} MiB, {host}",
                    priority(victim),
                    used(victim)
                );
                (victim, reason)
            }
        };
        let generation = victim.generation();
        Some(MoveRequest { id: victim.task.id.clone(), generation, reason })
    }
}

/// Tells whether so much of the memory is in use, in percent.
fn is_full(usage: &Usage, percent: u64) -> bool {
    let limit = usage.memory_total.saturating_mul(percent);
    usage.memory_total > 0 && usage.memory_used.saturating_mul(100) >= limit
}

/// Tells whether tasks wait for memory, and not just for what one of them may have of it.
fn is_stalled(usage: &Usage) -> bool {
    usage.stalled >= STALLED && is_full(usage, STALLED_AT)
}

/// Tells whether the difference matters to whoever places tasks, or shows something of which nothing was said so far.
fn is_notable(said: &Usage, usage: &Usage) -> bool {
    let differs = said.memory_total != usage.memory_total;
    let host = said.memory_used.abs_diff(usage.memory_used).saturating_mul(50) >= usage.memory_total.max(1);
    let task = |(id, used): (&Name, &u64)| {
        said.tasks.get(id).is_none_or(|before| {
            let by = before.abs_diff(*used);
            by >= 16 && by.saturating_mul(10) >= *before
        })
    };
    let cpu = (said.cpu_used.is_none() && usage.cpu_used.is_some())
        || usage.tasks_cpu.keys().any(|id| !said.tasks_cpu.contains_key(id));
    differs || host || cpu || (said.tasks != usage.tasks && usage.tasks.iter().any(task))
}

/// Tells whether processors are used by more than [`CPU_SAME`] and a tenth more or less than was said.
fn is_otherwise_busy(said: &Usage, usage: &Usage) -> bool {
    let differs = |before: u64, used: u64| {
        let by = before.abs_diff(used);
        by > CPU_SAME && by.saturating_mul(10) >= before
    };
    let machine = said.cpu_used.zip(usage.cpu_used);
    let tasks = usage.tasks_cpu.iter().filter_map(|(id, used)| Some((*said.tasks_cpu.get(id)?, *used)));
    machine.into_iter().chain(tasks).any(|(before, used)| differs(before, used))
}
