//! What is shown: each bug, the promise it breaks, and a scenario in which it does.

use super::Bug;
use crate::promise::{PROMISES, Shown};
use crate::scenario::{Scenario, read};

/// A bug on show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhibit {
    /// The bug.
    pub bug: Bug,
    /// The promise that it breaks, as the checker that must catch it calls it.
    pub promise: &'static str,
    /// What it takes to find it.
    pub found_by: FoundBy,
    /// What happens in its scenario, beside a service starting.
    timeline: &'static str,
}

/// What it takes to find a bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FoundBy {
    /// A look at the world while its scenario runs.
    Running,
    /// The wait for what must happen in the end.
    Waiting,
    /// A store that misbehaves.
    StoreFault,
    /// The end of a process right after one certain effect; its scenario alone never shows it.
    CrashPoint,
}

const QUIET: &str = "";
const ASK: &str = "timeline: [{at: 90s, do: set_service, service: asked-001, desired: 7}]";
const ASK_NO_MORE: &str = "timeline: [{at: 90s, do: delete_service, service: asked-001}]";
const COME_LATE: &str = "timeline: [{at: 60s, do: set_service, service: late, desired: 4}]";
const MOVE: &str = "timeline:
- {at: 60s, do: drain, running: bystander-001, count: 2}
- {at: 120s, do: undrain, percent: 100}
- {at: 180s, do: rebalance, moves: 10, gain: 1}";
const TWIN: &str = "timeline: [{at: 60s, do: twin_agents, running: web, count: 1, lasting: 60s}]";
const MAY_BE_ONE_MORE: &str = "timeline: [{at: 60s, do: set_service, service: web, max: 7}]";
const ROLL: &str = "timeline: [{at: 60s, do: set_service, service: web, task_version: 2}]";
const LOSS: &str = "timeline: [{at: 60s, do: crash_hosts, running: web, count: 1}]";
const RESTART: &str = "builds: [{task: choosy, version: 1, completes_after: 1h}]
timeline: [{at: 350s, do: restart_agents, percent: 100}]";
const DRAIN: &str = "timeline: [{at: 60s, do: drain, running: web, count: 1}]";
const DRAIN_AND_GROW: &str = "timeline:
- {at: 60s, do: drain, running: web, count: 4}
- {at: 90s, do: set_service, service: web, desired: 5}";
const REFILL: &str = "timeline:
- {at: 60s, do: set_service, service: web, stopped: true}
- {at: 120s, do: set_service, service: web, stopped: false}";
const STOP: &str = "timeline: [{at: 60s, do: set_service, service: web, stopped: true}]";
const RESTORE: &str = "timeline:
- {at: 90s, do: set_service, service: web, desired: 6}
- {at: 180s, do: restore_store, back: 120s}";
const EMPTY: &str = "timeline: [{at: 150s, do: empty_store}, {at: 180s, do: apply}]";
const NEWER: &str = "timeline:
- {at: 60s, do: newer_records, service: web}
- {at: 90s, do: set_service, service: web, desired: 5}
- {at: 120s, do: set_service, service: web, desired: 4}";
const ANNOTATE: &str = "timeline:
- {at: 60s, do: annotate_records}
- {at: 90s, do: set_service, service: web, task_version: 2}";
const CUT: &str = "timeline: [{at: 90s, do: partition, percent: 100, lasting: 400s}]";
const LOSSY: &str = "store: {lost_answers_ppm: 200000}";
const OUTAGE: &str = "timeline: [{at: 90s, do: store_outage, lasting: 60s}]";
const CRASHING: &str = "builds: [{task: web, version: 1, exits_after: 20s}]";
const CRASHING_AND_RESTART: &str = "builds: [{task: web, version: 1, exits_after: 2s}]
timeline: [{at: 24s, do: restart_agents, percent: 100}]";
const SLOW_START_AND_RESTART: &str = "builds: [{task: web, version: 1, start: [20s, 20s]}]
timeline: [{at: 12s, do: restart_agents, percent: 100}]";
const BAD_HOSTS: &str = "timeline:
- {at: 60s, do: hang_pulls, names: [host-0001, host-0002], lasting: 800s}
- {at: 90s, do: set_service, service: bystander-001, desired: 4}";
const SUCCESSION: &str = "timeline: [{at: 60s, do: kill_schedulers, restart_after: 5s}]";
const RUBBISH: &str = "timeline: [{at: 90s, do: corrupt_service, service: web}]";
const REGISTERED_STOP: &str = "registry: {}
timeline: [{at: 60s, do: set_service, service: web, stopped: true}]";
const FORGETS: &str = "registry: {}
timeline: [{at: 60s, do: registry_forgets, percent: 100}]";
const DRAIN_UNHEARD: &str = "store: {watch_delay: [5s, 5s]}
timeline: [{at: 57s, do: set_service, service: web, desired: 6}, {at: 60s, do: drain, percent: 50}, \
{at: 90s, do: undrain, percent: 100}]";
const DEAF: &str = "store: {like: etcd, deaf_watches_ppm: 100000}
timeline: [{at: 60s, do: set_service, service: web, desired: 6}]";
const CUT_SOME: &str = "timeline: [{at: 90s, do: partition, running: web, count: 1, lasting: 60s}]";

