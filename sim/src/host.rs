//! A simulated machine: its processes, its memory, and the executor through which an agent starts and stops them.
//!
//! **Invariant:** what lives here is the truth; an agent learns of it only through reports.

mod answer;
mod execute;
mod ills;
mod memory;
mod mounts;
mod process;
mod registry;

pub(crate) use answer::Answer;
pub(crate) use ills::Ills;
use memory::Measured;
pub(crate) use process::{Proc, ProcState};
pub(crate) use registry::Registry;

use crate::agent::AgentProcess;
use crate::event::{Event, Moment, Process, Role};
use crate::link::Link;
use crate::rng::{Chance, Stream};
use callboard_core::agent::{STARTS_DEFAULT, Settings};
use callboard_core::machine::{Span, Time};
use callboard_core::model::{Name, Registration, TaskDefinition};
use callboard_core::store::Revision;
use callboard_core::work::{Exit, Run};
use std::collections::BTreeMap;

/// One machine.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) index: u32,
    pub(crate) registration: Registration,
    /// How many starts its agent makes at once.
    pub(crate) starts: u32,
    /// Memory of the machine, MiB: what tasks may have, and a sixteenth more.
    pub(crate) memory_total: u64,
    /// Counts its boots.
    boot: u32,
    /// Powered on.
    pub(crate) up: bool,
    /// Stands still until then.
    pub(crate) frozen_until: Time,
    /// The way between its agent and the store.
    pub(crate) link: Link,
    /// How much too fast its clock goes, in a million.
    pub(crate) ppm: i32,
    pub(crate) ills: Ills,
    /// The agent, while it runs.
    pub(crate) agent: Option<AgentProcess>,
    /// Its agent was told to end in order.
    pub(crate) leaves: Option<Leave>,
    /// Counts the lives of its agent.
    life: u32,
    /// The highest revision its agents have heard of; kept on its disk.
    pub(crate) seen: Revision,
    /// What others are told of what runs here.
    pub(crate) registry: Registry,
    /// The id of the store that they knew last; kept there too.
    pub(crate) store_id: Option<Name>,
    /// Everything that was started and not removed.
    pub(crate) procs: Vec<Proc>,
    /// Where among them the one is that will be asked about next, mostly.
    asked_next: usize,
    /// Starts that were ordered and came to nothing without a word: when, and in which life of the agent.
    unheard: BTreeMap<Run, (Time, u32)>,
    pids: u32,
    forecast: u32,
    measured: Measured,
    /// What its checks and measurements found out, and the agent is not told yet.
    found_out: Vec<Answer>,
    pub(crate) chance: Chance,
    pub(crate) net: Chance,
}

/// An agent that was told to end in order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leave {
    pub(crate) told: Time,
    /// After how long it is started again.
    pub(crate) restart_after: Span,
    /// It could say what it had to say: the store took it for alive, and its clock goes as it should.
    pub(crate) can_speak: bool,
}

/// Something that happened on a machine and that the rest of the world must know.
#[derive(Clone, Debug)]
pub(crate) enum Outward {
    /// Plan this.
    Plan(Time, Event),
    /// A process exists.
    Born(u32),
    /// A process is gone.
    Gone(Box<Proc>),
    /// A task's true health changed.
    Health(u32, bool),
    /// A task was killed for want of memory.
    OutOfMemory,
    /// A process was killed at its own limit.
    OverLimit,
    /// A task took its agent down with it.
    AgentDown,
    /// A task took its machine down with it.
    MachineDown,
}

/// Gives what a machine has in all that has this much for tasks, MiB.
fn total(memory: u64) -> u64 {
    memory + memory / 16
}

impl Host {
    pub(crate) fn new(index: u32, registration: Registration, seed: u64) -> Host {
        Host {
            index,
            memory_total: total(registration.memory),
            registration,
            starts: STARTS_DEFAULT,
            boot: 0,
            up: true,
            frozen_until: Time(0),
            link: Link::default(),
            ppm: 0,
            ills: Ills::default(),
            agent: None,
            leaves: None,
            life: 0,
            seen: Revision(0),
            registry: Registry::default(),
            store_id: None,
            procs: Vec::new(),
            asked_next: 0,
            unheard: BTreeMap::new(),
            pids: 0,
            forecast: 0,
            measured: Measured::default(),
            found_out: Vec::new(),
            chance: Chance::new(seed, Stream::Host(index)),
            net: Chance::new(seed, Stream::AgentNet(index)),
        }
    }

    /// Gives it another size, of which its next agent tells.
    pub(crate) fn resize(&mut self, memory: Option<u64>, cpu_units: Option<u64>) {
        let registration = &mut self.registration;
        registration.memory = memory.unwrap_or(registration.memory);
        registration.cpu_units = cpu_units.unwrap_or(registration.cpu_units);
        self.memory_total = total(registration.memory);
    }

