//! L10: when a host is heard of again, what was put in another's place while it was away is sorted out soon; and nothing
//! that it kept running is given up because it had been away.

use super::record::{Place, Text};
use super::{Book, By, Check, End, Findings, Seen};
use callboard_core::machine::{Span, Time};
use std::collections::VecDeque;

/// Remembers hosts that came back.
#[derive(Clone, Default)]
pub(crate) struct Reunion {
    due: VecDeque<(Time, Text)>,
}

/// The agent lists, asks whether it may, stops; what ignores that is killed.
const BOUND: Span = Span::secs(150);
/// What a scheduler that gives up a host writes as the reason.
const LOST: &str = "its host is lost";

impl Reunion {
    fn judge(&mut self, book: &Book, found: &mut Findings) {
        while let Some((since, host)) = self.due.front().cloned() {
            if book.now.since(since.max(book.calm_from)) <= Span(BOUND.0 + book.lag.0) {
                return;
            }
            self.due.pop_front();
            let Some(page) = book.hosts.get(&host).filter(|page| page.alive && page.alive_since <= since)
            else {
                continue;
            };
            for twin in page.twins.values().filter(|twin| !twin.runs()) {
                let list = book.live.get(&(host.clone(), twin.id.clone())).into_iter().flatten();
                let is_spare = |healthy: bool| !healthy || !book.is_kept(&twin.service, BOUND);
                let ended = book.ended.get(&(twin.id.clone(), twin.generation));
                let before = ended.is_some_and(|at| *at < since);
                let lives = list
                    .into_iter()
                    .any(|alive| alive.generation == twin.generation && is_spare(alive.healthy));
                if lives && before {
                    let what = format!("{} still lives on {host}, which is back since {since:?}", twin.id);
                    found.blame("L10", what);
                }
            }
        }
    }
}

impl Check for Reunion {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        let book = seen.book;
        for write in seen.writes {
            if let Place::Alive(host) = &write.place
                && !write.deleted
                && book.hosts.get(host).is_some_and(|page| page.alive_since == book.now)
            {
                self.due.push_back((book.now, host.clone()));
            }
        }
        if seen.by == By::Scheduler {
            for write in seen.writes.iter().filter(|write| write.place.is_task()) {
                let (Some(before), Some(after)) = (&write.task_before, &write.task_after) else { continue };
                let page = book.hosts.get(&after.host);
                let is_back =
                    page.is_some_and(|page| page.alive && book.now.since(page.alive_since) > book.lag);
                if before.runs() && !after.runs() && after.reason == LOST && is_back {
                    let what = format!("{} was given up although {} is heard of again", after.id, after.host);
                    found.blame("L10", what);
                }
            }
        }
        self.judge(book, found);
    }

    fn end(&mut self, end: &End<'_>, found: &mut Findings) {
        self.judge(end.book, found);
    }
}
