//! The promises, by number: what each says in a line, and which checker watches over it here. Where none does, it says
//! what shows it instead.

mod tried;

pub use tried::tried;

/// One promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promise {
    /// Its number, as violations name it.
    pub number: &'static str,
    /// What it says.
    pub what: &'static str,
    /// What shows that it is kept.
    pub shown: Shown,
}

/// What shows that a promise is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// A checker of the simulator, by the name of its file.
    Checked(&'static str),
    /// Something else, since the simulator cannot see it; in words.
    Elsewhere(&'static str),
}

use Shown::{Checked, Elsewhere};

const fn promise(number: &'static str, what: &'static str, shown: Shown) -> Promise {
    Promise { number, what, shown }
}

/// All promises: first what must never happen, then what must always happen in the end.
pub const PROMISES: &[Promise] = &[
    promise("S1", "who writes a cluster's state holds its lock", Checked("lock")),
    promise("S2", "tenures never go back", Checked("lock")),
    promise("S3", "no write goes out without a condition", Checked("sending")),
    promise("S4", "every key has one kind of writer", Checked("ownership")),
    promise("S5", "both records of a task say the same", Checked("pair")),
    promise("S6", "what became of a write nobody knows is not taken for a no", Checked("doubt")),
    promise("S7", "a plan is safe after each of its transactions", Checked("prefix")),
    promise("S8", "no transaction is larger than a store takes", Checked("sending")),
    promise("S9", "no host gives away more than it has", Checked("capacity")),
    promise("S10", "no port of a host is given away twice", Checked("ports")),
    promise("S11", "nothing new comes to a host that may not or cannot run it", Checked("eligibility")),
    promise("S12", "no more tasks are issued than `max`", Checked("bound")),
    promise("S13", "an id means one thing, a placement number one placement", Checked("identity")),
    promise("S14", "no healthy task is stopped by choice where `min` would break", Checked("budget")),
    promise("S15", "an exclusive service never runs twice", Checked("exclusive")),
    promise("S16", "what works is stopped only when somebody said so", Checked("evidence")),
    promise("S17", "a placement never changes", Checked("generation")),
    promise("S18", "only known versions run, and new ones a few at a time", Checked("versions")),
    promise("S19", "a record that cannot be read does not mean zero", Checked("rubbish")),
    promise("S20", "of a placement at most one copy lives on its host", Checked("copies")),
    promise("S21", "nothing of ours lives that nobody issued", Checked("orphan")),
    promise("S22", "agents touch only what is theirs", Checked("foreign")),
    promise("S23", "when many hosts fall silent, haste is slowed", Checked("brake")),
    promise("S24", "what takes down hosts as it starts is kept from the next", Checked("poison")),
    promise("S25", "what ends again and again is started ever more slowly", Checked("restart")),
    promise("S26", "a task is asked before it is killed, and over only when it is gone", Checked("ending")),
    promise("S27", "what is said of a placement only goes forward", Checked("lifecycle")),
    promise(
        "S28",
        "who is registered lives, and leaves the registry before it is stopped",
        Checked("registration"),
    ),
    promise("S29", "a host that is unfit says so, and gets nothing new", Checked("unfit")),
    promise(
        "S30",
        "the same seed is the same run, byte for byte",
        Elsewhere("each seed is run twice, in two processes"),
    ),
    promise("S31", "what is planned and written is not planned again", Checked("again")),
    promise(
        "S32",
        "no decision compares two clocks",
        Elsewhere(
            "every process has a clock of its own; they drift in drawn worlds, and are years apart in the scenario clocks",
        ),
    ),
    promise("S33", "rubbish harms only what it speaks of", Checked("isolation")),
    promise("S34", "health is that of the start it was seen on", Checked("attribution")),
    promise("S35", "a drained host counts as empty only when it is", Checked("emptied")),
    promise("S36", "what a later version wrote survives this one", Checked("upgrade")),
    promise("S37", "what is deleted goes, and leaves nothing to its namesake", Checked("removal")),
    promise(
        "S38",
        "secrets are shown nowhere",
        Elsewhere("nothing in the configuration is marked as secret"),
    ),
    promise("S39", "the store and the machines do not grow without bound", Checked("growth")),
    promise("S40", "whatever waits says why", Checked("honesty")),
    promise(
        "S41",
        "nobody makes room but for what is more important, asks for it, and has room then",
        Checked("preemption"),
    ),
    promise(
        "S43",
        "nothing moves to lie better but what users asked for, its successor at work first",
        Checked("relocation"),
    ),
    promise("S44", "what a task reserves, and its limits, are those of its definition", Checked("limits")),
    promise(
        "S45",
        "nothing runs that its host's policy forbids, and nothing is sent there of which that can be told before",
        Checked("policy"),
    ),
    promise("S46", "no host makes more starts at once than it may", Checked("starts")),
    promise("S47", "a rollout fails for what failed of its own version", Checked("failures")),
    promise("S48", "what works makes way only for what has proven itself", Checked("proof")),
    promise("S49", "where something failed often it goes only when it fits nowhere else", Checked("rest")),
    promise("L1", "every service gets the healthy tasks it shall have", Checked("convergence")),
    promise("L2", "then nothing changes any more", Checked("quiet")),
    promise("L3", "no cluster is without a lock holder for long", Checked("vacancy")),
    promise("L4", "tasks of a failed host are replaced", Checked("replacement")),
    promise("L5", "a rollout comes to an end", Checked("rollout")),
    promise("L6", "what is drained becomes empty", Checked("drain")),
    promise("L7", "a stop comes to its end", Checked("stopping")),
    promise("L8", "what waits for a place gets it soon after there is one", Checked("waiting")),
    promise("L9", "what a machine believes is what the store holds", Checked("views")),
    promise(
        "L10",
        "what was given up while a host was away is sorted out when it is back",
        Checked("reunion"),
    ),
    promise("L11", "nothing is left of what was deleted", Checked("garbage")),
    promise("L12", "what is issued to a host is started there soon, whatever else fails", Checked("prompt")),
    promise("L13", "what ended by itself is started again, and a new version at once", Checked("prompt")),
    promise(
        "L14",
        "a process may end after any step it takes",
        Elsewhere("schedulers and agents are killed after every single effect"),
    ),
    promise("L15", "no task is restarted because the store was away", Checked("outage")),
    promise("L16", "a store that cannot do what it is asked is not asked more for it", Checked("traffic")),
    promise("L17", "when it can again, all soon ask as little as ever", Checked("traffic")),
    promise("L18", "what was taken down by poison works again when that is gone", Checked("cure")),
    promise("L19", "what is in doubt is read once", Checked("reread")),
    promise("L20", "what is said of hosts and tasks is how they fare", Checked("freshness")),
    promise("L21", "what may take room of the less important gets it soon", Checked("precedence")),
    promise("L22", "after an outage the fleet does not come back as one", Checked("herd")),
    promise("L23", "a try that takes longer than it may is told to stop", Checked("overtime")),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn each_is_named_by_its_checker() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/check");
        for promise in PROMISES {
            let Checked(file) = promise.shown else { continue };
            let text = std::fs::read_to_string(folder.join(format!("{file}.rs"))).unwrap_or_default();
            let blames = text.contains(&format!("\"{}\"", promise.number));
            assert!(text.starts_with("//!") && blames, "{}: {file}.rs", promise.number);
        }
    }

    #[test]
    fn each_is_there_once_in_order() {
        let of = |kind: &str| -> Vec<u32> {
            let numbers = PROMISES.iter().filter_map(|promise| promise.number.strip_prefix(kind));
            numbers.map(|number| number.parse().expect("a number")).collect()
        };
        for kind in ["S", "L"] {
            assert!(of(kind).is_sorted_by(|a, b| a < b), "{kind}: {:?}", of(kind));
        }
    }
}
