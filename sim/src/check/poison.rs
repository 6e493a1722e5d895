//! S24: what takes down hosts, or their agents, as it is started goes no further than to a second one. What has proven
//! itself need not be blamed for what went down together with what has not. The store is told of each start before it is
//! ordered, or could not be told. An agent that ends in order, and could say so, blames nobody.

use super::record::{Place, RolloutRecord, ServiceStateRecord, Step, Text};
use super::{Book, By, Check, End, Fault, Findings, Seen};
use callboard_core::machine::{Span, Time};
use callboard_core::work::Order;
use std::collections::{BTreeMap, BTreeSet};

/// Remembers what agents say that the starts of each version took down.
#[derive(Clone, Default)]
pub(crate) struct Poison {
    blamed: BTreeMap<(Text, u32), Victims>,
    /// Versions that once did their work somewhere.
    worked: BTreeSet<(Text, u32)>,
    /// Until when somebody somewhere cannot be heard.
    deaf_until: Time,
    /// The last start that the store was told of.
    told: Option<(Time, Text, u64)>,
}

/// What each host said, and when that was enough.
#[derive(Clone, Default)]
struct Victims {
    hosts: BTreeMap<Text, Victim>,
    since: Option<Time>,
}

/// What a host said at most, of each task that it did not find at work afterwards.
#[derive(Clone, Default)]
struct Victim {
    times: BTreeMap<Text, u32>,
    /// When it said so last.
    said: Time,
    /// How often it went down before what is counted now had come.
    before: u32,
}

/// So many starts may take something down.
const MOST: u32 = 2;
/// How long the store may take to learn of a start.
const PATIENCE: Span = Span::secs(2);
/// How soon after a host is back that is taken into account.
const BOUND: Span = Span::secs(60);
/// How the reason begins why a version that takes down hosts is given up.
const QUARANTINED: &str = "quarantined";

impl Check for Poison {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        for write in seen.writes {
            match (&write.place, &seen.by) {
                (Place::Status { host, id }, By::Agent(_)) => {
                    self.hear(seen.book, host, id);
                    accuse(seen.book, host, id, found);
                }
                // Whatever users say of a service may mean that it is to be tried again.
                (Place::Service(name), By::User) => self.forgive(name),
                // In another cluster, or in one that was made anew, it begins anew.
                (Place::Cluster(_), By::User) => self.blamed.clear(),
                // Nor is what was remembered of it where somebody spoiled that.
                (Place::ServiceState(name), By::User | By::Stranger) => self.forgive(name),
                (_, By::Agent(_) | By::Scheduler | By::User | By::Stranger | By::Session) => {}
            }
        }
        for task in seen.created().filter(|task| !seen.book.goes_on(task)) {
            let victims = self.blamed.get(&(task.service.clone(), task.version));
            let since = victims.and_then(|victims| victims.since);
            let settled = since.is_some_and(|since| seen.book.now.since(since) > seen.book.lag);
            if settled && seen.book.trouble_until <= seen.book.now {
                let what = format!("{} came to {}, and its version is poison", task.id, task.host);
                found.blame("S24", what);
            }
        }
    }

    fn ordered(&mut self, book: &Book, host: &Text, order: &Order, found: &mut Findings) {
        let Order::Start(spec) = order else { return };
        let run = spec.run();
        let page = book.hosts.get(host);
        let status = page.and_then(|page| page.statuses.get(&run.id)).map(|status| &status.record);
        let is_told = status.is_some_and(|status| {
            let at = (status.generation, status.attempt, status.phase);
            !status.left && at >= (run.generation, run.attempt, Step::Starting)
        });
        let blamed = status.filter(|status| status.generation == run.generation);
        let issued = book.first_issued.get(&(run.id.clone(), run.generation));
        let is_known = book.amnesia.is_none_or(|then| issued.is_some_and(|at| *at > then));
        if blamed.is_some_and(|status| status.blamed >= MOST) && is_known {
            let what = format!("{} is started on {host}, where its starts took down the agent", run.id);
            found.blame("S24", what);
        }
        // What is started twice at once is told of once; that it is started twice is the business of S20.
        let start = Some((book.now, run.id.clone(), run.generation));
        if is_told {
            self.told = start;
            return;
        }
        let present = page.is_some_and(|page| page.alive && book.now.since(page.alive_since) > PATIENCE);
        let last = self.deaf_until.max(book.trouble_until);
        let hears = last == Time(0) || last + Span::secs(60) <= book.now;
        // Of what the store has no record nothing can be told.
        let twin = page.and_then(|page| page.twins.get(&run.id));
        let is_issued = twin.is_some_and(|twin| twin.generation == run.generation);
        if self.told != start && present && hears && is_issued && book.is_prompt {
            found.blame("S24", format!("{} was started on {host} before the store knew", run.id));
        }
    }

    fn fault(&mut self, book: &Book, fault: &Fault) {
        match fault {
            Fault::Amnesia => self.blamed.clear(),
            Fault::Unreachable { until, .. } => self.deaf_until = self.deaf_until.max(*until),
            // Whoever takes its place is not heard at once.
            Fault::Ended(_) => self.deaf_until = self.deaf_until.max(book.now),
            Fault::HostDown(_)
            | Fault::ClockJumped { .. }
            | Fault::Unfit { .. }
            | Fault::Trouble { .. }
            | Fault::Outage { .. } => {}
        }
    }

    fn end(&mut self, end: &End<'_>, found: &mut Findings) {
        let is_looked_after = |service: &Text| {
            let key = format!("state/services/{service}");
            end.book.is_wanted(service) && end.book.is_locked(service) && !end.book.junk.contains(&key)
        };
        if end.calm >= end.settle {
            let services = end.book.services.keys().filter(|service| is_looked_after(service));
            services.for_each(|service| absolve(end.book, service, found));
        }
    }
}

