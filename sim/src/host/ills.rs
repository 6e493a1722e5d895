//! What is the matter with a machine and its executors, and until when.

use crate::scenario::HostFault;
use callboard_core::machine::Time;
use std::collections::BTreeMap;

/// By kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ills(BTreeMap<HostFault, (Time, u64)>);

impl Ills {
    /// Lets it last until a time, or longer when it does already.
    pub(crate) fn fall(&mut self, kind: HostFault, until: Time, size: u64) {
        let ill = self.0.entry(kind).or_insert((until, size));
        *ill = (ill.0.max(until), size);
    }

    /// Gives until when it lasts, and how much of it there is.
    pub(crate) fn of(&self, now: Time, kind: HostFault) -> Option<(Time, u64)> {
        self.0.get(&kind).copied().filter(|(until, _)| *until > now)
    }

    /// Tells whether it lasts.
    pub(crate) fn has(&self, now: Time, kind: HostFault) -> bool {
        self.of(now, kind).is_some()
    }
}
