//! The fields of an ordinary configuration, for the schema of scenario files, which may hold one. They are read by the core,
//! not from here; a test sees that both know the same fields.

use super::form::{Form, Kind};
use super::kinds::{Choice, Counts, Duration, Flag, Lines, List, Named, Number, TIME, Text, Word};
use super::read::Known;
use super::{generate, tree};
use callboard_core::config::{Item, Node};
use callboard_core::machine::Span;
use callboard_core::model::{Choice as Deal, KindName, Policy, RestartPolicy};

/// What is only described: an object by its fields, or anything else.
enum Described {
    Fields(fn(&mut Form<'_, '_>)),
    Other(fn() -> Node),
}

impl Kind for Described {
    type Value = ();

    fn read(&self, _item: &Item<'_>, _known: &Known<'_>) -> Option<()> {
        None
    }

    fn write(&self, (): &()) -> Node {
        tree::nothing()
    }

    fn describe(&self) -> Node {
        match self {
            Described::Fields(fields) => {
                let mut form = Form::description();
                fields(&mut form);
                form.described()
            }
            Described::Other(describe) => describe(),
        }
    }
}

/// Words of the user's.
const WORD: Text = Text("a text");
const WORDS: List<Lines> = List(Lines("a text"));
const DAY: Duration = Duration(Span(0), Span::secs(24 * 3600));

/// Names the sections of a configuration.
pub(super) fn sections(form: &mut Form<'_, '_>) {
    let mut section =
        |name, says, fields| form.maybe(name, says, &List(Described::Fields(fields)), &mut None);
    section("clusters", "Groups of services, each looked after by one scheduler.", cluster);
    section("services", "How many tasks of which task definition shall run.", service);
    section("task_definitions", "What tasks run and need; one version never changes.", definition);
    section("hosts", "What users say of hosts.", host);
}

fn cluster(form: &mut Form<'_, '_>) {
    form.must("name", "Unique among clusters.", &Named, &mut "".into());
    form.may("scheduler", "The scheduler that looks after it.", &Named, &mut "default".into());
    form.may("services", "Services that it runs.", &List(Named), &mut Vec::new());
    form.may("policy", "How hosts are chosen.", &Choice(&generate::POLICIES), &mut Policy::Spread);
    let says = "Who chooses among the hosts that qualify: the scheduler, or the best of them by bidding.";
    form.may("placement", says, &Choice(&[("best", Deal::Best), ("bid", Deal::Bid)]), &mut Deal::Best);
    let says = "How long a host may be silent before its tasks are replaced.";
    form.may("host_grace", says, &DAY, &mut Span::secs(30));
}

fn service(form: &mut Form<'_, '_>) {
    let many = Number(0, 100_000_u32);
    form.must("name", "Unique among services.", &Named, &mut "".into());
    form.must("task_name", "The task definition to run.", &Named, &mut "".into());
    form.must("task_version", "Its version.", &Number(1, i32::MAX.unsigned_abs()), &mut 1);
    let says = "What kind of service; one that is no plain service has no `desired`, `min` and `max`.";
    form.may("kind", says, &Choice(&generate::KINDS), &mut KindName::Service);
    let says = "How many tasks of a batch service shall end with exit code 0; left out, 1.";
    form.maybe("completions", says, &Number(1, 100_000_u32), &mut None);
    let says = "How many tasks of a batch service may run at once; left out, 1.";
    form.maybe("parallelism", says, &Number(1, 100_000_u32), &mut None);
    let says = "How many tries of a batch service may fail; left out, 3.";
    form.maybe("retries", says, &Number(0, 100_000_u32), &mut None);
    let says = "How long one try of a batch service may take; left out, as long as it likes.";
    form.maybe("time_limit", says, &TIME, &mut None);
    form.maybe("desired", "How many tasks shall run.", &many, &mut None);
    form.maybe("min", "How many must stay healthy.", &many, &mut None);
    let says = "How many may be issued, those of an update included.";
    form.maybe("max", says, &Number(0, 200_000_u32), &mut None);
    let says = "How many tasks of a new version may be on their way at once; left out, a tenth of `desired`.";
    form.maybe("max_parallel", says, &Number(1, 100_000_u32), &mut None);
    let says = "How long a task of a new version must have been healthy before an old one goes.";
    form.may("min_healthy_time", says, &DAY, &mut Span::secs(10));
    let says = "How long a task of a new version may take to become healthy.";
    form.may("healthy_deadline", says, &DAY, &mut Span::secs(60));
    let says = "There are never two tasks of it at a time; then `max` is 1.";
    form.may("exclusive", says, &Flag, &mut false);
    let says = "Its tasks may take the room of less important ones where they have no place otherwise.";
    form.may("preempt", says, &Flag, &mut false);
    let says = "Where its tasks may run, and where it likes them best.";
    form.maybe("placement", says, &Described::Fields(placement), &mut None);
    form.may("stopped", "No task shall run, `desired` is remembered.", &Flag, &mut false);
    form.may("retry", "Grows to try a failed rollout again.", &Number(0, u32::MAX), &mut 0);
}

