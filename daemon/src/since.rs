//! A moment of the past as a person writes it: how long ago it was, or when.

use callboard_core::machine::Span;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const WHAT: &str = "give how long ago, as in 10m, or a time, as in 2026-01-31T15:04:05Z";

/// Reads it, given what time it is.
///
/// # Errors
/// It is neither, with what may be written.
pub(crate) fn parse(text: &str, now: SystemTime) -> Result<SystemTime, String> {
    if let Ok(span) = Span::parse(text) {
        return Ok(now.checked_sub(Duration::from_millis(span.0)).unwrap_or(UNIX_EPOCH).max(UNIX_EPOCH));
    }
    time(text).ok_or_else(|| WHAT.to_owned())
}

/// Reads `YYYY-MM-DDTHH:MM:SS`, perhaps with parts of a second, and `Z` or an offset such as `+01:00`.
fn time(text: &str) -> Option<SystemTime> {
    let (date, rest) = text.split_once(['T', 't', ' '])?;
    let zone = rest.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = rest.split_at(zone);
    let (clock, part) = clock.split_once('.').unwrap_or((clock, ""));
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_of_month = match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=days_of_month).contains(&day) || hour > 23 || minute > 59 || second > 60 || year < 1970 {
        return None;
    }
    let offset = match zone {
        "Z" | "z" => 0,
        other => {
            let [hours, minutes] = numbers(&other[1..], ':', [2, 2])?;
            let offset = (hours < 24 && minutes < 60).then_some((hours * 60 + minutes) * 60)?;
            if other.starts_with('-') { -offset } else { offset }
        }
    };
    let millis = match part {
        "" => 0,
        part if part.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{part:0<3}").get(..3)?.parse::<u64>().ok()?
        }
        _ => return None,
    };
    let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset;
    let since = Duration::from_secs(u64::try_from(seconds).ok()?) + Duration::from_millis(millis);
    UNIX_EPOCH.checked_add(since)
}

/// Reads numbers of so many digits each.
fn numbers<const N: usize>(text: &str, between: char, digits: [usize; N]) -> Option<[i64; N]> {
    let mut numbers = [0; N];
    let mut parts = text.split(between);
    for (number, digits) in numbers.iter_mut().zip(digits) {
        let part = parts.next().filter(|part| part.len() == digits)?;
        *number = part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())??;
    }
    parts.next().is_none().then_some(numbers)
}

/// Counts the days from 1 January 1970. Years begin in March for this, so that a leap day is their last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let before = year * 365 + year / 4 - year / 100 + year / 400;
    before + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let check = |text: &str, expect: Option<u64>| {
            let read = parse(text, now).ok().map(|at| at.duration_since(UNIX_EPOCH).unwrap());
            assert_eq!(read, expect.map(Duration::from_millis), "{text}");
        };
        check("10m", Some(999_400_000));
        check("1h30m", Some(994_600_000));
        check("250ms", Some(999_999_750));
        check("1000000h", Some(0));
        check("1970-01-01T00:00:00Z", Some(0));
        check("2000-03-01T00:00:00Z", Some(951_868_800_000));
        check("2024-02-29T12:30:15.25Z", Some(1_709_209_815_250));
        check("2026-01-31 15:04:05+01:00", Some(1_769_868_245_000));
        check("2026-01-31T15:04:05-01:30", Some(1_769_877_245_000));
        for bad in [
            "",
            "10",
            "yesterday",
            "-5m",
            "2026-01-31",
            "2026-01-31T15:04:05",
            "2025-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-1-1T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00.xZ",
            "2026-01-01T00:00:00+1:00",
            "+026-01-01T00:00:00Z",
        ] {
            check(bad, None);
        }
        assert_eq!(parse("soon", now).unwrap_err(), WHAT);
    }
}
