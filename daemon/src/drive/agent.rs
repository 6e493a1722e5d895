//! Drives the agent machine.

use super::Clock;
use super::store::Line;
use crate::events::Events;
use callboard_backends::Store;
use callboard_core::agent::{Agent, Effect, Input, Settings};
use callboard_core::machine::Machine;
use callboard_core::store::Reply;
use callboard_core::work::Report;
use callboard_executors::{Executor, perform};
use std::ops::ControlFlow;
use std::sync::Arc;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What the outside tells an agent.
pub(crate) enum Told {
    /// A task reported its own health.
    Report(Report),
    /// End; leave tasks running or not.
    Shutdown {
        /// Leave them.
        keep: bool,
    },
}

/// The agent machine and its lines to the world.
pub(crate) struct AgentDriver {
    machine: Agent,
    clock: Clock,
    events: Arc<Events>,
    executor: Arc<dyn Executor>,
    line: Line,
    replies: UnboundedReceiver<Reply>,
    reports: (UnboundedSender<Report>, UnboundedReceiver<Report>),
    told: UnboundedReceiver<Told>,
}

impl AgentDriver {
    /// Makes a driver and the way to tell it things.
    pub(crate) fn new(
        settings: Settings,
        clock: Clock,
        store: Arc<dyn Store>,
        executor: Arc<dyn Executor>,
        events: Arc<Events>,
    ) -> (AgentDriver, UnboundedSender<Told>) {
        let (line, replies) = Line::new(store);
        let (sender, told) = unbounded_channel();
        let machine = Agent::new(settings);
        let reports = unbounded_channel();
        (AgentDriver { machine, clock, events, executor, line, replies, reports, told }, sender)
    }

    /// Runs until the machine says that all is done.
    pub(crate) async fn run(mut self) {
        loop {
            let input = tokio::select! {
                Some(told) = self.told.recv() => match told {
                    Told::Report(report) => Input::Work(report),
                    Told::Shutdown { keep } => Input::Shutdown { keep },
                },
                Some(reply) = self.replies.recv() => Input::Store(reply),
                Some(report) = self.reports.1.recv() => Input::Work(report),
                () = self.clock.until(self.machine.wake_at()) => Input::Wake,
            };
            if self.step(input).is_break() {
                return;
            }
        }
    }

    fn step(&mut self, input: Input) -> ControlFlow<()> {
        let mut flow = ControlFlow::Continue(());
        for effect in self.machine.step(self.clock.now(), input) {
            match effect {
                Effect::Store(request) => self.line.send(request),
                Effect::Work(order) => {
                    let work = perform(Arc::clone(&self.executor), order, self.reports.0.clone());
                    drop(tokio::spawn(work));
                }
                Effect::Note(note) => self.events.note("agent", &note),
                Effect::Exit => flow = ControlFlow::Break(()),
            }
        }
        flow
    }
}
