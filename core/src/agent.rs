//! The agent machine: brings what runs on its host in line with what was issued to it, and says what became of it. It
//! takes in what happened, looks again at the tasks that it touches, and writes down what changed.
//!
//! **Invariant:** nothing that runs is stopped without evidence that it was ordered: not because a store is away, empty
//! or older than it was, and not because a session was lost. Nothing is started before its executors told what runs.

mod bid;
mod converge;
mod fetch;
mod gate;
mod health;
mod inspect;
mod issued;
mod leave;
mod local;
mod locals;
mod news;
mod orphan;
mod own;
mod presence;
mod pressure;
mod progress;
mod publish;
mod registration;
mod restart;
mod write;

use crate::keys;
use crate::keys::Key;
use crate::machine::{Machine, Span, Time, Wake};
use crate::mirror::{Mirror, hash};
use crate::model::{Name, Registration, Status, Task, TaskDefinition, Usage, Version};
use crate::registry;
use crate::session::Session;
use crate::store::{Reply, Request, Revision};
use crate::why::Note;
use crate::work::{Order, Report, Run};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What an agent is told at its start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// What this host has, and what tasks may do on it; names the host.
    pub registration: Registration,
    /// Which boot of the machine this is.
    pub boot_id: String,
    /// Drawn once per data directory.
    pub agent_id: String,
    /// How long the host counts as alive after the agent's last word.
    pub ttl: Span,
    /// How many starts may be under way at once; one that takes long counts for half a minute.
    #[serde(default = "starts_default")]
    pub starts: u32,
    /// The share of the machine's memory, in percent, above which a task is asked to move.
    pub pressure_percent: u64,
    /// This host has a registry, in which its tasks are entered and which makes some of their checks.
    pub registry: bool,
    /// The highest store revision this agent has seen before, kept in its data directory.
    pub seen: Revision,
    /// The id of the store in which it has seen that, kept there too.
    pub store_id: Option<Name>,
}

/// How many starts are under way at once where nobody says otherwise.
pub const STARTS_DEFAULT: u32 = 4;

const fn starts_default() -> u32 {
    STARTS_DEFAULT
}

/// What happens to an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// The time it asked for has come.
    Wake,
    /// The store answered.
    Store(Reply),
    /// An executor or a health check answered.
    Work(Report),
    /// The registry answered.
    Registry(registry::Reply),
    /// It shall end. Tasks are stopped first, or left running for the next start.
    Shutdown {
        /// Leave them running.
        keep: bool,
    },
}

/// What an agent wants done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// Ask the store.
    Store(Request),
    /// Tell an executor.
    Work(Order),
    /// Ask the registry.
    Registry(registry::Request),
    /// Tell the operator.
    Note(Note),
    /// All is done after a `Shutdown`: the process may end.
    Exit,
    /// Another agent has this one's name, as these words say: the process ends, which is a conflict.
    Refuse(String),
}

/// The agent of one host.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Agent {
    settings: Settings,
    at: Places,
    session: Session,
    mirror: Mirror,
    /// What the store holds of the host.
    own: own::Own,
    /// What the store holds of what was said of tasks.
    stored: BTreeMap<Name, publish::Stored>,
    /// What was issued to this host.
    issued: BTreeMap<Name, issued::Issued>,
    /// What is on this host.
    locals: locals::Locals,
    /// Live runs that others have taken the place of.
    relics: BTreeMap<Run, local::Relic>,
    definitions: BTreeMap<(Name, Version), Arc<TaskDefinition>>,
    fetches: fetch::Fetches,
    inspection: inspect::Inspection,
    registrations: registration::Registrations,
    gauge: pressure::Gauge,
    writer: write::Writer,
    /// Tasks to look at before this step ends.
    touched: BTreeSet<Name>,
    /// Starts under way.
    slots: BTreeMap<Name, Time>,
    /// Starts that wait for others to end.
    queue: BTreeSet<Name>,
    seen: Revision,
    /// The id of the store, as last read.
    store_id: Option<Name>,
    /// The id of the store in which all that runs here was last accounted for.
    trusted: Option<Name>,
    /// That id was read since the tasks were listed last: what is missing is missing from the right store.
    identified: bool,
    /// Another agent of the same name, which is alive.
    rival: Option<presence::Rival>,
    /// It has not had its name yet, or not since another agent had it.
    aside: bool,
    /// The store could not be read when it was last asked.
    troubled: bool,
    /// The store was seen to have gone back, and has not told since what it holds of tasks.
    undone: bool,
    /// All that the store holds of this host was listed once, in this life.
    begun: bool,
    leaving: Option<leave::Leaving>,
    /// Spreads what the agents of a fleet do over time.
    salt: u64,
    /// When there is something to do, unless something happens before, beside what [`locals::Locals`] knows of: as it was
    /// at the end of the last step that looked at everything.
    #[serde(skip)]
    next: Option<(Time, Wake)>,
    out: Vec<Effect>,
}

