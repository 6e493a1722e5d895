//! Taking the locks of the clusters that name this scheduler.

use super::writes::Purpose;
use super::{Effect, Scheduler, Tenure, lock_value};
use crate::keys::Key;
use crate::machine::Time;
use crate::model::{DEFAULT_SCHEDULER, Name};
use crate::store::{Guard, Op, Txn};
use crate::why::Note;
use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;

impl Scheduler {
    /// Asks for one lock that is free and ours to take. Tells whether it asked.
    pub(super) fn campaign(&mut self, now: Time, out: &mut Vec<Effect>) -> bool {
        let Some(session) = self.session.id().cloned() else { return false };
        for cluster in self.wanted() {
            if self.tenures.contains_key(&cluster) {
                continue;
            }
            let key = Key::Lock(cluster.clone()).path();
            let guard = match self.world.locks.get(&cluster) {
                // Ours already. It is written again all the same, so that nothing that was sent before, and of which
                // nobody knows what became, can still come to pass.
                Some(Some(holder)) if *holder == session => {
                    let Some(revision) = self.world.revision(&key) else { continue };
                    Guard::At { key: key.clone(), revision }
                }
                Some(_) => continue,
                None => Guard::Absent { key: key.clone() },
            };
            let op = Op::Put { key, value: lock_value(&self.settings), session: Some(session) };
            let txn = Txn { guards: vec![guard], ops: vec![op] };
            out.push(Effect::Store(self.writes.send(now, txn, Purpose::Lock(cluster), Vec::new())));
            return true;
        }
        false
    }

    /// Begins a tenure. All that was written before must be seen before anything is planned, and a watch can be deaf: so
    /// everything is listed anew.
    pub(super) fn begin(
        &mut self,
        now: Time,
        cluster: Name,
        revision: crate::store::Revision,
        out: &mut Vec<Effect>,
    ) {
        out.push(Effect::Note(Note::LockTaken { cluster: cluster.clone(), tenure: revision.0 }));
        self.tenures.insert(cluster, Tenure { revision, ready: false });
        for prefix in super::PREFIXES {
            self.mirror.catch_up(now, prefix, revision);
        }
    }

    /// Ends a tenure, if there is one. What is only waited for because of it is not waited for any more.
    pub(super) fn give_up(&mut self, cluster: Name, out: &mut Vec<Effect>) {
        if self.tenures.remove(&cluster).is_some() {
            let latest = self.tenures.values().map(|tenure| tenure.revision).max();
            self.mirror.settle_for(latest.unwrap_or_default());
            out.push(Effect::Note(Note::LockLost { cluster }));
        }
    }

    /// Lists the clusters that this scheduler looks after: those that name it, and, for the default scheduler, those that
    /// are gone but still have tasks, or offers of some, or are remembered to have had.
    fn wanted(&self) -> Vec<Name> {
        let named = self.world.clusters.iter().filter(|(_, cluster)| cluster.scheduler == self.settings.name);
        let mut wanted: Vec<Name> =
            named.map(|(name, _)| name.clone()).filter(|name| !self.world.is_remembered(name)).collect();
        if &*self.settings.name == DEFAULT_SCHEDULER {
            let offers = self.world.auctions.values().flat_map(|auction| auction.offers.values());
            let left = self.world.clusters_with_tasks().chain(offers.map(|offer| &offer.cluster));
            let orphans = self.world.orphans.keys().filter(|key| self.world.lives_elsewhere(key));
            let left = left.chain(self.world.remembering.keys()).chain(orphans.map(|key| &key.0));
            let gone: BTreeSet<&Name> =
                left.filter(|cluster| !self.world.clusters.contains_key(*cluster)).collect();
            wanted.extend(gone.into_iter().cloned());
        }
        wanted
    }
}
