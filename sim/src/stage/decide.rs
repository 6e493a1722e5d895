//! The machines: what reaches them, and what becomes of what they answer. This is the simulator's one driver; like any
//! driver it decides nothing.

use super::Stage;
use super::crash::Fate;
use crate::build::Build;
use crate::check::Text;
use crate::desk::{Case, Decided, Heard};
use crate::event::{Event, Process, Role};
use crate::host::Answer;
use crate::rng::Chance;
use crate::scenario::HostFault;
use callboard_core::agent;
use callboard_core::machine::Span;
use callboard_core::model::Name;
use callboard_core::registry;
use callboard_core::scheduler;
use callboard_core::store::Reply;
use callboard_core::work::{Order, Spec};

impl Stage {
    /// Wakes a machine that asked for it.
    pub(super) fn wake(&mut self, process: Process) {
        let now = self.now();
        let wanted = match process.role {
            Role::Agent => {
                let host = &mut self.hosts[process.at()];
                host.is_agent(process) && host.agent.as_mut().is_some_and(|agent| agent.disarm(now))
            }
            Role::Scheduler => {
                let own = self.schedulers[process.at()].name() == process;
                let machine = self.schedulers[process.at()].machine.as_mut();
                own && machine.is_some_and(|machine| machine.disarm(now))
            }
        };
        if !wanted {
            self.stale += 1;
            self.arm(process);
            return;
        }
        match process.role {
            Role::Agent => self.tell_agent(process, agent::Input::Wake),
            Role::Scheduler => self.tell_scheduler(process, scheduler::Input::Wake),
        }
    }

    /// Lets a machine hear from the store.
    pub(super) fn hear(&mut self, to: Process, reply: Reply) {
        match to.role {
            Role::Agent => {
                let host = &mut self.hosts[to.at()];
                if !host.is_agent(to) {
                    return;
                }
                if !host.ills.has(self.queue.now(), HostFault::FillDisk) {
                    host.seen = host.seen.max(revision_of(&reply));
                }
                self.court.heard(to, &reply);
                self.stats.sometimes.heard(&reply);
                self.tell_agent(to, agent::Input::Store(reply));
            }
            Role::Scheduler => {
                let scheduler = &self.schedulers[to.at()];
                if scheduler.machine.is_some() && scheduler.name() == to {
                    self.court.heard(to, &reply);
                    self.stats.sometimes.heard(&reply);
                    self.tell_scheduler(to, scheduler::Input::Store(reply));
                }
            }
        }
    }

    /// Lets an agent hear from its executor.
    pub(super) fn answered(&mut self, to: Process, answers: Vec<Answer>) {
        self.beside += (answers.len() as u64).saturating_sub(1);
        if self.scenario.reaction != Span(0) && self.mutant.is_none() && self.hosts[to.at()].is_agent(to) {
            return self.agent_takes(to, Heard::Answers(answers));
        }
        for answer in answers {
            if self.hosts[to.at()].is_agent(to) {
                self.step_agent(to, agent::Input::Work(answer.report()));
            }
        }
        self.arm(to);
    }

    /// Lets an agent hear from its registry.
    pub(super) fn told(&mut self, to: Process, reply: registry::Reply) {
        if self.hosts[to.at()].is_agent(to) {
            self.tell_agent(to, agent::Input::Registry(reply));
        }
    }

    fn tell_agent(&mut self, process: Process, input: agent::Input) {
        self.step_agent(process, input);
        self.arm(process);
    }

    /// Lets an agent take something in, and a planted bug have its way with it.
    fn step_agent(&mut self, process: Process, input: agent::Input) {
        let Some(mutant) = &mut self.mutant else { return self.agent_takes(process, Heard::One(input)) };
        let name = self.hosts[process.at()].registration.host.clone();
        let is_first = self.by_name.get(&name) == Some(&process.index);
        let (inputs, unasked) = mutant.agent_hears(&name, is_first, &self.court.book, input);
        self.carry_out(process, unasked);
        inputs.into_iter().for_each(|input| self.agent_takes(process, Heard::One(input)));
    }

    fn agent_takes(&mut self, process: Process, heard: Heard) {
        let now = self.queue.now();
        let host = &mut self.hosts[process.at()];
        let Some(agent) = &mut host.agent else { return };
        if turns(&mut self.tapes) {
            agent.turn_tape(now);
        }
        let case = agent.deciding(now, heard);
        if self.scenario.reaction == Span(0) {
            return self.decided(process, 0, case.decide());
        }
        self.decides(process, case);
    }

