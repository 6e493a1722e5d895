//! The checkers' own copy of what the store holds, and of what really lives. It is kept up after every committed
//! transaction and every birth and death, at a cost of what changed.

use super::page::{Alive, HostPage, ServicePage, StatusPage};
use super::record::{
    ClusterRecord, DefinitionRecord, LedgerRecord, Place, PolicyRecord, ServiceRecord, ServiceStateRecord,
    StatusRecord, TaskRecord, Text,
};
use callboard_core::machine::{Span, Time};
use callboard_core::store::{Change, Revision};
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the store holds and what lives.
#[derive(Clone, Debug, Default)]
pub(crate) struct Book {
    pub(crate) now: Time,
    /// From when on nothing goes wrong any more, as far as is known.
    pub(crate) calm_from: Time,
    pub(crate) tasks: BTreeMap<Text, Arc<TaskRecord>>,
    pub(crate) by_service: BTreeMap<Text, BTreeSet<Text>>,
    pub(crate) hosts: BTreeMap<Text, HostPage>,
    pub(crate) services: BTreeMap<Text, ServicePage>,
    pub(crate) clusters: BTreeMap<Text, ClusterRecord>,
    pub(crate) definitions: BTreeMap<(Text, u32), DefinitionRecord>,
    pub(crate) locks: BTreeMap<Text, u64>,
    /// Placements that somebody ordered to stop, took away or replaced, and when.
    pub(crate) ended: BTreeMap<(Text, u64), Time>,
    /// Where each id that lives, lives.
    pub(crate) live: BTreeMap<(Text, Text), Vec<Alive>>,
    /// When each placement first stood in the store.
    pub(crate) first_issued: BTreeMap<(Text, u64), Time>,
    /// Placements that others than schedulers issued.
    pub(crate) foreign: BTreeSet<(Text, u64)>,
    /// When lives of the agent of each host ended.
    pub(crate) agent_ends: BTreeMap<Text, Vec<Time>>,
    /// How many of them did not end in order.
    pub(crate) agent_falls: BTreeMap<Text, u32>,
    /// The service that each id that was ever issued is of.
    pub(crate) meant: BTreeMap<Text, Text>,
    /// The cluster that issued each id last.
    pub(crate) cluster_of: BTreeMap<Text, Text>,
    /// Placements that ran to their end, in truth, by which start of theirs.
    pub(crate) completed: BTreeMap<(Text, u64), u32>,
    /// When the store last lost something: it was put back or emptied.
    pub(crate) amnesia: Option<Time>,
    /// Since when the placements were healthy of which the store said so when it forgot.
    pub(crate) healthy_before: BTreeMap<(Text, u64), Time>,
    /// What tasks may do on each machine, in truth.
    pub(crate) rules: BTreeMap<Text, PolicyRecord>,
    /// Somebody wrote by hand what only machines may write.
    pub(crate) meddled: bool,
    /// Where something stands that is no record.
    pub(crate) junk: BTreeSet<String>,
    /// Hosts whose health checks say the opposite of what is so, and until when.
    pub(crate) lying: BTreeMap<Text, Time>,
    /// How slowly news may travel: whoever acts on what was true this long ago acts in good faith.
    pub(crate) lag: Span,
    /// How much longer whoever writes now may have heard of nothing.
    pub(crate) blindness: Span,
    /// Until when the executors of hosts do not tell of all that runs there.
    pub(crate) misled: BTreeMap<Text, Time>,
    /// Until when somebody who decides, or the store, may be unable to act.
    pub(crate) trouble_until: Time,
    /// Nothing that is sent gets lost or takes long by itself.
    pub(crate) is_prompt: bool,
}

/// One change with the record that it replaced.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) place: Place,
    pub(crate) key: String,
    pub(crate) revision: Revision,
    pub(crate) deleted: bool,
    /// What stood there was no record.
    pub(crate) mends: bool,
    /// The task record before, for tasks and twins.
    pub(crate) task_before: Option<Arc<TaskRecord>>,
    pub(crate) task_after: Option<Arc<TaskRecord>>,
    /// The status before, for statuses.
    pub(crate) status_before: Option<StatusRecord>,
    /// The ledger before, for ledgers.
    pub(crate) ledger_before: Option<LedgerRecord>,
    pub(crate) state_cluster: Option<Text>,
    /// A service was given another version.
    pub(crate) renews: bool,
    /// What was remembered of the service before, for that.
    pub(crate) state_before: Option<ServiceStateRecord>,
}

