//! Drives the agent machine.

use super::Clock;
use super::store::Line;
use crate::data_dir::{self, Seen};
use crate::events::Events;
use crate::journal::{self, Journal, Place};
use callboard_backends::{ConsulRegistry, Store};
use callboard_core::agent::{Agent, Effect, Input, Settings};
use callboard_core::machine::Machine;
use callboard_core::model::Name;
use callboard_core::registry;
use callboard_core::store::Reply;
use callboard_core::work::Report;
use callboard_executors::{Archive, Executor, Performer};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{oneshot, watch};

/// How often, at most, it is written down what an agent has seen of the store.
const SEEN_INTERVAL: Duration = Duration::from_secs(1);

/// What the outside tells an agent.
pub(crate) enum Told {
    /// A task reported what one of its own checks came to.
    Check {
        /// The task.
        id: Name,
        /// Which of its checks.
        check: usize,
        /// What it says.
        result: Result<(), String>,
        /// Whether the task is on this host.
        heard: oneshot::Sender<bool>,
    },
    /// End; leave tasks running or not.
    Shutdown {
        /// Leave them.
        keep: bool,
    },
}

/// The agent machine and its lines to the world.
pub(crate) struct AgentDriver {
    machine: Agent,
    journal: Option<Journal<Agent>>,
    clock: Clock,
    events: Arc<Events>,
    performer: Performer,
    line: Line,
    replies: UnboundedReceiver<Reply>,
    reports: UnboundedReceiver<Report>,
    registry: Option<Arc<ConsulRegistry>>,
    registered: (UnboundedSender<registry::Reply>, UnboundedReceiver<registry::Reply>),
    told: UnboundedReceiver<Told>,
    /// What was seen of the store, for the next start.
    seen: watch::Sender<Seen>,
}

/// Where an agent keeps what outlives it; what has no place is not kept.
#[derive(Default)]
pub(crate) struct Kept {
    /// What it has seen of the store, for the next start.
    pub(crate) seen_file: Option<PathBuf>,
    /// What tasks wrote that are gone.
    pub(crate) archive: Option<Archive>,
    pub(crate) journal: Option<Place>,
}

impl AgentDriver {
    /// Makes a driver and the way to tell it things. There is a `registry` if the settings say so.
    pub(crate) fn new(
        settings: Settings,
        clock: Clock,
        store: Arc<dyn Store>,
        executor: Arc<dyn Executor>,
        registry: Option<Arc<ConsulRegistry>>,
        events: Arc<Events>,
        kept: Kept,
    ) -> (AgentDriver, UnboundedSender<Told>) {
        let (line, replies) = Line::new(store);
        let (sender, told) = unbounded_channel();
        let machine = Agent::new(settings);
        let (reporter, reports) = unbounded_channel();
        let (performer, registered) = (Performer::new(executor, reporter), unbounded_channel());
        let performer = match kept.archive {
            Some(archive) => performer.keeping(archive),
            None => performer,
        };
        let (seen, changed) = watch::channel(seen_by(&machine));
        if let Some(file) = kept.seen_file {
            drop(tokio::spawn(keep_seen(changed, file)));
        }
        let driver = AgentDriver {
            machine,
            journal: kept.journal.map(Journal::begin),
            clock,
            events,
            performer,
            line,
            replies,
            reports,
            registry,
            registered,
            told,
            seen,
        };
        (driver, sender)
    }

    /// Runs until the machine says that all is done, and gives what it refuses for.
    pub(crate) async fn run(mut self) -> Option<String> {
        loop {
            let input = tokio::select! {
                Some(told) = self.told.recv() => match told {
                    Told::Check { id, check, result, heard } => {
                        let run = self.machine.run_of(&id);
                        // Whoever asked may have gone.
                        let _gone = heard.send(run.is_some());
                        let Some(run) = run else { continue };
                        Input::Work(Report::Checked { run, check, result })
                    }
                    Told::Shutdown { keep } => Input::Shutdown { keep },
                },
                Some(reply) = self.replies.recv() => Input::Store(reply),
                Some(report) = self.reports.recv() => Input::Work(report),
                Some(reply) = self.registered.1.recv() => Input::Registry(reply),
                () = self.clock.until(self.machine.wake_at()) => Input::Wake,
            };
            if let ControlFlow::Break(refusal) = self.step(input) {
                self.line.finish().await;
                return refusal;
            }
        }
    }

    fn step(&mut self, input: Input) -> ControlFlow<Option<String>> {
        let mut flow = ControlFlow::Continue(());
        for effect in journal::step(&mut self.journal, &mut self.machine, self.clock.now(), input) {
            match effect {
                Effect::Store(request) => self.line.send(request),
                Effect::Work(order) => {
                    drop(tokio::spawn(self.performer.clone().perform(order)));
                }
                Effect::Registry(request) => self.inquire(request),
                Effect::Note(note) => self.events.note("agent", &note),
                Effect::Exit => flow = ControlFlow::Break(None),
                Effect::Refuse(why) => flow = ControlFlow::Break(Some(why)),
            }
        }
        self.seen.send_if_modified(|kept| {
            let is_news =
                kept.revision != self.machine.seen().0 || kept.store_id.as_ref() != self.machine.store_id();
            if is_news {
                *kept = seen_by(&self.machine);
            }
            is_news
        });
        flow
    }
}

impl AgentDriver {
    fn inquire(&self, request: registry::Request) {
        let Some(registry) = self.registry.clone() else { return };
        let replies = self.registered.0.clone();
        drop(tokio::spawn(async move {
            if let Some(reply) = registry.answer(request).await {
                // Nobody receives it when the agent is gone.
                let _sent = replies.send(reply);
            }
        }));
    }
}

fn seen_by(machine: &Agent) -> Seen {
    Seen { revision: machine.seen().0, store_id: machine.store_id().cloned() }
}

/// Writes down what the agent has seen of the store, once a second at most; a little less than all is good enough.
async fn keep_seen(mut changed: watch::Receiver<Seen>, file: PathBuf) {
    while changed.changed().await.is_ok() {
        let seen = changed.borrow_and_update().clone();
        let to = file.clone();
        let written = tokio::task::spawn_blocking(move || data_dir::replace(&to, &seen.to_string())).await;
        if let Ok(Err(error)) = written {
            tracing::warn!(
                "{} cannot be written: {error}; check the space and the permissions",
                file.display()
            );
        }
        tokio::time::sleep(SEEN_INTERVAL).await;
    }
}
