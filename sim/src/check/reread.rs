//! L19: a write of which nobody knows what became is settled by reading its keys once: they are not read again and again.

use super::{Book, Check, Findings};
use crate::event::{Process, Role};
use callboard_core::machine::{Span, Time};
use callboard_core::store::{Reply, Request};
use std::collections::BTreeMap;

/// Remembers which keys were read since a process last wrote, and when of late.
#[derive(Clone, Default)]
pub(crate) struct Rereading {
    read: BTreeMap<Process, BTreeMap<String, Vec<Time>>>,
    now: Time,
}

/// A key may be read for another reason in between, and an answer may come twice.
const MOST: usize = 5;
/// Of late.
const WINDOW: Span = Span::secs(30);

impl Check for Rereading {
    fn asked(&mut self, book: &Book, from: Process, request: &Request, found: &mut Findings) {
        self.now = book.now;
        match request {
            Request::List { prefix } if !prefix.ends_with('/') && from.role == Role::Scheduler => {
                let read = self.read.get(&from).and_then(|keys| keys.get(prefix)).into_iter().flatten();
                let answered = read.filter(|at| book.now.since(**at) <= WINDOW).count();
                if answered == MOST {
                    let what = format!(
                        "{:?} {} reads {prefix} again, after {answered} answers",
                        from.role, from.index
                    );
                    found.blame("L19", what);
                }
            }
            Request::Commit { .. } => {
                self.read.remove(&from);
            }
            Request::List { .. }
            | Request::Watch { .. }
            | Request::OpenSession { .. }
            | Request::RenewSession(_)
            | Request::CloseSession(_) => {}
        }
    }

    fn heard(&mut self, to: Process, reply: &Reply) {
        if let Reply::Listed { prefix, result: Ok(_) } = reply
            && !prefix.ends_with('/')
        {
            self.read.entry(to).or_default().entry(prefix.clone()).or_default().push(self.now);
        }
    }
}