impl Write {
    /// Begins with what a change says of itself.
    fn of(place: Place, change: &Change) -> Write {
        Write {
            place,
            key: change.key().into(),
            revision: change.revision(),
            deleted: matches!(change, Change::Delete { .. }),
            mends: false,
            task_before: None,
            task_after: None,
            status_before: None,
            ledger_before: None,
            state_cluster: None,
            renews: false,
            state_before: None,
        }
    }
}

impl Book {
    /// Takes in one change and says what it replaced.
    pub(crate) fn take(&mut self, change: &Change) -> Write {
        let (key, value) = match change {
            Change::Put(entry) => (entry.key.as_str(), Some(entry)),
            Change::Delete { key, .. } => (key.as_str(), None),
        };
        let place = Place::of(key);
        let text = value.map(|entry| entry.value.as_str());
        let mut write = Write::of(place.clone(), change);
        let is_junk = match place {
            Place::Task(id) => {
                // What speaks of another task than its key is a record of none.
                let record = text.and_then(parse::<TaskRecord>).filter(|record| record.id == id);
                write.task_after = record.map(Arc::new);
                write.task_before = self.put_task(&id, write.task_after.clone());
                text.is_some() && write.task_after.is_none()
            }
            Place::Twin { host, id } => {
                let record = text.and_then(parse::<TaskRecord>).filter(|record| record.id == id);
                write.task_after = record.map(Arc::new);
                write.task_before = put(&mut self.page(&host).twins, id, write.task_after.clone());
                text.is_some() && write.task_after.is_none()
            }
            Place::Status { host, id } => {
                let known = |book: &mut Book| Some(book.page(&host).statuses.get(&id)?.record.clone());
                let (after, is_junk) = read(text, || known(self));
                write.status_before = self.put_status(&host, id, after);
                is_junk
            }
            Place::Ledger(host) => {
                let ledger = &mut self.page(&host).ledger;
                let (after, is_junk) = read(text, || Some(ledger.clone()));
                write.ledger_before = Some(std::mem::replace(ledger, after.unwrap_or_default()));
                is_junk
            }
            Place::ServiceState(service) => {
                let page = self.services.entry(service).or_default();
                let (after, is_junk) = read(text, || page.state.clone());
                write.state_cluster =
                    after.as_ref().or(page.state.as_ref()).map(|state| state.cluster.clone());
                write.state_before = std::mem::replace(&mut page.state, after);
                is_junk
            }
            Place::Lock(cluster) => {
                put(&mut self.locks, cluster, value.map(|entry| entry.revision.0));
                false
            }
            Place::Service(_) => {
                let version =
                    |book: &Book| Some(book.services.get(place.service()?)?.record.as_ref()?.task_version);
                let before = version(self);
                self.put_rest(place.clone(), text);
                write.renews = before.is_some() && before != version(self);
                false
            }
            Place::Cluster(_)
            | Place::Definition(..)
            | Place::HostConfig(_)
            | Place::Registration(_)
            | Place::Alive(_)
            | Place::Usage(_)
            | Place::Orphan { .. }
            | Place::Other => self.put_rest(place, text),
        };
        write.mends = !self.junk.is_empty() && self.junk.remove(key);
        if is_junk {
            self.junk.insert(key.into());
        }
        write
    }

