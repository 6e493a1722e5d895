//! A stage for one scheduler: the real machine on the memory store, with puppets instead of agents, which do as they are
//! told at once or behave as a test says.

use callboard_backends::memory::{Memory, WatcherId};
use callboard_core::keys::Key;
use callboard_core::machine::{Machine, Span, Time};
use callboard_core::model::{
    Alive, Cluster, Desired, Executor, Health, HostConfig, Phase, PortRange, Registration, Service, Status,
    Task, TaskDefinition,
};
use callboard_core::scheduler::{Effect, Input, Scheduler, Settings};
use callboard_core::store::{Guard, Op, Outcome, Reply, Request, Txn};
use callboard_core::why::Note;
use std::collections::{BTreeMap, VecDeque};

/// What a puppet makes of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Healthy,
    Unhealthy,
    Failed,
    Ignore,
}

#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) store: Memory,
    pub(crate) scheduler: Scheduler,
    pub(crate) now: Time,
    pub(crate) notes: Vec<String>,
    /// By version, and by task id, which goes first.
    pub(crate) acts: BTreeMap<u32, Act>,
    pub(crate) act_of: BTreeMap<String, Act>,
    /// Fewest healthy tasks seen at any moment, per service, since it was cleared.
    pub(crate) lowest: BTreeMap<String, usize>,
    pub(crate) most: BTreeMap<String, usize>,
    /// Violations that a test brings about itself.
    pub(crate) tolerated: Vec<&'static str>,
    /// No puppets, no measuring: only the scheduler is of interest.
    pub(crate) quiet: bool,
    watchers: BTreeMap<WatcherId, String>,
    replies: VecDeque<Reply>,
    pub(crate) commits: usize,
    pub(crate) answer: fn(usize, Outcome) -> Outcome,
}

impl Stage {
    pub(crate) fn new(hosts: u32) -> Stage {
        let scheduler = Scheduler::new(Settings {
            name: "default".into(),
            instance: "one".into(),
            ttl: Span::secs(15),
            plan_delay: Span(20),
        });
        let mut stage = Stage {
            store: Memory::new(1_000_000),
            scheduler,
            now: Time(0),
            notes: Vec::new(),
            acts: BTreeMap::new(),
            act_of: BTreeMap::new(),
            lowest: BTreeMap::new(),
            most: BTreeMap::new(),
            tolerated: Vec::new(),
            quiet: false,
            watchers: BTreeMap::new(),
            replies: VecDeque::new(),
            commits: 0,
            answer: |_, outcome| outcome,
        };
        for number in 0..hosts {
            stage.host(&format!("h{number:04}"));
        }
        stage
    }

    /// Makes a copy that goes its own way.
    pub(crate) fn fork(&self) -> Stage {
        self.clone()
    }

    pub(crate) fn host(&mut self, name: &str) {
        let registration = Registration {
            host: name.into(),
            address: "127.0.0.1".into(),
            memory: 16_384,
            cpu_units: 8_192,
            ports: PortRange { first: 20_000, last: 20_099 },
            executors: vec!["bash".into()],
            labels: BTreeMap::new(),
            agent_version: "test".into(),
            api: None,
        };
        self.write(&Key::Registration(name.into()), &registration);
        self.wake_up(name);
    }

    pub(crate) fn wake_up(&mut self, name: &str) {
        self.write(
            &Key::Alive(name.into()),
            &Alive { host: name.into(), boot_id: "b".into(), agent_id: "a".into() },
        );
    }

    pub(crate) fn silence(&mut self, name: &str) {
        self.delete(&Key::Alive(name.into()));
    }

    pub(crate) fn drain(&mut self, name: &str, draining: bool) {
        self.write(
            &Key::HostConfig(name.into()),
            &HostConfig { name: name.into(), draining, reserved_ports: Vec::new() },
        );
    }

    pub(crate) fn definition(&mut self, name: &str, version: u32, memory: u64) {
        let definition: TaskDefinition = serde_json::from_value(serde_json::json!({
            "name": name, "version": version, "provide_port": true, "memory": memory,
            "containers": [{"name": "main", "type": "bash", "executor": {"start": ["sleep 1000"]}}],
        }))
        .unwrap();
        assert!(matches!(definition.containers[0].executor, Executor::Bash(_)));
        self.write(&Key::Definition(name.into(), version), &definition);
    }

