//! What went wrong, in words for the user: said by the HTTP API with a status, by the command line with an exit code.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::process::ExitCode;

/// Tells problems apart by what the caller does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It failed; trying again may help.
    Failed,
    /// What was asked for makes no sense as it is.
    Invalid,
    /// A token is missing or wrong.
    Unauthorized,
    /// Not from there, or not like this.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// There is such a path, but not for this method.
    BadMethod,
    /// The answer is no: unplaceable, a violated promise, a failed rollout.
    No,
    /// Somebody else changed it at the same time, or it is in use.
    Conflict,
    /// More than is taken at once.
    TooLarge,
    /// It took too long.
    TimedOut,
    /// The store cannot be reached now.
    Away,
}

const STATUSES: [(Kind, u16); 11] = [
    (Kind::Failed, 500),
    (Kind::Invalid, 400),
    (Kind::Unauthorized, 401),
    (Kind::Forbidden, 403),
    (Kind::NotFound, 404),
    (Kind::BadMethod, 405),
    (Kind::No, 422),
    (Kind::Conflict, 409),
    (Kind::TooLarge, 413),
    (Kind::TimedOut, 408),
    (Kind::Away, 503),
];

impl Kind {
    /// Gives the HTTP status that says so.
    pub(crate) fn status(self) -> u16 {
        STATUSES.iter().find(|(kind, _)| *kind == self).map_or(500, |(_, status)| *status)
    }

    /// Reads an HTTP status.
    pub(crate) fn of_status(status: u16) -> Kind {
        STATUSES.iter().find(|(_, own)| *own == status).map_or(Kind::Failed, |(kind, _)| *kind)
    }

    /// Gives the exit code that says so.
    pub(crate) fn exit(self) -> u8 {
        match self {
            Kind::Failed
            | Kind::Unauthorized
            | Kind::Forbidden
            | Kind::NotFound
            | Kind::BadMethod
            | Kind::Away => 1,
            Kind::Invalid | Kind::TooLarge => 2,
            Kind::No => 3,
            Kind::Conflict => 5,
            Kind::TimedOut => 6,
        }
    }
}

/// One problem: what happened, where, and what to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) kind: Kind,
    pub(crate) body: Body,
}

/// A problem as the API sends it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Body {
    /// What happened.
    pub(crate) error: String,
    /// Where: a path into what was sent, a key, a file and line.
    #[serde(rename = "where", default, skip_serializing_if = "Option::is_none")]
    pub(crate) place: Option<String>,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
    /// All that is wrong, when there is more than one thing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) more: Vec<Body>,
}

impl Problem {
    /// Makes a problem.
    pub(crate) fn new(kind: Kind, error: impl Into<String>) -> Problem {
        Problem { kind, body: Body { error: error.into(), ..Body::default() } }
    }

    /// Says where.
    #[must_use]
    pub(crate) fn at(mut self, place: impl Into<String>) -> Problem {
        self.body.place = Some(place.into());
        self
    }

    /// Says what to do next.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Problem {
        self.body.hint = Some(hint.into());
        self
    }

    /// Makes one problem of several of the same kind; none is one, too.
    pub(crate) fn all(kind: Kind, mut bodies: Vec<Body>) -> Problem {
        if bodies.len() == 1 {
            return Problem { kind, body: bodies.remove(0) };
        }
        let error = format!("{} things are wrong", bodies.len());
        Problem { kind, body: Body { error, more: bodies, ..Body::default() } }
    }

    /// Something that should not fail did.
    pub(crate) fn failed(error: impl fmt::Display) -> Problem {
        Problem::new(Kind::Failed, error.to_string())
    }

    /// The store did not answer.
    pub(crate) fn away(error: impl fmt::Display) -> Problem {
        Problem::new(Kind::Away, error.to_string())
            .hint("what runs goes on running; try again when the store is back")
    }

    /// The name of something that is not there.
    pub(crate) fn unknown(what: &str, name: &str, list: &str) -> Problem {
        Problem::new(Kind::NotFound, format!("there is no {what} {name:?}"))
            .hint(format!("`callboard {list}` shows what there is"))
    }
}

impl fmt::Display for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.error)?;
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        for one in &self.more {
            write!(f, "\n{one}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.body.fmt(f)
    }
}

impl std::error::Error for Problem {}

/// Gives the exit code of a command that ended with this error.
pub(crate) fn exit_code(error: &anyhow::Error) -> ExitCode {
    ExitCode::from(error.downcast_ref::<Problem>().map_or(1, |problem| problem.kind.exit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_survives_the_wire() {
        for (kind, status) in STATUSES {
            assert_eq!(Kind::of_status(status), kind);
            assert_eq!(kind.status(), status);
        }
        assert_eq!(Kind::of_status(502), Kind::Failed);
    }

    #[test]
    fn exit_codes_are_as_documented() {
        let check = |kind: Kind, code: u8| assert_eq!(kind.exit(), code, "{kind:?}");
        check(Kind::Failed, 1);
        check(Kind::NotFound, 1);
        check(Kind::Invalid, 2);
        check(Kind::No, 3);
        check(Kind::Conflict, 5);
        check(Kind::TimedOut, 6);
    }

    #[test]
    fn a_problem_reads_place_error_hint() {
        let problem =
            Problem::new(Kind::Invalid, "is not a number").at("services[0].desired").hint("write 4");
        assert_eq!(problem.to_string(), "services[0].desired: is not a number\n  hint: write 4");
    }
}