    /// Takes in what nobody asks the former record of; tells whether it is a definition that cannot be read.
    fn put_rest(&mut self, place: Place, text: Option<&str>) -> bool {
        let now = self.now;
        match place {
            Place::Cluster(name) => match text.and_then(parse::<ClusterRecord>) {
                // One that speaks of another than its key is none.
                Some(record) if record.name != name => {}
                Some(record) => {
                    self.clusters.insert(name, record);
                }
                None if text.is_none() => {
                    self.clusters.remove(&name);
                }
                None => {}
            },
            Place::Service(name) => {
                let page = self.services.entry(name).or_default();
                let after: Option<ServiceRecord> = text.and_then(parse);
                page.rubbish = text.is_some() && after.is_none();
                // What is written as it was has been in force all the time.
                if !page.rubbish && page.record != after {
                    let before = std::mem::replace(&mut page.record, after);
                    page.made = if before.is_none() { Some(now) } else { page.made };
                    page.before = before.map(|record| (record, now));
                }
            }
            Place::Definition(name, version) => match text.and_then(parse) {
                Some(record) => {
                    self.definitions.insert((name, version), record);
                }
                None if text.is_none() => {
                    self.definitions.remove(&(name, version));
                }
                // What cannot be read changes nothing.
                None => return true,
            },
            Place::HostConfig(host) => {
                let page = self.page(&host);
                page.config = read(text, || page.config.take()).0;
                let draining = page.config.as_ref().is_some_and(|config| config.draining);
                page.draining_since = draining.then(|| page.draining_since.unwrap_or(now));
            }
            Place::Orphan { host, id } => {
                let orphans = &mut self.page(&host).orphans;
                match text.and_then(parse::<TaskRecord>) {
                    Some(record) => orphans.insert(id, record.generation),
                    None => orphans.remove(&id),
                };
            }
            Place::Registration(host) => {
                let page = self.page(&host);
                page.registration = read(text, || page.registration.take()).0;
            }
            Place::Usage(host) => {
                let page = self.page(&host);
                page.usage = read(text, || page.usage.take()).0;
            }
            Place::Alive(host) => {
                let page = self.page(&host);
                if page.alive != text.is_some() {
                    page.alive = text.is_some();
                    page.alive_since = now;
                    let ids: Vec<Text> = page.twins.keys().cloned().collect();
                    ids.iter().for_each(|id| self.recount(id, None));
                }
            }
            Place::Task(_)
            | Place::Twin { .. }
            | Place::Status { .. }
            | Place::Ledger(_)
            | Place::ServiceState(_)
            | Place::Lock(_)
            | Place::Other => {}
        }
        false
    }

    fn put_task(&mut self, id: &Text, after: Option<Arc<TaskRecord>>) -> Option<Arc<TaskRecord>> {
        let before = put(&mut self.tasks, id.clone(), after.clone());
        self.recount(id, before.as_deref());
        if let Some(old) = &before {
            let replaced = after.as_ref().is_none_or(|new| new.generation != old.generation || !new.runs());
            // An order may have been taken back in between: what counts is the last.
            let at = (id.clone(), old.generation);
            match (replaced, old.runs()) {
                (true, true) => {
                    self.ended.insert(at, self.now);
                }
                (true, false) => {
                    self.ended.entry(at).or_insert(self.now);
                }
                (false, _) => {}
            }
            if let Some(ids) = self.by_service.get_mut(&old.service) {
                ids.remove(id);
            }
        }
        if let Some(new) = &after {
            self.meant.insert(id.clone(), new.service.clone());
            self.cluster_of.insert(id.clone(), new.cluster.clone());
            self.first_issued.entry((id.clone(), new.generation)).or_insert(self.now);
            self.by_service.entry(new.service.clone()).or_default().insert(id.clone());
            if !new.runs() {
                self.ended.entry((id.clone(), new.generation)).or_insert(self.now);
            }
        }
        before
    }

    /// Keeps the counts of a task's service in step with the task.
    fn recount(&mut self, id: &Text, before: Option<&TaskRecord>) {
        if let Some(page) = before.and_then(|old| self.services.get_mut(&old.service)) {
            page.issued.remove(id);
            page.confirmed.remove(id);
        }
        let Some(task) = self.tasks.get(id).cloned() else { return };
        let confirmed = task.runs() && self.confirmed_now(&task);
        let page = self.services.entry(task.service.clone()).or_default();
        for (set, belongs) in [(&mut page.issued, task.runs()), (&mut page.confirmed, confirmed)] {
            if !belongs {
                set.remove(id);
            } else if !set.contains(id) {
                set.insert(id.clone());
            }
        }
    }

