//! How a machine keeps one session alive: open, renew every third of its time to live, notice its end, open the next.
//!
//! **Invariant:** a session counts as over, here, no later than it can be over in the store: its time runs from the
//! moment the last successful renewal was *sent*.

use crate::machine::{Span, Time};
use crate::mirror::{REPLY_DEADLINE, RETRY_MAX, hash, mix, retry_delay};
use crate::store::{Reply, Request, SessionId};
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// The most renewals a second that a fleet shall ask of its store: about a twentieth of what a small one can do.
pub const RENEWALS_PER_SECOND_MAX: u64 = 100;

/// A session is renewed so often in its time to live.
const RENEWALS_PER_TTL: u64 = 3;

/// Gives the time to live that so many sessions must at least have, so that their renewals do not drown the store.
#[must_use]
pub const fn ttl_of_fleet(ttl: Span, sessions: u64) -> Span {
    let least = sessions.saturating_mul(RENEWALS_PER_TTL * 1000) / RENEWALS_PER_SECOND_MAX;
    if ttl.0 < least { Span(least) } else { ttl }
}

/// One session, kept alive.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Session {
    name: String,
    ttl: Span,
    state: State,
    failures: u32,
    /// Spreads the renewals of a fleet over time.
    salt: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum State {
    /// Opens one then.
    Waiting { until: Time },
    /// Asked to open one; counts as lost after the deadline.
    Opening { until: Time, sent: Time },
    /// Has one.
    Open { id: SessionId, proven: Time, renew: Time, sent: Option<Time> },
    /// Closed for good.
    Closed,
}

/// What happened to the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionNews {
    /// A new session is there.
    Opened(SessionId),
    /// The session is over; another will be opened.
    Lost(SessionId),
}

impl Session {
    /// Makes a session that opens itself at the first wake.
    #[must_use]
    pub fn new(name: &str, ttl: Span) -> Session {
        Session {
            name: name.into(),
            ttl,
            state: State::Waiting { until: Time(0) },
            failures: 0,
            salt: hash(name),
        }
    }

    /// Gives the session while it is surely alive.
    #[must_use]
    pub fn id(&self) -> Option<&SessionId> {
        match &self.state {
            State::Open { id, .. } => Some(id),
            State::Waiting { .. } | State::Opening { .. } | State::Closed => None,
        }
    }

    /// Ends it for good; keys under it vanish at once.
    pub fn close(&mut self, out: &mut Vec<Request>) {
        if let State::Open { id, .. } = &self.state {
            out.push(Request::CloseSession(id.clone()));
        }
        self.state = State::Closed;
    }

    /// Sends what is due, and notices when time has run out.
    pub fn wake(&mut self, now: Time, out: &mut Vec<Request>) -> Option<SessionNews> {
        match &mut self.state {
            State::Waiting { until } | State::Opening { until, .. } if *until <= now => {
                self.state = State::Opening { until: now + REPLY_DEADLINE, sent: now };
                out.push(Request::OpenSession { name: self.name.clone(), ttl: self.ttl });
                None
            }
            State::Open { id, proven, .. } if *proven + self.ttl <= now => {
                let lost = SessionNews::Lost(id.clone());
                self.state = State::Waiting { until: now };
                self.failures = 0;
                Some(lost)
            }
            State::Open { id, renew, sent, .. } if *renew <= now => {
                // Unanswered renewals are repeated: renewing twice is harmless.
                *sent = Some(sent.unwrap_or(now));
                *renew = now + Span(self.ttl.0 / 6 + 1);
                out.push(Request::RenewSession(id.clone()));
                None
            }
            State::Waiting { .. } | State::Opening { .. } | State::Open { .. } | State::Closed => None,
        }
    }

    /// Tells when [`Session::wake`] has something to do.
    #[must_use]
    pub fn wake_at(&self) -> Option<Time> {
        match &self.state {
            State::Waiting { until } | State::Opening { until, .. } => Some(*until),
            State::Open { proven, renew, .. } => Some((*renew).min(*proven + self.ttl)),
            State::Closed => None,
        }
    }

