//! What followed on what happened: which services fell how low, and how long it took until they had all their tasks again.
//! A dip is put down to what happened last before it began, even if the two have nothing to do with each other.

use super::{Dip, Recording};
use callboard_core::machine::{Span, Time};
use callboard_core::model::Name;

/// What followed on one happening.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aftermath {
    /// The services that fell, the deepest fall first.
    pub falls: Vec<Fall>,
    /// How long it took until all of them had all their tasks again; `None`: nothing fell.
    pub recovery: Option<Span>,
    /// Some had not until the end.
    pub lasting: bool,
}

/// A service that fell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fall {
    /// The service.
    pub service: Name,
    /// Its deepest dip.
    pub dip: Dip,
}

impl Recording {
    /// Gives what followed on each happening, in their order.
    #[must_use]
    pub fn aftermaths(&self) -> Vec<Aftermath> {
        let mut all = vec![Aftermath::default(); self.happenings.len()];
        let end = Time(self.width.0 * u64::from(self.columns));
        for (service, recording) in &self.services {
            for dip in &recording.dips {
                let next = self.happenings.partition_point(|happened| happened.at <= dip.from);
                let Some(index) = next.checked_sub(1) else { continue };
                // Of what happened at one moment, the first is blamed.
                let at = self.happenings[index].at;
                let first = self.happenings.partition_point(|happened| happened.at < at);
                all[first].take(at, end, service, *dip);
            }
        }
        for aftermath in &mut all {
            let depth = |fall: &Fall| u64::from(fall.dip.low) * 1_000 / u64::from(fall.dip.wanted.max(1));
            aftermath.falls.sort_by(|a, b| (depth(a), &a.service).cmp(&(depth(b), &b.service)));
        }
        all
    }
}

impl Aftermath {
    fn take(&mut self, at: Time, end: Time, service: &Name, dip: Dip) {
        let took = dip.until.unwrap_or(end).since(at);
        self.recovery = Some(self.recovery.map_or(took, |longest| longest.max(took)));
        self.lasting |= dip.until.is_none();
        match self.falls.iter_mut().find(|fall| fall.service == *service) {
            Some(fall) if fall.dip.low <= dip.low => {}
            Some(fall) => fall.dip = dip,
            None => self.falls.push(Fall { service: service.clone(), dip }),
        }
    }
}
