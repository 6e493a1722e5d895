//! stub
use crate::check::{Book, Text};
use callboard_core::machine::Time;
use callboard_core::{agent, scheduler};
/// x
#[derive(Clone, Debug)]
pub(crate) struct Mutant;
impl Mutant {
    pub(crate) fn agent_hears(
        &mut self,
        _now: Time,
        _host: &Text,
        _book: &Book,
        input: agent::Input,
    ) -> Vec<agent::Input> {
        vec![input]
    }
    pub(crate) fn agent_does(
        &mut self,
        _now: Time,
        _host: &Text,
        _book: &Book,
        effects: Vec<agent::Effect>,
    ) -> Vec<agent::Effect> {
        effects
    }
    pub(crate) fn scheduler_hears(&mut self, input: scheduler::Input) -> Vec<scheduler::Input> {
        vec![input]
    }
    pub(crate) fn scheduler_does(
        &mut self,
        _now: Time,
        _book: &Book,
        effects: Vec<scheduler::Effect>,
    ) -> Vec<scheduler::Effect> {
        effects
    }
}