/// Keys and prefixes of one host, made once.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Places {
    host: String,
    tasks: String,
    status: String,
    alive: String,
    registration: String,
    usage: String,
}

impl Agent {
    /// Makes an agent that knows nothing yet.
    #[must_use]
    pub fn new(settings: Settings) -> Agent {
        let name = settings.registration.host.clone();
        let at = Places {
            host: keys::host(&name),
            tasks: keys::tasks_of(&name),
            status: keys::status_of(&name),
            alive: Key::Alive(name.clone()).path(),
            registration: Key::Registration(name.clone()).path(),
            usage: Key::Usage(name.clone()).path(),
        };
        let prefixes = [at.host.clone(), at.tasks.clone(), at.status.clone()];
        let mut mirror = Mirror::new(prefixes, &name);
        mirror.know(settings.seen);
        Agent {
            session: Session::new(&name, settings.ttl),
            mirror,
            own: own::Own::new(at.alive.clone()),
            stored: BTreeMap::new(),
            issued: BTreeMap::new(),
            locals: locals::Locals::default(),
            relics: BTreeMap::new(),
            definitions: BTreeMap::new(),
            fetches: fetch::Fetches::new(&name),
            inspection: inspect::Inspection::default(),
            registrations: registration::Registrations::default(),
            gauge: pressure::Gauge::new(),
            writer: write::Writer::new(&name),
            touched: BTreeSet::new(),
            slots: BTreeMap::new(),
            queue: BTreeSet::new(),
            seen: settings.seen,
            store_id: settings.store_id.clone(),
            trusted: settings.store_id.clone(),
            identified: false,
            rival: None,
            aside: true,
            troubled: false,
            undone: false,
            begun: false,
            leaving: None,
            salt: hash(&name),
            next: None,
            out: Vec::new(),
            at,
            settings,
        }
    }

    /// Gives what it was told at its start.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Gives the highest store revision it has seen, for [`Settings::seen`] of its next start.
    #[must_use]
    pub fn seen(&self) -> Revision {
        self.seen
    }

    /// Gives the id of the store it follows, for [`Settings::store_id`] of its next start. Where it has not yet said what
    /// this store knows nothing of, that of the store before: its next life shall notice the difference again.
    #[must_use]
    pub fn store_id(&self) -> Option<&Name> {
        self.trusted.as_ref()
    }

    /// Tells whether its sign of life is in the store under a session that surely lives.
    #[must_use]
    pub fn is_present(&self) -> bool {
        self.tenure().is_some()
    }

