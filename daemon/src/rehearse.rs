//! Rehearses a change of a live cluster: takes all that its store holds, and lets the simulator play what would follow,
//! once for each seed. Nothing is written.

mod assume;
mod forecast;
mod page;
mod steps;

pub(crate) use assume::{Assumption, Loss};
pub(crate) use forecast::{Finding, Forecast};
pub(crate) use page::page;
pub(crate) use steps::{Counts, Steps};

use crate::change::{self, Write};
use crate::problem::{Kind, Problem};
use crate::views::Applied;
use crate::write::Desired;
use callboard_core::config::{Configuration, Sourced};
use callboard_core::keys::Key;
use callboard_core::machine::Span;
use callboard_core::mirror::{hash, mix};
use callboard_core::model::{Name, Registration};
use callboard_core::store::{Entry, Listing, Revision};
use callboard_sim::search::{cores, in_order};
use callboard_sim::{Build, Mishaps, Outcome, Proposal, Scenario, StoreKind, record, rehearse};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

/// The shape in which the state of a cluster is kept in a file.
const SCHEMA: u32 = 1;

/// All that a store holds for Callboard, at one revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Live {
    /// The shape of this.
    pub(crate) schema: u32,
    /// The version of Callboard that took it.
    pub(crate) version: String,
    /// What kind of store it is from; empty where that is not known.
    #[serde(default)]
    pub(crate) store: String,
    /// As of when.
    pub(crate) revision: Revision,
    /// All keys, in order.
    pub(crate) entries: Vec<Arc<Entry>>,
}

impl Live {
    /// Takes it from a store, which is so named.
    ///
    /// # Errors
    /// The store does not answer.
    pub(crate) async fn fetch(store: &dyn callboard_backends::Store, name: &str) -> Result<Live, Problem> {
        let Listing { revision, entries } = store.list("").await.map_err(Problem::away)?;
        let version = env!("CARGO_PKG_VERSION").into();
        let kind = name.split([':', '+']).next().unwrap_or_default();
        Ok(Live { schema: SCHEMA, version, store: kind.into(), revision, entries })
    }

    /// Reads it from a file.
    ///
    /// # Errors
    /// It is something else, or of a later schema.
    pub(crate) fn read(name: &str, bytes: &[u8]) -> Result<Live, Problem> {
        let live: Live = serde_json::from_slice(bytes).map_err(|error| {
            Problem::new(Kind::Invalid, format!("is not the state of a cluster: {error}"))
                .at(name)
                .hint("write one with `callboard rehearse … --save-state FILE`")
        })?;
        if live.schema > SCHEMA {
            let what = format!("is of schema {}, and this version reads {SCHEMA}", live.schema);
            return Err(Problem::new(Kind::Invalid, what)
                .at(name)
                .hint("use a `callboard` as new as the one that wrote it"));
        }
        Ok(live)
    }

    /// Gives the configuration that is in it.
    pub(crate) fn desired(&self) -> Desired {
        Desired::among(&self.entries)
    }

    /// Describes its hosts.
    fn registrations(&self) -> BTreeMap<Name, Registration> {
        let records = self.entries.iter().filter_map(|entry| {
            let Some(Key::Registration(host)) = Key::parse(&entry.key) else { return None };
            Some((host, serde_json::from_str(&entry.value).ok()?))
        });
        records.collect()
    }
}

/// Gives a fingerprint of a configuration as it is stored: another one when anybody wrote any of it.
pub(crate) fn fingerprint<'a>(config: impl IntoIterator<Item = &'a Arc<Entry>>) -> String {
    let all = config.into_iter().fold(0, |all, entry| mix(mix(all, hash(&entry.key)), entry.revision.0));
    format!("{all:016x}")
}

/// What is asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Question {
    /// Hosts to drain.
    pub(crate) drain: Vec<String>,
    /// Hosts to lose.
    pub(crate) lose: Vec<Loss>,
    /// How long after the change they are lost; `None`: each seed draws a time.
    pub(crate) lose_after: Option<Span>,
    /// How versions behave.
    pub(crate) assume: Vec<Assumption>,
    /// What goes wrong beside it.
    pub(crate) mishaps: Mishaps,
    /// How far into the future is looked.
    pub(crate) until: Span,
    /// How many seeds, and the first.
    pub(crate) seeds: u64,
    pub(crate) first_seed: u64,
}

/// What is played, and what is to be said of it.
#[derive(Debug)]
pub(crate) struct Rehearsing {
    live: Live,
    proposal: Proposal,
    pub(crate) applied: Applied,
}

impl Rehearsing {
    /// Makes what is played of what is asked.
    ///
    /// # Errors
    /// The configuration does not fit the cluster, or what is named is not there.
    pub(crate) fn new(
        live: Live,
        wanted: Option<&Sourced<Configuration>>,
        asked: &Question,
    ) -> Result<Rehearsing, Problem> {
        let desired = live.desired();
        let mut writes = wanted.map(|wanted| desired.writes(wanted)).transpose()?.unwrap_or_default();
        let hosts = live.registrations();
        for host in &asked.drain {
            if !hosts.contains_key(host.as_str()) {
                return Err(Problem::unknown("host", host, "hosts"));
            }
            writes.push(desired.drained(host, true)?);
        }
        let applied = change::summary(&desired.stored, &writes);
        let mut lose = Vec::new();
        for loss in &asked.lose {
            lose.extend(loss.hosts(&hosts)?);
        }
        lose.sort_unstable();
        lose.dedup();
        let proposal = Proposal {
            change: writes.into_iter().map(key_and_value).collect(),
            lose,
            lose_after: asked.lose_after,
            assume: asked.assume.iter().map(|assumption| assumption.build.clone()).collect(),
            mishaps: asked.mishaps,
            store: StoreKind::named(&live.store).unwrap_or_default(),
            until: asked.until,
        };
        Ok(Rehearsing { live, proposal, applied })
    }

    /// Plays it with each seed, on all cores. `played` is told after each.
    pub(crate) fn play(&self, asked: &Question, mut played: impl FnMut()) -> Forecast {
        let mut forecast = Forecast::new(self.live.revision, &self.applied, asked);
        let seed = |index: u64| asked.first_seed.saturating_add(index);
        let work = |index| rehearse(&self.live.entries, &self.proposal, seed(index));
        let mut next = 0;
        in_order(cores(), asked.seeds, work, |rehearsal| {
            forecast.take(seed(next), rehearsal);
            next += 1;
            played();
            ControlFlow::Continue(())
        });
        forecast.end();
        forecast
    }

    /// Plays it with one seed, and keeps what that looks like over time.
    fn record(&self, seed: u64) -> (Scenario, Outcome) {
        record(&self.live.entries, &self.proposal, seed)
    }
}

/// Gives a write as the simulator takes it.
pub(crate) fn key_and_value(write: Write) -> (String, Option<String>) {
    match write {
        Write::Put(key, value) => (key.path(), Some(value)),
        Write::Delete(key) => (key.path(), None),
    }
}

/// Makes a build of a version that behaves in a way that has a name.
fn build(task: &str, version: u32, change: impl FnOnce(&mut Build)) -> Build {
    let mut build = Build::sound(task.into(), version);
    change(&mut build);
    build
}
