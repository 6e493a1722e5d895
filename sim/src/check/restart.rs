//! S25: a task that ends by itself again and again is started ever more slowly, and not for ever.

use super::record::{Place, Text};
use super::{Alive, Book, By, Check, Fault, Findings, Seen};
use callboard_core::machine::{Span, Time};
use callboard_core::model::RestartPolicy;
use callboard_core::work::Order;
use std::collections::{BTreeMap, VecDeque};

/// Remembers the starts and ends of each placement.
#[derive(Clone, Default)]
pub(crate) struct Intensity {
    placements: BTreeMap<(Text, Text), Placement>,
}

#[derive(Clone, Default)]
struct Placement {
    generation: u64,
    policy: RestartPolicy,
    /// When it was started of late, as which attempt.
    starts: VecDeque<(Time, u32)>,
    /// When it ended by itself since it last ran for long, as which attempt.
    ends: Vec<(Time, u32)>,
    /// The last attempt that the store was told of: what came before outlives the agent.
    told: u32,
}

const WINDOW: Span = Span::secs(60);

impl Placement {
    /// Forgets the starts and ends that nobody knows of any more since the agent ended after some of them.
    fn forget_untold(&mut self, lives: &[Time]) {
        let last = lives.last().copied().unwrap_or_default();
        let told = self.told;
        self.ends.retain(|(at, attempt)| *at > last || *attempt < told);
        self.starts.retain(|(at, attempt)| *at > last || *attempt <= told);
    }

    /// Gives the shortest time that it must wait before an attempt: the delay doubles with each end, and is jittered by a
    /// quarter; clocks go wrong by a tenth. An attempt that comes again is of an agent that does not know of the first.
    fn least(&self, attempt: u32) -> Span {
        let ends = u32::try_from(self.ends.len()).unwrap_or(u32::MAX).min(attempt);
        let doublings = ends.saturating_sub(1).min(32);
        let full = self.policy.delay.0.saturating_mul(1 << doublings).min(self.policy.max_delay.0);
        Span(full * 5 / 8)
    }
}

impl Check for Intensity {
    fn ordered(&mut self, book: &Book, host: &Text, order: &Order, found: &mut Findings) {
        let Order::Start(spec) = order else { return };
        let key = (host.clone(), spec.task.id.clone());
        let placement = self.placements.entry(key).or_default();
        if placement.generation != spec.task.generation {
            let status = book.hosts.get(host).and_then(|page| page.statuses.get(&spec.task.id));
            let told = status.map(|status| &status.record).filter(|it| it.generation == spec.task.generation);
            let told = told.map_or(0, |status| status.attempt);
            *placement = Placement { generation: spec.task.generation, told, ..Placement::default() };
        }
        placement.policy.clone_from(&spec.definition.restart);
        let lives = book.agent_ends.get(host).map_or(&[][..], Vec::as_slice);
        placement.forget_untold(lives);
        let Placement { policy, starts, .. } = placement;
        if starts.back().is_some_and(|(_, attempt)| *attempt == spec.attempt) {
            // The same start, told twice.
            return;
        }
        starts.push_back((book.now, spec.attempt));
        while starts.front().is_some_and(|(at, _)| book.now.since(*at) > WINDOW) {
            starts.pop_front();
        }
        // With each life of its agent one may be forgotten that the store was not told of.
        let of_late = lives.iter().filter(|at| book.now.since(**at) <= WINDOW).count();
        let most = policy.attempts as usize + 2 + of_late;
        if starts.len() > most {
            let what = format!("{} was started {} times within a minute", spec.task.id, starts.len());
            found.blame("S25", what);
        }
        let Some((end, _)) = placement.ends.last().filter(|_| spec.attempt > 0) else { return };
        // Who begins anew does not know how long it has waited.
        let is_anew = lives.last().is_some_and(|life| life >= end);
        let (gap, least) = (book.now.since(*end), placement.least(spec.attempt));
        if !is_anew && gap < least {
            let (id, ends) = (&spec.task.id, placement.ends.len());
            let what =
                format!("{id} was started {gap} after it had ended {ends} times in a row, not {least}");
            found.blame("S25", what);
        }
    }

    fn committed(&mut self, seen: &Seen<'_>, _found: &mut Findings) {
        // Of what has no record any more nobody knows how often it ended, should a store that is put back have it again.
        for write in seen.writes.iter().filter(|write| write.deleted && seen.by == By::Scheduler) {
            if let Place::Twin { host, id } = &write.place {
                self.placements.remove(&(host.clone(), id.clone()));
            }
        }
        for write in seen.writes.iter().filter(|_| matches!(seen.by, By::Agent(_))) {
            let Place::Status { host, id } = &write.place else { continue };
            let Some(placement) = self.placements.get_mut(&(host.clone(), id.clone())) else { continue };
            // What the agent before knew is what it had said: the next one counts attempts of which it knows no end.
            placement.forget_untold(seen.book.agent_ends.get(host).map_or(&[][..], Vec::as_slice));
            let page = seen.book.hosts.get(host).and_then(|page| page.statuses.get(id));
            let status = page.map(|page| &page.record).filter(|it| it.generation == placement.generation);
            placement.told = status.map_or(placement.told, |status| status.attempt.max(placement.told));
        }
    }

    fn fault(&mut self, _book: &Book, fault: &Fault) {
        // A store that was put back has forgotten how often a task was started, and that it was given up.
        if matches!(fault, Fault::Amnesia) {
            for placement in self.placements.values_mut() {
                placement.starts.clear();
                placement.told = 0;
            }
        }
        // Whose clock jumps ahead has waited.
        if let Fault::ClockJumped { host: jumped, .. } = fault {
            let of_host = self.placements.iter_mut().filter(|((host, _), _)| host == jumped);
            of_host.for_each(|(_, placement)| placement.ends.clear());
        }
    }

    fn gone(
        &mut self,
        book: &Book,
        host: &Text,
        id: &Text,
        alive: &Alive,
        ordered: bool,
        _found: &mut Findings,
    ) {
        let placement = self.placements.get_mut(&(host.clone(), id.clone()));
        let placement = placement.filter(|it| it.generation == alive.generation);
        let Some(placement) = placement.filter(|_| !ordered) else { return };
        // It has run for long where somebody's clock may say so.
        if book.now.since(alive.since).0 >= placement.policy.reset_after.0 * 4 / 5 {
            placement.ends.clear();
        }
        placement.ends.push((book.now, alive.attempt));
    }
}
