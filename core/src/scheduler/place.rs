//! Where a task goes, by the world's fleet and what is known beside it: which hosts failed a service, and whose ledgers
//! cannot be written.

use crate::keys::{Key, task_id};
use crate::machine::{Span, Time};
use crate::model::{
    Choice, Claim, HOST_LABEL, Kind, Limit, Name, Placement, Policy, Service, Task, TaskDefinition, Try,
    Version,
};
use crate::placement::{Crowd, Departure, Identity, Need, Obstacle, Placer, Reasons, Search, View};
use crate::world::{Avoided, Blocked, GroupKey, Presence, World};
use alloc::borrow::Cow;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// One more task of a service, that is to be placed.
pub(crate) struct Candidate<'a> {
    world: &'a World,
    now: Time,
    key: &'a GroupKey,
    definition: &'a TaskDefinition,
    pub(super) need: Need,
    /// Where the service's own tasks are, those that went with their hosts only where nothing limits how many are where.
    own: Cow<'a, Crowd>,
    others: Vec<Cow<'a, Crowd>>,
    closed: BTreeSet<u32>,
    /// It shall run to its end.
    once: Option<Try>,
}

/// Where a task would lie better.
pub(crate) struct Better {
    pub(crate) host: Name,
    /// Percent.
    pub(crate) gain: u32,
    /// The figures of where it is, and of where it would be, both without it.
    pub(crate) why: String,
}

/// For so long after a host may be tried again those are preferred where the service has not failed.
const REMEMBERED: Span = Span::secs(3600);

static NOBODY: Crowd = Crowd::new();

