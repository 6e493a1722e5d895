//! The fields at the top of a scenario file, and those of the smaller objects in it.

use super::fault;
use super::form::{Form, Shape};
use super::generate::{self, Generate};
use super::happenings::Entry;
use super::kinds::{
    Between, Choice, Counts, Duration, Flag, Labels, Lines, List, Named, Number, Object, PPM, Rules, SOME,
    TASK, TIME, Text, Word,
};
use super::traces::{self, ArrivalRow, Curve, EventRow, Fleet, Rows};
use super::{FaultKind, HostClass, HostFault, RegistryManners, Scenario, StoreManners, Trickle};
use crate::build::Build;
use callboard_core::machine::Span;
use callboard_core::model::{Name, PortRange};
use std::collections::BTreeSet;

/// The longest trial of patience: an hour.
const SESSION: Duration = Duration(Span::secs(1), Span::secs(3600));

/// How long machines may take to do something: less than any session lasts.
const REACTION: Duration = Duration(Span(0), Span(500));

impl Default for Scenario {
    fn default() -> Scenario {
        Scenario {
            name: "scenario".into(),
            description: String::new(),
            teaches: String::new(),
            file: String::new(),
            sets: Vec::new(),
            seed: 1,
            duration: Span::secs(600),
            settle: Span::secs(300),
            fleet: Vec::new(),
            schedulers: 1,
            ttl: Span::secs(15),
            reaction: Span(0),
            desired: callboard_core::config::Configuration::default(),
            builds: Vec::new(),
            store: StoreManners::default(),
            registry: None,
            timeline: Vec::new(),
            trickle: Vec::new(),
            expect: Vec::new(),
        }
    }
}

impl Scenario {
    /// Names the fields that others refer to.
    pub(super) fn world(&mut self, form: &mut Form<'_, '_>) {
        let mut name = Name::from(self.name.as_str());
        form.must("name", "A short name; also that of the file.", &Named, &mut name);
        self.name = name.to_string();
        let says = "What happens, in a sentence or two.";
        form.may("description", says, &Lines("a description"), &mut self.description);
        let says = "What a reader learns from it, in a sentence or two.";
        form.may("teaches", says, &Lines("a lesson"), &mut self.teaches);
        let says = "All that is random is drawn from it, unless the command line gives another.";
        form.may("seed", says, &Number(0, u64::MAX), &mut self.seed);
        form.must("duration", "How much time passes.", &SOME, &mut self.duration);
        let says =
            "How long before the end the last fault is over; what must happen in the end is then checked.";
        form.may("settle", says, &SOME, &mut self.settle);
        let says = "The machines, in classes of machines that are alike.";
        form.must("fleet", says, &Fleet, &mut self.fleet);
        let mut events = None;
        let says = "A CSV file of what happens to machines: those that are added, removed or updated.";
        form.maybe("host_events", says, &Rows(EventRow::default()), &mut events);
        let mut arrivals = None;
        let says = "A CSV file of services that appear, and are deleted after a while.";
        form.maybe("arrivals", says, &Rows(ArrivalRow::default()), &mut arrivals);
        self.timeline.extend(traces::host_events(events.unwrap_or_default(), &mut self.fleet));
        self.timeline.extend(traces::arrivals(arrivals.unwrap_or_default()));
        let mut generate = Vec::new();
        let says = "Services that are alike, for fleets too large to write down.";
        form.may("generate", says, &List(Object(Generate::default())), &mut generate);
        generate.iter().for_each(|generate: &Generate| generate.add_to(&mut self.desired));
        let mut names = BTreeSet::new();
        if let Some(double) = self.desired.services.iter().find(|service| !names.insert(&service.name)) {
            let problem = format!("two services are named \"{}\"", double.name);
            form.wrong(&problem, "each name once; in `generate` each has a prefix of its own");
        }
    }