    pub(crate) fn service(&mut self, name: &str, version: u32, (desired, min, max): (u32, u32, u32)) {
        let service: Service = serde_json::from_value(serde_json::json!({
            "name": name, "task_name": "app", "task_version": version, "desired": desired, "min": min, "max": max,
        }))
        .unwrap();
        self.write(&Key::Service(name.into()), &service);
    }

    pub(crate) fn cluster(&mut self, name: &str, services: &[&str]) {
        let cluster: Cluster =
            serde_json::from_value(serde_json::json!({"name": name, "services": services})).unwrap();
        self.write(&Key::Cluster(name.into()), &cluster);
    }

    pub(crate) fn write<T: serde::Serialize>(&mut self, key: &Key, value: &T) {
        self.write_text(&key.path(), serde_json::to_string(value).unwrap());
    }

    pub(crate) fn write_text(&mut self, key: &str, value: String) {
        self.commit_raw(key, Op::Put { key: key.into(), value, session: None });
    }

    pub(crate) fn delete(&mut self, key: &Key) {
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

    pub(crate) fn tasks(&self) -> Vec<Task> {
        let records = self.store.entries("state/tasks/_/");
        records.filter_map(|entry| serde_json::from_str(&entry.value).ok()).collect()
    }

    pub(crate) fn running(&self, service: &str) -> Vec<Task> {
        self.tasks()
            .into_iter()
            .filter(|task| &*task.service == service && task.desired == Desired::Run)
            .collect()
    }

    pub(crate) fn status(&self, task: &Task) -> Option<Status> {
        let key = Key::Status(task.host.clone(), task.id.clone()).path();
        let status: Status = serde_json::from_str(&self.store.get(&key)?.value).unwrap();
        (status.generation == task.generation).then_some(status)
    }

    /// Counts tasks that are there and healthy, whatever was ordered.
    pub(crate) fn healthy(&self, service: &str) -> usize {
        let of = self.tasks().into_iter().filter(|task| &*task.service == service);
        of.filter(|task| {
            self.store.get(&Key::Alive(task.host.clone()).path()).is_some()
                && self
                    .status(task)
                    .is_some_and(|status| status.health == Health::Healthy && !status.phase.is_over())
        })
        .count()
    }

    /// Lets time pass, everybody doing their work.
    pub(crate) fn run(&mut self, span: Span) {
        let end = self.now + span;
        loop {
            while let Some(reply) = self.replies.pop_front() {
                self.step(Input::Store(reply));
            }
            if !self.quiet && self.puppets() {
                continue;
            }
            let expiry = self.store.next_expiry();
            let next = self.scheduler.wake_at().map(|(at, _)| at).into_iter().chain(expiry).min();
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

    fn step(&mut self, input: Input) {
        for effect in self.scheduler.step(self.now, input) {
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
                let (watcher, missed) = self.store.watch(&prefix, after).unwrap();
                self.watchers.insert(watcher, prefix);
                self.deliver(missed);
            }
            Request::Commit { write, txn } => {
                self.commits += 1;
                let (outcome, deliveries) = self.store.commit(&txn);
                self.deliver(deliveries);
                if !self.quiet {
                    self.measure();
                }
                let outcome = (self.answer)(self.commits, outcome);
                self.replies.push_back(Reply::Done { write, outcome });
            }
        }
    }

    pub(crate) fn measure(&mut self) {
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
            let act = self.act_of.get(&*task.id).or_else(|| self.acts.get(&task.version)).copied();
            let (phase, health) = match (task.desired, act.unwrap_or(Act::Healthy)) {
                (Desired::Stop, _) => (Phase::Dead, Health::Unknown),
                (Desired::Run, Act::Healthy) => (Phase::Running, Health::Healthy),
                (Desired::Run, Act::Unhealthy) => (Phase::Running, Health::Unhealthy),
                (Desired::Run, Act::Failed) => (Phase::Failed, Health::Unhealthy),
                (Desired::Run, Act::Ignore) => continue,
            };
            let status = Status {
                id: task.id.clone(),
                generation: task.generation,
                attempt: 0,
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