fn definition(form: &mut Form<'_, '_>) {
    form.must("name", "Unique among task definitions.", &Named, &mut "".into());
    form.must("version", "From 1.", &Number(1, i32::MAX.unsigned_abs()), &mut 1);
    form.may("provide_port", "The scheduler chooses a port from the host's.", &Flag, &mut false);
    form.maybe("port", "A fixed port.", &Number(0, u16::MAX), &mut None);
    form.maybe("ports", "Further ports, each with a name.", &List(Described::Fields(port)), &mut None);
    form.may("tags", "Handed to service discovery.", &List(WORD), &mut Vec::new());
    let says = "Memory reserved on the host, MiB; 0 reserves none.";
    form.may("memory", says, &Number(0, 16_777_216_u64), &mut 0);
    let says = "Memory with which a task is killed, MiB; 0 for no such limit; left out, what is reserved.";
    form.maybe("memory_limit", says, &Number(0, 16_777_216_u64), &mut None);
    let says = "Processor share reserved on the host, 1024 a core; 0 reserves none.";
    form.may("cpu_units", says, &Number(0, 1_048_576_u64), &mut 0);
    let says = "Processor share beyond which a task is slowed, 1024 a core; 0 for no such limit.";
    form.may("cpu_limit", says, &Number(0, 1_048_576_u64), &mut 0);
    let says = "Disk reserved on the host, MiB.";
    form.may("disk", says, &Number(0, 1_073_741_824_u64), &mut 0);
    let says = "Whatever else hosts count, reserved there, by name, as in `gpu: 2`.";
    form.maybe("resources", says, &Counts, &mut None);
    form.may(
        "priority",
        "The less important are moved first, and make room for those that may take it.",
        &Number(0, 100_u32),
        &mut 50,
    );
    let says = "How long a task may take to end after it was asked to, before it is killed.";
    form.may("kill_timeout", says, &DAY, &mut Span::secs(10));
    form.maybe("restart", "What happens when a task ends by itself.", &Described::Fields(restart), &mut None);
    form.must("containers", "What runs, in order.", &List(Described::Fields(container)), &mut Vec::new());
    let says = "All must pass for the task to be healthy; without any it is while it runs.";
    form.maybe("checks", says, &List(Described::Fields(check)), &mut None);
}

fn port(form: &mut Form<'_, '_>) {
    form.must("name", "Unique among the ports of the definition.", &Named, &mut "".into());
    form.maybe("port", "A fixed port; left out, one is chosen.", &Number(1, u16::MAX), &mut None);
    let says = "Of which protocol.";
    form.may("protocol", says, &Word(&[("tcp", "tcp"), ("udp", "udp")]), &mut "tcp".into());
}

