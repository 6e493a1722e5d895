//! What deciding costs in a cluster that is large: the real scheduler, which hears what the store holds and says what is to
//! be written, on the memory store. The time is that of the scheduler alone; the store's is left out.
//!
//! ```text
//! cargo bench --bench decisions -- 10000 1000000        hosts, tasks
//! ```

use callboard_core::keys::Key;
use callboard_core::machine::Span;
use callboard_core::model::{Desired, Health, Phase, PortRange, Status, Task};
use stage::Stage;
use std::io::Write as _;
use std::time::Duration;
use tikv_jemallocator::Jemalloc;

/// As the daemon has it.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

const SERVICES: u32 = 1_000;
/// How often each thing is measured.
const ROUNDS: u32 = 10;

fn main() {
    let numbers: Vec<u32> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    let (hosts, tasks) = match numbers[..] {
        [] => (10_000, 1_000_000),
        [hosts, tasks] => (hosts, tasks),
        _ => panic!("say how many hosts and how many tasks, as in 10000 1000000"),
    };
    let mut stage = full(hosts, tasks);
    say("what is measured", format!("{hosts} hosts, {} tasks of {SERVICES} services", stage.tasks().len()));
    let spent = (0..3).map(|number| take_over(&mut stage, number)).collect();
    tell("a scheduler takes over, to its first decision", spent);
    let spent = (0..ROUNDS).map(|_| nothing(&mut stage)).collect();
    tell("it is woken, and nothing has changed", spent);
    let (spent, commits): (Vec<Duration>, Vec<usize>) =
        (0..ROUNDS).map(|number| lose(&mut stage, number)).unzip();
    tell("a host is lost, until its tasks are placed anew", spent);
    say("transactions for that", format!("{} at most", commits.iter().max().unwrap_or(&0)));
}

/// Says the least, the middle and the most of what several rounds took.
fn tell(what: &str, mut spent: Vec<Duration>) {
    spent.sort();
    say(what, format!("{:.2?}, {:.2?}, {:.2?}", spent[0], spent[spent.len() / 2], spent[spent.len() - 1]));
}

fn say(what: &str, value: impl std::fmt::Display) {
    // Whoever does not read it any more need not hear of it.
    let _unread = writeln!(std::io::stdout(), "{what:<52} {value}");
}

/// A cluster at rest, in which everything runs and is healthy.
fn full(hosts: u32, tasks: u32) -> Stage {
    let mut stage = Stage::new(0);
    stage.quiet = true;
    let on_each = u64::from(tasks.div_ceil(hosts));
    for number in 0..hosts {
        let name = format!("h{number:05}");
        stage.host(&name);
        stage.register(&name, |host| {
            host.memory = 64 * 2 * on_each;
            host.ports = PortRange { first: 20_000, last: 29_999 };
        });
    }
    stage.definition("app", 1, 64);
    let each = tasks.div_ceil(SERVICES);
    let services: Vec<String> = (0..SERVICES).map(|number| format!("service-{number:04}")).collect();
    services.iter().for_each(|name| stage.service(name, 1, (each, 0, each + each / 10 + 1)));
    stage.cluster("default", &services.iter().map(String::as_str).collect::<Vec<&str>>());
    stage.run(Span::secs(60));
    assert_eq!(stage.tasks().len(), (each * SERVICES) as usize, "all is issued");
    for task in stage.tasks() {
        say_healthy(&mut stage, task);
    }
    stage.run(Span::secs(60));
    stage
}

fn say_healthy(stage: &mut Stage, task: Task) {
    let key = Key::Status(task.host, task.id.clone());
    let status = Status {
        id: task.id,
        generation: task.generation,
        attempt: 0,
        failures: 0,
        blamed: 0,
        left: false,
        phase: Phase::Running,
        health: Health::Healthy,
        reason: None,
    };
    stage.write(&key, &status);
}

/// A moment, shorter than anything that the scheduler waits for.
const MOMENT: Span = Span(10);

/// Lets time pass until something is so, and says for how long the scheduler thought meanwhile.
fn until(stage: &mut Stage, is_so: impl Fn(&Stage) -> bool) -> Duration {
    let before = stage.spent;
    for _ in 0..12_000 {
        if is_so(stage) {
            return stage.spent - before;
        }
        stage.run(MOMENT);
    }
    panic!("nothing came of it in two minutes");
}

/// One scheduler ends, and another reads all there is. One task is missing, so that there is something to decide.
fn take_over(stage: &mut Stage, number: u32) -> Duration {
    let count =
        |stage: &Stage| stage.store.entries(&format!("state/tasks/_/default-service-{number:04}-")).count();
    let before = count(stage);
    let wanted = u32::try_from(before + 1).expect("a service has few tasks");
    stage.service(&format!("service-{number:04}"), 1, (wanted, 0, wanted + 1));
    stage.replace_scheduler();
    until(stage, |stage| count(stage) > before)
}

fn nothing(stage: &mut Stage) -> Duration {
    let before = stage.spent;
    stage.wake();
    stage.spent - before
}

/// Loses a host for good, and says for how long the scheduler thought from then on until all its tasks had another place,
/// and how often it wrote.
fn lose(stage: &mut Stage, number: u32) -> (Duration, usize) {
    let name = format!("h{number:05}");
    let left = |stage: &Stage| {
        let world = stage.scheduler.world();
        let ids = world.hosts.get(&*name).into_iter().flat_map(|host| &host.tasks);
        ids.filter(|id| world.tasks[*id].task.desired == Desired::Run).count()
    };
    stage.silence(&name);
    stage.notes.clear();
    until(stage, |stage| stage.notes.iter().any(|note| note.contains("lost")));
    let commits = stage.commits;
    let spent = until(stage, |stage| left(stage) == 0);
    (spent, stage.commits - commits)
}
