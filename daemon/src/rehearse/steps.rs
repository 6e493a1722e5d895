//! What is done to tasks in a rehearsed future: which go on elsewhere, and which are started or stopped otherwise.

use callboard_sim::{Moved, Rehearsal};
use serde::Serialize;
use std::fmt;

/// What is done to tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Steps {
    /// Tasks that are started.
    started: Vec<Start>,
    /// Tasks that are stopped.
    stopped: Vec<Stop>,
    /// Tasks that go on elsewhere; they are also among those started and stopped.
    moved: Vec<Move>,
    /// Where among those started and stopped they are.
    #[serde(skip)]
    pairs: Vec<Moved>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Start {
    task: String,
    host: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Stop {
    task: String,
    host: String,
    why: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Move {
    task: String,
    from: String,
    to: String,
    /// What takes its place there: another task of the service, or itself.
    successor: String,
    why: String,
}

/// How many tasks are moved, and how many are started and stopped beside those.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) moved: usize,
    pub(crate) started: usize,
    pub(crate) stopped: usize,
}

impl Steps {
    pub(crate) fn of(rehearsal: &Rehearsal) -> Steps {
        let started = rehearsal.started.iter();
        let started: Vec<Start> =
            started.map(|(id, host)| Start { task: id.to_string(), host: host.to_string() }).collect();
        let stopped = rehearsal.stopped.iter();
        let stopped: Vec<Stop> = stopped
            .map(|(id, host, why)| Stop { task: id.to_string(), host: host.to_string(), why: why.clone() })
            .collect();
        let moved = rehearsal.moved.iter().filter_map(|pair| {
            let (stop, start) = (stopped.get(pair.stopped)?.clone(), started.get(pair.started)?.clone());
            let Stop { task, host: from, why } = stop;
            Some(Move { task, from, to: start.host, successor: start.task, why })
        });
        let moved = moved.collect();
        Steps { started, stopped, moved, pairs: rehearsal.moved.clone() }
    }

    pub(crate) fn counts(&self) -> Counts {
        let moved = self.moved.len();
        Counts { moved, started: self.started.len() - moved, stopped: self.stopped.len() - moved }
    }

    /// Says them in words, a line each.
    pub(crate) fn lines(&self) -> Vec<String> {
        let moves = self.moved.iter().map(Move::to_string);
        let started = self.started.iter().enumerate();
        let started = started.filter(|(index, _)| self.pairs.iter().all(|pair| pair.started != *index));
        let starts = started.map(|(_, start)| format!("start {} on {}", start.task, start.host));
        let stopped = self.stopped.iter().enumerate();
        let stopped = stopped.filter(|(index, _)| self.pairs.iter().all(|pair| pair.stopped != *index));
        let stops = stopped.map(|(_, stop)| format!("stop  {} on {}: {}", stop.task, stop.host, stop.why));
        moves.chain(starts).chain(stops).collect()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { moved, started, stopped } = self;
        write!(f, "{started} started, {stopped} stopped, {moved} moved")
    }
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Move { task, from, to, successor, why } = self;
        write!(f, "move  {task} from {from} to {to}")?;
        if successor != task {
            write!(f, " as {successor}")?;
        }
        write!(f, ": {why}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_elsewhere_is_told_once() {
        let steps = Steps::of(&Rehearsal {
            started: vec![("c-web-1-0".into(), "h2".into()), ("c-web-1-5".into(), "h3".into())],
            stopped: vec![
                ("c-web-1-1".into(), "h1".into(), "drained".into()),
                ("c-web-1-0".into(), "h1".into(), "drained".into()),
                ("c-web-1-2".into(), "h1".into(), "deleted".into()),
            ],
            moved: vec![Moved { stopped: 0, started: 1 }, Moved { stopped: 1, started: 0 }],
            ..Rehearsal::default()
        });
        let lines = [
            "move  c-web-1-1 from h1 to h3 as c-web-1-5: drained",
            "move  c-web-1-0 from h1 to h2: drained",
            "stop  c-web-1-2 on h1: deleted",
        ];
        assert_eq!(steps.lines(), lines);
        assert_eq!(steps.counts(), Counts { moved: 2, started: 0, stopped: 1 });
    }
}
