//! A stage for one scheduler: the real machine on the memory store, with puppets instead of agents, which do as they are
//! told at once or behave as a test says.

pub mod witness;

use callboard_backends::memory::{Memory, WatcherId};
use callboard_core::keys::Key;
use callboard_core::machine::{Machine, Span, Time};
use callboard_core::mirror::{hash, mix};
use callboard_core::model::{
    Alive, Cluster, Desired, Executor, Health, HostConfig, Phase, PortRange, Registration, Service, Status,
    Task, TaskDefinition,
};
use callboard_core::policy::Policy;
use callboard_core::scheduler::{Effect, Input, Scheduler, Settings};
use callboard_core::store::{Guard, Op, Outcome, Reply, Request, Txn};
use callboard_core::why::Note;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// What a puppet makes of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// It runs, and is healthy.
    Healthy,
    /// It runs, and is not.
    Unhealthy,
    /// Its agent gives up on it.
    Failed,
    /// It has run to its end.
    Completed,
    /// Its agent does not get round to it.
    Ignore,
    /// It runs, is healthy, and does not end when it is told to.
    Stuck,
}

/// A scheduler, its store, and puppets.
#[derive(Clone)]
pub struct Stage {
    /// The store.
    pub store: Memory,
    /// The machine.
    pub scheduler: Scheduler,
    /// The time.
    pub now: Time,
    /// What the scheduler had to tell.
    pub notes: Vec<String>,
    /// What puppets make of tasks, by version.
    pub acts: BTreeMap<u32, Act>,
    /// What puppets make of single tasks, by id.
    pub act_of: BTreeMap<String, Act>,
    /// What they make of single placements, by generation.
    pub act_at: BTreeMap<u64, Act>,
    /// Fewest healthy tasks seen at any moment, per service, since this was cleared.
    pub lowest: BTreeMap<String, usize>,
    /// Most tasks issued at any moment, per service.
    pub most: BTreeMap<String, usize>,
    /// Violations that a test brings about itself.
    pub tolerated: Vec<&'static str>,
    /// In which order comes what an answer holds; 0 for that of the keys.
    pub order: u64,
    /// How long after the time that it asked for the scheduler is woken.
    pub late: Span,
    /// No puppets, no measuring: only the scheduler is of interest.
    pub quiet: bool,
    /// The scheduler hears of its own writes by their outcome first, and only then by its watch.
    pub outcome_first: bool,
    watchers: BTreeMap<WatcherId, String>,
    replies: VecDeque<Reply>,
    /// How long the scheduler took to decide, by the clock, store and puppets apart.
    pub spent: Duration,
    /// Transactions the scheduler sent.
    pub commits: usize,
    /// What it is told of the outcome of the n-th of them.
    pub answer: fn(usize, Outcome) -> Outcome,
}

fn scheduler(instance: &str) -> Scheduler {
    Scheduler::new(Settings {
        name: "default".into(),
        instance: instance.into(),
        ttl: Span::secs(15),
        plan_delay: Span(20),
    })
}

impl Stage {
    /// Makes a stage with so many hosts.
    #[must_use]
    pub fn new(hosts: u32) -> Stage {
        let mut stage = Stage {
            store: Memory::new(1_000_000),
            scheduler: scheduler("one"),
            now: Time(0),
            notes: Vec::new(),
            acts: BTreeMap::new(),
            act_of: BTreeMap::new(),
            act_at: BTreeMap::new(),
            lowest: BTreeMap::new(),
            most: BTreeMap::new(),
            tolerated: Vec::new(),
            order: 0,
            late: Span(0),
            quiet: false,
            outcome_first: false,
            watchers: BTreeMap::new(),
            replies: VecDeque::new(),
            spent: Duration::ZERO,
            commits: 0,
            answer: |_, outcome| outcome,
        };
        for number in 0..hosts {
            stage.host(&format!("h{number:04}"));
        }
        stage
    }

    /// Registers a host and wakes it up.
    pub fn host(&mut self, name: &str) {
        let registration = Registration {
            host: name.into(),
            address: "127.0.0.1".into(),
            memory: 16_384,
            cpu_units: 8_192,
            disk: 0,
            resources: BTreeMap::new(),
            ports: PortRange { first: 20_000, last: 20_099 },
            executors: vec!["bash".into()],
            policy: Policy::default(),
            labels: BTreeMap::new(),
            agent_version: "test".into(),
            api: None,
        };
        self.write(&Key::Registration(name.into()), &registration);
        self.wake_up(name);
    }

    /// Gives a registered host a label.
    pub fn label(&mut self, name: &str, label: &str, value: &str) {
        self.register(name, |registration| drop(registration.labels.insert(label.into(), value.into())));
    }