    /// Names the fields that refer to others.
    pub(super) fn events(&mut self, form: &mut Form<'_, '_>) {
        let says = "How many scheduler processes run.";
        form.may("schedulers", says, &Number(1, 16), &mut self.schedulers);
        let says = "How long the sessions of agents and schedulers outlive their last word.";
        form.may("ttl", says, &SESSION, &mut self.ttl);
        let says = "How long schedulers and agents take from what they hear to what they do.";
        form.may("reaction", says, &REACTION, &mut self.reaction);
        let says = "How versions behave that are not simply sound.";
        form.may("builds", says, &List(Object(Build::sound("".into(), 1))), &mut self.builds);
        form.may("store", "How the store behaves all the time.", &super::manners::Store, &mut self.store);
        let says = "How the registry of each machine behaves all the time; left out, there are none.";
        form.maybe("registry", says, &Object(RegistryManners::default()), &mut self.registry);
        // What came from files is there already; what the file itself says goes first.
        let of_files = if form.known().is_some() { std::mem::take(&mut self.timeline) } else { Vec::new() };
        form.may("timeline", "What happens once.", &List(Entry), &mut self.timeline);
        self.timeline.extend(of_files);
        let says = "What happens again and again, at random times.";
        form.may("trickle", says, &List(Object(Trickle::default())), &mut self.trickle);
        let says = "What is expected of the run.";
        form.may("expect", says, &List(super::expectations::Entry), &mut self.expect);
    }
}

impl Shape for HostClass {
    fn basis(&self) -> HostClass {
        HostClass::default()
    }

    fn form(&mut self, form: &mut Form<'_, '_>) {
        let says = "Names the machines: `<prefix>0001` and so on.";
        form.may("prefix", says, &Text("the beginning of host names"), &mut self.prefix);
        let says = "Names the first of the machines one by one.";
        form.may("names", says, &List(Named), &mut self.names);
        let is_given = form.known().is_none() && self.count as usize != self.names.len();
        let mut count = is_given.then_some(self.count);
        let says = "How many machines; left out, as many as have names, or 3.";
        form.maybe("count", says, &Number(1, 100_000), &mut count);
        let named = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        let default = if named == 0 { HostClass::default().count } else { named };
        self.count = count.unwrap_or(default);
        form.may("memory", "Memory for tasks, MiB.", &Number(1, 16_777_216), &mut self.memory);
        let says = "Processor share for tasks, 1024 a core.";
        form.may("cpu_units", says, &Number(1, 1_048_576), &mut self.cpu_units);
        form.may("disk", "Disk for tasks, MiB.", &Number(0, 1_073_741_824), &mut self.disk);
        let says = "Whatever else the machines count, by name, as in `gpu: 2`.";
        form.may("resources", says, &Counts, &mut self.resources);
        let says = "Ports that the scheduler may give away.";
        form.may("ports", says, &Object(self.ports), &mut self.ports);
        let executors = List(Word(&[("docker", "docker"), ("bash", "bash")]));
        form.may("executors", "Executors that work there.", &executors, &mut self.executors);
        let says = "What tasks may do there, as in the file of `--policy`; left out, all that they can.";
        form.may("policy", says, &Rules, &mut self.policy);
        let says = "How many tasks each of the machines starts at once.";
        form.may("parallel_starts", says, &Number(1, 1_000), &mut self.parallel_starts);
        form.may("labels", "Facts about the machines.", &Labels, &mut self.labels);
        let says = "Spreads the machines over so many racks, with labels `rack: r1` and so on.";
        form.may("racks", says, &Number(0, 100_000), &mut self.racks);
        let says = "Spreads the racks over so many zones, with labels `zone: z1` and so on.";
        form.may("zones", says, &Number(0, 100_000), &mut self.zones);
    }
}

impl Shape for PortRange {
    fn basis(&self) -> PortRange {
        HostClass::default().ports
    }

