//! L6: what is drained becomes empty.

use super::record::Text;
use super::{Check, End, Findings};

/// Looks at drained hosts at the end.
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
            let left = end.book.live.range(from..).next().filter(|((of, _), _)| of == host);
            if let Some(((_, id), _)) = left {
                found.blame("L6", format!("{id} still lives on {host}, which is drained"));
            }
        }
    }
}
