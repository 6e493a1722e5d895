//! Examines a store: its servers, its records, and what was left behind. Nothing is written.
//!
//! **Invariant:** what a cluster at work does in passing is no finding: what is found in the records must be there at a
//! second look, too.

mod records;

use callboard_backends::{Diagnosis, Store, StoreError};
use callboard_core::keys;
use callboard_core::store::Entry;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long after the first look the second one is taken: an agent has cleaned up by then.
const SECOND_LOOK: Duration = Duration::from_secs(3);
/// A store that takes longer to answer than this delays whatever is planned.
const SLOW: Duration = Duration::from_millis(500);
/// Clocks further apart than this make logs hard to compare; nothing else depends on them.
const CLOCK_APART: SignedDuration = SignedDuration::from_secs(5);
/// All prefixes that are ours.
const PREFIXES: [&str; 6] = [keys::CONFIG, keys::STATE, keys::SCHEDULERS, keys::HOSTS, keys::STATUS, "meta/"];

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Level {
    /// It does harm.
    Wrong,
    /// It may come to do harm.
    Warning,
    /// It is so.
    Fact,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) level: Level,
    /// What it is.
    pub(crate) what: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

impl Finding {
    pub(crate) fn wrong(what: impl Into<String>, next: impl Into<String>) -> Finding {
        Finding { level: Level::Wrong, what: what.into(), next: Some(next.into()) }
    }

    pub(crate) fn warning(what: impl Into<String>, next: impl Into<String>) -> Finding {
        Finding { level: Level::Warning, what: what.into(), next: Some(next.into()) }
    }

    pub(crate) fn fact(what: impl Into<String>) -> Finding {
        Finding { level: Level::Fact, what: what.into(), next: None }
    }
}

/// Examines a store; the worst comes first.
///
/// # Errors
/// It cannot be asked.
pub(crate) async fn examine(store: &dyn Store) -> Result<Vec<Finding>, StoreError> {
    let began = Instant::now();
    let mut entries = read(store).await?;
    let took = began.elapsed();
    let mut findings = condition(store.diagnose().await?);
    let what = format!("{} records read in {} ms", entries.len(), took.as_millis());
    findings.push(if took > SLOW {
        Finding::warning(
            what,
            "look at the store's load and disks, and at the way to it: planning waits for it",
        )
    } else {
        Finding::fact(what)
    });
    let mut found = records::examine(&entries);
    if found.iter().any(|finding| finding.level != Level::Fact) {
        tokio::time::sleep(SECOND_LOOK).await;
        entries = read(store).await?;
        let again = records::examine(&entries);
        found.retain(|finding| again.contains(finding));
    }
    findings.extend(found);
    findings.sort_by_key(|finding| finding.level);
    Ok(findings)
}

async fn read(store: &dyn Store) -> Result<Vec<Arc<Entry>>, StoreError> {
    let mut entries = Vec::new();
    for prefix in PREFIXES {
        entries.extend(store.list(prefix).await?.entries);
    }
    Ok(entries)
}

fn condition(diagnosis: Diagnosis) -> Vec<Finding> {
    let mut findings: Vec<Finding> = diagnosis.facts.into_iter().map(Finding::fact).collect();
    findings.extend(diagnosis.troubles.into_iter().map(|trouble| {
        let level = if trouble.urgent { Level::Wrong } else { Level::Warning };
        Finding { level, what: trouble.what, next: Some(trouble.next) }
    }));
    findings.extend(diagnosis.date.and_then(|date| clock(&date, Timestamp::now())));
    findings
}

/// Compares the store's clock with ours.
fn clock(date: &str, now: Timestamp) -> Option<Finding> {
    let theirs = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    let apart = now.duration_since(theirs).abs();
    let what = format!("the store's clock and this machine's are {} s apart", apart.as_secs());
    Some(if apart > CLOCK_APART {
        Finding::warning(what, "have both follow a time server; Callboard itself compares no clocks, logs do")
    } else {
        Finding::fact(what)
    })
}

#[cfg(test)]
mod tests;