    /// Tells whether it was told to end.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.leaving.is_some()
    }

    /// Walks through the tasks on this host in the order of their ids, with what the agent would say of each.
    pub fn tasks(&self) -> impl Iterator<Item = (&Arc<Task>, Status)> {
        self.locals.values().map(|local| (&local.task, local.status()))
    }

    /// Gives the present start of a task on this host.
    #[must_use]
    pub fn run_of(&self, id: &Name) -> Option<Run> {
        self.locals.get(id).map(local::Local::run)
    }

    /// Gives what was last measured.
    #[must_use]
    pub fn usage(&self) -> Option<&Usage> {
        self.gauge.usage()
    }

    fn name(&self) -> &Name {
        &self.settings.registration.host
    }

    /// Tells whether enough is known to decide about tasks: what runs here, what was issued, what was said of it.
    fn is_ready(&self) -> bool {
        self.inspection.has_begun() && self.mirror.is_filled()
    }

    /// Tells whether enough is known to say of any task that it does not run here.
    fn knows_all(&self) -> bool {
        self.inspection.is_done() && self.mirror.is_filled()
    }

    fn note(&mut self, note: Note) {
        self.out.push(Effect::Note(note));
    }

    fn note_task(&mut self, id: &Name, what: impl Into<String>) {
        self.note(Note::Task { id: id.clone(), what: what.into() });
    }

    fn order(&mut self, order: Order) {
        self.out.push(Effect::Work(order));
    }

    fn request(&mut self, requests: Vec<Request>) {
        self.out.extend(requests.into_iter().map(Effect::Store));
    }

    /// Has a task looked at before this step ends.
    fn touch(&mut self, id: &Name) {
        if !self.touched.contains(id) {
            self.touched.insert(id.clone());
        }
    }

    fn touch_all(&mut self) {
        self.touched.extend(self.locals.ids().cloned());
        self.touched.extend(self.issued.keys().cloned());
        self.touched.extend(self.stored.keys().cloned());
    }

    /// Tells whether a check that was just counted changed nothing that anybody must do anything about now.
    fn is_at_rest(&self, now: Time) -> bool {
        let is_later = |at: Option<Time>| at.is_some_and(|at| now < at);
        self.touched.is_empty()
            && is_later(self.next.map(|(at, _)| at))
            && self.locals.soonest().is_none_or(|at| now < at)
            && self.leaving.is_none()
    }

    /// Tells when there is something to do beside what `locals` knows of.
    fn next(&self) -> Option<(Time, Wake)> {
        let relic = self.relics.values().map(|relic| relic.again).min();
        [
            self.session.wake_at().map(|at| (at, Wake::Session)),
            self.mirror.wake_at().map(|at| (at, Wake::Store)),
            self.fetches.wake_at().map(|at| (at, Wake::Store)),
            self.writer_wake_at(),
            self.rival_wake_at(),
            relic.map(|at| (at, Wake::Backoff)),
            self.inspection.wake_at().map(|at| (at, Wake::Usage)),
            self.registrations.wake_at().map(|at| (at, Wake::Check)),
            self.gauge.wake_at().map(|at| (at, Wake::Usage)),
            self.leaving.as_ref().and_then(leave::Leaving::wake_at).map(|at| (at, Wake::Plan)),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Does what is due by now.
    fn wake(&mut self, now: Time) {
        self.attend(now);
        self.wake_writer(now);
        let mut requests = Vec::new();
        let lost = self.session.wake(now, &mut requests);
        self.mirror.wake(now, &mut requests);
        self.fetches.wake(now, &mut requests);
        self.request(requests);
        if let Some(news) = lost {
            self.session_news(&news);
        }
        self.wake_inspection(now);
        self.wake_registrations(now);
        self.wake_relics(now);
        self.wake_gauge(now);
    }
}

impl Machine for Agent {
    type Input = Input;
    type Effect = Effect;

    fn step(&mut self, now: Time, input: Input) -> Vec<Effect> {
        if self.leaving.as_ref().is_some_and(leave::Leaving::is_over) {
            return Vec::new();
        }
        let is_check = matches!(input, Input::Work(Report::Checked { .. }));
        match input {
            Input::Wake => {}
            Input::Store(reply) => self.hear(now, reply),
            Input::Work(report) => self.report(now, report),
            Input::Registry(reply) => self.hear_registry(now, reply),
            Input::Shutdown { keep } => self.shut_down(now, keep),
        }
        if is_check && self.is_at_rest(now) {
            return core::mem::take(&mut self.out);
        }
        self.watch_rival(now);
        if self.leaving.as_ref().is_some_and(leave::Leaving::is_over) {
            // Whatever is due now is for the next start.
            return core::mem::take(&mut self.out);
        }
        self.step_in();
        self.wake(now);
        self.consider_touched(now);
        self.write(now);
        self.trust_store();
        self.leave(now);
        self.next = self.next();
        core::mem::take(&mut self.out)
    }

    fn wake_at(&self) -> Option<(Time, Wake)> {
        if self.leaving.as_ref().is_some_and(leave::Leaving::is_over) {
            return None;
        }
        let check = self.locals.soonest().map(|at| (at, Wake::Check));
        self.next.or_else(|| self.next()).into_iter().chain(check).min()
    }
}