impl<'a> Candidate<'a> {
    pub(crate) fn new(
        world: &'a World,
        now: Time,
        key: &'a GroupKey,
        service: &Service,
        definition: &'a TaskDefinition,
    ) -> Candidate<'a> {
        let policy = world.clusters.get(&key.0).map_or(Policy::default(), |cluster| cluster.policy);
        let need = Need::of(definition, &wishes(world, &key.1, service), policy);
        let others = need.neighbors().map(|(service, is_apart)| crowd_of(world, service, is_apart)).collect();
        let mut closed = closed_to(world, now, &key.1);
        closed.extend(world.promised_to_others(&key.1).filter_map(|(host, _)| world.fleet.find(host)));
        let once = match service.kind {
            Kind::Service | Kind::System => None,
            Kind::Batch(batch) => Some(Try { time_limit: batch.time_limit }),
        };
        let own = own_crowd(world, key, &need);
        let mut candidate = Candidate { world, now, key, definition, need, own, others, closed, once };
        // One of a system service goes to each host, and where hosts bid, they say themselves how well it would lie.
        let is_bid = world.clusters.get(&key.0).is_some_and(|cluster| cluster.placement == Choice::Bid);
        if service.kind != Kind::System && !is_bid {
            candidate.pass_over();
        }
        candidate
    }

    /// Closes the hosts where the service failed not long ago, though it may be tried there again, for as long as it fits on
    /// another: else it would go from one bad host to the next as soon as the first may be tried again.
    fn pass_over(&mut self) {
        let (now, world) = (self.now, self.world);
        let is_remembered = |avoided: &Avoided| avoided.until <= now && now < avoided.until + REMEMBERED;
        let hosts = avoided_by(world, &self.key.1).filter(|(_, avoided)| is_remembered(avoided));
        let mut closed: BTreeSet<u32> = hosts.filter_map(|(host, _)| world.fleet.find(host)).collect();
        if closed.is_empty() {
            return;
        }
        closed.extend(&self.closed);
        let view = View { closed: &closed, ..self.view() };
        if Search::new(&self.need, view).next(view).is_some() {
            self.closed = closed;
        }
    }

    pub(super) fn view(&self) -> View<'_> {
        let group = self.world.groups.get(self.key);
        View {
            fleet: &self.world.fleet,
            own: &self.own,
            others: &self.others,
            closed: &self.closed,
            last: group.and_then(|group| group.placed.last_key_value()).map(|((_, row), _)| *row),
        }
    }

    /// Makes the record of the task, on the best host.
    pub(crate) fn place(&self, tenure: u64) -> Option<Task> {
        let view = self.view();
        let (id, instance) = free_id(self.world, self.key, self.definition.version);
        let identity = Identity { id, instance, generation: self.world.next_generation() };
        let mut placer = Placer::new(&self.need, self.definition, self.key.clone(), tenure, view);
        placer.next(view, identity).map(|(_, task)| Task { once: self.once.clone(), ..task })
    }

    /// Chooses so many of the service's tasks, those that go first when there are too many.
    pub(crate) fn departing(&self, mut tasks: Vec<Arc<Task>>, most: usize) -> Vec<Name> {
        let row_of = |task: &Arc<Task>| self.world.fleet.find(&task.host);
        let mut left = Crowd::new();
        tasks.iter().filter_map(row_of).for_each(|row| *left.entry(row).or_insert(0) += 1);
        let view = View { own: &left, ..self.view() };
        let mut departure = Departure::new(&self.need, view);
        let mut gone = Vec::new();
        while gone.len() < most {
            let last = (0..tasks.len()).max_by_key(|at| {
                let task = &tasks[*at];
                (row_of(task).map(|row| departure.order(view, row)), task.generation)
            });
            let Some(last) = last else { break };
            let task = tasks.swap_remove(last);
            row_of(&task).into_iter().for_each(|row| departure.count(view, row));
            gone.push(task.id.clone());
        }
        gone
    }

    /// Finds where a task of the service would lie better than where it is, not on any of these hosts.
    pub(crate) fn better_for(mut self, task: &Task, not_to: &BTreeSet<Name>) -> Option<Better> {
        let from = self.world.fleet.find(&task.host)?;
        self.closed.insert(from);
        self.closed.extend(not_to.iter().filter_map(|host| self.world.fleet.find(host)));
        let mut own = self.view().own.clone();
        if let Some(count) = own.get_mut(&from) {
            *count = count.saturating_sub(1);
        }
        own.retain(|_, count| *count > 0);
        let view = View { own: &own, ..self.view() };
        let to = Search::new(&self.need, view).next(view)?;
        let mut without = self.world.fleet.row(from).clone();
        without.give_back(&Claim::of(task));
        let reasons = Reasons::new(&self.need, view);
        let figures = |row| {
            let terms: Vec<String> = reasons.terms(row).iter().map(|term| format!("{term}")).collect();
            format!("{}: {}", self.world.fleet.row(row).host, terms.join(", "))
        };
        let why = format!("{}; {}", figures(from), figures(to));
        let host = self.world.fleet.row(to).host.clone();
        Some(Better { host, gain: reasons.gain((from, &without), to), why })
    }

    /// Tells whether the task could go to where another one is if that were not there, or elsewhere, where a limit of the
    /// service lets it in then.
    pub(crate) fn could_follow(&self, leaving: &Task) -> bool {
        let Some(row) = self.world.fleet.find(&leaving.host) else { return false };
        let mut without = self.world.fleet.row(row).clone();
        without.give_back(&Claim::of(leaving));
        let mut view = self.view();
        let mut own = view.own.clone();
        if (&leaving.cluster, &leaving.service) == (&self.key.0, &self.key.1)
            && let Some(count) = own.get_mut(&row)
        {
            // What it leaves behind is within the service's own limits, too.
            *count = count.saturating_sub(1);
        }
        own.retain(|_, count| *count > 0);
        view.own = &own;
        let reasons = Reasons::new(&self.need, view);
        let fits = self.of_host(&leaving.host).is_empty() && reasons.first_on(row, &without).is_none();
        fits || self.need.limits_labels() && Search::new(&self.need, view).next(view).is_some()
    }

    /// Makes the record of the task on one host, which has room for it.
    pub(crate) fn place_on(&self, row: u32, tenure: u64) -> Option<Task> {
        let view = self.view();
        let (id, instance) = free_id(self.world, self.key, self.definition.version);
        let identity = Identity { id, instance, generation: self.world.next_generation() };
        let placer = Placer::new(&self.need, self.definition, self.key.clone(), tenure, view);
        placer.record(view, row, identity).map(|task| Task { once: self.once.clone(), ..task })
    }

    /// Finds the hosts that are best for the task, up to so many, the best first.
    pub(super) fn best(&self, most: usize) -> Vec<u32> {
        let mut closed = self.closed.clone();
        let mut best = Vec::new();
        while best.len() < most {
            let view = View { closed: &closed, ..self.view() };
            let Some(row) = Search::new(&self.need, view).next(view) else { break };
            closed.insert(row);
            best.push(row);
        }
        best
    }

    /// Finds the first obstacle that each of these hosts puts in the way.
    pub(crate) fn first_obstacles(&self, rows: Vec<u32>) -> Vec<(u32, Option<Obstacle>)> {
        let reasons = Reasons::new(&self.need, self.view());
        let first = |row: u32| {
            let host = &self.world.fleet.row(row).host;
            (row, self.of_host(host).into_iter().next().or_else(|| reasons.first(row)))
        };
        rows.into_iter().map(first).collect()
    }

    /// Counts hosts by the first obstacle they put in the way.
    pub(crate) fn blocked(&self, missing: u32) -> Blocked {
        let rows = self.world.fleet.iter().map(|(row, _)| row).collect();
        let found = self.first_obstacles(rows).into_iter().filter_map(|(_, obstacle)| obstacle);
        Blocked { missing, why: counted(found.map(|obstacle| obstacle.kind())) }
    }

    /// Finds what closes a host to this task, whatever it is and has.
    pub(super) fn of_host(&self, name: &Name) -> Vec<Obstacle> {
        let Some(host) = self.world.hosts.get(name) else { return alloc::vec![Obstacle::Unregistered] };
        let ledger = self.world.ledger_fault(name).map(Obstacle::Ledger);
        let avoided = self.world.avoided.get(&(self.key.1.clone(), name.clone()));
        let is_closed = self.world.fleet.find(name).is_some_and(|row| self.closed.contains(&row));
        let is_passed_over = |avoided: &Avoided| is_closed && self.now < avoided.until + REMEMBERED;
        let avoided = avoided.filter(|it| it.until > self.now || is_passed_over(it)).map(|avoided| {
            let Avoided { until, times, why, .. } = avoided;
            Obstacle::Avoided { again_in: until.since(self.now), times: *times, why: why.clone() }
        });
        let mut promised = self.world.promised_to_others(&self.key.1).filter(|(host, _)| *host == name);
        let promised = promised.next().map(|(_, service)| Obstacle::Promised(service.clone()));
        let unfit = host.usage.as_ref().and_then(|usage| self.need.unfit_for(&usage.unfit_for));
        host.closed(self.now).into_iter().chain(unfit).chain(ledger).chain(avoided).chain(promised).collect()
    }
}

