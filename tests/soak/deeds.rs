//! What befalls those who take part in a soak, one thing after the other, drawn from a seed.

use crate::Soak;
use crate::ground::{label, run_of, runs};
use crate::parts::Part;
use crate::processes::Process;
use rustix::process::Signal;
use servers::{SOON, ask_docker, until};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// Draws numbers.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Chance {
        Chance(seed.wrapping_mul(2).wrapping_add(1))
    }

    /// Draws a number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let bound = u64::try_from(bound).expect("a small number").max(1);
        usize::try_from(self.0 % bound).expect("a small number")
    }

    /// Draws a time, from and to so many seconds.
    fn span(&mut self, least: u64, most: u64) -> Duration {
        let more = usize::try_from((most - least) * 1000).expect("a small number");
        let more = u64::try_from(self.below(more)).expect("a small number");
        Duration::from_millis(least * 1000 + more)
    }

    fn pause(&mut self, least: u64, most: u64) {
        std::thread::sleep(self.span(least, most));
    }
}

impl Soak {
    /// Does something to somebody.
    pub(crate) fn deed(&mut self) {
        match self.chance.below(16) {
            0..=3 => self.kill_processes(None),
            4..=6 => self.kill_containers(None),
            7 | 8 => self.kill_daemon(),
            9 => self.stop_engine(),
            10 if self.consul.is_some() && self.chance.below(2) == 0 => self.hang_store(),
            10 => self.hang_engine(),
            11 => self.fill_disk(),
            12 | 13 => {
                let name = self.roll();
                self.say(&format!("another version of {name} is wanted"));
            }
            14 => self.stop_service(),
            _ => {
                // Nobody looks after the tasks while the engine is away, and then it comes back first.
                self.say("the daemon is killed while the engine is stopped");
                self.engine.stop();
                self.leave(1, 5);
                self.chance.pause(1, 5);
                self.engine.restart();
            }
        }
    }

    fn raise(&mut self) {
        let host = self.engine.host();
        self.show.raise(&["--docker-host", &host]);
    }

    /// Kills processes of some tasks, or those that look after them; of one service or of all.
    fn kill_processes(&mut self, of: Option<&str>) {
        let all: Vec<(String, Process)> = runs(&self.show.data_dir())
            .into_iter()
            .filter(|(run, _)| is_of(run, of))
            .flat_map(|(run, processes)| processes.into_iter().map(move |process| (run.clone(), process)))
            .collect();
        let count = 1 + self.chance.below(6);
        let mut hit = Vec::new();
        for _ in 0..count.min(all.len()) {
            let (run, process) = &all[self.chance.below(all.len())];
            self.strikes(run);
            process.signal(Signal::KILL);
            hit.push(run.as_str());
        }
        if !hit.is_empty() {
            self.say(&format!("killed processes of {}", hit.join(", ")));
        }
    }

    /// Kills some containers, or removes them; of one service or of all.
    fn kill_containers(&mut self, of: Option<&str>) {
        let mut all = self.containers("running");
        all.retain(|container| is_of(&run_of(container), of));
        let count = 1 + self.chance.below(4);
        let mut hit = Vec::new();
        for _ in 0..count.min(all.len()) {
            let container = &all[self.chance.below(all.len())];
            let id = container["Id"].as_str().unwrap_or_default();
            let (method, path) = match self.chance.below(3) {
                0 => ("DELETE", format!("/containers/{id}?force=1")),
                _ => ("POST", format!("/containers/{id}/kill")),
            };
            self.strikes(&run_of(container));
            // It may have ended by itself.
            let _gone = ask_docker(&self.engine.host(), method, &path, "");
            hit.push(format!("{} {}", label(container, "role"), run_of(container)));
        }
        if !hit.is_empty() {
            self.say(&format!("killed or removed containers of {}", hit.join(", ")));
        }
    }

    fn kill_daemon(&mut self) {
        self.say("the daemon is killed");
        self.leave(0, 5);
    }

    /// Kills the daemon, and starts it again after a while.
    fn leave(&mut self, least: u64, most: u64) {
        let span = self.chance.span(least, most);
        self.witness.iter().for_each(|witness| witness.absence(span));
        self.show.kill();
        std::thread::sleep(span);
        self.raise();
    }

    /// Tells the witness that something of a run is killed now.
    fn strikes(&self, run: &str) {
        self.witness.iter().for_each(|witness| witness.strikes(run));
    }

    fn stop_engine(&mut self) {
        self.say("the engine is stopped");
        self.engine.stop();
        self.chance.pause(2, 15);
        self.engine.restart();
    }

    fn hang_engine(&mut self) {
        self.say("the engine hangs");
        self.engine.member.signal(Signal::STOP);
        self.chance.pause(5, 20);
        self.engine.member.signal(Signal::CONT);
    }

    /// Lets Consul stand still for about as long as sessions live, or less.
    fn hang_store(&mut self) {
        /// For how long it may answer nobody once it goes on.
        const DAZED: Duration = Duration::from_secs(5);
        self.say("Consul hangs");
        let span = self.chance.span(2, 15);
        self.witness.iter().for_each(|witness| witness.outage(span + DAZED));
        let send = |soak: &Soak, signal| {
            soak.consul.iter().flat_map(|consul| &consul.members).for_each(|member| member.signal(signal));
        };
        send(self, Signal::STOP);
        std::thread::sleep(span);
        send(self, Signal::CONT);
    }

    /// Fills the disk of the daemon's directory, where that is a small one of its own.
    fn fill_disk(&mut self) {
        let ballast = self.show.path().join("ballast");
        match fill(&ballast) {
            Some(size) => self.say(&format!("the disk of the daemon is full, by {} MiB", size >> 20)),
            None => self.say("the disk of the daemon is too large to be filled"),
        }
        self.chance.pause(5, 20);
        std::fs::remove_file(&ballast).expect("the ballast can be removed");
    }

    fn stop_service(&mut self) {
        let names = ["steady", "deaf", "litter", "crew", "ship", "convoy", "otter"];
        let name = names[self.chance.below(names.len())];
        self.say(&format!("{name} is stopped and started again"));
        self.insist(&["stop", "--detach", name]);
        if self.chance.below(2) == 0 {
            // Some are being torn down now.
            self.chance.pause(0, 2);
            self.kill_processes(Some(name));
            self.kill_containers(Some(name));
        }
        self.chance.pause(0, 6);
        self.insist(&["start", "--detach", name]);
    }

    /// Says it again, as users do, where the store has not come to itself yet.
    pub(crate) fn insist(&self, line: &[&str]) {
        until(&line.join(" "), SOON, || (self.show.callboard(line).code == Some(0)).then_some(()));
    }
}

/// Tells whether a run is of a service, or of any.
fn is_of(run: &str, service: Option<&str>) -> bool {
    service.is_none_or(|name| Part::of(run).is_some_and(|part| part.name == name))
}

/// Writes until nothing more can be written; `None` when that is not soon so.
fn fill(path: &Path) -> Option<usize> {
    const MOST: usize = 512 << 20;
    let mut file = File::create(path).expect("the ballast can be made");
    let chunk = vec![1; 64 << 10];
    let mut size = 0;
    while size < MOST {
        let Ok(count) = file.write(&chunk) else { return Some(size) };
        size += count;
    }
    None
}
