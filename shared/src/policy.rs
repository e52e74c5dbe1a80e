//! Numbers of a rollout policy: counts, shares, and "all but".

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number of hosts, absolute or relative to a membership. Text form: `3`, `66%`, `all-1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Amount {
    /// So many.
    Count(u32),
    /// 0–100.
    Percent(u8),
    /// All but so many.
    AllBut(u32),
}

impl Amount {
    /// The number rounded up, as floors are (R11).
    pub fn round_up(self, members: u32) -> u32 {
        match self {
            Amount::Count(n) => n,
            Amount::Percent(p) => u32::try_from((u64::from(members) * u64::from(p)).div_ceil(100)).unwrap_or(u32::MAX),
            Amount::AllBut(n) => members.saturating_sub(n),
        }
    }

    /// The number rounded down, as tolerances are (DESIGN §10).
    pub fn round_down(self, members: u32) -> u32 {
        match self {
            Amount::Percent(p) => u32::try_from(u64::from(members) * u64::from(p) / 100).unwrap_or(u32::MAX),
            Amount::Count(_) | Amount::AllBut(_) => self.round_up(members),
        }
    }
}

/// Why an amount was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a number of hosts: write 3, 66% (0 to 100) or all-1")]
pub struct AmountError(pub String);

impl FromStr for Amount {
    type Err = AmountError;
    fn from_str(text: &str) -> Result<Self, AmountError> {
        let bad = || AmountError(text.chars().take(40).collect());
        let number = |t: &str| if t.is_empty() || !t.bytes().all(|b| b.is_ascii_digit()) { Err(bad()) } else { t.parse::<u32>().map_err(|_| bad()) };
        if let Some(rest) = text.strip_prefix("all-") {
            return number(rest).map(Amount::AllBut);
        }
        match text.strip_suffix('%') {
            Some(rest) => number(rest).and_then(|n| if n <= 100 { Ok(Amount::Percent(n as u8)) } else { Err(bad()) }),
            None => number(text).map(Amount::Count),
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Amount::Count(n) => write!(f, "{n}"),
            Amount::Percent(p) => write!(f, "{p}%"),
            Amount::AllBut(n) => write!(f, "all-{n}"),
        }
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floors_round_up_and_tolerances_down() {
        let check = |text: &str, members, up, down| {
            let amount: Amount = text.parse().unwrap();
            assert_eq!((amount.round_up(members), amount.round_down(members)), (up, down), "{text} of {members}");
            assert_eq!(amount.to_string(), text);
        };
        check("66%", 3, 2, 1);
        check("50%", 5, 3, 2);
        check("all-1", 4, 3, 3);
        check("all-9", 4, 0, 0);
        check("4", 2, 4, 4);
        check("0%", 7, 0, 0);
        for bad in ["", "%", "101%", "-1", "all", "all-", "3.5", "1 %"] {
            assert!(bad.parse::<Amount>().is_err(), "{bad}");
        }
    }
}
