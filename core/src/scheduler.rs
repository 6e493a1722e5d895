//! The scheduler machine: takes the locks of its clusters and issues tasks to hosts. It calls the phases in order; what
//! they decide is theirs.
//!
//! **Invariants:** one transaction is in flight at a time, and nothing is planned meanwhile; after an outcome that is
//! not known, or a refusal, the keys concerned are read again before anything is planned; nothing is planned for a cluster
//! before all that was written under earlier tenures has been seen, nor on a copy that was not followed a moment ago.

mod adopt;
mod batch;
mod bids;
mod brake;
mod campaign;
mod completion;
mod exclusive;
mod explain;
mod place;
mod preempt;
mod quarantine;
mod reconcile;
mod repair;
mod reprieve;
mod restore;
mod retire;
mod rollout;
mod round;
mod sequence;
mod surplus;
mod system;
mod writes;

pub use explain::{Explanation, HostReason, explain};
pub(crate) use place::{Better, Candidate};
pub use preempt::{Sacrifice, sacrifice};

use crate::keys;
use crate::machine::{Machine, Span, Time, Wake};
use crate::mirror::{Mirror, News};
use crate::model::{Kind, Name};
use crate::session::{Session, SessionNews};
use crate::store::{Reply, Request, Revision};
use crate::why::Note;
use crate::world::{GroupKey, Timer, World};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use batch::Batch;
use brake::Brake;
use round::{Created, Round};
use sequence::Sequence;
use serde::{Deserialize, Serialize};
use writes::Writes;

/// What a scheduler is told at its start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Looks after clusters that name this scheduler.
    pub name: Name,
    /// Names this process among several of the same name; shown in the lock.
    pub instance: String,
    /// How long its locks outlive its last word.
    pub ttl: Span,
    /// How long a burst of changes is collected before it is planned.
    pub plan_delay: Span,
}

/// Whoever is woken so long after the time that it asked for has stood still, and news wait to be heard.
const STANDSTILL: Span = Span::secs(1);

/// So long after there was something to decide it is told that nothing can be.
const UNDECIDED: Span = Span::secs(15);

/// What happens to a scheduler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// The time it asked for has come.
    Wake,
    /// The store answered.
    Store(Reply),
    /// It shall end; its locks are given back at once.
    Shutdown,
}

/// What a scheduler wants done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// Ask the store.
    Store(Request),
    /// Tell the operator.
    Note(Note),
}

/// A scheduler process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Scheduler {
    settings: Settings,
    world: World,
    mirror: Mirror,
    session: Session,
    writes: Writes,
    /// Clusters whose lock is held, with the tenure, and whether all groups of it have been marked for planning.
    tenures: BTreeMap<Name, Tenure>,
    brake: Brake,
    /// When the changes collected so far are planned.
    plan_at: Option<Time>,
    /// The cluster whose turn was last.
    last: Option<Name>,
    /// What agents say of their tasks could not be followed for a while.
    blind: bool,
    /// Since when something is to be decided, and what is known is too old for that; and whether that was told.
    #[serde(default)]
    undecided: Option<(Time, bool)>,
    /// It stood still, has put off planning for the news that wait, and has not planned since.
    #[serde(default)]
    late: bool,
    closed: bool,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Tenure {
    revision: Revision,
    /// The world has caught up with the store as of this tenure's beginning.
    ready: bool,
}

const PREFIXES: [&str; 6] =
    [keys::CONFIG, keys::STATE, keys::SCHEDULERS, keys::HOSTS, keys::STATUS, keys::META];

impl Scheduler {
    /// Makes a scheduler that knows nothing yet.
    #[must_use]
    pub fn new(settings: Settings) -> Scheduler {
        let name = format!("scheduler {} {}", settings.name, settings.instance);
        Scheduler {
            mirror: Mirror::new(PREFIXES.map(String::from), &name),
            session: Session::new(&name, settings.ttl),
            writes: Writes::default(),
            world: World::default(),
            tenures: BTreeMap::new(),
            brake: Brake::default(),
            plan_at: None,
            last: None,
            blind: false,
            undecided: None,
            late: false,
            closed: false,
            settings,
        }
    }