    fn form(&mut self, form: &mut Form<'_, '_>) {
        form.may("first", "The first port.", &Number(1, u16::MAX), &mut self.first);
        form.may("last", "The last port.", &Number(1, u16::MAX), &mut self.last);
    }
}

impl Shape for RegistryManners {
    fn basis(&self) -> RegistryManners {
        RegistryManners::default()
    }

    fn form(&mut self, form: &mut Form<'_, '_>) {
        let says = "Requests that never arrive, in a million.";
        form.may("lost_requests_ppm", says, &PPM, &mut self.lost_requests);
        form.may(
            "lost_answers_ppm",
            "Answers that never arrive, in a million.",
            &PPM,
            &mut self.lost_answers,
        );
        form.may("late_ppm", "Requests that arrive late, after others, in a million.", &PPM, &mut self.late);
    }
}

impl Shape for Generate {
    fn basis(&self) -> Generate {
        Generate::default()
    }

    fn form(&mut self, form: &mut Form<'_, '_>) {
        let says = "Names the services: `<prefix>001` and so on, and their task definitions likewise.";
        form.may("prefix", says, &Text("the beginning of service names"), &mut self.prefix);
        form.may("services", "How many services.", &Number(1, 10_000), &mut self.services);
        let says = "What kind of services; a system service has one task on each host, a batch service completes `tasks`.";
        form.may("kind", says, &Choice(&generate::KINDS), &mut self.kind);
        form.may("tasks", "How many tasks each has.", &Number(1, 100_000), &mut self.tasks);
        let (mut min, mut max) = (None, None);
        let says = "How many tasks of each must stay healthy; left out, nine in ten.";
        form.maybe("min", says, &Number(0, 100_000), &mut min);
        let says = "How many tasks of each may be issued; left out, eleven for ten.";
        form.maybe("max", says, &Number(1, 200_000), &mut max);
        self.min = min.unwrap_or(self.tasks * 9 / 10);
        self.max = max.unwrap_or(self.tasks + (self.tasks / 10).max(1));
        let says = "How many versions there are of each task definition; the first is run.";
        form.may("versions", says, &Number(1, 10), &mut self.versions);
        form.may("memory", "What each task reserves, MiB.", &Number(0, 1_048_576), &mut self.memory);
        let says = "What each task reserves of a processor, 1024 a core.";
        form.may("cpu_units", says, &Number(0, 1_048_576), &mut self.cpu_units);
        let says = "Time from one health check to the next.";
        form.may("check_interval", says, &SOME, &mut self.check_interval);
        form.may("cluster", "The cluster that the services belong to.", &Named, &mut self.cluster);
        let says = "How the cluster chooses hosts.";
        form.may("policy", says, &Choice(&generate::POLICIES), &mut self.policy);
        let says = "How many tasks of a new version may be on their way at once; left out, a tenth.";
        form.maybe("max_parallel", says, &Number(1, 100_000), &mut self.max_parallel);
        let says = "There are never two tasks of a service at a time; then `max` is 1.";
        form.may("exclusive", says, &Flag, &mut self.exclusive);
        let says = "The less important are moved first, and make room for those that may take it.";
        form.may("priority", says, &Number(0, 100), &mut self.priority);
        let says = "Its tasks may take the room of less important ones where they have no place otherwise.";
        form.may("preempt", says, &Flag, &mut self.preempt);
    }
}

impl Shape for Build {
    fn basis(&self) -> Build {
        Build::sound("".into(), 1)
    }

