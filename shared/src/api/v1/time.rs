//! Moments as RFC 3339 in UTC and spans as people write them, both exact to the millisecond.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::time::{Millis, SpanError, Time};

/// A moment, written `2026-11-23T03:03:07.120Z` (without the fraction when it is 0).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct When(pub Time);

/// A span, written exactly: `30s`, `10m`, `1500ms`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Millis);

/// Why a text was not a moment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a moment: write it as 2026-11-23T03:03:07Z")]
pub struct WhenError(pub String);

const DAY: u64 = 86_400_000;

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, ms) = (self.0.0 / DAY, self.0.0 % DAY);
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        match ms % 1000 {
            0 => write!(f, "Z"),
            fraction => write!(f, ".{fraction:03}Z"),
        }
    }
}

impl FromStr for When {
    type Err = WhenError;
    fn from_str(text: &str) -> Result<Self, WhenError> {
        let bad = || WhenError(text.chars().take(40).collect());
        let (main, fraction) = text.strip_suffix('Z').ok_or_else(bad)?.split_once('.').unwrap_or((text.trim_end_matches('Z'), "0"));
        let bytes = main.as_bytes();
        let shape = bytes.len() == 19 && bytes[4] == b'-' && bytes[7] == b'-' && bytes[10] == b'T' && bytes[13] == b':' && bytes[16] == b':';
        if !shape || !(1..=9).contains(&fraction.len()) {
            return Err(bad());
        }
        let number = |part: Option<&str>| part.filter(|p| p.bytes().all(|b| b.is_ascii_digit())).and_then(|p| p.parse::<u64>().ok()).ok_or_else(bad);
        let [year, month, day] = [number(main.get(0..4))?, number(main.get(5..7))?, number(main.get(8..10))?];
        let [hour, minute, second] = [number(main.get(11..13))?, number(main.get(14..16))?, number(main.get(17..19))?];
        let ms = number(format!("{fraction:0<3}").get(0..3))?;
        if year < 1970 || hour > 23 || minute > 59 || second > 59 {
            return Err(bad());
        }
        let days = days(year, month, day).filter(|d| civil(*d) == (year, month, day)).ok_or_else(bad)?;
        Ok(When(Time(days * DAY + hour * 3_600_000 + minute * 60_000 + second * 1000 + ms)))
    }
}

/// Year, month, day of a day counted from 1970-01-01 (the usual calendar arithmetic with years that begin in March).
fn civil(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let (era, doe) = (z / 146_097, z % 146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + u64::from(month <= 2), month, doy - (153 * mp + 2) / 5 + 1)
}

fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let y = if month <= 2 { year - 1 } else { year };
    let (era, yoe) = (y / 400, y % 400);
    let mp = if month > 2 { month - 3 } else { month + 9 };
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + (153 * mp + 2) / 5 + day - 1;
    (era * 146_097 + doe).checked_sub(719_468)
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.0;
        let units = [("d", DAY), ("h", 3_600_000), ("m", 60_000), ("s", 1000)];
        match units.iter().find(|(_, size)| ms > 0 && ms.is_multiple_of(*size)) {
            Some((unit, size)) => write!(f, "{}{unit}", ms / size),
            None => write!(f, "{ms}ms"),
        }
    }
}

impl FromStr for Span {
    type Err = SpanError;
    fn from_str(text: &str) -> Result<Self, SpanError> {
        text.parse().map(Span)
    }
}

macro_rules! as_text {
    ($($name:ident),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> { s.collect_str(self) }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
as_text!(When, Span);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_and_read_exactly() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_795_402_987_120, "2026-11-23T03:03:07.120Z"),
            (4_102_444_799_999, "2099-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(When(Time(ms)).to_string(), text);
            assert_eq!(text.parse(), Ok(When(Time(ms))));
        }
        for bad in [
            "",
            "2026-11-23",
            "2026-11-23T03:03:07",
            "2026-02-30T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "2026-11-23T24:00:00Z",
            "+026-11-23T03:03:07Z",
            "2026-11-23T03:03:07.Z",
        ] {
            assert!(bad.parse::<When>().is_err(), "{bad}");
        }
    }

    #[test]
    fn spans_lose_nothing() {
        for (ms, text) in [(0, "0ms"), (2950, "2950ms"), (30_000, "30s"), (90_000, "90s"), (600_000, "10m"), (7_200_000, "2h"), (86_400_000, "1d")] {
            assert_eq!(Span(Millis(ms)).to_string(), text);
            assert_eq!(text.parse(), Ok(Span(Millis(ms))));
        }
    }
}