    /// Gives how long to wait before asking again: the store fails whole fleets at once, and they shall come back over
    /// half of what a session lives.
    fn retry_delay(&self, now: Time) -> Span {
        let salt = mix(self.salt, now.0);
        let spread = Span(salt % (self.ttl.0 / 2 + 1)).min(RETRY_MAX);
        retry_delay(self.failures, salt).max(spread)
    }

    /// Takes an answer; those that do not concern this session are ignored.
    pub fn reply(&mut self, now: Time, reply: &Reply) -> Option<SessionNews> {
        match (reply, &mut self.state) {
            (Reply::SessionOpened(Ok(id)), State::Opening { sent, .. }) => {
                // The first renewal comes at a time of its own, so that a fleet started at once does not renew as one.
                let spread = Span(mix(self.salt, sent.0) % (self.ttl.0 / RENEWALS_PER_TTL + 1));
                let renew = now + spread;
                self.state = State::Open { id: id.clone(), proven: *sent, renew, sent: None };
                self.failures = 0;
                Some(SessionNews::Opened(id.clone()))
            }
            (Reply::SessionOpened(Err(_)), State::Opening { .. }) => {
                let until = now + self.retry_delay(now);
                self.failures = self.failures.saturating_add(1);
                self.state = State::Waiting { until };
                None
            }
            (Reply::SessionRenewed(id, result), State::Open { id: own, proven, renew, sent })
                if id == own =>
            {
                match result {
                    Ok(true) => {
                        *proven = sent.take().unwrap_or(*proven);
                        *renew = now + Span(self.ttl.0 / RENEWALS_PER_TTL);
                        None
                    }
                    Ok(false) => {
                        self.state = State::Waiting { until: now };
                        Some(SessionNews::Lost(id.clone()))
                    }
                    // Nobody knows; asked again until the time has run out.
                    Err(_) => None,
                }
            }
            (
                Reply::SessionOpened(_)
                | Reply::SessionRenewed(..)
                | Reply::Listed { .. }
                | Reply::Changed { .. }
                | Reply::WatchEnded { .. }
                | Reply::Done { .. },
                State::Waiting { .. } | State::Opening { .. } | State::Open { .. } | State::Closed,
            ) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fleet_that_was_refused_comes_back_over_half_of_its_time_to_live() {
        let ttl = Span::secs(10);
        let mut seconds = [0; 6];
        for host in 0..1000 {
            let mut session = Session::new(&alloc::format!("host-{host}"), ttl);
            session.wake(Time(0), &mut Vec::new());
            session.reply(Time(0), &Reply::SessionOpened(Err("no leader".into())));
            let at = session.wake_at().expect("it tries again");
            seconds[usize::try_from(at.0 / 1000).expect("few")] += 1;
        }
        assert!(seconds[..5].iter().all(|count| (100..=300).contains(count)), "{seconds:?}");
    }

    #[test]
    fn many_sessions_live_longer() {
        let check = |sessions: u64, expect: Span| assert_eq!(ttl_of_fleet(Span::secs(10), sessions), expect);
        check(0, Span::secs(10));
        check(333, Span::secs(10));
        check(1000, Span::secs(30));
        check(5000, Span::secs(150));
        check(u64::MAX, Span(u64::MAX / RENEWALS_PER_SECOND_MAX));
    }

    #[test]
    fn a_renewal_that_is_answered_at_the_second_try_counts_from_the_first() {
        let (ttl, id) = (Span::secs(12), SessionId("s".into()));
        let mut session = Session::new("host", ttl);
        session.wake(Time(0), &mut Vec::new());
        session.reply(Time(0), &Reply::SessionOpened(Ok(id.clone())));
        let mut sent = Vec::new();
        while let Some(at) = session.wake_at().filter(|_| sent.len() < 2) {
            session.wake(at, &mut Vec::new());
            sent.push(at);
        }
        session.reply(sent[1], &Reply::SessionRenewed(id.clone(), Ok(true)));
        let lost = loop {
            let at = session.wake_at().expect("it renews itself");
            if let Some(news) = session.wake(at, &mut Vec::new()) {
                break (at, news);
            }
        };
        assert_eq!(lost, (sent[0] + ttl, SessionNews::Lost(id)));
    }
}