const UNDRAIN: &str = "timeline:
- {at: 60s, do: drain, percent: 75}
- {at: 120s, do: set_service, service: web, desired: 6}
- {at: 240s, do: undrain, percent: 100}";
const CUT_SHORTLY: &str = "timeline: [{at: 90s, do: partition, running: web, count: 1, lasting: 25s}]";
const FIX: &str = "builds: [{task: web, version: 1, never_healthy: true}]
timeline: [{at: 200s, do: set_service, service: web, task_version: 2}]";
const READ_ONLY: &str = "timeline:
- {at: 60s, do: crash_hosts, running: web, count: 1}
- {at: 90s, do: store_read_only, lasting: 120s}";
const FAR_AWAY: &str = "store: {latency: [500ms, 500ms]}
timeline: [{at: 60s, do: compact_store}]";
const CROWD: &str = "timeline: [{at: 60s, do: set_service, service: bystander-001, max: 30, desired: 30}]";
const FULL: &str = "timeline:
- {at: 60s, do: fill_disks, running: web, count: 4, lasting: 300s}
- {at: 120s, do: set_service, service: web, desired: 6}";
/// In this one web is in docker.
const ENGINE: &str = "timeline:
- {at: 60s, do: engine_down, running: web, count: 4, lasting: 300s}
- {at: 120s, do: set_service, service: web, desired: 6}";
/// In this one, too.
const ENGINE_AND_AGENT: &str = "timeline:
- {at: 90s, do: engine_down, running: web, count: 4, lasting: 300s}
- {at: 120s, do: restart_agents, percent: 100}";
/// In these web is in docker and mounts something, or fetches something in bash.
const MOUNTS: &str = "# volumes";
const FETCHES: &str = "# artifacts";
const SLOW_STOP: &str = "builds: [{task: web, version: 1, stop: [5s, 5s]}]
timeline: [{at: 60s, do: set_service, service: web, stopped: true}]";
const SLOW_DRAIN: &str = "builds: [{task: web, version: 1, stop: [5s, 5s]}]
timeline: [{at: 60s, do: drain, running: web, count: 1}]";
const RUBBISH_AND_ROLL: &str = "timeline:
- {at: 60s, do: corrupt_service, service: bystander-001}
- {at: 90s, do: set_service, service: web, task_version: 2}";
const LOSS_AND_GROW: &str = "timeline:
- {at: 60s, do: crash_hosts, running: web, count: 1}
- {at: 90s, do: set_service, service: web, desired: 5}";
const SHRINK: &str = "timeline: [{at: 60s, do: set_service, service: web, desired: 3}]";
const CUT_LONE: &str = "timeline: [{at: 60s, do: partition, running: lone-001, count: 1, lasting: 150s}]";
const BATCH: &str = "builds: [{task: once-001, version: 1, completes_after: 20s, fails_percent: 50}]";
const ROLL_EACH: &str = "timeline: [{at: 60s, do: set_service, service: each-001, task_version: 2}]";
const FAR: &str = "store: {latency: [50ms, 900ms]}";
const POISON: &str = "builds: [{task: web, version: 1, kills_agent_after: 1ms}]";
const POISON_DELETED: &str = "builds: [{task: web, version: 1, kills_agent_after: 1ms}]
timeline: [{at: 60s, do: delete_service, service: web}]";
const DELETE: &str = "timeline: [{at: 60s, do: delete_service, service: web}]";

const PORTS: &str = "timeline: [{at: 60s, do: set_service, service: bystander-001, max: 90, desired: 90}]";
const PORTS_OF_EQUALS: &str =
    "timeline: [{at: 60s, do: set_service, service: bystander-001, max: 90, desired: 90, preempt: true}]";
const PORTS_OF_LESS: &str = "timeline:
- {at: 60s, do: set_service, service: lesser-001, max: 8, desired: 8}
- {at: 90s, do: set_service, service: bystander-001, max: 90, desired: 90}
- {at: 200s, do: set_service, service: bystander-001, preempt: true}";

