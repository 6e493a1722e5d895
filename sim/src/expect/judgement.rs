//! What became of what was expected: in words, with what was measured.

use super::Expecting;
use crate::check::Book;
use crate::scenario::Expectation;
use crate::stats::Stats;
use callboard_core::machine::Span;

/// One expectation, judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// What was expected.
    pub what: String,
    /// What was measured.
    pub measured: String,
    /// Whether it was met; `None`: the run ended before that could be said.
    pub met: Option<bool>,
}

impl Expecting {
    /// Judges all expectations. `complete` when the run went to its end.
    pub(crate) fn judgements(&self, book: &Book, stats: &Stats, complete: bool) -> Vec<Judgement> {
        let judge = |(index, expectation): (usize, &Expectation)| {
            let broken = self.broken.get(&index);
            let met = if broken.is_some() { Some(false) } else { complete.then_some(true) };
            let measured = self.measured(index, expectation, book, stats);
            let measured = measured.or_else(|| broken.cloned()).unwrap_or_else(|| match met {
                Some(_) => "so it was".into(),
                None => "the run ended before".into(),
            });
            Judgement { what: expectation.to_string(), measured, met }
        };
        self.expectations.iter().enumerate().map(judge).collect()
    }

    /// Gives what was measured, where that is a number.
    fn measured(
        &self,
        index: usize,
        expectation: &Expectation,
        book: &Book,
        stats: &Stats,
    ) -> Option<String> {
        match expectation {
            Expectation::MinHealthy { .. } => {
                let (service, healthy, wanted, at) = self.least.get(&index)?;
                Some(format!("{service} had {healthy} at {}, {wanted} asked for", Span(at.0)))
            }
            Expectation::RecoveredWithin { after, .. } => {
                let at = self.recovered.get(&index)?;
                let after = after.unwrap_or(self.calm_from);
                Some(format!("after {}", Span(at.0.saturating_sub(after.0))))
            }
            Expectation::DelayBelow { percent, of, .. } => {
                let took = self.delays(*of).percentile(book.now, *percent)?;
                Some(format!("{percent} in a hundred waited {took} at most"))
            }
            Expectation::MovesAtMost { .. }
            | Expectation::MovesAtLeast { .. }
            | Expectation::MovesPerHour { .. } => Some(format!("{} moves", stats.moves)),
            Expectation::UnplacedAtMost { .. } => Some(format!("{} at the end", stats.unplaced())),
            Expectation::RestartsAtMost { .. } => Some(format!("{} restarts", stats.restarts)),
            Expectation::OutOfMemoryAtMost { .. } => Some(format!("{} killed", stats.out_of_memory)),
            Expectation::Rollout { service, .. } => {
                let state = book.services.get(service)?.state.as_ref()?;
                Some(format!("version {}: {}", state.version, state.rollout))
            }
            Expectation::HealthyBy { .. }
            | Expectation::VersionAtEnd { .. }
            | Expectation::DrainedBy { .. } => None,
        }
    }
}
