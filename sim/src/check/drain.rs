//! L6: what is drained becomes empty.

use super::record::Text;
use super::{Check, End, Findings};

/// Looks at drained hosts at the end.
#[derive(Clone)]
pub(crate) struct Drained;

impl Check for Drained {
    fn end(&mut self, end: &End<'_>, found: &mut Findings) {
        if end.calm < end.settle {
            return;
        }
        for (host, page) in &end.book.hosts {
            if page.draining_since.is_none() || end.fit_hosts.binary_search(host).is_err() {
                continue;
            }
            let from = (host.clone(), Text::from(""));
            let here = end.book.live.range(from..).take_while(|((of, _), _)| of == host);
            for ((_, id), list) in here {
                if list.iter().any(|alive| !end.book.is_forgotten(id, alive)) {
                    found.blame("L6", format!("{id} still lives on {host}, which is drained"));
                    break;
                }
            }
        }
    }
}
