//! S25: a task that ends by itself again and again is started ever more slowly, and not for ever.

use super::record::Text;
use super::{Alive, Book, Check, Fault, Findings};
use callboard_core::machine::{Span, Time};
use callboard_core::work::Order;
use std::collections::{BTreeMap, VecDeque};

/// Remembers the starts of each placement.
#[derive(Clone, Default)]
pub(crate) struct Intensity {
    starts: BTreeMap<(Text, Text), Starts>,
    ends: BTreeMap<(Text, Text), Time>,
}

/// A placement, and when it was started of late, as which attempt.
type Starts = (u64, VecDeque<(Time, u32)>);

const WINDOW: Span = Span::secs(60);

impl Check for Intensity {
    fn ordered(&mut self, book: &Book, host: &Text, order: &Order, found: &mut Findings) {
        let Order::Start(spec) = order else { return };
        let key = (host.clone(), spec.task.id.clone());
        let (generation, starts) = self.starts.entry(key.clone()).or_default();
        if *generation != spec.task.generation {
            *generation = spec.task.generation;
            starts.clear();
            self.ends.remove(&key);
        }
        if starts.back().is_some_and(|(_, attempt)| *attempt == spec.attempt) {
            // The same start, told twice.
            return;
        }
        starts.push_back((book.now, spec.attempt));
        while starts.front().is_some_and(|(at, _)| book.now.since(*at) > WINDOW) {
            starts.pop_front();
        }
        let policy = &spec.definition.restart;
        // With each life of its agent one may be forgotten that the store was not told of.
        let ends = book.agent_ends.get(host).into_iter().flatten();
        let lives = ends.filter(|at| book.now.since(**at) <= WINDOW).count();
        let most = policy.attempts as usize + 2 + lives;
        if starts.len() > most {
            found.blame("S25", format!("{} was started {} times within a minute", key.1, starts.len()));
        }
        let gap = self.ends.get(&key).map(|end| book.now.since(*end));
        if spec.attempt > 0 && gap.is_some_and(|gap| gap.0 < policy.delay.0 / 2) {
            found.blame("S25", format!("{} was started again without waiting", key.1));
        }
    }

    fn fault(&mut self, _book: &Book, fault: &Fault) {
        // A store that was put back has forgotten how often a task was started, and that it was given up.
        if matches!(fault, Fault::Amnesia) {
            self.starts.values_mut().for_each(|(_, starts)| starts.clear());
        }
        // Whose clock jumps ahead has waited.
        if let Fault::ClockJumped { host: jumped, .. } = fault {
            self.ends.retain(|(host, _), _| host != jumped);
        }
    }

    fn gone(
        &mut self,
        book: &Book,
        host: &Text,
        id: &Text,
        _alive: &Alive,
        ordered: bool,
        _found: &mut Findings,
    ) {
        if !ordered {
            self.ends.insert((host.clone(), id.clone()), book.now);
        }
    }
}
