//! One page of the book for each host, service, status and live process.

use super::record::{
    HostConfigRecord, LedgerRecord, RegistrationRecord, RolloutRecord, ServiceRecord, ServiceStateRecord,
    StatusRecord, TaskRecord, Text, UsageRecord,
};
use callboard_core::machine::{Span, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A live process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alive {
    pub(crate) pid: u32,
    pub(crate) generation: u64,
    pub(crate) attempt: u32,
    pub(crate) port: Option<u16>,
    pub(crate) since: Time,
    /// When it was ordered: one that an agent finds as it is being started runs since then, for all that agent knows.
    pub(crate) ordered: Time,
    /// How long it may run, where that is limited.
    pub(crate) limit: Option<Span>,
    pub(crate) healthy: bool,
    /// When it last became healthy.
    pub(crate) healthy_since: Time,
}

/// What is known of a host.
#[derive(Clone, Debug, Default)]
pub(crate) struct HostPage {
    pub(crate) twins: BTreeMap<Text, Arc<TaskRecord>>,
    pub(crate) statuses: BTreeMap<Text, StatusPage>,
    /// The placements that its agent says live there without a record.
    pub(crate) orphans: BTreeMap<Text, u64>,
    pub(crate) registration: Option<RegistrationRecord>,
    pub(crate) config: Option<HostConfigRecord>,
    pub(crate) ledger: LedgerRecord,
    pub(crate) usage: Option<UsageRecord>,
    pub(crate) alive: bool,
    /// When `alive` last changed.
    pub(crate) alive_since: Time,
    /// Since when it is drained.
    pub(crate) draining_since: Option<Time>,
}

/// What an agent last said of a task.
#[derive(Clone, Debug)]
pub(crate) struct StatusPage {
    pub(crate) record: StatusRecord,
    /// When it last was healthy, while it is not.
    pub(crate) healthy_until: Option<Time>,
    /// Since when it is healthy, while it is.
    pub(crate) healthy_since: Option<Time>,
    /// The placement spoken of before this one, if that was healthy until then.
    pub(crate) former: Option<(u64, Time)>,
}

/// What is known of a service.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServicePage {
    /// The last good record; `None` once it is deleted.
    pub(crate) record: Option<ServiceRecord>,
    /// The one before, and until when it was in force.
    pub(crate) before: Option<(ServiceRecord, Time)>,
    /// When it was last written where there was none.
    pub(crate) made: Option<Time>,
    /// What stands there cannot be read.
    pub(crate) rubbish: bool,
    pub(crate) state: Option<ServiceStateRecord>,
    /// Healthy tasks, in truth.
    pub(crate) healthy: u32,
    /// The fewest of them since somebody set this.
    pub(crate) least: u32,
    /// Tasks that shall run.
    pub(crate) issued: BTreeSet<Text>,
    /// Tasks that shall run and are confirmed healthy.
    pub(crate) confirmed: BTreeSet<Text>,
}

impl ServicePage {
    /// Tells whether all of it ran to its end that was to, as is remembered of it.
    pub(crate) fn is_completed(&self) -> bool {
        let is_done = |state: &ServiceStateRecord| state.rollout == RolloutRecord::Done;
        self.record.as_ref().is_some_and(ServiceRecord::is_batch) && self.state.as_ref().is_some_and(is_done)
    }
}