    fn form(&mut self, form: &mut Form<'_, '_>) {
        form.must("task", "The task definition.", &TASK, &mut self.task);
        form.must("version", "Its version.", &Number(1, u32::MAX), &mut self.version);
        form.may("start", "How long set-up and start take.", &Between, &mut self.start);
        form.may("fails_to_start", "The start itself fails.", &Flag, &mut self.fails_to_start);
        let mut never = self.healthy_after.is_none();
        form.may("never_healthy", "It runs and never becomes healthy.", &Flag, &mut never);
        let mut after = self.healthy_after.unwrap_or(Span(1_000));
        let says = "How long after its start it becomes healthy.";
        form.may("healthy_after", says, &TIME, &mut after);
        self.healthy_after = Some(after).filter(|_| !never);
        let says = "For how long it stays healthy; left out, for good.";
        form.maybe("healthy_for", says, &TIME, &mut self.healthy_for);
        let says = "Ends by itself this long after its start; left out, never.";
        form.maybe("exits_after", says, &TIME, &mut self.exits_after);
        let says = "Ends by itself with exit code 0 this long after its start; left out, never.";
        form.maybe("completes_after", says, &TIME, &mut self.completes_after);
        let says = "The share of its tries that end with exit code 1 then, in percent.";
        form.may("fails_percent", says, &Number(0, 100), &mut self.fails_percent);
        form.may("stop", "How long it takes to end when asked to.", &Between, &mut self.stop);
        let says = "Does not end when asked to; only killing helps.";
        form.may("ignores_term", says, &Flag, &mut self.ignores_term);
        let says = "Memory at the start, in percent of what it reserves; of 64 MiB when it reserves none.";
        form.may("memory_percent", says, &Number(0, 1_000), &mut self.memory_percent);
        let says = "Memory that it takes more every minute, MiB.";
        form.may("leak_mib_per_minute", says, &Number(0, 1_048_576), &mut self.leak_mib_per_minute);
        let says = "Memory that it takes beside that: points of time since its start, straight between them; or a CSV file.";
        form.may("memory_curve", says, &Curve, &mut self.memory_curve);
        form.may("memory_repeats", "The curve begins again at its end.", &Flag, &mut self.memory_repeats);
        let says = "Poison: kills its agent so long after its start, and itself; left out, never.";
        form.maybe("kills_agent_after", says, &TIME, &mut self.kills_agent_after);
        let says = "Poison: takes its machine down so long after its start; left out, never.";
        form.maybe("kills_host_after", says, &TIME, &mut self.kills_host_after);
        let says = "Is sound until so long after the beginning: only what is started later is as described.";
        form.may("from", says, &TIME, &mut self.from);
        let says =
            "Is killed when it takes more memory than it reserves; a `memory_limit` holds for any build.";
        form.may("limited", says, &Flag, &mut self.limited);
        let says =
            "The share of hosts on which it misbehaves as described, in percent; elsewhere it is sound.";
        form.may("on_hosts_percent", says, &Number(0, 100), &mut self.on_hosts_percent);
    }
}

/// A trickle until the end of the scenario, whenever that is.
const TO_THE_END: Span = Span(u64::MAX);

impl Default for Trickle {
    fn default() -> Trickle {
        Trickle {
            fault: FaultKind::Host(HostFault::Crash),
            each: None,
            per_hour: 1,
            from: Span::secs(60),
            until: TO_THE_END,
            lasting: (Span::secs(60), Span::secs(300)),
        }
    }
}

impl Shape for Trickle {
    fn basis(&self) -> Trickle {
        Trickle::default()
    }

    fn form(&mut self, form: &mut Form<'_, '_>) {
        form.must("fault", "What goes wrong.", &Choice(&fault::NAMES), &mut self.fault);
        let says = "Hits all machines with the same value of this label at once; left out, one machine.";
        form.maybe("each", says, &Text("the name of a label"), &mut self.each);
        let says = "How often in the whole fleet, on average.";
        form.must("per_hour", says, &Number(1, 1_000_000), &mut self.per_hour);
        form.may("from", "From when.", &TIME, &mut self.from);
        let mut until = Some(self.until).filter(|until| *until != TO_THE_END);
        form.maybe("until", "Until when; left out, to the end of the scenario.", &TIME, &mut until);
        self.until = until.or(form.known().map(|known| known.duration)).unwrap_or(TO_THE_END);
        form.may("lasting", "How long each lasts.", &Between, &mut self.lasting);
    }
}
