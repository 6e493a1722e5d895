//! What the machines tell when they are asked: nothing here changes them.

use super::Stage;
use crate::check::Text;
use crate::event::Process;
use std::collections::BTreeMap;
use std::fmt::{self, Debug, Write as _};

/// In larger worlds nobody is weighed.
const WEIGHED_HOSTS: usize = 100;

impl Stage {
    /// Asks the schedulers that hold locks why tasks wait, and what became of versions that failed.
    pub(super) fn reasons(&self) -> BTreeMap<Text, String> {
        let mut reasons = BTreeMap::new();
        for scheduler in self.schedulers.iter().filter_map(|process| process.machine.as_ref()) {
            let machine = scheduler.machine();
            let world = machine.world();
            for ((cluster, service), blocked) in &world.blocked {
                if machine.tenure(cluster).is_some() {
                    reasons.insert(service.clone(), blocked.why.clone());
                }
            }
        }
        reasons
    }

    /// Weighs what each machine keeps in mind.
    pub(super) fn weights(&self) -> Vec<(Process, usize)> {
        if self.hosts.len() > WEIGHED_HOSTS {
            return Vec::new();
        }
        let agents = self
            .hosts
            .iter()
            .filter_map(|host| Some((host.agent_name(), weigh(&**host.agent.as_ref()?.machine()))));
        let schedulers = self
            .schedulers
            .iter()
            .filter_map(|process| Some((process.name(), weigh(&**process.machine.as_ref()?.machine()))));
        agents.chain(schedulers).collect()
    }
}

/// Counts the bytes of a value, written out.
fn weigh(value: &impl Debug) -> usize {
    struct Scale(usize);
    impl fmt::Write for Scale {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0 += text.len();
            Ok(())
        }
    }
    let mut scale = Scale(0);
    write!(scale, "{value:?}").map_or(usize::MAX, |()| scale.0)
}
