//! Which point something that happened is.

use super::Sometimes;
use crate::check::{Book, Condition, Place, RolloutRecord, StatusRecord, Step, Write};
use callboard_core::store::{Outcome, Refusal, Reply};
use callboard_core::why::{Note, StopReason};

impl Sometimes {
    /// Takes in one change of the store; the book is as it is afterwards.
    pub(crate) fn wrote(&mut self, write: &Write, book: &Book) {
        match &write.place {
            Place::Task(_) => {
                let step = record_step(write);
                self.reach(step);
                let page = write.task_after.as_ref().and_then(|task| book.services.get(&task.service));
                let exclusive = page.and_then(|page| page.record.as_ref()).is_some_and(|it| it.exclusive);
                if exclusive && step.starts_with("life: issued") {
                    self.reach("life: issued to be exclusive");
                }
            }
            Place::Twin { id, .. } if write.task_after.is_some() && !book.tasks.contains_key(id) => {
                self.reach("life: copy written without a record");
            }
            Place::Status { host, id } => {
                let page = book.hosts.get(host).and_then(|page| page.statuses.get(id));
                self.said(write.status_before.as_ref(), page.map(|page| &page.record));
            }
            Place::ServiceState(service) => {
                let after = book.services.get(service).and_then(|page| page.state.as_ref());
                match (&write.state_before, after) {
                    (Some(_), None) => self.reach("rollout: forgotten"),
                    (Some(before), Some(after))
                        if before.version != after.version && before.rollout == RolloutRecord::Running =>
                    {
                        self.reach("rollout: superseded");
                    }
                    (Some(_) | None, Some(_)) | (None, None) => {}
                }
            }
            Place::Alive(_) if write.deleted => self.reach("host: presence ends"),
            Place::Twin { .. }
            | Place::Alive(_)
            | Place::Ledger(_)
            | Place::Lock(_)
            | Place::Cluster(_)
            | Place::Service(_)
            | Place::Definition(..)
            | Place::HostConfig(_)
            | Place::Registration(_)
            | Place::Usage(_)
            | Place::Orphan { .. }
            | Place::Other => {}
        }
    }

    /// Takes in what an agent says of a task, after what it said before.
    fn said(&mut self, before: Option<&StatusRecord>, after: Option<&StatusRecord>) {
        let Some(after) = after else {
            if before.is_some() {
                self.reach("life: status removed");
            }
            return;
        };
        let before = before.filter(|before| before.generation == after.generation);
        let phases = (before.map(|before| before.phase), after.phase);
        let anew = before.is_some_and(|before| after.attempt > before.attempt);
        if let Some(point) = if anew { Some("life: begins anew") } else { life_step(phases) } {
            self.reach(point);
        }
        match (before.map(|before| before.health), after.health) {
            (Some(Condition::Unhealthy), Condition::Healthy) => self.reach("health: recovers"),
            (Some(Condition::Unknown) | None, Condition::Healthy) => self.reach("health: becomes healthy"),
            (Some(Condition::Healthy), Condition::Unhealthy) => self.reach("health: becomes unhealthy"),
            (_, Condition::Unknown | Condition::Unhealthy)
            | (Some(Condition::Healthy), Condition::Healthy) => {}
        }
    }

    /// Takes in what a machine tells its operator.
    pub(crate) fn noted(&mut self, note: &Note) {
        let point = match note {
            Note::Placed { why, .. } => by_word(why, &PLACED),
            Note::StopOrdered { why, .. } => Some(stop(why)),
            Note::RolloutStarted { .. } => Some("rollout: started"),
            Note::RolloutDone { .. } | Note::Completed { .. } => Some("rollout: done"),
            Note::RolloutFailed { .. } => Some("rollout: failed"),
            Note::Blocked { why, .. } => return self.blocked(why),
            Note::HostSuspect { .. } => Some("host: suspect"),
            Note::HostLost { .. } => Some("host: lost"),
            Note::HostReady { .. } => Some("host: ready"),
            Note::Braked { .. } => Some("host: loss braked"),
            Note::LockTaken { .. } => Some("lock: taken"),
            Note::LockLost { .. } => Some("lock: lost"),
            Note::Task { what, .. } => task(what),
            Note::MoveRequested { .. } => Some("task: asked to move"),
            Note::Store { what } => store(what),
            Note::BadRecord { .. } => Some("store: record unusable"),
            Note::Removed { .. } | Note::MakingRoom { .. } => None,
        };
        point.into_iter().for_each(|point| self.reach(point));
    }

    /// Takes in all that keeps a task from its place.
    fn blocked(&mut self, why: &str) {
        let points = [
            ("which is max", "blocked: max"),
            ("tried again now and then", "blocked: hopeful"),
            ("what still runs", "blocked: recalling"),
            ("lost", "blocked: lost"),
            ("avoided", "blocked: avoided"),
            ("of free memory", "blocked: memory"),
            ("draining", "blocked: draining"),
            ("unfit", "blocked: unfit or pressed"),
            ("out of memory", "blocked: unfit or pressed"),
            ("not heard of", "blocked: not heard of"),
        ];
        points.iter().filter(|(word, _)| why.contains(word)).for_each(|(_, point)| self.reach(point));
    }