    /// Gives what it was told at its start.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Gives all it knows.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Tells whether it holds a cluster's lock, and since which revision.
    #[must_use]
    pub fn tenure(&self, cluster: &str) -> Option<Revision> {
        self.tenures.get(cluster).map(|tenure| tenure.revision)
    }

    /// Tells whether it has seen the whole store at least once.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.mirror.is_filled()
    }

    fn on_reply(&mut self, now: Time, reply: Reply, out: &mut Vec<Effect>) {
        let mut requests = Vec::new();
        if let Some(news) = self.session.reply(now, &reply) {
            self.on_session(news, out);
        }
        if self.writes.reply(now, &reply, &mut self.world) {
            self.after_write(now, out);
        }
        match self.mirror.reply(now, reply, &mut requests) {
            Some(News::Listed { prefix, listing, went_back }) => {
                self.world.replace(now, &prefix, &listing, went_back);
                if prefix == keys::STATUS && core::mem::take(&mut self.blind) {
                    self.world.be_patient(now);
                }
            }
            Some(News::Changed(changes)) => {
                for change in &changes {
                    self.world.change(now, change);
                }
            }
            Some(News::Trouble { prefix, why }) => {
                self.blind |= prefix == keys::STATUS;
                out.push(Effect::Note(Note::Store { what: format!("{prefix}: {why}") }));
            }
            None => {}
        }
        out.extend(requests.into_iter().map(Effect::Store));
    }

    fn on_session(&mut self, news: SessionNews, out: &mut Vec<Effect>) {
        match news {
            SessionNews::Opened(_) => {}
            SessionNews::Lost(_) => {
                let held: Vec<Name> = self.tenures.keys().cloned().collect();
                held.into_iter().for_each(|cluster| self.give_up(cluster, out));
            }
        }
    }

    /// Does what time alone brings about.
    fn on_time(&mut self, now: Time, out: &mut Vec<Effect>) {
        let mut requests = Vec::new();
        if let Some(news) = self.session.wake(now, &mut requests) {
            self.on_session(news, out);
        }
        self.mirror.wake(now, &mut requests);
        if self.writes.wake(now, &mut requests) {
            self.after_write(now, out);
        }
        out.extend(requests.into_iter().map(Effect::Store));
        let mut silent = Vec::new();
        while let Some((at, _)) = self.world.timers.first() {
            if *at > now {
                break;
            }
            match self.world.timers.pop_first() {
                Some((_, Timer::Task(id))) => {
                    self.world.reclassify(now, &id);
                    if let Some(view) = self.world.tasks.get(&id) {
                        let (cluster, service) = (view.task.cluster.clone(), view.task.service.clone());
                        self.world.touch(&cluster, &service);
                    }
                }
                Some((_, Timer::Host(host))) => silent.push(host),
                Some((_, Timer::Avoided((cluster, service)))) => self.world.touch(&cluster, &service),
                Some((_, Timer::Offered(service))) => self.world.touch_service(&service),
                Some((_, Timer::Recalled)) => self.world.end_recall(now),
                None => {}
            }
        }
        if !silent.is_empty() {
            self.brake.release(now, &mut self.world, &silent);
        }
    }

    fn can_plan(&self) -> bool {
        !self.closed && self.mirror.is_filled() && self.writes.is_idle() && self.session.id().is_some()
    }

    /// Campaigns and plans, if something is to be planned and the burst is over.
    fn work(&mut self, now: Time, out: &mut Vec<Effect>) {
        if !self.can_plan() {
            return;
        }
        if self.campaign(now, out) {
            return;
        }
        self.settle_in();
        let mut held = self.tenures.iter().filter(|(_, tenure)| tenure.ready);
        if !held.any(|(cluster, _)| self.world.dirty_after(cluster, None).next().is_some()) {
            (self.plan_at, self.late) = (None, false);
            return self.say_decided(out);
        }
        // What happened since nobody told may be the opposite of what would be decided on.
        if !self.mirror.is_followed(now) {
            (self.plan_at, self.late) = (None, false);
            self.say_undecided(now, out);
            return self.mirror.hasten(now);
        }
        self.say_decided(out);
        let due = *self.plan_at.get_or_insert(now + self.settings.plan_delay);
        if due <= now {
            (self.plan_at, self.late) = (None, false);
            self.plan(now, out);
        }
    }

    /// Takes note that all that was to be decided is, or can be.
    fn say_decided(&mut self, out: &mut Vec<Effect>) {
        if let Some((_, true)) = self.undecided.take() {
            out.push(Effect::Note(Note::Store { what: "services are decided on again".into() }));
        }
    }

    /// Tells, once and not at once, that nothing is decided because what is known is old.
    fn say_undecided(&mut self, now: Time, out: &mut Vec<Effect>) {
        let (since, told) = self.undecided.get_or_insert((now, false));
        if !*told && now.since(*since) >= UNDECIDED {
            *told = true;
            let of: Vec<&str> = self.mirror.unfollowed(now).collect();
            let what = format!("nothing was decided for {UNDECIDED}: {} cannot be followed", of.join(", "));
            out.push(Effect::Note(Note::Store { what }));
        }
    }

    /// Begins to plan for clusters whose lock was taken, once all of their earlier history has been seen.
    fn settle_in(&mut self) {
        if !self.mirror.is_caught_up() {
            return;
        }
        for (cluster, tenure) in &mut self.tenures {
            if tenure.ready {
                continue;
            }
            tenure.ready = true;
            let services = self.world.clusters.get(cluster).map(|of| of.services.clone()).unwrap_or_default();
            services.iter().for_each(|service| self.world.touch(cluster, service));
            let groups = self.world.groups.keys().chain(self.world.orphans.keys()).cloned();
            let states = self.world.service_states.values();
            let groups = groups.chain(states.map(|state| (state.cluster.clone(), state.service.clone())));
            let groups: Vec<GroupKey> = groups.filter(|key| key.0 == *cluster).collect();
            groups.iter().for_each(|key| self.world.touch_group(key));
        }
    }

    /// Fills one transaction with the steps of one cluster, and sends it.
    fn plan(&mut self, now: Time, out: &mut Vec<Effect>) {
        let Some(session) = self.session.id().cloned() else { return };
        for cluster in self.turn() {
            let Some(tenure) = self.tenures.get(&cluster).copied() else { continue };
            let mut batch = Batch::new(cluster.clone(), session.clone(), tenure.revision);
            if self.writes.is_failing() {
                batch.be_small();
            }
            batch.name_store(&mut self.world, &self.settings.instance);
            repair::mend(now, &mut self.world, &mut batch);
            let mut sequence = Sequence::new(cluster.clone());
            while let Some(key) = sequence.next(&mut self.world, batch.begun.take()) {
                if !plan_service(now, &mut self.world, &mut batch, &key) {
                    self.world.touch_group(&key);
                    break;
                }
                if !batch.has_room(1) {
                    break;
                }
            }
            if batch.is_empty() {
                out.extend(batch.notes.into_iter().map(Effect::Note));
                continue;
            }
            self.last = Some(cluster.clone());
            let (txn, notes) = batch.finish();
            out.push(Effect::Store(self.writes.send(now, txn, writes::Purpose::Plan(cluster), notes)));
            return;
        }
    }

    /// Gives the clusters that can be planned, the one after the last first.
    fn turn(&self) -> Vec<Name> {
        let mut ready: Vec<Name> = self
            .tenures
            .iter()
            .filter(|(_, tenure)| tenure.ready)
            .map(|(cluster, _)| cluster.clone())
            .collect();
        let after = ready.partition_point(|cluster| self.last.as_ref().is_some_and(|last| cluster <= last));
        ready.rotate_left(after);
        ready
    }
}