/// Gives what a service says of its hosts, with what others say of it: who keeps away from a service is not come near by
/// it either; and there is one task of a system service on a host.
fn wishes<'a>(world: &World, name: &Name, service: &'a Service) -> Cow<'a, Placement> {
    let mut wishes = Cow::Borrowed(&service.placement);
    if service.kind == Kind::System {
        wishes.to_mut().limit = alloc::vec![Limit { same: HOST_LABEL.into(), tasks: 1 }];
    }
    let shunning = world.shunning(name);
    if !shunning.is_empty() {
        wishes.to_mut().apart.extend(shunning);
    }
    wishes
}

/// Counts hosts by what is the matter with them, the most frequent first.
pub(crate) fn counted(kinds: impl Iterator<Item = String>) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    kinds.for_each(|kind| *counts.entry(kind).or_insert(0) += 1);
    if counts.is_empty() {
        return "there is no host".into();
    }
    let mut ordered: Vec<(usize, String)> = counts.into_iter().map(|(kind, count)| (count, kind)).collect();
    ordered.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let parts: Vec<String> = ordered
        .into_iter()
        .map(|(count, kind)| format!("{count} {} {kind}", if count == 1 { "host" } else { "hosts" }))
        .collect();
    parts.join("; ")
}

/// Gives the hosts that are closed to a service: it failed there of late, or their ledgers cannot be written.
fn closed_to(world: &World, now: Time, service: &Name) -> BTreeSet<u32> {
    let avoided = avoided_by(world, service).filter(|(_, avoided)| avoided.until > now);
    let avoided = avoided.map(|(host, _)| host.clone());
    let kept = world.untouchable.keys().filter_map(|key| match Key::parse(key) {
        Some(Key::Ledger(host)) => Some(host),
        Some(_) | None => None,
    });
    avoided.chain(kept).filter_map(|host| world.fleet.find(&host)).collect()
}