    /// Takes in what a machine hears from the store.
    pub(crate) fn heard(&mut self, reply: &Reply) {
        let point = match reply {
            Reply::Done { outcome: Outcome::Committed(_), .. } => Some("answer: committed"),
            Reply::Done { outcome: Outcome::Unknown(_), .. } => Some("answer: unknown"),
            Reply::Done { outcome: Outcome::Refused(refusal), .. } => Some(match refusal {
                Refusal::LockLost => "answer: lock lost",
                Refusal::Conflict(_) => "answer: conflict",
                Refusal::Invalid(_) => "answer: invalid",
                Refusal::Unavailable(_) => "answer: unavailable",
            }),
            Reply::SessionOpened(Err(_)) => Some("answer: no session"),
            Reply::SessionRenewed(_, Err(_)) => Some("answer: session lost"),
            Reply::Listed { result: Err(_), .. } => Some("answer: listing failed"),
            Reply::WatchEnded { .. } => Some("answer: watch ended"),
            Reply::SessionOpened(Ok(_))
            | Reply::SessionRenewed(_, Ok(_))
            | Reply::Listed { result: Ok(_), .. }
            | Reply::Changed { .. } => None,
        };
        point.into_iter().for_each(|point| self.reach(point));
    }
}

fn record_step(write: &Write) -> &'static str {
    match (&write.task_before, &write.task_after) {
        (Some(before), Some(after)) if before.generation != after.generation => {
            "life: issued again under its id"
        }
        (Some(before), Some(after)) if before.runs() && !after.runs() => "life: told to stop",
        (Some(_), Some(_)) => "life: rewritten",
        (None, Some(_)) => "life: issued",
        (_, None) => "life: record removed",
    }
}

/// Names each step that one start of a task may take.
fn life_step(phases: (Option<Step>, Step)) -> Option<&'static str> {
    let (Some(before), after) = phases else {
        return Some(match phases.1 {
            Step::Pending => "life: first word pending",
            Step::Starting => "life: first word starting",
            Step::Running => "life: first word running",
            Step::Stopping => "life: first word stopping",
            Step::Dead | Step::Failed | Step::Completed => "life: first word over",
        });
    };
    match (before, after) {
        (Step::Pending, Step::Starting) => Some("life: pending to starting"),
        (Step::Pending, Step::Running) => Some("life: pending to running"),
        (Step::Pending, Step::Stopping) => Some("life: pending to stopping"),
        (Step::Pending, Step::Dead) => Some("life: pending to dead"),
        (Step::Pending, Step::Failed) => Some("life: pending to failed"),
        (Step::Starting, Step::Running) => Some("life: starting to running"),
        (Step::Starting, Step::Stopping) => Some("life: starting to stopping"),
        (Step::Starting, Step::Dead) => Some("life: starting to dead"),
        (Step::Starting, Step::Failed) => Some("life: starting to failed"),
        (Step::Running, Step::Stopping) => Some("life: running to stopping"),
        (Step::Running, Step::Dead) => Some("life: running to dead"),
        (Step::Running, Step::Failed) => Some("life: running to failed"),
        (Step::Stopping, Step::Dead) => Some("life: stopping to dead"),
        (Step::Stopping, Step::Failed) => Some("life: stopping to failed"),
        (_, Step::Completed) => Some("life: completed"),
        // The same again, or what no task may do, of which a checker speaks.
        (Step::Pending, Step::Pending)
        | (Step::Starting, Step::Pending | Step::Starting)
        | (Step::Running, Step::Pending | Step::Starting | Step::Running)
        | (Step::Stopping, Step::Pending | Step::Starting | Step::Running | Step::Stopping)
        | (Step::Dead | Step::Failed | Step::Completed, _) => None,
    }
}

/// The words by which each policy says why a host was chosen.
const PLACED: [(&str, &str); 6] = [
    ("bid:", "placed: bid"),
    ("adopted:", "placed: adopted"),
    ("spread:", "placed: spread"),
    ("binpack:", "placed: binpack"),
    ("round_robin:", "placed: round robin"),
    ("e_pvm:", "placed: e_pvm"),
];

fn stop(why: &StopReason) -> &'static str {
    match why {
        StopReason::ScaleDown => "stop: scale down",
        StopReason::Deleted => "stop: deleted",
        StopReason::Rollout { .. } => "stop: rollout",
        StopReason::NotHealthy { .. } => "stop: not healthy",
        StopReason::Failed { .. } => "stop: failed",
        StopReason::Quarantined => "stop: quarantined",
        StopReason::Orphaned => "stop: orphaned",
        StopReason::HostLost => "stop: host lost",
        StopReason::Drain => "stop: drain",
        StopReason::Unqualified { .. } => "stop: unqualified",
        StopReason::Rebalanced => "stop: rebalance",
        StopReason::Preempted { .. } => "stop: preempted",
        StopReason::MoveRequested { .. } => "stop: memory pressure",
        StopReason::BadRecord { .. } => "stop: bad record",
    }
}

/// Gives the point of the first of these words that is said.
fn by_word(said: &str, points: &[(&str, &'static str)]) -> Option<&'static str> {
    points.iter().find(|(word, _)| said.contains(word)).map(|(_, point)| *point)
}

fn task(what: &str) -> Option<&'static str> {
    let points = [
        ("vanished while", "task: vanished while its agent was away"),
        ("given up: ", "task: given up"),
        ("restarted in", "task: restarted"),
        ("not registered", "task: not registered"),
        ("still registered", "task: still registered"),
    ];
    by_word(what, &points)
}

fn store(what: &str) -> Option<&'static str> {
    let points = [
        ("is behind what it was", "store: went back"),
        ("restored from a snapshot", "store: went back"),
        ("another store", "store: another one"),
    ];
    by_word(what, &points)
}
