//! Where a replay is to stop.

use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Time as Wall;
use jiff::tz::TimeZone;
use pilotage_shared::time::{Millis, Time};

/// A decision, or a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Until {
    /// The decision of this number.
    Decision(usize),
    /// So long after the deployment's beginning.
    After(Millis),
    /// This moment.
    At(Time),
    /// The next time the clock says so, from its beginning on, where the reader is.
    Clock(Wall),
}

impl FromStr for Until {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(number) = text.strip_prefix('#') {
            return number.parse().map(Until::Decision).map_err(|_| format!("{text:?} is no decision: write #12"));
        }
        if let Some(span) = text.strip_prefix('+') {
            return span.parse().map(Until::After).map_err(|error| format!("{text:?}: {error}"));
        }
        if let Ok(at) = text.parse::<Timestamp>() {
            return Ok(Until::At(Time(u64::try_from(at.as_millisecond()).unwrap_or(0))));
        }
        text.parse::<Wall>().map(Until::Clock).map_err(|_| format!("{text:?} is no moment: write #12, +5m, 15:04, 15:04:05 or 2026-11-29T15:04:05Z"))
    }
}

impl Until {
    /// The last moment that belongs to it, of a deployment that began then; none: a decision.
    pub fn moment(&self, began: Time, zone: &TimeZone) -> Option<Time> {
        match self {
            Until::Decision(_) => None,
            Until::After(span) => Some(began + *span),
            Until::At(at) => Some(*at),
            Until::Clock(wall) => {
                let begin = Timestamp::from_millisecond(i64::try_from(began.0).ok()?).ok()?.to_zoned_datetime(zone.clone());
                let today = begin.date().to_datetime(*wall).to_zoned_datetime(zone.clone()).ok()?;
                let at = if today < begin { today.tomorrow().ok()? } else { today };
                Some(Time(u64::try_from(at.timestamp().as_millisecond()).ok()?))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_decisions_are_read() {
        let began = Time(1_795_964_280_000); // 2026-11-29T15:38:00Z
        let check = |text: &str, expected: Option<u64>| {
            let until: Until = text.parse().unwrap();
            assert_eq!(until.moment(began, &TimeZone::UTC).map(|at| at.0), expected, "{text}");
        };
        let begin = began.0;
        let day = 86_400_000;
        let since_midnight = begin % day;
        check("#12", None);
        check("+5m", Some(begin + 300_000));
        check("23:59:59", Some(begin - since_midnight + day - 1000));
        check("00:00", Some(begin - since_midnight + day));
        check("1970-01-01T00:00:01Z", Some(1000));
        for bad in ["", "#", "#x", "+5", "yesterday"] {
            assert!(bad.parse::<Until>().is_err(), "{bad}");
        }
    }
}
