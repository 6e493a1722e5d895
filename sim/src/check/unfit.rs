//! S29: a host that cannot start anything says so, and then gets nothing new; what runs there goes on, as S16 and S26 say.

use super::record::{Place, Text};
use super::{Book, By, Check, End, Fault, Findings, Seen};
use callboard_core::machine::{Span, Time};
use std::collections::BTreeMap;

/// Remembers since when hosts say that they are unfit, and from when until when they are.
#[derive(Clone, Default)]
pub(crate) struct Unfit {
    since: BTreeMap<Text, Time>,
    full: BTreeMap<Text, (Time, Time)>,
    /// Until when somebody somewhere cannot be heard.
    deaf_until: Time,
}

/// How long an agent may take to notice what is the matter with its host, and to say it.
const BOUND: Span = Span::secs(60);

impl Check for Unfit {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        let book = seen.book;
        for write in seen.writes {
            let Place::Usage(host) = &write.place else { continue };
            if is_said(book, host) {
                self.since.entry(host.clone()).or_insert(book.now);
            } else {
                self.since.remove(host);
            }
        }
        self.judge(book, found);
        if seen.by != By::Scheduler || self.since.is_empty() || book.trouble_until > book.now {
            return;
        }
        for task in seen.created().filter(|task| !book.goes_on(task)) {
            let known = self.since.get(&task.host).filter(|since| book.now.since(**since) > book.lag);
            if known.is_some() {
                found.blame("S29", format!("{} came to {}, which says it is unfit", task.id, task.host));
            }
        }
    }

    fn fault(&mut self, book: &Book, fault: &Fault) {
        match fault {
            Fault::Amnesia => self.since.clear(),
            Fault::Full { host, until } => {
                let (_, last) = self.full.entry(host.clone()).or_insert((book.now, *until));
                *last = (*last).max(*until);
            }
            Fault::Unreachable { until, .. } => self.deaf_until = self.deaf_until.max(*until),
            Fault::Ended(_) | Fault::HostDown(_) => self.deaf_until = self.deaf_until.max(book.now),
            Fault::ClockJumped(_) | Fault::Trouble { .. } | Fault::Outage { .. } => {}
        }
    }

    fn end(&mut self, end: &End<'_>, found: &mut Findings) {
        self.judge(end.book, found);
    }
}

impl Unfit {
    fn judge(&mut self, book: &Book, found: &mut Findings) {
        self.full.retain(|_, (_, until)| *until > book.now);
        for (host, (since, _)) in &self.full {
            let Some(page) = book.hosts.get(host).filter(|page| page.alive) else { continue };
            let last = [*since, page.alive_since, self.deaf_until, book.trouble_until].into_iter().max();
            let lasting = book.now.since(last.unwrap_or_default());
            if lasting > Span(BOUND.0 + book.lag.0) && !is_said(book, host) {
                found.blame("S29", format!("{host} is unfit for {lasting}, and does not say so"));
            }
        }
    }
}

/// Tells whether a host says that it is unfit.
fn is_said(book: &Book, host: &Text) -> bool {
    let usage = book.hosts.get(host).and_then(|page| page.usage.as_ref());
    usage.is_some_and(|usage| usage.unfit.is_some())
}
