//! A registry, pretended.

use callboard_core::registry::{Reply, Request};
use callboard_core::work::{Run, Spec};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
pub(crate) struct Registry {
    pub(crate) held: BTreeSet<Run>,
    /// Answers nothing and does nothing.
    pub(crate) away: bool,
    /// Says why it does nothing.
    pub(crate) refuses: Option<String>,
    /// What it says of the checks it makes; it knows nothing of others.
    pub(crate) verdicts: BTreeMap<usize, Result<(), String>>,
    /// What it was told of other checks.
    pub(crate) told: BTreeMap<usize, Result<(), String>>,
    pub(crate) requests: Vec<(u64, Request)>,
}

impl Registry {
    /// Makes something go wrong.
    pub(crate) fn disturb(&mut self, drawn: u64) {
        match drawn % 4 {
            0 => self.away = true,
            1 => self.refuses = Some("no leader".into()),
            2 => self.held.clear(),
            _ => {
                self.held.insert(Run { id: "web-0".into(), generation: 1, attempt: 0 });
            }
        }
    }

    pub(crate) fn serve(&mut self, now: u64, request: Request) -> Option<Reply> {
        self.requests.push((now, request.clone()));
        if self.away {
            return None;
        }
        let refused = self.refuses.clone().map_or(Ok(()), Err);
        match request {
            Request::Register(spec) => {
                let run = Spec::run(&spec);
                self.held.extend(refused.is_ok().then(|| run.clone()));
                Some(Reply::Registered(run, refused))
            }
            Request::Deregister(run) => {
                if refused.is_ok() {
                    self.held.remove(&run);
                }
                Some(Reply::Deregistered(run, refused))
            }
            Request::List => Some(Reply::Listed(refused.map(|()| self.held.iter().cloned().collect()))),
            Request::Ask { run, check } => {
                let verdict = self.verdicts.get(&check).filter(|_| self.held.contains(&run)).cloned();
                Some(Reply::Found { run, check, verdict })
            }
            Request::Tell { check, result, .. } => {
                self.told.insert(check, result);
                None
            }
        }
    }
}