/// Plans one service of a cluster, phase by phase. Tells whether all of it fitted into the transaction.
fn plan_service(now: Time, world: &mut World, batch: &mut Batch, key: &GroupKey) -> bool {
    if let Some(why) = world.why_frozen(key) {
        reconcile::say_frozen(world, batch, key, why);
        return true;
    }
    let home = world.homes.get(&key.1).filter(|home| **home == key.0);
    let Some(service) = home.and_then(|_| world.services.get(&key.1)).cloned() else {
        if !bids::forget(now, world, batch, key) {
            return false;
        }
        return retire::plan_removal(now, world, batch, key);
    };
    if retire::waits_for_former_home(world, key, &service) {
        return true;
    }
    let before = world.service_states.get(&key.1).cloned();
    let state = rollout::resume(before.as_deref(), &service, &key.0, batch, world);
    let mut round = Round::begin(now, world, batch, key, service, state);
    let survey = (round.service.kind == Kind::System).then(|| round.survey());
    round.take_for_desired();
    round.blame_starts();
    round.collect();
    round.adopt();
    round.give_up_unhealthy();
    match (survey, round.service.kind) {
        (Some(survey), _) => round.cover(&survey),
        (None, Kind::Batch(batch)) => round.complete(&batch),
        (None, Kind::Service | Kind::System) => {
            round.replace_lost();
            let created = round.create();
            round.take_back(None);
            match round.restore(created) {
                Some(why) => round.say_blocked(round.missing(), Some(why)),
                None if created == Created::Later => {}
                None => round.tell_blocked(created),
            }
            round.scale_down();
            round.retire(created);
            round.make_room(created);
            round.finish_rollout();
        }
    }
    round.withdraw_idle();
    round.save(before.as_deref());
    !round.full
}

