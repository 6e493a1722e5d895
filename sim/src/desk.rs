//! Where machines decide: at once, or on another core while the world goes on. What they decide takes effect later, so
//! that the world need not wait for it: the same things happen in the same order either way.
//!
//! **Invariant:** decisions are made in the order in which they were asked for.

use crate::agent::Taped;
use crate::host::Answer;
use callboard_core::agent::{self, Agent};
use callboard_core::machine::{Machine, Time, Wake};
use callboard_core::model::Name;
use callboard_core::scheduler::{self, Scheduler};
use std::any::Any;
use std::collections::BTreeMap;
use std::hint;
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// A machine that two cores share. Whoever reads it must have let the desk settle what was asked of it.
pub(crate) type Shared<M> = Arc<Mutex<Taped<M>>>;

/// What a machine decided.
#[derive(Clone, Debug)]
pub(crate) struct Decision<E> {
    /// What it wants to be done.
    pub(crate) effects: Vec<E>,
    /// When it wants to be woken, on its own clock.
    pub(crate) wake: Option<(Time, Wake)>,
}

/// What reaches an agent at one time.
#[derive(Clone, Debug)]
pub(crate) enum Heard {
    One(agent::Input),
    Answers(Vec<Answer>),
}

/// A machine, the time on its clock, and what it shall decide about.
#[derive(Debug)]
pub(crate) enum Case {
    Agent(Shared<Agent>, Time, Heard),
    Scheduler(Shared<Scheduler>, Time, scheduler::Input),
}

/// A case that was decided.
#[derive(Clone, Debug)]
pub(crate) enum Decided {
    /// By an agent, which knows the store by this id.
    Agent(Decision<agent::Effect>, Option<Name>),
    /// By a scheduler.
    Scheduler(Decision<scheduler::Effect>),
}

/// All cases that are not carried out yet.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    /// How many were taken in.
    taken: u64,
    /// How many were decided.
    decided: u64,
    /// Those that were, by their number, or what broke while that was done.
    ready: BTreeMap<u64, Result<Decided, String>>,
    /// The other core, where there is one.
    other: Option<Other>,
}

/// The ways to a thread that decides, and back. It ends when nobody has a case for it any more.
#[derive(Debug)]
struct Other {
    cases: Sender<Case>,
    decided: Receiver<Result<Decided, String>>,
}

/// How often a core looks for what comes next before it sleeps: to fall asleep and to be woken takes longer than most
/// decisions. Much longer, and it would hold up the other one where the two share a core with others' work.
const LOOKS: u32 = 1_000;

/// Locks a machine. One that broke down while it decided is read as it is.
pub(crate) fn read<M>(machine: &Shared<M>) -> MutexGuard<'_, Taped<M>> {
    machine.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Case {
    /// Lets the machine decide. A machine that breaks down over it ends the run only when the decision is due.
    fn try_to_decide(self) -> Result<Decided, String> {
        panic::catch_unwind(AssertUnwindSafe(|| self.decide())).map_err(|said| said_by(said.as_ref()))
    }

    /// Lets the machine decide.
    pub(crate) fn decide(self) -> Decided {
        match self {
            Case::Agent(agent, now, heard) => {
                let mut agent = read(&agent);
                let effects = match heard {
                    Heard::One(input) => agent.step(now, input),
                    Heard::Answers(answers) => {
                        let reports = answers.into_iter().map(Answer::report);
                        reports.flat_map(|it| agent.step(now, agent::Input::Work(it))).collect()
                    }
                };
                Decided::Agent(Decision { effects, wake: agent.wake_at() }, agent.store_id().cloned())
            }
            Case::Scheduler(scheduler, now, input) => {
                let mut scheduler = read(&scheduler);
                let effects = scheduler.step(now, input);
                Decided::Scheduler(Decision { effects, wake: scheduler.wake_at() })
            }
        }
    }
}

/// Gives what a broken assertion said.
pub(crate) fn said_by(said: &(dyn Any + Send)) -> String {
    let text = said.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| said.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a rule was broken".into())
}

impl Desk {
    /// Lets machines decide on another core from now on.
    pub(crate) fn share(&mut self) {
        let (cases, taken) = mpsc::channel::<Case>();
        let (tell, decided) = mpsc::channel();
        thread::spawn(move || {
            while let Some(case) = next(&taken) {
                if tell.send(case.try_to_decide()).is_err() {
                    return;
                }
            }
        });
        self.other = Some(Other { cases, decided });
    }

    /// Takes a case in, and gives its number.
    pub(crate) fn take_in(&mut self, case: Case) -> u64 {
        self.taken += 1;
        match &self.other {
            // Where nobody takes it, that shows when it is asked for.
            Some(other) => drop(other.cases.send(case)),
            None => {
                self.decided += 1;
                self.ready.insert(self.decided, case.try_to_decide());
            }
        }
        self.taken
    }

    /// Gives what was decided of a case, once. A machine that broke down over it breaks down here, wherever it decided.
    pub(crate) fn give(&mut self, number: u64) -> Decided {
        self.wait_for(number);
        match self.ready.remove(&number) {
            Some(Ok(decided)) => decided,
            Some(Err(said)) => panic!("{said}"),
            None => panic!("case {number} was never taken in, or is given twice"),
        }
    }

    /// Waits until all that was taken in is decided.
    pub(crate) fn settle(&mut self) {
        self.wait_for(self.taken);
    }

    fn wait_for(&mut self, number: u64) {
        while self.decided < number {
            let Some(decided) = self.other.as_ref().and_then(|other| next(&other.decided)) else { return };
            self.decided += 1;
            self.ready.insert(self.decided, decided);
        }
    }
}

/// A copy decides by itself: of what it takes over, all must be decided.
impl Clone for Desk {
    fn clone(&self) -> Desk {
        assert_eq!(self.decided, self.taken, "a world is copied while its machines decide");
        Desk { taken: self.taken, decided: self.decided, ready: self.ready.clone(), other: None }
    }
}

/// Waits for what comes next, awake for a while; `None` when nothing will.
fn next<T>(channel: &Receiver<T>) -> Option<T> {
    for _ in 0..LOOKS {
        match channel.try_recv() {
            Ok(it) => return Some(it),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) => hint::spin_loop(),
        }
    }
    channel.recv().ok()
}