    /// Lets a machine decide, which takes a while.
    fn decides(&mut self, by: Process, case: Case) {
        let number = self.desk.take_in(case);
        let at = self.now() + self.scenario.reaction;
        self.queue.push(at, Event::Decided { by, number });
    }

    /// Carries out what a machine decided a while ago.
    pub(super) fn carries_out(&mut self, by: Process, number: u64) {
        self.stale += 1;
        let decided = self.desk.give(number);
        if self.current(by.role, by.at()) == by && self.is_running(by) {
            self.decided(by, number, decided);
            self.arm(by);
        }
    }

    fn decided(&mut self, by: Process, number: u64, decided: Decided) {
        match decided {
            Decided::Agent(decision, store_id) => {
                let agent = self.hosts[by.at()].agent.as_mut();
                let effects = agent.map(|agent| agent.decided(number, decision)).unwrap_or_default();
                self.agent_decided(by, effects, store_id);
            }
            Decided::Scheduler(decision) => {
                let machine = self.schedulers[by.at()].machine.as_mut();
                let effects = machine.map(|machine| machine.decided(number, decision)).unwrap_or_default();
                self.scheduler_decided(by, effects);
            }
        }
    }

    fn agent_decided(&mut self, process: Process, mut effects: Vec<agent::Effect>, store_id: Option<Name>) {
        let now = self.queue.now();
        let host = &mut self.hosts[process.at()];
        if store_id != host.store_id && !host.ills.has(now, HostFault::FillDisk) {
            host.store_id = store_id;
        }
        if let Some(mutant) = &mut self.mutant {
            effects = mutant.agent_does(&host.registration.host, effects);
        }
        self.carry_out(process, effects);
    }

    fn carry_out(&mut self, process: Process, effects: Vec<agent::Effect>) {
        if effects.is_empty() {
            return;
        }
        let name = &self.hosts[process.at()].registration.host.clone();
        for effect in effects {
            let fate = self.fate_of(&effect);
            if fate == Fate::DiesFirst {
                return self.dies(process);
            }
            match effect {
                agent::Effect::Store(request) => self.send(process, request),
                agent::Effect::Work(order) => self.order(process, name, order),
                agent::Effect::Registry(request) => self.inquire(process, name, request),
                agent::Effect::Note(note) => self.note(Some(name), note),
                agent::Effect::Exit => return self.agent_exits(process.index),
                agent::Effect::Refuse(_) => return self.agent_refuses(process.index),
            }
            if fate == Fate::DiesThen {
                return self.dies(process);
            }
        }
        let answer = self.hosts[process.at()].answer(self.queue.now(), process);
        answer.into_iter().for_each(|(at, event)| self.queue.push(at, event));
    }

    fn tell_scheduler(&mut self, process: Process, input: scheduler::Input) {
        let now = self.queue.now();
        let inputs = match &mut self.mutant {
            Some(mutant) => mutant.scheduler_hears(&self.court.book, input),
            None => vec![input],
        };
        for input in inputs {
            let Some(machine) = &mut self.schedulers[process.at()].machine else { return };
            if turns(&mut self.tapes) {
                machine.turn_tape(now);
            }
            let case = machine.deciding(now, input);
            if self.scenario.reaction == Span(0) {
                self.decided(process, 0, case.decide());
            } else {
                self.decides(process, case);
            }
        }
        self.arm(process);
    }

    fn scheduler_decided(&mut self, process: Process, mut effects: Vec<scheduler::Effect>) {
        let now = self.now();
        if let Some(mutant) = &mut self.mutant {
            effects = mutant.scheduler_does(now, effects);
        }
        for effect in effects {
            match effect {
                scheduler::Effect::Store(request) => match self.deeds.next() {
                    Fate::LivesOn => self.send(process, request),
                    Fate::DiesFirst => return self.dies(process),
                    Fate::DiesThen => {
                        self.send(process, request);
                        return self.dies(process);
                    }
                },
                scheduler::Effect::Note(note) => {
                    self.count_locks(process, &note);
                    self.note(None, note);
                }
            }
        }
    }

    /// Tells an agent to end and to leave its tasks running.
    pub(super) fn tell_to_end(&mut self, process: Process) {
        if self.hosts[process.at()].is_agent(process) {
            self.tell_agent(process, agent::Input::Shutdown { keep: true });
        }
    }

