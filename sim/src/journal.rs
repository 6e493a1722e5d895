//! What a machine went through, written down so that it can be played again: where it began, every input with the time
//! at which it came, and a fingerprint of every effect that it led to.
//!
//! A segment of a journal is one stream of frames: a header, the machine's whole state, then a record for each step.
//! Values are CBOR, which says what its fields are called, so that a reader of another version can tell what it lacks.
//!
//! **Invariant:** a segment can be played by itself, from its first record on.

mod frame;
mod replay;
mod words;

pub use frame::MAGIC;
pub use replay::{Difference, Replay, ReplayError, Step, header, replay};

use callboard_core::agent::{self, Agent};
use callboard_core::machine::{Machine, Time};
use callboard_core::scheduler::{self, Scheduler};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The shape of journals. It grows when machines' states or effects are written otherwise: who plays one must write such.
pub const SCHEMA: u32 = 4;

/// Tells which machine a segment speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An agent.
    Agent,
    /// A scheduler.
    Scheduler,
}

/// What a segment says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The shape of what follows.
    pub schema: u32,
    /// The version of Callboard that wrote it.
    pub version: String,
    /// Which machine.
    pub kind: Kind,
    /// The machine's name: its host, or the scheduler's.
    pub name: String,
    /// The number of its first record; numbers go on from segment to segment of one process.
    pub first: u64,
    /// When it was begun, on the machine's own clock.
    pub at: Time,
    /// When that was, in milliseconds since 1970, for people.
    pub unix_ms: u64,
}

/// One step of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record<I> {
    /// Which step of this process, from 0.
    #[serde(rename = "n")]
    pub number: u64,
    /// When, on the machine's own clock.
    #[serde(rename = "t")]
    pub at: Time,
    /// What came.
    #[serde(rename = "i")]
    pub input: I,
    /// What it led to; `None` when the machine broke down over it.
    #[serde(rename = "e")]
    pub effects: Option<Vec<Mark>>,
}

/// What is kept of an effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark(
    /// A hash of all its bytes.
    pub u64,
    /// What it is, in words.
    pub String,
);

/// A machine whose life can be written down and played again.
pub trait Recorded:
    Machine<Input: Clone + Serialize + DeserializeOwned, Effect: Serialize> + Clone + Serialize + DeserializeOwned
{
    /// Which it is.
    const KIND: Kind;

    /// Gives its name.
    fn name(&self) -> String;

    /// Says what came, in words.
    fn heard(input: &Self::Input) -> String;

    /// Says what shall be done, in words.
    fn said(effect: &Self::Effect) -> String;
}

impl Recorded for Agent {
    const KIND: Kind = Kind::Agent;

    fn name(&self) -> String {
        self.settings().registration.host.to_string()
    }

    fn heard(input: &agent::Input) -> String {
        words::agent_input(input)
    }

    fn said(effect: &agent::Effect) -> String {
        words::agent_effect(effect)
    }
}

impl Recorded for Scheduler {
    const KIND: Kind = Kind::Scheduler;

    fn name(&self) -> String {
        self.settings().name.to_string()
    }

    fn heard(input: &scheduler::Input) -> String {
        words::scheduler_input(input)
    }

    fn said(effect: &scheduler::Effect) -> String {
        words::scheduler_effect(effect)
    }
}

/// Begins a segment: its header, and where the machine stands before the record numbered `first`.
#[must_use]
pub fn begin<M: Recorded>(machine: &M, first: u64, at: Time, unix_ms: u64) -> Vec<u8> {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let header = Header { schema: SCHEMA, version, kind: M::KIND, name: machine.name(), first, at, unix_ms };
    let mut bytes = MAGIC.to_vec();
    frame::write(&mut bytes, &header);
    frame::write(&mut bytes, machine);
    bytes
}

/// Adds a step to a segment; no effects stand for a machine that broke down.
pub fn add<M: Recorded>(
    bytes: &mut Vec<u8>,
    number: u64,
    at: Time,
    input: M::Input,
    effects: Option<&[M::Effect]>,
) {
    let effects = effects.map(|effects| effects.iter().map(mark::<M>).collect());
    frame::write(bytes, &Record { number, at, input, effects });
}

fn mark<M: Recorded>(effect: &M::Effect) -> Mark {
    Mark(frame::hash(&frame::bytes(effect)), M::said(effect))
}

/// A journal of a simulated machine, kept in memory and played again now and then.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tape {
    bytes: Vec<u8>,
    steps: u64,
}

impl Tape {
    /// Plays what was taken down so far, then begins anew where the machine stands, and puts in its place what was read
    /// back of it.
    pub(crate) fn turn<M: Recorded>(&mut self, machine: &mut M, now: Time) {
        if !self.bytes.is_empty() {
            let played = replay(&self.bytes, now, now);
            let same =
                played.as_ref().is_ok_and(|played| played.difference.is_none() && played.torn_bytes == 0);
            assert!(same, "a journal does not play as it was: {played:?}");
        }
        self.bytes = begin(machine, self.steps, now, 0);
        *machine = copied(machine);
    }

    /// Takes a step down.
    pub(crate) fn add<M: Recorded>(&mut self, at: Time, input: M::Input, effects: &[M::Effect]) {
        if !self.bytes.is_empty() {
            add::<M>(&mut self.bytes, self.steps, at, input, Some(effects));
            self.steps += 1;
        }
    }
}

/// Gives what is read back of a value after it was written.
fn copied<T: Serialize + DeserializeOwned>(value: &T) -> T {
    match frame::value(&frame::bytes(value)) {
        Ok(copy) => copy,
        Err(why) => panic!("what was written down cannot be read back: {why}"),
    }
}
