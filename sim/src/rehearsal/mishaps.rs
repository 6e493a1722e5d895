//! What goes wrong by itself in an ordinary fleet, and how often: drawn for a rehearsal from its seed.

use crate::rng::Chance;
use crate::scenario::{
    Action, Fault, FaultKind, Happening, HostFault, Hosts, On, SchedulerFault, StoreFault,
};
use callboard_core::machine::Span;
use callboard_core::model::Name;

/// How much goes wrong beside what is tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mishaps {
    /// Nothing.
    #[default]
    None,
    /// What an operator sees in an ordinary year.
    Usual,
    /// Fifty times as much: a bad day.
    Rough,
}

const DAY: u64 = 24 * 3_600_000;

/// What can happen, the mean time between two of it, and how long it lasts.
struct Rate {
    kind: FaultKind,
    mean: Span,
    lasting: (Span, Span),
}

const fn rate(kind: FaultKind, days: u64, lasting: (Span, Span)) -> Rate {
    Rate { kind, mean: Span(days * DAY), lasting }
}

/// Each machine has its own accidents; scheduler and store are one.
const RATES: [Rate; 7] = [
    rate(FaultKind::Host(HostFault::Crash), 60, (Span::secs(120), Span::secs(600))),
    rate(FaultKind::Host(HostFault::KillAgent), 7, (Span::secs(1), Span::secs(30))),
    rate(FaultKind::Host(HostFault::Cut), 30, (Span::secs(5), Span::secs(120))),
    rate(FaultKind::Host(HostFault::Freeze), 60, (Span::secs(2), Span::secs(20))),
    rate(FaultKind::Scheduler(SchedulerFault::Kill), 7, (Span::secs(1), Span::secs(30))),
    rate(FaultKind::Store(StoreFault::ChangeLeader), 7, (Span(0), Span(0))),
    rate(FaultKind::Store(StoreFault::Outage), 30, (Span::secs(5), Span::secs(120))),
];

impl Mishaps {
    /// How many times as often as usual.
    fn factor(self) -> u64 {
        match self {
            Mishaps::None => 0,
            Mishaps::Usual => 1,
            Mishaps::Rough => 50,
        }
    }

    /// Draws what happens in a window of time.
    pub(super) fn draw(
        self,
        hosts: &[Name],
        (from, until): (Span, Span),
        chance: &mut Chance,
    ) -> Vec<Happening> {
        let mut drawn = Vec::new();
        if self == Mishaps::None || hosts.is_empty() {
            return drawn;
        }
        for rate in &RATES {
            let sources = match rate.kind {
                FaultKind::Host(_) => u64::try_from(hosts.len()).unwrap_or(1),
                FaultKind::Scheduler(_) | FaultKind::Service(_) | FaultKind::Store(_) | FaultKind::Way(_) => {
                    1
                }
            };
            let mean = Span((rate.mean.0 / self.factor() / sources).max(1));
            let mut at = from;
            loop {
                at = Span(at.0.saturating_add(chance.exponential(mean).0));
                if at >= until {
                    break;
                }
                let host = usize::try_from(chance.below(sources)).unwrap_or(0);
                let lasting = chance.span(rate.lasting.0, rate.lasting.1);
                let action = fault(rate.kind, Hosts::Named(vec![hosts[host].clone()]), Some(lasting));
                drawn.push(Happening { at, action });
            }
        }
        drawn
    }
}

/// Makes a fault that hits these hosts, if it is one of hosts.
pub(super) fn fault(kind: FaultKind, hosts: Hosts, lasting: Option<Span>) -> Action {
    let on = match kind {
        FaultKind::Host(_) => On::Hosts(hosts),
        FaultKind::Scheduler(_) => On::Schedulers(1),
        FaultKind::Service(_) | FaultKind::Store(_) | FaultKind::Way(_) => On::All,
    };
    Action::Fault(Fault { kind, on, lasting, size: kind.row().size.left_out() })
}
