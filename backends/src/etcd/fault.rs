//! What an error of etcd says about the request: that it was not carried out and never will be, or that nobody knows.
//!
//! **Invariant:** only what etcd says before it proposes a change, or what never left this machine, is taken for a
//! definite no; an error that is not known here is [`Fault::Unclear`].

use std::error::Error as _;

use callboard_core::store::{Outcome, Refusal};
use etcd_client::Error;
use tonic::{Code, ConnectError, Status};

use crate::StoreError;

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It was not carried out; another server, or this one later, may do it.
    Undone(String),
    /// The same, because the token was of an earlier configuration of users.
    TokenStale,
    /// It was not carried out: the store is full.
    Full(String),
    /// It will not be carried out however often it is asked.
    Refused(String),
    /// There is no such lease.
    NoLease(String),
    /// It may have been carried out, may be later, or never.
    Unclear(String),
}

/// What etcd says when it gave up before it proposed anything.
const NO_LEADER: &str = "etcdserver: no leader";
const BUSY: &str = "etcdserver: too many requests";
const USERS_CHANGED: &str = "etcdserver: revision of auth store is old";
/// What etcd-client says when a keep-alive was answered without a time to live.
const LEASE_OVER: &str = "lease not found";

impl Fault {
    pub(super) fn of(error: Error) -> Fault {
        match error {
            Error::GRpcStatus(status) => Fault::of_status(&status),
            Error::LeaseKeepAliveError(why) if why == LEASE_OVER => Fault::NoLease(why),
            Error::InvalidArgs(_)
            | Error::InvalidUri(_)
            | Error::EndpointError(_)
            | Error::EndpointsNotManaged
            | Error::InvalidMetadataValue(_) => Fault::Refused(error.to_string()),
            Error::IoError(_)
            | Error::TransportError(_)
            | Error::WatchError(_)
            | Error::Utf8Error(_)
            | Error::LeaseKeepAliveError(_)
            | Error::ElectError(_)
            | Error::Internal(_) => Fault::Unclear(error.to_string()),
        }
    }

    fn of_status(status: &Status) -> Fault {
        let why = in_words(status);
        if never_connected(status) {
            return Fault::Undone(why);
        }
        if status.source().is_some() {
            // Made up here, of a connection that broke, whatever its code.
            return Fault::Unclear(why);
        }
        if [NO_LEADER, BUSY].contains(&status.message()) {
            return Fault::Undone(why);
        }
        match status.code() {
            Code::InvalidArgument if status.message() == USERS_CHANGED => Fault::TokenStale,
            Code::ResourceExhausted => Fault::Full(why),
            Code::NotFound => Fault::NoLease(why),
            Code::InvalidArgument
            | Code::FailedPrecondition
            | Code::PermissionDenied
            | Code::Unauthenticated
            | Code::Unimplemented => Fault::Refused(why),
            Code::Ok
            | Code::Cancelled
            | Code::Unknown
            | Code::DeadlineExceeded
            | Code::AlreadyExists
            | Code::Aborted
            | Code::OutOfRange
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss => Fault::Unclear(why),
        }
    }

    /// Says what it means for a request that changes nothing, or may be repeated.
    pub(super) fn into_error(self) -> StoreError {
        match self {
            Fault::Undone(why) | Fault::Full(why) | Fault::Unclear(why) => StoreError::Unavailable(why),
            Fault::TokenStale => StoreError::Unavailable(USERS_CHANGED.into()),
            Fault::Refused(why) | Fault::NoLease(why) => StoreError::Refused(why),
        }
    }

    /// Says what it means for a transaction.
    pub(super) fn into_outcome(self) -> Outcome {
        match self {
            Fault::Undone(why) | Fault::Full(why) => Outcome::Refused(Refusal::Unavailable(why)),
            Fault::TokenStale => Outcome::Refused(Refusal::Unavailable(USERS_CHANGED.into())),
            Fault::Refused(why) | Fault::NoLease(why) => Outcome::Refused(Refusal::Invalid(why)),
            Fault::Unclear(why) => Outcome::Unknown(why),
        }
    }
}