/// All that is on show.
const ALL: &[Exhibit] = &[
    show(Bug::Unfenced, "S1", QUIET),
    show(Bug::Blind, "S3", QUIET),
    show(Bug::WrongKey, "S4", QUIET),
    show(Bug::HalfPair, "S5", QUIET),
    show(Bug::UnknownIsNo, "S6", LOSSY),
    show(Bug::DecidesUnread, "S6", FAR),
    show(Bug::KeepsTenure, "S6", LOSSY),
    show(Bug::TooLarge, "S8", QUIET),
    show(Bug::Overcommit, "S9", QUIET),
    show(Bug::SamePort, "S10", QUIET),
    show(Bug::PlacesOnDrained, "S11", DRAIN_AND_GROW),
    show(Bug::PlacesUnasked, "S11", DRAIN_UNHEARD),
    show(Bug::ForgetsRules, "S11", QUIET),
    show(Bug::MatchesInPart, "S11", QUIET),
    show(Bug::KeepsAwayOneWay, "S11", COME_LATE),
    show(Bug::ExceedsMax, "S12", ROLL),
    show(Bug::SameGeneration, "S13", REFILL),
    show(Bug::IgnoresMin, "S14", ROLL),
    show(Bug::SharesExclusive, "S15", CUT_LONE),
    show(Bug::CountsSystem, "system", QUIET),
    show(Bug::HurriesSystem, "system", ROLL_EACH),
    show(Bug::HurriesBatch, "batch", BATCH),
    show(Bug::Insatiable, "batch", BATCH),
    show(Bug::ForgetsCompleted, "batch", BATCH),
    show(Bug::TakesLeastBid, "bids", ASK),
    show(Bug::LeavesOffers, "bids", ASK),
    show(Bug::LeavesOffers, "bids", ASK_NO_MORE),
    show(Bug::DeafToEnds, "batch", BATCH),
    show(Bug::TrustsEnds, "batch", BATCH),
    show(Bug::BuriesCompleted, "batch", BATCH),
    show(Bug::StopsOnError, "S16", CUT_SOME),
    show(Bug::TakesSilenceForNothing, "S16", ENGINE_AND_AGENT),
    show(Bug::StopsInOutage, "L15", OUTAGE),
    show(Bug::ChangesInPlace, "S17", ROLL),
    show(Bug::GhostVersion, "S18", QUIET),
    show(Bug::ProvesAtOnce, "S18", ROLL),
    show(Bug::ForgetsStable, "S18", ROLL),
    show(Bug::RubbishIsZero, "S19", RUBBISH),
    show(Bug::StartsTwice, "S20", QUIET),
    show(Bug::TakesNames, "S22", TWIN),
    show(Bug::TouchesForeign, "S22", QUIET),
    show(Bug::SeesPhantoms, "S23", CUT),
    show(Bug::NoBackoff, "S25", CRASHING),
    show(Bug::ForgetsFailures, "S25", CRASHING_AND_RESTART),
    show(Bug::GoesBackwards, "S27", QUIET),
    show(Bug::ForgetsLedger, "ledger", QUIET),
    show(Bug::StartsNothing, "L12", QUIET),
    show(Bug::WantsMore, "L1", QUIET),
    show(Bug::NeverSatisfied, "L5", QUIET),
    show(Bug::NeverStops, "L7", STOP),
    show(Bug::IgnoresUndrain, "L8", UNDRAIN),
    show(Bug::DeafToReturn, "L10", CUT_SHORTLY),
    show(Bug::NeverForgets, "L11", DELETE),
    show(Bug::KeepsRemains, "L11", STOP),
    show(Bug::NeverRestarts, "L13", CRASHING),
    show(Bug::IgnoresFix, "L13", FIX),
    show(Bug::InsistsAtOnce, "L16", READ_ONLY),
    show(Bug::PollsForEver, "L17", FAR_AWAY),
    show(Bug::NeverReturns, "L18", POISON_DELETED),
    show(Bug::DoubtsForEver, "L19", LOSSY),
    show(Bug::NeverReturns, "L20", CUT_SOME),
    show(Bug::OverlooksHalfStarted, "S20", QUIET),
    show(Bug::LeavesHalfIssued, "L8", CROWD),
    show(Bug::NeverRests, "L2", QUIET),
    show(Bug::NoSuccessor, "L3", SUCCESSION),
    show(Bug::TrustsSilence, "L9", DEAF),
    show(Bug::DeafToLoss, "L4", LOSS),
    show(Bug::IgnoresDrain, "L6", DRAIN),
    show(Bug::StopsRegistered, "S28", REGISTERED_STOP),
    show(Bug::TrustsRegistry, "S28", FORGETS),
    show(Bug::DeafToOrphans, "S21", RESTORE),
    show(Bug::StopsForgotten, "S16", EMPTY),
    show(Bug::TouchesNewer, "S36", NEWER),
    show(Bug::DropsUnknown, "S36", ANNOTATE),
    show(Bug::StopsFirst, "S7", SHRINK),
    show(Bug::DeafToIlls, "S29", FULL),
    show(Bug::HidesIlls, "S29", FULL),
    show(Bug::OffersUnasked, "S29", QUIET),
    show(Bug::DeafToIlls, "S29", ENGINE),
    show(Bug::HidesIlls, "S29", ENGINE),
    show(Bug::StartsUntold, "S24", QUIET),
    show(Bug::ForgetsBlame, "S24", POISON),
    show(Bug::LeavesUnsaid, "S24", SLOW_START_AND_RESTART),
    show(Bug::LeavesOrphans, "S26", STOP),
    show(Bug::Impatient, "S26", STOP),
    show(Bug::BelievesEarly, "S26", SLOW_STOP),
    show(Bug::Repeats, "S31", QUIET),
    show(Bug::RubbishBlinds, "S33", RUBBISH_AND_ROLL),
    show(Bug::TrustsStarts, "S34", QUIET),
    show(Bug::DeafToLoss, "S34", LOSS_AND_GROW),
    show(Bug::BelievesEarly, "S35", SLOW_DRAIN),
    show(Bug::DeafToDeletes, "S37", DELETE),
    show(Bug::InheritsAttempts, "S37", REFILL),
    show(Bug::Hoards, "S39", STOP),
    show(Bug::Mute, "S40", CRASHING),
    show(Bug::GivesNoReason, "S40", QUIET),
    show(Bug::TakesRoomUnasked, "S41", PORTS),
    show(Bug::Arrogant, "S41", PORTS_OF_EQUALS),
    show(Bug::Modest, "L21", PORTS_OF_LESS),
    show(Bug::ReturnsTogether, "L22", OUTAGE),
    show(Bug::ForgetsAges, "L23", RESTART),
    show(Bug::MovesAll, "S43", MAY_BE_ONE_MORE),
    show(Bug::MovesFirst, "S43", MOVE),
    show(Bug::ReservesLimits, "S44", QUIET),
    show(Bug::LimitsToReserved, "S44", QUIET),
    show(Bug::SlowsToReserved, "S44", QUIET),
    show(Bug::ForgetsPolicies, "S45", QUIET),
    show(Bug::HeedsNoPolicy, "S45", QUIET),
    show(Bug::ForgetsPolicies, "S45", FETCHES),
    show(Bug::HeedsNoPolicy, "S45", FETCHES),
    show(Bug::HeedsNoPolicy, "S45", MOUNTS),
    show(Bug::TrustsOrders, "S46", QUIET),
    show(Bug::TrustsNewcomers, "S48", ROLL),
    show(Bug::KnowsNoOthers, "S49", BAD_HOSTS),
];