    /// Has a registered host tell something else of itself.
    pub fn register(&mut self, name: &str, change: impl FnOnce(&mut Registration)) {
        let key = Key::Registration(name.into());
        let entry = self.store.get(&key.path()).expect("it is registered");
        let mut registration: Registration =
            serde_json::from_str(&entry.value).expect("what a stage itself writes is fit to be read");
        change(&mut registration);
        self.write(&key, &registration);
    }

    /// Gives a sign of life.
    pub fn wake_up(&mut self, name: &str) {
        self.write(
            &Key::Alive(name.into()),
            &Alive { host: name.into(), boot_id: "b".into(), agent_id: "a".into(), seen: Default::default() },
        );
    }

    /// Takes the sign of life away.
    pub fn silence(&mut self, name: &str) {
        self.delete(&Key::Alive(name.into()));
    }

    /// Takes the sign of life away, if there is one.
    pub fn silence_if_alive(&mut self, name: &str) {
        if self.store.get(&Key::Alive(name.into()).path()).is_some() {
            self.silence(name);
        }
    }

    /// Drains a host, or no longer.
    pub fn drain(&mut self, name: &str, draining: bool) {
        self.write(
            &Key::HostConfig(name.into()),
            &HostConfig { name: name.into(), draining, reserved_ports: Vec::new() },
        );
    }

    /// Writes a task definition that reserves so many MiB.
    pub fn definition(&mut self, name: &str, version: u32, memory: u64) {
        let definition: TaskDefinition = serde_json::from_value(serde_json::json!({
            "name": name, "version": version, "provide_port": true, "memory": memory,
            "containers": [{"name": "main", "type": "bash", "executor": {"start": ["sleep 1000"]}}],
        }))
        .expect("what a stage itself writes is fit to be read");
        assert!(matches!(definition.containers[0].executor, Executor::Bash(_)));
        self.write(&Key::Definition(name.into(), version), &definition);
    }

    /// Writes a service of `app` with `(desired, min, max)`.
    pub fn service(&mut self, name: &str, version: u32, (desired, min, max): (u32, u32, u32)) {
        let service: Service = serde_json::from_value(serde_json::json!({
            "name": name, "task_name": "app", "task_version": version, "desired": desired, "min": min, "max": max,
        }))
        .expect("what a stage itself writes is fit to be read");
        self.write(&Key::Service(name.into()), &service);
    }

    /// Writes a service of `app` of another kind, with further fields.
    pub fn of_kind(&mut self, name: &str, version: u32, fields: &serde_json::Value) {
        let mut service = serde_json::json!({
            "name": name, "task_name": "app", "task_version": version, "desired": 0, "min": 0, "max": 0,
        });
        for (field, value) in fields.as_object().into_iter().flatten() {
            service[field] = value.clone();
        }
        self.write(&Key::Service(name.into()), &service);
    }

    /// Writes a service of `app` of which there shall never be two tasks.
    pub fn exclusive(&mut self, name: &str, version: u32) {
        let service = serde_json::json!({
            "name": name, "task_name": "app", "task_version": version, "desired": 1, "min": 0, "max": 1,
            "exclusive": true,
        });
        self.write(&Key::Service(name.into()), &service);
    }

    /// Writes a cluster.
    pub fn cluster(&mut self, name: &str, services: &[&str]) {
        let cluster: Cluster =
            serde_json::from_value(serde_json::json!({"name": name, "services": services}))
                .expect("what a stage itself writes is fit to be read");
        self.write(&Key::Cluster(name.into()), &cluster);
    }

    /// Writes a record.
    pub fn write<T: serde::Serialize>(&mut self, key: &Key, value: &T) {
        self.write_text(
            &key.path(),
            serde_json::to_string(value).expect("what a stage itself writes is fit to be read"),
        );
    }

    /// Writes any text.
    pub fn write_text(&mut self, key: &str, value: String) {
        self.commit_raw(key, Op::Put { key: key.into(), value, session: None });
    }

    /// Deletes a key.
    pub fn delete(&mut self, key: &Key) {
        self.commit_raw(&key.path(), Op::Delete { key: key.path() });
    }

    fn commit_raw(&mut self, key: &str, op: Op) {
        let guard = match self.store.get(key) {
            Some(entry) => Guard::At { key: key.into(), revision: entry.revision },
            None => Guard::Absent { key: key.into() },
        };
        let (outcome, deliveries) = self.store.commit(&Txn { guards: vec![guard], ops: vec![op] });
        assert!(matches!(outcome, Outcome::Committed(_)), "{outcome:?}");
        self.deliver(deliveries);
    }

