//! What can happen, taken apart: which hosts it hits, which service it is about, and how long it lasts.

use super::{Action, Fault, Hosts, On};
use callboard_core::machine::Span;
use callboard_core::model::Name;

impl Action {
    /// Gives the hosts that it hits, where it hits any.
    pub(crate) fn hosts(&self) -> Option<&Hosts> {
        match self {
            Action::ResizeHosts { hosts, .. } => Some(hosts),
            Action::Fault(Fault { on: On::Hosts(hosts), .. }) => Some(hosts),
            Action::SetService { .. }
            | Action::AddService { .. }
            | Action::Rebalance { .. }
            | Action::Fault(_) => None,
        }
    }

    /// Gives the hosts that it hits, to be changed.
    pub(crate) fn hosts_mut(&mut self) -> Option<&mut Hosts> {
        match self {
            Action::ResizeHosts { hosts, .. } => Some(hosts),
            Action::Fault(Fault { on: On::Hosts(hosts), .. }) => Some(hosts),
            Action::SetService { .. }
            | Action::AddService { .. }
            | Action::Rebalance { .. }
            | Action::Fault(_) => None,
        }
    }

    /// Gives the service that it is about.
    pub(crate) fn service(&self) -> Option<&Name> {
        match self {
            Action::SetService { service, .. }
            | Action::AddService { service, .. }
            | Action::Fault(Fault { on: On::Service(service), .. }) => Some(service),
            Action::ResizeHosts { .. } | Action::Rebalance { .. } | Action::Fault(_) => None,
        }
    }

    /// Gives how long it lasts, to be changed.
    pub(crate) fn lasting_mut(&mut self) -> Option<&mut Span> {
        let Action::Fault(fault) = self else { return None };
        fault.lasting.as_mut()
    }
}
