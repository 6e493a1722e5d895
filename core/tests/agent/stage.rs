//! A store and a machine, pretended, with an agent between them. Everything takes a millisecond, unless a test wants it
//! otherwise; with a seed, effects and answers are lost, repeated and delayed.

pub(crate) use crate::records::{definition, settings, task};
use crate::registry::Registry;
use crate::store::Store;
use callboard_core::agent::{Agent, Effect, Input, Settings};
use callboard_core::keys::Key;
use callboard_core::machine::{Machine, Span, Time};
use callboard_core::mirror::mix;
use callboard_core::model::{Desired, Health, Phase, ServiceState, Status, Task, TaskDefinition, Usage};
use callboard_core::store::{Listing, Op, Outcome, Reply, Request, Revision, SessionId};
use callboard_core::why::Note;
use callboard_core::work::{Exit, Found, Inventory, Order, Report, Run, Spec};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One pretended run.
#[derive(Clone)]
pub(crate) struct Process {
    pub(crate) spec: Arc<Spec>,
    pub(crate) exit: Option<Exit>,
    /// When it began.
    since: u64,
}

/// What happens at its time.
enum Event {
    Input(Input),
    Order(Order),
}

/// What surrounds the agent.
pub(crate) struct Stage {
    pub(crate) agent: Agent,
    pub(crate) now: u64,
    pub(crate) store: Store,
    pub(crate) registry: Registry,
    pub(crate) processes: BTreeMap<Run, Process>,
    stopped: BTreeSet<Run>,
    queue: BTreeMap<(u64, u64), Event>,
    sequence: u64,
    pub(crate) notes: Vec<Note>,
    pub(crate) orders: Vec<(u64, Order)>,
    pub(crate) exited: bool,
    /// When and for what it ended by itself.
    pub(crate) refused: Option<(u64, String)>,
    /// Tasks whose checks fail.
    pub(crate) ill: BTreeSet<String>,
    /// How long checks take that fail.
    pub(crate) failing_takes: u64,
    /// Tasks that may be stopped because they were ill.
    pub(crate) sickly: BTreeSet<String>,
    /// Tasks that cannot be started.
    pub(crate) broken: BTreeSet<String>,
    pub(crate) usage: Usage,
    pub(crate) executor_down: bool,
    /// Executors that do nothing, by kind.
    pub(crate) silent: BTreeSet<String>,
    /// Swallows the next outcomes of writes, which are carried out.
    pub(crate) swallow: u32,
    /// Answers no order to stop.
    pub(crate) deaf: bool,
    /// Neither carries out nor answers an order to start.
    pub(crate) hung: bool,
    chaos: Option<u64>,
    pub(crate) steps: u64,
}

impl Stage {
    pub(crate) fn new() -> Stage {
        Stage::of(settings())
    }

