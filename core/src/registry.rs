//! What an agent asks of the registry on its host, where others look for what runs and whether it is healthy, and what
//! the registry answers, as plain data.
//!
//! Every request names generation and attempt, and so does its reply: what is said of an earlier start is never taken for
//! the present one.

use crate::work::{Run, Spec};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What is asked. Each is answered by its reply, or by none when it is lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Enter a run, with its checks, in the place of what is said of it.
    Register(Arc<Spec>),
    /// Take a run out. One that is not there is out.
    Deregister(Run),
    /// Tell every run that this host's agent entered.
    List,
    /// Tell what came of a check that the registry makes: http and tcp.
    Ask {
        /// Of what.
        run: Run,
        /// Index into the definition's checks.
        check: usize,
    },
    /// Show what the agent believes of a check that it makes itself, script and ttl, until it says something else or
    /// falls silent. Not answered.
    Tell {
        /// Of what.
        run: Run,
        /// Index into the definition's checks.
        check: usize,
        /// Passes, or why not.
        result: Result<(), String>,
    },
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// Answers `Register`; `Err` when it may not have been entered.
    Registered(Run, Result<(), String>),
    /// Answers `Deregister`; `Err` when it may still be there.
    Deregistered(Run, Result<(), String>),
    /// Answers `List`; `Err` when the registry cannot tell, which is no evidence that nothing is there.
    Listed(Result<Vec<Run>, String>),
    /// Answers `Ask`. The registry has counted the check's thresholds already, but for its first result of a start, so
    /// this is a verdict and no single result.
    Found {
        /// Of what.
        run: Run,
        /// Index into the definition's checks.
        check: usize,
        /// Passes, or why not; `None` when the registry has not found out, or does not know of the check.
        verdict: Option<Result<(), String>>,
    },
}