fn placement(form: &mut Form<'_, '_>) {
    form.maybe("require", "What a host must be.", &List(Described::Fields(rule)), &mut None);
    form.maybe("prefer", "What a host had better be.", &List(Described::Fields(preference)), &mut None);
    form.maybe(
        "near",
        "Services that its tasks belong beside.",
        &List(Described::Fields(neighbor)),
        &mut None,
    );
    form.maybe(
        "apart",
        "Services that its tasks keep away from.",
        &List(Described::Fields(neighbor)),
        &mut None,
    );
    form.maybe("limit", "How many of its tasks may be together.", &List(Described::Fields(limit)), &mut None);
    let says = "Over which labels its tasks are spread, the most important first.";
    form.maybe("spread", says, &List(Described::Fields(spread)), &mut None);
}

fn rule(form: &mut Form<'_, '_>) {
    form.must("label", "The label; `host` is the host's own name.", &WORD, &mut String::new());
    form.maybe("equals", "The value must be this.", &WORD, &mut None);
    form.maybe("not_equals", "The value must not be this.", &WORD, &mut None);
    form.maybe("in", "The value must be one of these.", &WORDS, &mut None);
    form.maybe("not_in", "The value must be none of these.", &WORDS, &mut None);
    form.maybe("exists", "Whether the label must be there.", &Flag, &mut None);
    form.maybe("version", "Bounds of a version, as in `>= 5.10, < 6`.", &WORD, &mut None);
    form.maybe("number", "Bounds of a whole number, as in `> 4`.", &WORD, &mut None);
    form.maybe("matches", "A regular expression for the whole value.", &WORD, &mut None);
}

fn preference(form: &mut Form<'_, '_>) {
    rule(form);
    form.must(
        "weight",
        "How much it counts, from -100 to 100.",
        &Described::Other(|| tree::object([("type", tree::text("integer"))])),
        &mut (),
    );
}

fn neighbor(form: &mut Form<'_, '_>) {
    form.must("service", "The other service.", &Named, &mut "".into());
    same(form);
    let says = "How much it counts, where it is only preferred.";
    form.maybe("weight", says, &Number(1, 100_u32), &mut None);
}

fn same(form: &mut Form<'_, '_>) {
    let says = "The label whose value hosts share that count as one place.";
    form.may("same", says, &WORD, &mut "host".to_string());
}

fn limit(form: &mut Form<'_, '_>) {
    same(form);
    form.must("tasks", "How many.", &Number(1, 100_000_u32), &mut 1);
}

fn spread(form: &mut Form<'_, '_>) {
    form.must("label", "The label; `host` for the host itself.", &WORD, &mut String::new());
    form.maybe("targets", "Shares in percent, by value.", &Counts, &mut None);
}

fn restart(form: &mut Form<'_, '_>) {
    let policy = RestartPolicy::default();
    let says = "Restarts in place before the task counts as failed on this host.";
    form.may("attempts", says, &Number(0, 1_000), &mut policy.attempts.clone());
    form.may("delay", "The first delay.", &DAY, &mut policy.delay.clone());
    form.may("max_delay", "The largest delay.", &DAY, &mut policy.max_delay.clone());
    let says = "How long a task must have run for its earlier failures to be forgotten.";
    form.may("reset_after", says, &DAY, &mut policy.reset_after.clone());
    let says = "How long a task that was started may be unhealthy before it is restarted.";
    form.may("unhealthy_after", says, &DAY, &mut policy.unhealthy_after.clone());
}

fn container(form: &mut Form<'_, '_>) {
    form.must("name", "Unique within the task definition.", &Named, &mut "".into());
    form.may("setup", "Shell commands run before it is started.", &WORDS, &mut Vec::new());
    let says = "Shell commands run when the task has ended.";
    form.may("teardown", says, &WORDS, &mut Vec::new());
    form.may("essential", "Its end is the task's.", &Flag, &mut true);
    let types = Word(&[("docker", "docker"), ("bash", "bash")]);
    form.must("type", "What runs it.", &types, &mut String::new());
    form.must("executor", "Its settings.", &Described::Other(settings), &mut ());
}