const fn show(bug: Bug, promise: &'static str, timeline: &'static str) -> Exhibit {
    let found_by = match (promise.as_bytes()[0], bug) {
        (_, Bug::OverlooksHalfStarted | Bug::LeavesHalfIssued) => FoundBy::CrashPoint,
        (
            _,
            Bug::UnknownIsNo
            | Bug::KeepsTenure
            | Bug::StopsInOutage
            | Bug::TrustsSilence
            | Bug::DeafToOrphans,
        )
        | (_, Bug::StopsForgotten | Bug::InsistsAtOnce | Bug::DoubtsForEver) => FoundBy::StoreFault,
        (b'L', _) => FoundBy::Waiting,
        (_, _) => FoundBy::Running,
    };
    Exhibit { bug, promise, found_by, timeline }
}

/// Lists all that is on show.
#[must_use]
pub fn exhibits() -> &'static [Exhibit] {
    ALL
}

/// Four hosts, and a service whose tasks fill one of them and a bit of another.
const WORLD: &str = "
name: museum
duration: 900s
settle: 240s
schedulers: 1
ttl: 15s
fleet: [{count: 4, memory: 6500, cpu_units: 4096, ports: {first: 20000, last: 20019}}]
generate:
- {prefix: bystander-, services: 2, tasks: 3, min: 2, max: 4, memory: 100, cluster: other}
- {prefix: lesser-, tasks: 4, min: 1, max: 5, memory: 100, cluster: other, priority: 20}
- {prefix: lone-, tasks: 1, min: 0, max: 1, exclusive: true, memory: 100, cluster: other}
clusters: [{name: main, services: [web], policy: binpack}, {name: strict, services: [choosy, late]}]
services:
- {name: web, task_name: web, task_version: 1, desired: 4, min: 3, max: 6}
- {name: choosy, task_name: choosy, task_version: 1, desired: 2, min: 0, max: 3,
   placement: {require: [{label: host, not_equals: host-0001}, {label: host, matches: 'host-000[134]|host'}],
     apart: [{service: late}], limit: [{tasks: 1}]}}