/// What a host is blamed for that was only not heard of is forgotten once it is back, and what is not poison is not given
/// up as such.
fn absolve(book: &Book, service: &Text, found: &mut Findings) {
    let Some(state) = book.services.get(service).and_then(|page| page.state.as_ref()) else { return };
    let is_back = |host: &Text| {
        let page = book.hosts.get(host).filter(|page| page.alive);
        page.is_some_and(|page| book.now.since(page.alive_since) > Span(BOUND.0 + book.lag.0))
    };
    let mut lost = state.blamed.iter().filter(|blame| blame.lost && state.condemns(blame.version));
    if let Some(blame) = lost.find(|blame| is_back(&blame.host)) {
        let (host, version) = (&blame.host, blame.version);
        found.blame("S24", format!("{service} version {version} is poison for {host}, which is back"));
    }
    if let RolloutRecord::Failed { reason } = &state.rollout
        && reason.starts_with(QUARANTINED)
        && !state.condemns(state.version)
    {
        found.blame("S24", format!("{service} is {reason}, and is not"));
    }
}

/// What is being started is not to blame for an agent that ended in order.
fn accuse(book: &Book, host: &Text, id: &Text, found: &mut Findings) {
    let status = book.hosts.get(host).and_then(|page| page.statuses.get(id));
    let times = status.map_or(0, |status| status.record.blamed);
    let falls = book.agent_falls.get(host).copied().unwrap_or(0);
    if times > falls {
        let what = format!("{id} took down the agent of {host} {times} times, which went down {falls} times");
        found.blame("S24", what);
    }
}

impl Poison {
    fn forgive(&mut self, name: &Text) {
        self.blamed.retain(|(service, _), _| service != name);
    }

    fn hear(&mut self, book: &Book, host: &Text, id: &Text) {
        let Some(page) = book.hosts.get(host) else { return };
        let Some(status) = page.statuses.get(id).map(|status| &status.record) else { return };
        let twin = page.twins.get(id).filter(|twin| twin.generation == status.generation && twin.runs());
        let Some(twin) = twin else { return };
        let version = (twin.service.clone(), twin.version);
        if status.is_healthy() || status.phase == Step::Completed {
            // It works there: whatever went down meanwhile, it was not because of it.
            if let Some(victims) = self.blamed.get_mut(&version) {
                victims.hosts.remove(host);
                victims.count(book.now);
            }
            self.worked.insert(version);
        } else if status.blamed > 0 && !(is_proven(book, &version) && self.is_beside_another(book, host)) {
            let has_worked = self.worked.contains(&version);
            let victims = self.blamed.entry(version).or_default();
            let victim = victims.hosts.entry(host.clone()).or_default();
            // What came when all had heard of that, of a version that never worked anywhere, took it down once more.
            let issued = book.first_issued.get(&(id.clone(), status.generation));
            let is_later = issued.is_some_and(|at| *at > victim.said + book.ignorance());
            if is_later && !has_worked && !victim.times.is_empty() {
                victim.before += victim.times.values().copied().max().unwrap_or(0);
                victim.times.clear();
            }
            let times = victim.times.entry(id.clone()).or_default();
            if status.blamed > *times {
                (*times, victim.said) = (status.blamed, book.now);
            }
            victims.count(book.now);
        }
    }

    /// Tells whether a version that has yet to prove itself does not work on a host, or is blamed for it: it may be that one
    /// that took the host down.
    fn is_beside_another(&self, book: &Book, host: &Text) -> bool {
        let unproven = |service: &Text, version: u32| !is_proven(book, &(service.clone(), version));
        let page = book.hosts.get(host);
        let mut twins = page.into_iter().flat_map(|page| page.twins.values());
        let here = twins.any(|twin| {
            let status = book.status(twin).map(|status| &status.record);
            status.is_some_and(|status| !status.is_healthy()) && unproven(&twin.service, twin.version)
        });
        let accused = |((service, version), victims): (&(Text, u32), &Victims)| {
            victims.hosts.contains_key(host) && unproven(service, *version)
        };
        // That is forgiven here with anything that users say of it, and remembered until they want another version.
        let remembered = |state: &ServiceStateRecord| {
            let mut blamed = state.blamed.iter().filter(|blame| blame.host == *host);
            blamed.any(|blame| blame.version == state.version && state.stable != Some(blame.version))
        };
        let mut states = book.services.values().filter_map(|page| page.state.as_ref());
        here || self.blamed.iter().any(accused) || states.any(remembered)
    }
}

impl Victims {
    /// Takes note of whether these are enough.
    fn count(&mut self, now: Time) {
        // What was being started together went down together.
        let times =
            self.hosts.values().map(|victim| victim.before + victim.times.values().max().unwrap_or(&0));
        let is_enough = times.sum::<u32>() >= MOST;
        self.since = self.since.filter(|_| is_enough).or(is_enough.then_some(now));
    }
}

/// Tells whether a version of a service has been healthy in full.
fn is_proven(book: &Book, (service, version): &(Text, u32)) -> bool {
    let state = book.services.get(service).and_then(|page| page.state.as_ref());
    state.is_some_and(|state| state.stable == Some(*version))
}
