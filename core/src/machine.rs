//! The shape of a state machine, and time as it sees it. Whoever drives a machine hands it inputs and carries out
//! the effects it returns; nothing else passes between the two.
//!
//! **Invariant:** nothing in this crate reads a clock, draws a random number, logs, or waits.

use alloc::vec::Vec;
use core::fmt;
use core::ops::{Add, Sub};
use serde::{Deserialize, Serialize};

/// Decides what to do, given all that happened so far.
///
/// Effects may be lost, delayed, repeated or reordered; their outcomes come back as inputs.
pub trait Machine {
    /// Something that happened outside.
    type Input;
    /// Something the driver shall do.
    type Effect;

    /// Takes one input at `now`. Never fails, never blocks. `now` never decreases from call to call.
    fn step(&mut self, now: Time, input: Self::Input) -> Vec<Self::Effect>;

    /// Tells when the machine wants its `Wake` input, and what for. Waking early is harmless; waking late only
    /// delays.
    fn wake_at(&self) -> Option<(Time, Wake)>;
}

/// Says why a machine asked to be woken: when one wakes too often, the reason tells who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Wake {
    /// A burst of changes has been collected and can be planned at once.
    Plan,
    /// A session must be renewed, or opened again.
    Session,
    /// A store request failed and can be tried again, or a mirror is due to be listed afresh.
    Store,
    /// A host that vanished may now count as lost.
    Host,
    /// A task has been healthy, or not healthy, for long enough to matter.
    Health,
    /// A back-off has run out.
    Backoff,
    /// A health check is due.
    Check,
    /// Usage must be measured.
    Usage,
}

/// A moment, in milliseconds of one process's monotonic clock. Two processes' times cannot be compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Time(pub u64);

impl Time {
    /// Measures how long ago `earlier` was; zero when it is in the future.
    #[must_use]
    pub fn since(self, earlier: Time) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Span> for Time {
    type Output = Time;
    fn add(self, span: Span) -> Time {
        Time(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for Time {
    type Output = Time;
    fn sub(self, span: Span) -> Time {
        Time(self.0.saturating_sub(span.0))
    }
}

/// A length of time in milliseconds. Written as `250ms`, `10s`, `5m`, `2h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub u64);

impl Span {
    /// Makes a span of whole seconds.
    #[must_use]
    pub const fn secs(secs: u64) -> Span {
        Span(secs.saturating_mul(1000))
    }

    /// Multiplies, stopping at the largest span.
    #[must_use]
    pub const fn times(self, factor: u64) -> Span {
        Span(self.0.saturating_mul(factor))
    }

    /// Reads `10s`, `1m30s`, `250ms`, `2h`. A bare number has no unit and is refused, as is anything negative.
    ///
    /// # Errors
    /// Says what is wrong with the text, in words for the user.
    pub fn parse(text: &str) -> Result<Span, &'static str> {
        const HELP: &str = "a duration needs a unit: ms, s, m or h, as in \"10s\"";
        let mut rest = text;
        let mut total: u64 = 0;
        if rest.is_empty() {
            return Err(HELP);
        }
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let number: u64 = rest[..digits].parse().map_err(|_| HELP)?;
            rest = &rest[digits..];
            let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
            let unit = match &rest[..letters] {
                "ms" => 1,
                "s" => 1_000,
                "m" => 60_000,
                "h" => 3_600_000,
                _ => return Err(HELP),
            };
            rest = &rest[letters..];
            total = number.checked_mul(unit).and_then(|part| total.checked_add(part)).ok_or("too long")?;
        }
        Ok(Span(total))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0;
        match ms {
            0 => f.write_str("0s"),
            _ if !ms.is_multiple_of(1000) && ms < 10_000 => write!(f, "{ms}ms"),
            _ if ms < 60_000 => write!(f, "{}s", ms / 1000),
            _ if ms < 3_600_000 && ms % 60_000 < 1000 => write!(f, "{}m", ms / 60_000),
            _ if ms < 3_600_000 => write!(f, "{}m{}s", ms / 60_000, ms % 60_000 / 1000),
            _ if ms % 3_600_000 < 60_000 => write!(f, "{}h", ms / 3_600_000),
            _ => write!(f, "{}h{}m", ms / 3_600_000, ms % 3_600_000 / 60_000),
        }
    }
}

impl serde::Serialize for Span {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Exact, unlike Display, which rounds for the reader.
        if self.0.is_multiple_of(1000) {
            serializer.collect_str(&format_args!("{}s", self.0 / 1000))
        } else {
            serializer.collect_str(&format_args!("{}ms", self.0))
        }
    }
}

impl<'de> serde::Deserialize<'de> for Span {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
        struct Text;
        impl serde::de::Visitor<'_> for Text {
            type Value = Span;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as \"10s\"")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Span, E> {
                Span::parse(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}