- {name: late, task_name: choosy, task_version: 1, desired: 0, min: 0, max: 4}
task_definitions:
- {name: choosy, version: 1, memory: 100, containers: [{name: it, type: bash, executor: {start: [exec serve]}}]}
- {name: web, version: 1, provide_port: true, memory: 2000, memory_limit: 3000, cpu_units: 100,
   containers: [{name: web, type: bash, executor: {start: [exec serve]}}],
   checks: [{tcp: 127.0.0.1, add_provided_port: true, interval: 5s, timeout: 1s}]}
- {name: web, version: 2, provide_port: true, memory: 2000, memory_limit: 3000, cpu_units: 100,
   containers: [{name: web, type: bash, executor: {start: [exec serve]}}],
   checks: [{tcp: 127.0.0.1, add_provided_port: true, interval: 5s, timeout: 1s}]}
";

/// Gives the service of another kind that an exhibit is about.
fn of_kind(promise: &str) -> &'static str {
    match promise {
        "system" => "- {prefix: each-, kind: system, memory: 50, cluster: other}\n",
        "batch" => "- {prefix: once-, kind: batch, tasks: 6, max_parallel: 2, memory: 20, cluster: other}\n",
        "bids" => "- {prefix: asked-, tasks: 4, min: 1, max: 8, memory: 500, cluster: fair}\n",
        _ => "",
    }
}

impl Exhibit {
    /// Names the checker that must catch it.
    #[must_use]
    pub fn checker(&self) -> &'static str {
        let promise = PROMISES.iter().find(|promise| promise.number == self.promise);
        match promise.map(|promise| promise.shown) {
            Some(Shown::Checked(checker)) => checker,
            Some(Shown::Elsewhere(_)) | None => self.promise,
        }
    }

    /// Gives the scenario in which the bug shows.
    #[must_use]
    pub fn scenario(&self) -> Scenario {
        let mut world = WORLD.replace("generate:\n", &format!("generate:\n{}", of_kind(self.promise)));
        if self.promise == "bids" {
            world = world.replace("clusters: [", "clusters: [{name: fair, placement: bid}, ");
        }
        if self.promise == "L23" {
            let late = "{name: late, task_name: choosy, task_version: 1, desired: 0, min: 0, max: 4}";
            let limited = "{name: late, kind: batch, task_name: choosy, task_version: 1, time_limit: 400s}";
            world = world.replace(late, limited);
        }
        let other = match (self.timeline, self.promise) {
            (FETCHES, _) => {
                "bash, executor: {start: [exec serve], artifact: 'https://shop.example/web', \
                checksum: 'sha256:0000000000000000000000000000000000000000000000000000000000000000'}"
            }
            (MOUNTS, _) => {
                "docker, executor: {image: docker.io/library/web, volumes: ['/shop.example/web:/w']}"
            }
            (ENGINE | ENGINE_AND_AGENT, _) | (_, "S45") => "docker, executor: {image: shop.example/web}",
            _ => "bash, executor: {start: [exec serve]}",
        };
        world = world.replace(
            "name: web, type: bash, executor: {start: [exec serve]}",
            &format!("name: web, type: {other}"),
        );
        let machines = match self.promise {
            // A few are no herd.
            "L22" => "{count: 60,",
            "S45" => {
                "{count: 4, policy: {docker: {images: [docker.io/], volumes: [/docker.io]}, \
                 bash: {artifacts: ['https://docker.io/']}},"
            }
            "S46" => "{count: 4, parallel_starts: 1,",
            _ => "{count: 4,",
        };
        let world = world.replace("{count: 4,", machines);
        let text = format!("{world}{}\n", self.timeline);
        let scenario = read("museum", text.as_bytes());
        scenario
            .unwrap_or_else(|why| panic!("the scenario of exhibit {:?} cannot be read: {why:?}", self.bug))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic = "the scenario of exhibit StopsOnError cannot be read: "]
    fn one_that_cannot_be_read_is_named() {
        let exhibit = exhibits().iter().find(|exhibit| exhibit.bug == Bug::StopsOnError);
        drop(Exhibit { timeline: "nothing: [", ..*exhibit.expect("it is shown") }.scenario());
    }
}
