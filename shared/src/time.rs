//! Moments and spans. No clock is read here: time comes in as an input.

use std::fmt;
use std::ops::{Add, Sub};

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970 UTC by the coordinator's clock, never falling (the shell clamps it).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Time(pub u64);

/// A span in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Millis(pub u64);

/// Milliseconds of a host's CLOCK_BOOTTIME; means something only with the boot id it was read in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Uptime(pub u64);

impl Millis {
    /// A span of whole seconds.
    pub const fn seconds(n: u64) -> Self {
        Self(n * 1000)
    }
}

macro_rules! moment {
    ($($name:ident),*) => {$(
        impl Add<Millis> for $name {
            type Output = $name;
            fn add(self, span: Millis) -> $name { $name(self.0.saturating_add(span.0)) }
        }
        impl Sub for $name {
            type Output = Millis;
            /// The span since `earlier`; zero when `earlier` is later.
            fn sub(self, earlier: $name) -> Millis { Millis(self.0.saturating_sub(earlier.0)) }
        }
    )*};
}
moment!(Time, Uptime);

impl fmt::Display for Millis {
    /// As people write spans: `350ms`, `2.9s`, `51m`, `2h10m`, `6d`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ms, s) = (self.0, self.0 / 1000);
        match s {
            0 => write!(f, "{ms}ms"),
            1..=59 if ms % 1000 == 0 => write!(f, "{s}s"),
            1..=59 => write!(f, "{}.{}s", s, ms % 1000 / 100),
            60..=3599 if s % 60 == 0 => write!(f, "{}m", s / 60),
            60..=3599 => write!(f, "{}m{}s", s / 60, s % 60),
            3600..=172_799 if s / 60 % 60 == 0 => write!(f, "{}h", s / 3600),
            3600..=172_799 => write!(f, "{}h{}m", s / 3600, s / 60 % 60),
            _ => write!(f, "{}d", s / 86_400),
        }
    }
}

/// Why a span was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a span of time: write a whole number and ms, s, m, h or d, as 30s or 10m")]
pub struct SpanError(pub String);

impl std::str::FromStr for Millis {
    type Err = SpanError;
    fn from_str(text: &str) -> Result<Self, SpanError> {
        let bad = || SpanError(text.chars().take(40).collect());
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = text[..digits].parse().map_err(|_| bad())?;
        let unit = match &text[digits..] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(bad()),
        };
        number.checked_mul(unit).filter(|n| *n <= 366 * 86_400_000).map(Self).ok_or_else(bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_written_as_people_do() {
        for (text, ms) in [("30s", 30_000), ("10m", 600_000), ("2h", 7_200_000), ("6d", 518_400_000), ("250ms", 250)] {
            let span: Millis = text.parse().unwrap();
            assert_eq!((span.0, span.to_string().as_str()), (ms, text));
        }
        assert_eq!(Millis(2_950).to_string(), "2.9s");
        for bad in ["", "s", "5", "5 s", "-5s", "1.5h", "99999999999999999999d", "400d"] {
            assert!(bad.parse::<Millis>().is_err(), "{bad}");
        }
    }
}
