//! Drives the scheduler machine.

use super::Clock;
use super::store::Line;
use crate::events::Events;
use crate::journal::{self, Journal, Place};
use callboard_backends::Store;
use callboard_core::machine::Machine;
use callboard_core::scheduler::{Effect, Input, Scheduler, Settings};
use callboard_core::store::Reply;
use std::sync::Arc;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

/// A question to the machine between two of its steps.
type Ask = Box<dyn FnOnce(&Scheduler) + Send>;

enum Told {
    Ask(Ask),
    Shutdown,
}

/// Asks a running scheduler.
#[derive(Clone)]
pub(crate) struct Question {
    told: UnboundedSender<Told>,
}

impl Question {
    /// Has a closure look at the machine between two steps. `None` when the scheduler is gone.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Scheduler) -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        let ask: Ask = Box::new(move |scheduler| {
            // Whoever asked may have gone away meanwhile.
            let _unheard = answer.send(look(scheduler));
        });
        self.told.send(Told::Ask(ask)).ok()?;
        answered.await.ok()
    }

    /// Tells it to end and to give its locks back.
    pub(crate) fn shut_down(&self) {
        // Already gone is as good.
        let _gone = self.told.send(Told::Shutdown);
    }
}

/// The scheduler machine and its lines to the world.
pub(crate) struct SchedulerDriver {
    machine: Scheduler,
    journal: Option<Journal<Scheduler>>,
    clock: Clock,
    events: Arc<Events>,
    line: Line,
    replies: UnboundedReceiver<Reply>,
    told: UnboundedReceiver<Told>,
}

impl SchedulerDriver {
    /// Makes a driver and the way to ask it.
    pub(crate) fn new(
        settings: Settings,
        clock: Clock,
        store: Arc<dyn Store>,
        events: Arc<Events>,
        journal: Option<Place>,
    ) -> (SchedulerDriver, Question) {
        let (line, replies) = Line::new(store);
        let (sender, told) = unbounded_channel();
        let machine = Scheduler::new(settings);
        let journal = journal.map(Journal::begin);
        (SchedulerDriver { machine, journal, clock, events, line, replies, told }, Question { told: sender })
    }

    /// Runs until told to end.
    pub(crate) async fn run(mut self) {
        loop {
            let input = tokio::select! {
                told = self.told.recv() => match told {
                    Some(Told::Ask(ask)) => {
                        ask(&self.machine);
                        continue;
                    }
                    Some(Told::Shutdown) | None => break,
                },
                Some(reply) = self.replies.recv() => Input::Store(reply),
                () = self.clock.until(self.machine.wake_at()) => Input::Wake,
            };
            self.step(input);
        }
        self.step(Input::Shutdown);
        self.line.finish().await;
    }

    fn step(&mut self, input: Input) {
        for effect in journal::step(&mut self.journal, &mut self.machine, self.clock.now(), input) {
            match effect {
                Effect::Store(request) => self.line.send(request),
                Effect::Note(note) => self.events.note("scheduler", &note),
            }
        }
    }
}