impl Machine for Scheduler {
    type Input = Input;
    type Effect = Effect;

    fn step(&mut self, now: Time, input: Input) -> Vec<Effect> {
        let mut out = Vec::new();
        // Whoever stood still first hears what has become meanwhile; who is always late plans all the same.
        let is_late = self.wake_at().is_some_and(|(due, _)| now.since(due) >= STANDSTILL);
        if is_late && !self.late {
            self.plan_at = self.plan_at.max(Some(now + self.settings.plan_delay));
            self.late = true;
        }
        match input {
            Input::Wake => {}
            Input::Store(reply) => self.on_reply(now, reply, &mut out),
            Input::Shutdown => {
                let mut requests = Vec::new();
                self.session.close(&mut requests);
                out.extend(requests.into_iter().map(Effect::Store));
                self.closed = true;
                self.tenures.clear();
            }
        }
        if !self.closed {
            self.on_time(now, &mut out);
            self.work(now, &mut out);
        }
        out.extend(self.world.take_notes().into_iter().map(Effect::Note));
        out
    }

    fn wake_at(&self) -> Option<(Time, Wake)> {
        if self.closed {
            return None;
        }
        let plan = self.plan_at.filter(|_| self.can_plan()).map(|at| (at, Wake::Plan));
        let session = self.session.wake_at().map(|at| (at, Wake::Session));
        let mirror = self.mirror.wake_at().map(|at| (at, Wake::Store));
        let writes = self.writes.wake_at().map(|at| (at, Wake::Store));
        let timer = self.world.timers.first().map(|(at, timer)| {
            let wake = match timer {
                Timer::Task(_) => Wake::Health,
                Timer::Host(_) => Wake::Host,
                Timer::Avoided(_) => Wake::Backoff,
                Timer::Offered(_) => Wake::Plan,
                Timer::Recalled => Wake::Host,
            };
            (*at, wake)
        });
        [plan, session, mirror, writes, timer].into_iter().flatten().min()
    }
}

/// Says what a scheduler writes into a lock, so that people can see who holds it.
fn lock_value(settings: &Settings) -> String {
    serde_json::json!({ "scheduler": &*settings.name, "instance": settings.instance }).to_string()
}