    fn deliver(&mut self, deliveries: Vec<callboard_backends::memory::Delivery>) {
        for delivery in deliveries {
            let Some(prefix) = self.watchers.get(&delivery.watcher) else { continue };
            self.replies.push_back(Reply::Changed {
                prefix: prefix.clone(),
                revision: delivery.revision,
                changes: delivery.changes,
            });
        }
    }

    /// Gives all task records.
    #[must_use]
    pub fn tasks(&self) -> Vec<Task> {
        let records = self.store.entries("state/tasks/_/");
        records.filter_map(|entry| serde_json::from_str(&entry.value).ok()).collect()
    }

    /// Gives a service's tasks that shall run.
    #[must_use]
    pub fn running(&self, service: &str) -> Vec<Task> {
        self.tasks()
            .into_iter()
            .filter(|task| &*task.service == service && task.desired == Desired::Run)
            .collect()
    }

    /// Gives what was said of a placement.
    #[must_use]
    pub fn status(&self, task: &Task) -> Option<Status> {
        let key = Key::Status(task.host.clone(), task.id.clone()).path();
        let status: Status = serde_json::from_str(&self.store.get(&key)?.value)
            .expect("what a stage itself writes is fit to be read");
        (status.generation == task.generation).then_some(status)
    }

    /// Counts tasks that are there and healthy, whatever was ordered.
    #[must_use]
    pub fn healthy(&self, service: &str) -> usize {
        let of = self.tasks().into_iter().filter(|task| &*task.service == service);
        of.filter(|task| {
            self.store.get(&Key::Alive(task.host.clone()).path()).is_some()
                && self
                    .status(task)
                    .is_some_and(|status| status.health == Health::Healthy && !status.phase.is_over())
        })
        .count()
    }

    /// Ends the scheduler; another one begins, which reads all there is.
    pub fn replace_scheduler(&mut self) {
        self.step(Input::Shutdown);
        self.watchers.clear();
        self.replies.clear();
        self.scheduler = scheduler("two");
    }

    /// Lets time pass, everybody doing their work.
    pub fn run(&mut self, span: Span) {
        let end = self.now + span;
        loop {
            while let Some(reply) = self.replies.pop_front() {
                let reply = self.shuffled(reply);
                self.step(Input::Store(reply));
            }
            if !self.quiet && self.puppets() {
                continue;
            }
            let expiry = self.store.next_expiry();
            let next = self.scheduler.wake_at().map(|(at, _)| at + self.late).into_iter().chain(expiry).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = next.max(self.now);
            let deliveries = self.store.expire(self.now);
            self.deliver(deliveries);
            self.step(Input::Wake);
        }
        self.now = end;
        if !self.quiet {
            let mut broken = callboard_core::invariants::check(self.scheduler.world());
            broken.retain(|violation| !self.tolerated.contains(&&*violation.to_string()));
            assert!(broken.is_empty(), "{broken:#?}");
        }
    }

    /// Gives an answer with what it holds in another order.
    fn shuffled(&self, mut reply: Reply) -> Reply {
        let place = |key: &str| if self.order == 0 { 0 } else { mix(self.order, hash(key)) };
        match &mut reply {
            Reply::Listed { result: Ok(listing), .. } => {
                listing.entries.sort_by_key(|entry| place(&entry.key))
            }
            Reply::Changed { changes, .. } => changes.sort_by_key(|change| place(change.key())),
            Reply::Listed { .. }
            | Reply::SessionOpened(_)
            | Reply::SessionRenewed(..)
            | Reply::WatchEnded { .. }
            | Reply::Done { .. } => {}
        }
        reply
    }

    /// Wakes the scheduler, whether it asked for that or not.
    pub fn wake(&mut self) {
        self.step(Input::Wake);
    }

    fn step(&mut self, input: Input) {
        let begun = Instant::now();
        let effects = self.scheduler.step(self.now, input);
        self.spent += begun.elapsed();
        for effect in effects {
            match effect {
                Effect::Note(note) => self.note(note),
                Effect::Store(request) => self.request(request),
            }
        }
    }

    fn note(&mut self, note: Note) {
        self.notes.push(note.to_string());
    }