    fn put_status(&mut self, host: &Text, id: Text, after: Option<StatusRecord>) -> Option<StatusRecord> {
        let now = self.now;
        let statuses = &mut self.page(host).statuses;
        let before = statuses.remove(&id);
        if let Some(record) = after {
            let same = before.as_ref().is_some_and(|before| before.record.generation == record.generation);
            let was_healthy = before.as_ref().is_some_and(|before| before.record.is_healthy());
            let healthy_until = match (same, was_healthy) {
                (true, true) => Some(now),
                (true, false) => before.as_ref().and_then(|before| before.healthy_until),
                (false, _) => None,
            };
            let since = before.as_ref().and_then(|before| before.healthy_since).filter(|_| same);
            let healthy_since = record.is_healthy().then(|| since.unwrap_or(now));
            let former = match &before {
                Some(before) if same => before.former,
                Some(before) if was_healthy => Some((before.record.generation, now)),
                Some(_) | None => None,
            };
            statuses.insert(id.clone(), StatusPage { record, healthy_until, healthy_since, former });
        }
        self.recount(&id, None);
        before.map(|before| before.record)
    }

    pub(crate) fn page(&mut self, host: &Text) -> &mut HostPage {
        if !self.hosts.contains_key(host) {
            self.hosts.insert(host.clone(), HostPage::default());
        }
        self.hosts.entry(host.clone()).or_default()
    }

    /// Gives what the agent last said of this placement.
    pub(crate) fn status(&self, task: &TaskRecord) -> Option<&StatusPage> {
        let status = self.hosts.get(&task.host)?.statuses.get(&task.id)?;
        (status.record.generation == task.generation).then_some(status)
    }

    /// Gives how old the news may be on which whoever writes now acts in good faith.
    pub(crate) fn ignorance(&self) -> Span {
        Span(self.lag.0 + self.blindness.0)
    }