    /// Plans the next wake of a machine.
    pub(super) fn arm(&mut self, process: Process) {
        let now = self.now();
        let at = match process.role {
            Role::Agent => self.hosts[process.at()].agent.as_mut().and_then(|agent| agent.arm(now)),
            Role::Scheduler => {
                self.schedulers[process.at()].machine.as_mut().and_then(|machine| machine.arm(now))
            }
        };
        if let Some(at) = at {
            let current = self.current(process.role, process.at());
            self.queue.push(at, Event::Wake(current));
        }
    }

    /// Carries an agent's order to the executor.
    fn order(&mut self, agent: Process, name: &Text, order: Order) {
        let now = self.now();
        if !matches!(order, Order::Check { .. } | Order::Measure) {
            self.tidings.ordered(now, name, &order);
            if let Some((task, what)) = concerned(&order) {
                self.witness.ordered(name, &task, what);
            }
            self.court.ordered(name, &order);
        }
        let is_start = matches!(order, Order::Start(_));
        let builds = &self.builds;
        let build = |spec: &Spec| {
            let key = (spec.task.task_name.clone(), spec.task.version);
            let limit = spec.task.once.as_ref().and_then(|once| once.time_limit);
            let completes_after = limit.map(|limit| Span(limit.0 / 2));
            let sound = || Build { completes_after, ..Build::sound(key.0.clone(), key.1) };
            let turned = |build: &&Build| build.from.0 <= now.0;
            builds.get(&key).filter(turned).cloned().unwrap_or_else(sound)
        };
        let outward = self.hosts[agent.at()].order(now, agent, order, build);
        if is_start {
            let host = &self.hosts[agent.at()];
            self.court.starting(name, host.under_way(now), host.starts as usize);
        }
        self.outward(agent.index, outward);
    }
}

impl Stage {
    /// Carries what an agent asks to the registry of its host.
    fn inquire(&mut self, agent: Process, name: &Text, request: registry::Request) {
        let now = self.now();
        self.court.inquired(name, &request);
        let changes = changes(&request);
        let manners = &self.scenario.registry.clone().unwrap_or_default();
        let outward = self.hosts[agent.at()].inquire(now, agent, request, manners);
        self.outward(agent.index, outward);
        if changes {
            self.registry_changed(agent.index);
        }
    }

    /// Lets a question arrive that was late.
    pub(super) fn inquired(&mut self, agent: Process, request: registry::Request) {
        let (now, changes) = (self.now(), changes(&request));
        let manners = &self.scenario.registry.clone().unwrap_or_default();
        let outward = self.hosts[agent.at()].inquired(now, agent, request, manners);
        self.outward(agent.index, outward);
        if changes {
            self.registry_changed(agent.index);
        }
    }

    /// Lets the checkers know what a registry holds.
    pub(super) fn registry_changed(&mut self, host: u32) {
        let host = &self.hosts[host as usize];
        self.court.registry(&host.registration.host, &host.registry.held);
    }
}

/// How often a machine's tape is turned, in a million steps.
const TURNS: u32 = 20_000;

/// Draws whether a machine's tape is turned now, where machines have any.
fn turns(tapes: &mut Option<Chance>) -> bool {
    tapes.as_mut().is_some_and(|chance| chance.happens(TURNS))
}

/// Gives the task that an order is about, and what is to be done.
fn concerned(order: &Order) -> Option<(Text, &'static str)> {
    match order {
        Order::Start(spec) => Some((spec.task.id.clone(), "start")),
        Order::Stop { run, .. } => Some((run.id.clone(), "stop")),
        Order::Remove(run) => Some((run.id.clone(), "forget")),
        Order::Inspect | Order::Check { .. } | Order::Measure => None,
    }
}

/// Tells whether what is asked may change what a registry holds.
fn changes(request: &registry::Request) -> bool {
    match request {
        registry::Request::Register(_) | registry::Request::Deregister(_) => true,
        registry::Request::List | registry::Request::Ask { .. } | registry::Request::Tell { .. } => false,
    }
}

fn revision_of(reply: &Reply) -> callboard_core::store::Revision {
    match reply {
        Reply::Listed { result: Ok(listing), .. } => listing.revision,
        Reply::Changed { revision, .. } => *revision,
        Reply::Listed { .. }
        | Reply::SessionOpened(_)
        | Reply::SessionRenewed(..)
        | Reply::WatchEnded { .. }
        | Reply::Done { .. } => callboard_core::store::Revision(0),
    }
}