    fn request(&mut self, request: Request) {
        match request {
            Request::OpenSession { name, ttl } => {
                let session = self.store.open_session(&name, ttl, self.now);
                self.replies.push_back(Reply::SessionOpened(Ok(session)));
            }
            Request::RenewSession(session) => {
                let alive = self.store.renew_session(&session, self.now);
                self.replies.push_back(Reply::SessionRenewed(session, Ok(alive)));
            }
            Request::CloseSession(session) => {
                let deliveries = self.store.close_session(&session);
                self.deliver(deliveries);
            }
            Request::List { prefix } => {
                let listing = self.store.list(&prefix);
                self.replies.push_back(Reply::Listed { prefix, result: Ok(listing) });
            }
            Request::Watch { prefix, after } => {
                let (watcher, missed) =
                    self.store.watch(&prefix, after).expect("what a stage itself writes is fit to be read");
                self.watchers.insert(watcher, prefix);
                self.deliver(missed);
            }
            Request::Commit { write, txn } => {
                self.commits += 1;
                let before = if self.quiet { Memory::default() } else { self.store.clone() };
                let (outcome, deliveries) = self.store.commit(&txn);
                let place = self.replies.len();
                self.deliver(deliveries);
                if !self.quiet {
                    self.measure();
                    self.judge(&before, &txn);
                }
                let outcome = (self.answer)(self.commits, outcome);
                let place = if self.outcome_first { place } else { self.replies.len() };
                self.replies.insert(place, Reply::Done { write, outcome });
            }
        }
    }

    /// Holds a transaction to `min` and `max`.
    fn judge(&self, before: &Memory, txn: &Txn) {
        for op in &txn.ops {
            let Op::Put { key, value, .. } = op else { continue };
            let Some(Key::Task(id)) = Key::parse(key) else { continue };
            let task: Task =
                serde_json::from_str(value).expect("what a stage itself writes is fit to be read");
            let Some(entry) = self.store.get(&Key::Service(task.service.clone()).path()) else { continue };
            let service: Service =
                serde_json::from_str(&entry.value).expect("what a stage itself writes is fit to be read");
            let issued = self.running(&task.service).len();
            let was: Option<Task> = before.get(key).map(|entry| {
                serde_json::from_str(&entry.value).expect("what a stage itself writes is fit to be read")
            });
            let ordered = |task: &Task| task.desired == Desired::Stop;
            if ordered(&task) && was.is_some_and(|was| !ordered(&was)) && self.is_healthy(&task) {
                let left = self.running(&task.service).iter().filter(|task| self.is_healthy(task)).count();
                let floor = service.floor().min(service.target()) as usize;
                assert!(
                    left >= floor,
                    "{id}: {}: {left} healthy are left of min {floor}\n{:#?}",
                    task.reason,
                    self.notes
                );
            } else if !ordered(&task) && service.kind.is_counted() {
                assert!(issued <= service.max as usize, "{id}: {issued} issued, max {}", service.max);
            }
        }
    }

    fn is_healthy(&self, task: &Task) -> bool {
        self.store.get(&Key::Alive(task.host.clone()).path()).is_some()
            && self
                .status(task)
                .is_some_and(|status| status.health == Health::Healthy && !status.phase.is_over())
    }

    /// Takes down how many are healthy and issued.
    pub fn measure(&mut self) {
        let services: std::collections::BTreeSet<String> =
            self.tasks().iter().map(|task| task.service.to_string()).collect();
        for service in services {
            let healthy = self.healthy(&service);
            let issued = self.running(&service).len();
            let lowest = self.lowest.entry(service.clone()).or_insert(usize::MAX);
            *lowest = healthy.min(*lowest);
            let most = self.most.entry(service).or_insert(0);
            *most = issued.max(*most);
        }
    }

    /// Every puppet does what its task needs now. Tells whether anything was done.
    fn puppets(&mut self) -> bool {
        let mut acted = false;
        for task in self.tasks() {
            if self.store.get(&Key::Alive(task.host.clone()).path()).is_none() {
                continue;
            }
            let act_of = self.act_at.get(&task.generation).or_else(|| self.act_of.get(&*task.id));
            let act = act_of.or_else(|| self.acts.get(&task.version)).copied();
            let (phase, health) = match (task.desired, act.unwrap_or(Act::Healthy)) {
                (Desired::Run, Act::Ignore) | (Desired::Stop, Act::Stuck) => continue,
                (Desired::Stop, _) => (Phase::Dead, Health::Unknown),
                (Desired::Run, Act::Healthy | Act::Stuck) => (Phase::Running, Health::Healthy),
                (Desired::Run, Act::Unhealthy) => (Phase::Running, Health::Unhealthy),
                (Desired::Run, Act::Failed) => (Phase::Failed, Health::Unhealthy),
                (Desired::Run, Act::Completed) => (Phase::Completed, Health::Unknown),
            };
            let status = Status {
                id: task.id.clone(),
                generation: task.generation,
                attempt: 0,
                failures: 0,
                blamed: 0,
                left: false,
                phase,
                health,
                reason: (phase == Phase::Failed).then(|| "exited with code 1".into()),
            };
            if self.status(&task).as_ref() != Some(&status) {
                self.write(&Key::Status(task.host.clone(), task.id.clone()), &status);
                self.measure();
                acted = true;
            }
        }
        acted
    }
}