    /// Gives what a service said until so short a time ago that whoever writes now may go by it in good faith.
    pub(crate) fn of_late<'a>(&self, page: &'a ServicePage) -> Option<&'a ServiceRecord> {
        let before = page.before.as_ref().filter(|(_, at)| self.now.since(*at) <= self.ignorance());
        before.map(|(record, _)| record)
    }

    /// Tells whether whoever creates a task knows of another one: it has stood there for long enough, or the same has
    /// created it.
    pub(crate) fn is_known_to(&self, is_by_same: bool, other: &TaskRecord) -> bool {
        let placement = (other.id.clone(), other.generation);
        let is_old =
            self.first_issued.get(&placement).is_some_and(|at| self.now.since(*at) > self.ignorance());
        is_old || is_by_same && !self.foreign.contains(&placement)
    }

    /// Tells whether a placement is confirmed healthy, or was a moment ago.
    pub(crate) fn confirmed(&self, task: &TaskRecord) -> bool {
        let Some(page) = self.hosts.get(&task.host) else { return false };
        let lately = |at: Time| self.now.since(at) <= self.ignorance();
        let healthy = page.statuses.get(&task.id).is_some_and(|status| {
            let is_former = status.former.is_some_and(|(of, at)| of == task.generation && lately(at));
            let is_same = status.record.generation == task.generation;
            is_former || is_same && (status.record.is_healthy() || status.healthy_until.is_some_and(lately))
        });
        healthy && (page.alive || lately(page.alive_since))
    }

    /// Tells whether a placement is confirmed healthy at this very moment.
    pub(crate) fn confirmed_now(&self, task: &TaskRecord) -> bool {
        let alive = self.hosts.get(&task.host).is_some_and(|page| page.alive);
        alive && self.status(task).is_some_and(|status| status.record.is_healthy())
    }

    /// Tells whether a placement is confirmed healthy, and has been for so long that everybody can know.
    pub(crate) fn surely_confirmed(&self, task: &TaskRecord) -> bool {
        let since = self.hosts.get(&task.host).map(|page| page.alive_since);
        let healthy_since = self.status(task).and_then(|status| status.healthy_since);
        let long = |since: Option<Time>| since.is_some_and(|since| self.now.since(since) > self.ignorance());
        self.confirmed_now(task) && long(since) && long(healthy_since)
    }

    /// Tells whether an agent may keep what does its work and was told to stop: for some of this time it was not sure that
    /// enough others, which shall run, do theirs and have proven it.
    pub(crate) fn is_kept(&self, service: &str, during: Span) -> bool {
        let Some(page) = self.services.get(service) else { return false };
        let Some(record) = page.record.as_ref() else { return false };
        let long = Span(during.0 + record.proof().0 + self.lag.0);
        let since = |task: &TaskRecord| {
            let seen = self.hosts.get(&task.host).map(|page| page.alive_since)?;
            Some(self.status(task)?.healthy_since?.max(seen))
        };
        let tasks = page.confirmed.iter().filter_map(|id| self.tasks.get(id));
        let sure = tasks.filter(|task| since(task).is_some_and(|since| self.now.since(since) > long)).count();
        sure < record.floor() as usize
    }

    /// Tells whether somebody has said that a placement shall go: by an order, by taking it away, or by a later one.
    pub(crate) fn is_ended(&self, id: &Text, generation: u64) -> bool {
        let later = self.tasks.get(id).is_some_and(|task| task.generation > generation);
        later || self.ended.contains_key(&(id.clone(), generation))
    }

    /// Tells whether the store lost the record of what a process runs. Nobody has said
    /// that it shall go, and nobody can say that it shall stay.
    pub(crate) fn is_forgotten(&self, id: &Text, alive: &Alive) -> bool {
        let issued = self.first_issued.get(&(id.clone(), alive.generation));
        let before = issued.is_some_and(|issued| self.amnesia.is_some_and(|at| *issued <= at));
        before && self.tasks.get(id).is_none_or(|task| task.generation != alive.generation)
    }

    /// Tells whether a placement lives on its host, and the store did not lose its record at some time.
    pub(crate) fn still_lives(&self, host: &Text, task: &TaskRecord) -> bool {
        let issued = self.first_issued.get(&(task.id.clone(), task.generation));
        let lost = issued.is_none_or(|issued| self.amnesia.is_some_and(|at| *issued <= at));
        let here = self.live.get(&(host.clone(), task.id.clone())).into_iter().flatten();
        !lost && here.into_iter().any(|alive| alive.generation == task.generation)
    }

    /// Tells whether the agent of a host may take what lives there for gone: its executors do not tell of it.
    pub(crate) fn is_misled(&self, host: &Text) -> bool {
        self.misled.get(host).is_some_and(|until| self.now <= *until + Span::secs(10))
    }

    /// Tells whether the agent of a host may take what does its work there for ill, or did a moment ago: its checks say so.
    pub(crate) fn is_deceived(&self, host: &Text) -> bool {
        self.lying.get(host).is_some_and(|until| self.now <= *until + Span(30_000 + self.lag.0))
    }

    /// Tells whether a service is configured, and listed by a cluster.
    pub(crate) fn is_wanted(&self, service: &str) -> bool {
        let listed = || {
            let mut clusters = self.clusters.values();
            clusters.any(|cluster| cluster.services.iter().any(|listed| &**listed == service))
        };
        self.services.get(service).is_some_and(|page| page.record.is_some()) && listed()
    }

    /// Tells whether the cluster of a task lists its service.
    pub(crate) fn is_at_home(&self, task: &TaskRecord) -> bool {
        self.lists(&task.cluster, &task.service)
    }

    fn lists(&self, cluster: &Text, service: &Text) -> bool {
        self.clusters.get(cluster).is_some_and(|cluster| cluster.services.contains(service))
    }

    /// Tells whether what runs under an id is left alone: the store has forgotten it, and its cluster, which may be
    /// configured yet, does not list the service here.
    pub(crate) fn is_homeless(&self, id: &Text, alive: &Alive) -> bool {
        let home = self.cluster_of.get(id).zip(self.meant.get(id));
        home.is_none_or(|(cluster, service)| !self.lists(cluster, service)) && self.is_forgotten(id, alive)
    }

    /// Counts what does its work for a service and is left alone.
    pub(crate) fn homeless_of(&self, service: &Text) -> u32 {
        if self.amnesia.is_none() {
            return 0;
        }
        let of_service = self.live.iter().filter(|((_, id), _)| self.meant.get(id) == Some(service));
        let lives = of_service.flat_map(|((_, id), list)| list.iter().map(move |alive| (id, alive)));
        let left = lives.filter(|(id, alive)| alive.healthy && self.is_homeless(id, alive));
        u32::try_from(left.count()).unwrap_or(u32::MAX)
    }

    /// Tells whether a record is one that is written again, of a placement that runs already, or of which its agent says so.
    pub(crate) fn goes_on(&self, task: &TaskRecord) -> bool {
        if self.amnesia.is_none() && !self.meddled {
            return false;
        }
        let said = self.hosts.get(&task.host).and_then(|page| page.orphans.get(&task.id));
        let mut lives = self.live.get(&(task.host.clone(), task.id.clone())).into_iter().flatten();
        said == Some(&task.generation) || lives.any(|alive| alive.generation == task.generation)
    }

    /// Counts the tasks of a service over whose records junk stands: they are what they were before.
    pub(crate) fn unreadable_of(&self, service: &Text) -> usize {
        let ids = self.junk.iter().filter_map(|key| key.strip_prefix("state/tasks/_/"));
        ids.filter(|id| self.meant.get(*id) == Some(service)).count()
    }

    /// Tells whether a cluster that lists a service has a scheduler.
    pub(crate) fn is_locked(&self, service: &str) -> bool {
        let lists = |(name, cluster): (&Text, &ClusterRecord)| {
            cluster.services.iter().any(|listed| &**listed == service) && self.locks.contains_key(name)
        };
        self.clusters.iter().any(lists)
    }

    /// Walks through what lives on a host.
    pub(crate) fn lives_on<'a>(&'a self, host: &'a Text) -> impl Iterator<Item = &'a Alive> {
        let from = (host.clone(), Text::from(""));
        self.live.range(from..).take_while(move |((of, _), _)| of == host).flat_map(|(_, list)| list)
    }

    /// Walks through what is issued to a host. An order to stop what the store had forgotten is no task of its own, nor is a
    /// record under a key that it does not speak of.
    pub(crate) fn issued_to(&self, host: &str) -> impl Iterator<Item = &Arc<TaskRecord>> {
        let twins = self.hosts.get(host).into_iter().flat_map(|page| &page.twins);
        let meant =
            twins.filter(move |(id, twin)| twin.id == **id && &*twin.host == host).map(|(_, twin)| twin);
        meant
            .filter(|twin| twin.runs() || self.tasks.get(&twin.id).is_some_and(|task| task.host == twin.host))
    }

    /// Walks through the tasks of a service.
    pub(crate) fn tasks_of<'a>(&'a self, service: &str) -> impl Iterator<Item = &'a Arc<TaskRecord>> {
        self.by_service.get(service).into_iter().flatten().filter_map(|id| self.tasks.get(id))
    }

    /// Takes note that a life of the agent of a host is over, which ended in order or not.
    pub(crate) fn agent_ended(&mut self, host: Text, in_order: bool) {
        // An agent that the store does not take for alive cannot say that it ends.
        if !in_order || !self.hosts.get(&host).is_some_and(|page| page.alive) {
            *self.agent_falls.entry(host.clone()).or_default() += 1;
        }
        self.agent_ends.entry(host).or_default().push(self.now);
    }

    /// Forgets what the store held: it was put back or emptied. What lives is not touched, and nothing that vanished
    /// so counts as taken away by anybody.
    pub(crate) fn forget_store(&mut self) {
        self.amnesia = Some(self.now);
        let statuses = self.hosts.values().flat_map(|page| &page.statuses);
        self.healthy_before = statuses
            .filter_map(|(id, status)| Some(((id.clone(), status.record.generation), status.healthy_since?)))
            .collect();
        let truth: Vec<(Text, u32)> =
            self.services.iter().map(|(name, page)| (name.clone(), page.healthy)).collect();
        self.tasks.clear();
        self.by_service.clear();
        self.hosts.clear();
        self.clusters.clear();
        self.definitions.clear();
        self.locks.clear();
        self.junk.clear();
        self.services.clear();
        for (name, healthy) in truth {
            self.services.entry(name).or_default().healthy = healthy;
        }
    }
}

/// Puts something in a place, or empties it; gives what was there.
fn put<K: Ord, V>(places: &mut BTreeMap<K, V>, at: K, what: Option<V>) -> Option<V> {
    match what {
        Some(what) => places.insert(at, what),
        None => places.remove(&at),
    }
}

/// Reads a record, and tells whether it is none: then it does not take the place of one that could be read.
fn read<T: DeserializeOwned>(text: Option<&str>, known: impl FnOnce() -> Option<T>) -> (Option<T>, bool) {
    match text.map(parse) {
        Some(None) => (known(), true),
        read => (read.flatten(), false),
    }
}

fn parse<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok()
}