    pub(crate) fn of(settings: Settings) -> Stage {
        let mut stage = Stage {
            agent: Agent::new(settings),
            now: 1000,
            store: Store { revision: 10, ..Store::default() },
            registry: Registry::default(),
            processes: BTreeMap::new(),
            stopped: BTreeSet::new(),
            queue: BTreeMap::new(),
            sequence: 0,
            notes: vec![],
            orders: vec![],
            exited: false,
            refused: None,
            ill: BTreeSet::new(),
            failing_takes: 0,
            sickly: BTreeSet::new(),
            broken: BTreeSet::new(),
            usage: Usage { memory_total: 1000, memory_used: 100, ..Usage::default() },
            executor_down: false,
            silent: BTreeSet::new(),
            swallow: 0,
            deaf: false,
            hung: false,
            chaos: None,
            steps: 0,
        };
        stage.put("meta/store_id", r#"{"id":"here"}"#);
        stage.define(&definition());
        stage.serve(3, 1);
        stage
    }

    /// Loses, repeats and delays from now on.
    pub(crate) fn chaos(&mut self, seed: Option<u64>) {
        self.chaos = seed;
    }

    fn draw(&mut self) -> u64 {
        self.sequence += 1;
        self.chaos.map_or(u64::MAX, |seed| mix(seed, self.sequence))
    }

    /// Puts a machine with the same processes under a new agent.
    pub(crate) fn restart(&mut self) {
        let settings = Settings {
            seen: self.agent.seen(),
            store_id: self.agent.store_id().cloned(),
            ..self.agent.settings().clone()
        };
        self.restart_as(settings);
    }

    pub(crate) fn restart_as(&mut self, settings: Settings) {
        self.agent = Agent::new(settings);
        self.queue.clear();
        self.store.watches.clear();
        self.exited = false;
    }

    pub(crate) fn define(&mut self, definition: &TaskDefinition) {
        let key = Key::Definition(definition.name.clone(), definition.version).path();
        self.put(&key, &serde_json::to_string(definition).expect("plain records serialise"));
    }

    pub(crate) fn serve(&mut self, available: u32, min: u32) {
        let state = ServiceState {
            hosts: 0,
            completed: None,
            service: "web".into(),
            cluster: "c".into(),
            available,
            min,
            stable: None,
            version: 1,
            retry: 0,
            rollout: callboard_core::model::Rollout::Done,
            newest: 0,
            failures: 0,
            blamed: Vec::new(),
        };
        self.put("state/services/web", &serde_json::to_string(&state).expect("plain records serialise"));
    }

    pub(crate) fn issue(&mut self, task: &Task) {
        let key = format!("state/tasks/h1/{}", task.id);
        self.put(&key, &serde_json::to_string(task).expect("plain records serialise"));
    }

    pub(crate) fn put(&mut self, key: &str, value: &str) {
        let replies = self.store.put(key, value.into());
        self.tell(replies);
    }

    pub(crate) fn delete(&mut self, keys: &[&str]) {
        let replies = self.store.apply(keys.iter().map(|key| Op::Delete { key: (*key).into() }).collect());
        self.tell(replies);
    }

    pub(crate) fn end_session(&mut self) {
        if let Some(session) = self.store.session() {
            let replies = self.store.end_session(&session);
            self.tell(replies);
        }
    }

    /// Replaces the whole store, as a restored snapshot does.
    pub(crate) fn restore(&mut self, store: Store) {
        self.store = Store { down: self.store.down, opened: self.store.opened, ..store };
        for prefix in ["hosts/h1/", "state/tasks/h1/", "status/h1/"] {
            self.later(1, Input::Store(Reply::WatchEnded { prefix: prefix.into(), why: "restored".into() }));
        }
    }

    pub(crate) fn exit(&mut self, id: &str, exit: Exit) {
        let live = self.processes.iter_mut().find(|(run, process)| &*run.id == id && process.exit.is_none());
        if let Some((run, process)) = live {
            process.exit = Some(exit.clone());
            let report = Report::Exited(run.clone(), exit);
            self.later(1, Input::Work(report));
        }
    }

    fn tell(&mut self, replies: Vec<Reply>) {
        if self.store.down {
            return;
        }
        for reply in replies {
            self.answer(Input::Store(reply), false);
        }
    }

    /// Delivers an answer; with chaos perhaps late, twice or not at all.
    fn answer(&mut self, input: Input, may_be_lost: bool) {
        match self.draw() {
            u64::MAX => self.later(1, input),
            drawn if may_be_lost && drawn % 100 < 5 => {}
            drawn if may_be_lost && drawn % 100 < 10 => {
                self.later(1 + drawn / 100 % 3000, input.clone());
                self.later(1 + drawn / 1000 % 9000, input);
            }
            // The changes of a watch come in order.
            drawn => self.later(1 + if may_be_lost { drawn / 100 % 2000 } else { 0 }, input),
        }
    }

    pub(crate) fn later(&mut self, after: u64, input: Input) {
        self.sequence += 1;
        self.queue.insert((self.now + after, self.sequence), Event::Input(input));
    }

    /// Carries an order out, perhaps late, twice or not at all.
    fn carry_out(&mut self, order: Order) {
        let drawn = self.draw();
        if drawn == u64::MAX {
            return self.work(order);
        }
        for (lost, delay) in [(3, drawn / 100 % 2000), (96, drawn / 1000 % 2000)] {
            let is_lost = (drawn % 100 < 3) || (lost == 96 && drawn % 100 < lost);
            if !is_lost {
                self.sequence += 1;
                self.queue.insert((self.now + delay, self.sequence), Event::Order(order.clone()));
            }
        }
    }

    /// Runs for so many seconds.
    pub(crate) fn run(&mut self, secs: u64) {
        let end = self.now + secs * 1000;
        let mut same = (0, 0);
        loop {
            let lapsed: Vec<String> = self
                .store
                .sessions
                .iter()
                .filter(|(_, (at, _))| *at <= self.now)
                .map(|(id, _)| id.clone())
                .collect();
            for session in lapsed {
                let replies = self.store.end_session(&session);
                self.tell(replies);
            }
            let wake = self.agent.wake_at().map_or(u64::MAX, |(at, _)| at.0.max(self.now));
            let next = self.queue.keys().next().map_or(u64::MAX, |(at, _)| *at);
            let expiry = self.store.sessions.values().map(|(at, _)| *at).min().unwrap_or(u64::MAX);
            let at = wake.min(next).min(expiry.max(self.now));
            if at > end || self.exited {
                self.now = end;
                return;
            }
            same = if same.0 == at { (at, same.1 + 1) } else { (at, 0) };
            assert!(same.1 < 2000, "spins at {at}: {:?}", self.agent.wake_at());
            self.now = at;
            if next <= at {
                match self.queue.pop_first() {
                    Some((_, Event::Input(input))) => self.step(input),
                    Some((_, Event::Order(order))) => self.work(order),
                    None => {}
                }
            } else if wake <= at {
                self.step(Input::Wake);
            }
        }
    }

    pub(crate) fn step(&mut self, input: Input) {
        self.steps += 1;
        for effect in self.agent.step(Time(self.now), input) {
            match effect {
                Effect::Store(request) => match self.draw() {
                    u64::MAX => self.ask(request),
                    drawn if drawn % 100 < 3 => {}
                    _ => self.ask(request),
                },
                Effect::Work(order) => self.carry_out(order),
                Effect::Registry(request) => self.inquire(request),
                Effect::Note(note) => self.notes.push(note),
                Effect::Exit => self.exited = true,
                Effect::Refuse(why) => self.refused = Some((self.now, why)),
            }
        }
    }

    fn inquire(&mut self, request: callboard_core::registry::Request) {
        let is_lost = self.chaos.is_some() && self.draw() % 100 < 5;
        if !is_lost && let Some(reply) = self.registry.serve(self.now, request) {
            self.answer(Input::Registry(reply), true);
        }
    }

    fn ask(&mut self, request: Request) {
        if self.store.down {
            let why = || Err("away".to_string());
            let reply = match request {
                Request::OpenSession { .. } => Reply::SessionOpened(Err("away".into())),
                Request::RenewSession(id) => Reply::SessionRenewed(id, Err("away".into())),
                Request::List { prefix } => Reply::Listed { prefix, result: why() },
                Request::Watch { prefix, .. } => Reply::WatchEnded { prefix, why: "away".into() },
                Request::Commit { write, .. } => {
                    Reply::Done { write, outcome: Outcome::Unknown("away".into()) }
                }
                Request::CloseSession(_) => return,
            };
            return self.later(5, Input::Store(reply));
        }
        let reply = match request {
            Request::OpenSession { .. } if self.store.no_sessions => {
                Reply::SessionOpened(Err("it takes no writes".into()))
            }
            Request::OpenSession { ttl, .. } => {
                self.store.opened += 1;
                let id = format!("s{:04}", self.store.opened);
                self.store.sessions.insert(id.clone(), (self.now + ttl.0, ttl));
                Reply::SessionOpened(Ok(SessionId(id)))
            }
            Request::RenewSession(id) => {
                let alive = self.store.sessions.get_mut(&id.0);
                let result = alive.map(|(until, ttl)| *until = self.now + ttl.0).is_some();
                Reply::SessionRenewed(id, Ok(result))
            }
            Request::CloseSession(id) => {
                let replies = self.store.end_session(&id.0);
                return self.tell(replies);
            }
            Request::List { prefix } => {
                let entries =
                    self.store.entries.range(prefix.clone()..).map(|(_, entry)| Arc::new(entry.clone()));
                let entries = entries.take_while(|entry| entry.key.starts_with(&prefix)).collect();
                let listing = Listing { revision: Revision(self.store.revision), entries };
                Reply::Listed { prefix, result: Ok(listing) }
            }
            Request::Watch { prefix, .. } => {
                self.store.watches.insert(prefix);
                return;
            }
            Request::Commit { write, txn } => {
                let (outcome, replies) = self.store.commit(&txn);
                if self.swallow > 0 {
                    self.swallow -= 1;
                    return;
                }
                self.tell(replies);
                Reply::Done { write, outcome }
            }
        };
        self.answer(Input::Store(reply), true);
    }

    fn work(&mut self, order: Order) {
        self.orders.push((self.now, order.clone()));
        if self.executor_down {
            if order == Order::Inspect {
                self.answer(Input::Work(Report::Inspected(Err("docker is down".into()))), true);
            }
            return;
        }
        let report = match order {
            Order::Inspect => Report::Inspected(Ok(self.inventory())),
            Order::Start(spec) if self.is_silent(&spec.definition) => {
                Report::Started(spec.run(), Err("it is away".into()))
            }
            Order::Start(_) if self.hung => return,
            Order::Start(spec) => self.begin(&spec),
            Order::Stop { .. } if self.deaf => return,
            Order::Stop { run, definition, .. } if self.asks_silent(&run, definition.as_deref()) => {
                Report::Stopped(run, Err("it is away".into()))
            }
            Order::Stop { run, definition, .. } if self.asks_others(&run, definition.as_deref()) => {
                Report::Stopped(run, Ok(()))
            }
            Order::Stop { run, .. } => {
                self.check_evidence(&run);
                self.stopped.insert(run.clone());
                if let Some(process) = self.processes.get_mut(&run).filter(|process| process.exit.is_none()) {
                    let exit = Exit { code: None, signal: Some(15), out_of_memory: false };
                    process.exit = Some(exit.clone());
                    self.answer(Input::Work(Report::Exited(run.clone(), exit)), true);
                }
                Report::Stopped(run, Ok(()))
            }
            Order::Remove(run) => {
                if self.processes.get(&run).is_some_and(|process| process.exit.is_some()) {
                    self.processes.remove(&run);
                }
                return;
            }
            Order::Check { spec, check } => {
                let ill = self.ill.contains(&*spec.task.id);
                self.sickly.extend(ill.then(|| spec.task.id.to_string()));
                let dead = self.processes.get(&spec.run()).is_none_or(|process| process.exit.is_some());
                let result = if ill || dead { Err("refused".to_string()) } else { Ok(()) };
                let report = Report::Checked { run: spec.run(), check, result };
                if ill && self.failing_takes > 0 {
                    return self.later(self.failing_takes, Input::Work(report));
                }
                report
            }
            Order::Measure => Report::Measured(self.usage.clone().into()),
        };
        self.answer(Input::Work(report), true);
    }

    /// Tells whether what would do something about a task is silent.
    fn is_silent(&self, definition: &TaskDefinition) -> bool {
        definition.containers.iter().any(|container| self.silent.contains(container.executor.kind()))
    }

    /// Tells whether one that is silent is asked about a run: also where nobody knows what it is made of.
    fn asks_silent(&self, run: &Run, definition: Option<&TaskDefinition>) -> bool {
        let known = self.processes.get(run).map(|process| &*process.spec.definition);
        known.or(definition).map_or(!self.silent.is_empty(), |definition| self.is_silent(definition))
    }

    /// Tells whether only others are asked about a run than run its first container.
    fn asks_others(&self, run: &Run, definition: Option<&TaskDefinition>) -> bool {
        let Some((known, asked)) = self.processes.get(run).zip(definition) else { return false };
        let own = known.spec.definition.containers[0].executor.kind();
        asked.containers.iter().all(|container| container.executor.kind() != own)
    }

    fn inventory(&self) -> Inventory {
        let told = self.processes.values().filter(|process| !self.is_silent(&process.spec.definition));
        let found = told.map(|process| Found {
            spec: process.spec.clone(),
            exit: process.exit.clone(),
            age: Some(Span(self.now - process.since)),
        });
        let silent = self.silent.iter().map(|kind| (kind.clone(), "it is away".to_string()));
        Inventory { found: found.collect(), silent: silent.collect() }
    }

    /// Tells whether a run may be stopped: it was ordered, replaced, given up, or does no work.
    fn check_evidence(&self, run: &Run) {
        let read = |key: String| self.store.entries.get(&key).map(|entry| entry.value.clone());
        let record = read(format!("state/tasks/h1/{}", run.id));
        let record = record.and_then(|value| serde_json::from_str::<Task>(&value).ok());
        let ordered = record.as_ref().is_some_and(|record| {
            let stop = record.desired == Desired::Stop;
            stop || record.generation > run.generation
        });
        let status = self.status(&run.id);
        let over = status
            .as_ref()
            .is_some_and(|status| status.phase.is_over() || status.generation > run.generation);
        let gone = record.is_none() && (status.is_none() || over);
        let is_live = self.processes.get(run).is_some_and(|process| process.exit.is_none());
        let later = self.processes.keys().any(|other| other.id == run.id && other > run);
        let limited = record.is_some_and(|record| record.once.is_some_and(|once| once.time_limit.is_some()));
        let excused = self.sickly.contains(&*run.id) || self.agent.is_leaving() || limited;
        assert!(ordered || gone || over || !is_live || later || excused, "{run:?} stopped, {status:?}");
    }

    fn begin(&mut self, spec: &Arc<Spec>) -> Report {
        let run = spec.run();
        if self.stopped.contains(&run) {
            return Report::Started(run, Err("was stopped before".into()));
        }
        if self.broken.contains(&*run.id) {
            return Report::Started(run, Err("no such image".into()));
        }
        let known = self.processes.contains_key(&run);
        let others =
            self.processes.iter().any(|(other, process)| other.id == run.id && process.exit.is_none());
        assert!(known || !others, "{run:?} is started beside {:?}", self.live());
        let since = self.now;
        self.processes.entry(run.clone()).or_insert(Process { spec: spec.clone(), exit: None, since });
        Report::Started(run, Ok(()))
    }

    pub(crate) fn live(&self) -> Vec<Run> {
        let live = self.processes.iter().filter(|(_, process)| process.exit.is_none());
        live.map(|(run, _)| run.clone()).collect()
    }

    pub(crate) fn status(&self, id: &str) -> Option<Status> {
        let entry = self.store.entries.get(&format!("status/h1/{id}"))?;
        serde_json::from_str(&entry.value).ok()
    }

    /// Says phase, health and attempt of what the store holds, briefly.
    pub(crate) fn said(&self, id: &str) -> Option<(Phase, Health, u32)> {
        self.status(id).map(|status| (status.phase, status.health, status.attempt))
    }

    pub(crate) fn stops(&self) -> usize {
        self.orders.iter().filter(|(_, order)| matches!(order, Order::Stop { .. })).count()
    }

    pub(crate) fn starts(&self) -> Vec<(u64, u32)> {
        let starts = self.orders.iter().filter_map(|(at, order)| match order {
            Order::Start(spec) => Some((*at, spec.attempt)),
            Order::Inspect | Order::Stop { .. } | Order::Remove(_) | Order::Check { .. } | Order::Measure => {
                None
            }
        });
        starts.collect()
    }

    /// Brings one task up and healthy.
    pub(crate) fn with_task(id: &str) -> Stage {
        let mut stage = Stage::new();
        stage.issue(&task(id, 20));
        stage.run(5);
        assert_eq!(stage.said(id), Some((Phase::Running, Health::Healthy, 0)), "{:?}", stage.notes);
        stage
    }
}

pub(crate) fn code(code: i32) -> Exit {
    Exit { code: Some(code), signal: None, out_of_memory: false }
}