/// Tells whether there was no connection to send anything over.
fn never_connected(status: &Status) -> bool {
    let mut source = status.source();
    while let Some(error) = source {
        if error.is::<ConnectError>() {
            return true;
        }
        source = error.source();
    }
    false
}

/// Gives the message, and what lies at the bottom of it where that says more.
fn in_words(status: &Status) -> String {
    let mut deepest = None;
    let mut source = status.source();
    while let Some(error) = source {
        deepest = Some(error.to_string());
        source = error.source();
    }
    match deepest {
        Some(deepest) if !status.message().contains(&deepest) => {
            format!("{}: {deepest}", status.message())
        }
        Some(_) | None => status.message().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::Fault;
    use callboard_core::store::{Outcome, Refusal};
    use etcd_client::Error;
    use std::sync::Arc;
    use tonic::{Code, ConnectError, Status};

    fn check(code: Code, message: &str, expect: &str) {
        check_status(Status::new(code, message), expect);
    }

    fn check_status(status: Status, expect: &str) {
        let shown = format!("{status:?}");
        let found = match Fault::of(Error::GRpcStatus(status)).into_outcome() {
            Outcome::Committed(_) => "committed",
            Outcome::Refused(Refusal::Invalid(_)) => "invalid",
            Outcome::Refused(Refusal::Unavailable(_)) => "unavailable",
            Outcome::Refused(Refusal::LockLost | Refusal::Conflict(_)) => "refused by its guards",
            Outcome::Unknown(_) => "unknown",
        };
        assert_eq!(found, expect, "{shown}");
    }

    #[test]
    fn only_a_definite_no_is_a_refusal() {
        check(Code::Unavailable, "etcdserver: request timed out", "unknown");
        check(
            Code::Unavailable,
            "etcdserver: request timed out, possibly due to previous leader failure",
            "unknown",
        );
        check(Code::Unavailable, "etcdserver: request timed out, possibly due to connection lost", "unknown");
        check(Code::Unavailable, "etcdserver: server stopped", "unknown");
        check(Code::Unavailable, "error reading a body from connection", "unknown");
        check(Code::Unknown, "context deadline exceeded", "unknown");
        check(Code::Cancelled, "operation was canceled", "unknown");
        check(Code::Internal, "h2 protocol error", "unknown");
        check(Code::Unavailable, "etcdserver: no leader", "unavailable");
        check(Code::ResourceExhausted, "etcdserver: too many requests", "unavailable");
        check(Code::ResourceExhausted, "etcdserver: mvcc: database space exceeded", "unavailable");
        check(Code::InvalidArgument, "etcdserver: revision of auth store is old", "unavailable");
        check(Code::InvalidArgument, "etcdserver: duplicate key given in txn request", "invalid");
        check(Code::InvalidArgument, "etcdserver: request is too large", "invalid");
        check(Code::NotFound, "etcdserver: requested lease not found", "invalid");
        check(Code::PermissionDenied, "etcdserver: permission denied", "invalid");
        check(Code::Unauthenticated, "etcdserver: invalid auth token", "invalid");
    }
    #[test]
    fn a_broken_connection_says_nothing_and_no_connection_all() {
        for code in [Code::ResourceExhausted, Code::PermissionDenied, Code::Unavailable, Code::NotFound] {
            let mut broken = Status::new(code, "h2 protocol error");
            broken.set_source(Arc::new(std::io::Error::other("connection reset")));
            check_status(broken, "unknown");
        }
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let mut unsent = Status::new(Code::Unavailable, "transport error");
        unsent.set_source(Arc::new(ConnectError(refused.into())));
        check_status(unsent, "unavailable");
    }
}