/// Lists the hosts where a service has failed.
fn avoided_by<'a>(world: &'a World, service: &Name) -> impl Iterator<Item = (&'a Name, &'a Avoided)> {
    let (from, service) = ((service.clone(), Name::from("")), service.clone());
    let of_service = world.avoided.range(from..).take_while(move |((of, _), _)| *of == service);
    of_service.map(|((_, host), avoided)| (host, avoided))
}

/// Gives where the tasks are of the service that is placed. One that is lost is replaced, and takes no part of a limit then.
fn own_crowd<'a>(world: &'a World, key: &GroupKey, need: &Need) -> Cow<'a, Crowd> {
    let crowd = world.groups.get(key).map_or(&NOBODY, |group| &group.crowd);
    let is_lost = |row: &u32| {
        let host = world.hosts.get(&world.fleet.row(*row).host);
        host.is_none_or(|host| host.presence == Presence::Lost)
    };
    if need.limits_labels() && crowd.keys().any(is_lost) {
        return Cow::Owned(
            crowd.iter().filter(|(row, _)| !is_lost(row)).map(|(row, n)| (*row, *n)).collect(),
        );
    }
    Cow::Borrowed(crowd)
}

/// Gives where the tasks of a service are, in the cluster that lists it; for one that keeps away, also where some run that
/// have no record, and may get theirs again.
fn crowd_of<'a>(world: &'a World, service: &Name, is_apart: bool) -> Cow<'a, Crowd> {
    let Some(home) = world.homes.get(service) else { return Cow::Borrowed(&NOBODY) };
    let key = (home.clone(), service.clone());
    let mut crowd = Cow::Borrowed(world.groups.get(&key).map_or(&NOBODY, |group| &group.crowd));
    if is_apart {
        let orphans = world.orphans_of(&key);
        let rows = orphans.iter().filter_map(|orphan| world.fleet.find(&orphan.host));
        rows.for_each(|row| *crowd.to_mut().entry(row).or_insert(0) += 1);
    }
    crowd
}

/// Finds an id under which there is no task, nor anything that might be one.
fn free_id(world: &World, key: &GroupKey, version: Version) -> (Name, u32) {
    let mut least = 0;
    loop {
        let instance = world.groups.get(key).map_or(least, |group| group.free_instance(version, least));
        let id = task_id(&key.0, &key.1, version, instance);
        // A foreign record may speak of the same instance under another id, and a copy without a record still holds room.
        let is_taken = world.tasks.contains_key(&id) || world.is_orphan(key, &id) || world.is_stray(&id);
        if !is_taken && !world.is_untouchable(&Key::Task(id.clone())) {
            return (id, instance);
        }
        least = instance + 1;
    }
}
