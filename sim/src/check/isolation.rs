//! S33: rubbish under one key harms what that key speaks of, and delays nothing else: while there is some, users' changes
//! of other services are taken up as ever.

use super::record::{Place, Text};
use super::{Book, By, Check, End, Fault, Findings, Seen};
use callboard_core::machine::{Span, Time};
use callboard_core::store::Op;
use serde::de::IgnoredAny;
use std::collections::BTreeSet;

/// Remembers where rubbish lies, and which changes are to be taken up by when.
#[derive(Clone, Default)]
pub(crate) struct Isolation {
    rubbish: BTreeSet<String>,
    due: Vec<(Time, Text, u32)>,
}

/// How long a scheduler may take to begin with what a user wants.
const BOUND: Span = Span::secs(30);

impl Check for Isolation {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        self.judge(seen.book, found);
        for op in seen.txn.map_or(&[][..], |txn| &txn.ops) {
            let (key, is_rubbish) = match op {
                Op::Put { key, value, .. } => (key, serde_json::from_str::<IgnoredAny>(value).is_err()),
                Op::Delete { key } => (key, false),
            };
            if !is_rubbish {
                self.rubbish.remove(key);
            } else if matches!(seen.by, By::User | By::Stranger) {
                self.rubbish.insert(key.clone());
            }
        }
        if seen.by != By::User || self.rubbish.is_empty() {
            return;
        }
        for write in seen.writes {
            let Place::Service(name) = &write.place else { continue };
            let page = seen.book.services.get(name);
            let Some(wanted) = page.and_then(|page| page.record.as_ref()).map(|it| it.task_version) else {
                continue;
            };
            let is_new =
                page.and_then(|page| page.state.as_ref()).is_some_and(|state| state.version != wanted);
            if is_new && !self.rubbish.iter().any(|key| key.ends_with(&**name)) {
                self.due.push((seen.book.now + BOUND + seen.book.lag, name.clone(), wanted));
            }
        }
    }

    fn fault(&mut self, _book: &Book, fault: &Fault) {
        if matches!(fault, Fault::Amnesia) {
            *self = Isolation::default();
        }
    }

    fn end(&mut self, end: &End<'_>, found: &mut Findings) {
        self.judge(end.book, found);
    }
}

impl Isolation {
    fn judge(&mut self, book: &Book, found: &mut Findings) {
        let rubbish = self.rubbish.iter().next().map_or("some key", String::as_str);
        self.due.retain(|(due, name, version)| {
            let page = book.services.get(name);
            let record = page.and_then(|page| page.record.as_ref());
            let state = page.and_then(|page| page.state.as_ref());
            let held = state.is_some_and(|state| book.locks.contains_key(&state.cluster));
            let begun = state.is_some_and(|state| state.version == *version);
            let undisturbed = book.trouble_until + BOUND + book.lag <= *due && held && book.is_wanted(name);
            if !undisturbed || record.is_none_or(|record| record.task_version != *version) {
                return false;
            }
            // Nothing may have happened since it was due; what happens now happens too late.
            if *due < book.now {
                let what =
                    format!("version {version} of {name} was not begun with while {rubbish} was rubbish");
                found.blame("S33", what);
            }
            *due >= book.now && !begun
        });
    }
}