    /// Gives the name.
    pub(crate) fn name(&self) -> &str {
        &self.registration.host
    }

    /// Tells why nothing can be started of a definition here.
    pub(crate) fn refusal(&self, definition: &TaskDefinition) -> Option<String> {
        mounts::refusal(&self.registration.policy, definition)
    }

    /// Starts an agent.
    pub(crate) fn start_agent(&mut self, now: Time, ttl: Span, registry: bool) -> Process {
        self.life += 1;
        self.found_out.clear();
        let settings = Settings {
            registration: self.registration.clone(),
            boot_id: format!("{}-boot-{}", self.name(), self.boot),
            agent_id: format!("{}-agent-{}", self.name(), self.index),
            ttl,
            starts: self.starts,
            pressure_percent: 90,
            registry,
            seen: self.seen,
            store_id: self.store_id.clone(),
        };
        self.agent = Some(AgentProcess::new(settings, now, self.ppm, &mut self.chance));
        self.agent_name()
    }

    /// Names the agent's present life.
    pub(crate) fn agent_name(&self) -> Process {
        Process { role: Role::Agent, index: self.index, life: self.life }
    }

    /// Tells whether this life of the agent goes on.
    pub(crate) fn is_agent(&self, process: Process) -> bool {
        self.agent.is_some() && process.life == self.life
    }

    /// Loses everything that runs.
    pub(crate) fn crash(&mut self) -> Vec<Outward> {
        self.up = false;
        (self.agent, self.leaves) = (None, None);
        self.frozen_until = Time(0);
        let mut out = Vec::new();
        let power = Exit { code: None, signal: Some(9), out_of_memory: false };
        for proc in &mut self.procs {
            proc.end(power.clone(), &mut out);
        }
        // Containers are still known to docker after the machine comes back; plain processes are not.
        self.procs.retain(|proc| proc.keeps_record());
        out
    }

    /// Comes back, with nothing running.
    pub(crate) fn boot(&mut self) {
        self.up = true;
        self.boot += 1;
    }

    /// Stands still: nothing here does its work.
    pub(crate) fn freeze(&mut self, until: Time) -> Vec<Outward> {
        self.frozen_until = self.frozen_until.max(until);
        let mut out = Vec::new();
        for proc in self.procs.iter_mut().filter(|proc| proc.healthy) {
            (proc.healthy, proc.dozes) = (false, true);
            out.push(Outward::Health(proc.pid, false));
        }
        out
    }

    /// Goes on.
    pub(crate) fn thaw(&mut self) -> Vec<Outward> {
        let mut out = Vec::new();
        for proc in self.procs.iter_mut().filter(|proc| proc.dozes && proc.state == ProcState::Live) {
            (proc.healthy, proc.dozes) = (true, false);
            out.push(Outward::Health(proc.pid, true));
        }
        out
    }

    /// Gives the number of a new process.
    pub(crate) fn next_pid(&mut self) -> u32 {
        self.pids += 1;
        self.pids
    }

    /// Finds a process.
    pub(crate) fn proc(&self, pid: u32) -> Option<&Proc> {
        self.procs.iter().find(|proc| proc.pid == pid)
    }

    /// Takes what happens to a process.
    pub(crate) fn live(&mut self, now: Time, pid: u32, moment: Moment) -> Vec<Outward> {
        let mut out = Vec::new();
        let Some(proc) = self.procs.iter_mut().find(|proc| proc.pid == pid) else { return out };
        if proc.state == ProcState::Dead {
            return out;
        }
        match moment {
            Moment::Born => self.born(now, pid, &mut out),
            Moment::Healthy => {
                proc.healthy = true;
                out.push(Outward::Health(pid, true));
            }
            Moment::Unhealthy => {
                if std::mem::take(&mut proc.healthy) {
                    out.push(Outward::Health(pid, false));
                }
            }
            Moment::KillAgent => {
                self.end(now, pid, Exit { code: Some(1), signal: None, out_of_memory: false }, &mut out);
                out.push(Outward::AgentDown);
            }
            Moment::KillMachine => out.push(Outward::MachineDown),
            Moment::Exit => {
                self.end(now, pid, Exit { code: Some(1), signal: None, out_of_memory: false }, &mut out)
            }
            Moment::Complete => {
                let code = proc.build.exit_code(&proc.run);
                self.end(now, pid, Exit { code: Some(code), signal: None, out_of_memory: false }, &mut out)
            }
            Moment::Stopped => {
                self.end(now, pid, Exit { code: None, signal: Some(15), out_of_memory: false }, &mut out)
            }
            Moment::OverLimit => {
                out.push(Outward::OverLimit);
                self.end(now, pid, Exit { code: None, signal: Some(9), out_of_memory: true }, &mut out)
            }
            Moment::Killed => {
                self.end(now, pid, Exit { code: None, signal: Some(9), out_of_memory: false }, &mut out)
            }
        }
        out
    }
}
