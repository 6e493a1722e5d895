//! What an executor answers, put into words only where an agent hears it. That may be on another core; what an order named
//! a check by is let go of there, by the core that made it and has it at hand.

use callboard_core::work::{Report, Run, Spec};
use std::sync::Arc;

/// What reaches an agent from its executor.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// What came of a check of a run, and what the order named it by: that goes back to where it came from.
    Checked { spec: Arc<Spec>, run: Run, check: usize, passes: bool },
    /// Anything else.
    Told(Report),
}

impl Answer {
    /// Puts it into words.
    pub(crate) fn report(self) -> Report {
        match self {
            Answer::Checked { spec, run, check, passes } => {
                drop(spec);
                let result = if passes { Ok(()) } else { Err("connection refused".into()) };
                Report::Checked { run, check, result }
            }
            Answer::Told(report) => report,
        }
    }
}