/// Describes the settings of one executor or another.
fn settings() -> Node {
    let either = [Described::Fields(docker), Described::Fields(bash)].map(|settings| settings.describe());
    tree::object([("anyOf", tree::list(either))])
}

fn docker(form: &mut Form<'_, '_>) {
    form.maybe("name", "Shown by docker.", &WORD, &mut None);
    form.must("image", "The image, by tag or digest.", &WORD, &mut String::new());
    let pulls = Word(&[("missing", "missing"), ("always", "always"), ("never", "never")]);
    form.may("pull", "When the image is pulled.", &pulls, &mut "missing".into());
    form.maybe("cmd", "Command and arguments.", &WORDS, &mut None);
    form.maybe("entry", "The entry point.", &WORD, &mut None);
    let says = "The port inside of the container that the task's port is mapped to.";
    form.maybe("container_port", says, &Number(1, u16::MAX), &mut None);
    form.maybe("ports", "Further ports, `host:container`.", &List(WORD), &mut None);
    form.maybe("env", "Environment, `NAME=value`.", &WORDS, &mut None);
    form.maybe("work_dir", "The work directory inside of the container.", &WORD, &mut None);
    form.maybe("volumes", "Volumes, `host:container`.", &List(WORD), &mut None);
    form.maybe("flags", "Further flags of `docker run`.", &List(WORD), &mut None);
}

fn bash(form: &mut Form<'_, '_>) {
    form.must("start", "Commands that make up the running task.", &WORDS, &mut Vec::new());
    form.maybe("stop", "Commands run to stop it.", &WORDS, &mut None);
    form.maybe("env", "Environment, `NAME=value`.", &WORDS, &mut None);
    form.maybe("artifact", "A URL to download before set-up.", &WORD, &mut None);
    form.maybe("checksum", "The artifact's SHA-256.", &WORD, &mut None);
    form.maybe("download_dir", "Where the artifact goes.", &WORD, &mut None);
    form.may("unpack", "The artifact is a tar archive, to be unpacked there.", &Flag, &mut false);
}

fn check(form: &mut Form<'_, '_>) {
    form.maybe("name", "Shown to operators.", &WORD, &mut None);
    form.maybe("add_provided_port", "Appends the task's port to the address.", &Flag, &mut None);
    form.maybe("http", "A URL to get.", &WORD, &mut None);
    form.maybe("tcp", "Where to connect to.", &WORD, &mut None);
    form.maybe("script", "A command to run.", &Lines("a command"), &mut None);
    form.maybe("ttl", "How long the task may be silent.", &TIME, &mut None);
    form.exactly_one(&[&["http"], &["tcp"], &["script"], &["ttl"]], true, "", "");
    form.maybe("header", "Headers of the request.", &Headers, &mut None);
    form.may("interval", "Time from one check to the next.", &DAY, &mut Span::secs(10));
    form.may("timeout", "Time after which a check counts as failed.", &DAY, &mut Span::secs(5));
    form.maybe("deregister_critical_service_after", "Accepted, and of no effect.", &TIME, &mut None);
    let hundred = Number(1, 100_u32);
    form.may("success_threshold", "Passes in a row that make it healthy.", &hundred, &mut 1);
    form.may("failure_threshold", "Failures in a row that make it unhealthy.", &hundred, &mut 3);
}

/// Lists of texts by names of the user's own.
struct Headers;

impl Kind for Headers {
    type Value = ();

    fn read(&self, _item: &Item<'_>, _known: &Known<'_>) -> Option<()> {
        None
    }

    fn write(&self, (): &()) -> Node {
        tree::nothing()
    }

    fn describe(&self) -> Node {
        tree::object([("type", tree::text("object")), ("additionalProperties", List(WORD).describe())])
    }
}

fn host(form: &mut Form<'_, '_>) {
    form.must("name", "The host.", &Named, &mut "".into());
    form.may("draining", "No task shall run here.", &Flag, &mut false);
    let says = "Ports that the scheduler never gives away here.";
    form.may("reserved_ports", says, &List(Number(1, u16::MAX)), &mut Vec::new());
}
