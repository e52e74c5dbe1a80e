//! Small words: moments, spans, sizes, releases, lists of hosts.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};
use pilotage_shared::api::v1::{ReleaseView, When};
use pilotage_shared::time::Millis;

use crate::output::safe;

/// Now and here, for moments as people read them.
#[derive(Clone, Debug)]
pub struct Clock {
    /// The moment that spans count to.
    pub now: When,
    /// Where the reader is.
    pub zone: TimeZone,
}

impl Clock {
    /// With the coordinator's own `now`, in the reader's zone: two clocks never make a span negative or wrong.
    pub fn at(now: When) -> Self {
        Self { now, zone: TimeZone::system() }
    }

    /// By this machine's clock.
    pub fn here() -> Self {
        let ms = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0);
        Self::at(When(pilotage_shared::time::Time(ms)))
    }

    /// `02:12`, and with its date when that is another day: `Nov 20 02:12`.
    pub fn moment(&self, when: When) -> String {
        let (then, now) = (self.zoned(when), self.zoned(self.now));
        let format = if then.date() == now.date() { "%H:%M" } else { "%b %d %H:%M" };
        then.strftime(format).to_string()
    }

    /// `02:06:11.204`
    pub fn to_the_millisecond(&self, when: When) -> String {
        self.zoned(when).strftime("%H:%M:%S%.3f").to_string()
    }

    /// `51m`: how long ago.
    pub fn ago(&self, when: When) -> String {
        coarse(self.now.0 - when.0)
    }

    fn zoned(&self, when: When) -> ZonedDateTime {
        let ms = i64::try_from(when.0.0).unwrap_or(i64::MAX);
        Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned_datetime(self.zone.clone())
    }
}

/// `0s`, `51m`, `2h`, `6d`: one unit, rounded down.
pub fn coarse(span: Millis) -> String {
    match span.0 / 1000 {
        s @ ..=59 => format!("{s}s"),
        s @ ..=3599 => format!("{}m", s / 60),
        s @ ..=172_799 => format!("{}h", s / 3600),
        s => format!("{}d", s / 86_400),
    }
}

/// `38.1 MB`
pub fn size(bytes: u64) -> String {
    let (mut value, mut unit) = (bytes as f64, "B");
    for next in ["kB", "MB", "GB", "TB"] {
        if value < 1000.0 {
            break;
        }
        (value, unit) = (value / 1000.0, next);
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") }
}

/// `18,211`
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 host`, `2 hosts`
pub fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// `web@1.4.2`, `web@1.4.2+c17` with its configuration, and `+r2` behind it when it was restarted twice.
pub fn release(release: &ReleaseView) -> String {
    let config = match (release.config, release.config_digest) {
        (Some(number), _) => format!("+c{number}"),
        (None, Some(digest)) => format!("+{}", digest.short()),
        (None, None) => String::new(),
    };
    let restart = if release.restart == 0 { String::new() } else { format!("+r{}", release.restart) };
    format!("{}{config}{restart}", safe(&release.package))
}

/// The same without the app's name: `1.4.2`.
pub fn version(view: &ReleaseView) -> String {
    let full = release(view);
    full.split_once('@').map_or(full.clone(), |(_, version)| version.to_owned())
}

/// `h1 h2 h3`, at most `limit` named: `h1 h2 and 9 more`.
pub fn names<S: AsRef<str>>(names: &[S], total: usize, limit: usize) -> String {
    let shown: Vec<&str> = names.iter().take(limit).map(AsRef::as_ref).collect();
    match total.max(names.len()) - shown.len() {
        0 => shown.join(" "),
        more => format!("{} and {more} more", shown.join(" ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilotage_shared::time::Time;

    #[test]
    fn words_are_short() {
        assert_eq!([0, 59_999, 60_000, 3_060_000, 7_200_000, 172_800_000].map(|ms| coarse(Millis(ms))), ["0s", "59s", "1m", "51m", "2h", "2d"]);
        assert_eq!([0, 999, 1000, 38_100_000].map(size), ["0 B", "999 B", "1.0 kB", "38.1 MB"]);
        assert_eq!([1, 999, 1000, 18_211, 1_000_000].map(thousands), ["1", "999", "1,000", "18,211", "1,000,000"]);
        assert_eq!(names(&["a", "b", "c"], 12, 2), "a b and 10 more");
        assert_eq!(names(&["a", "b"], 2, 2), "a b");
    }

    #[test]
    fn a_release_is_package_configuration_and_restarts() {
        let plain = crate::render::samples::release("web@1.4.2");
        let check = |view: &ReleaseView, expected: [&str; 2]| assert_eq!([release(view), version(view)], expected);
        check(&plain, ["web@1.4.2", "1.4.2"]);
        check(&ReleaseView { config: Some(17), config_digest: Some(plain.digest), ..plain.clone() }, ["web@1.4.2+c17", "1.4.2+c17"]);
        check(&ReleaseView { config: Some(17), restart: 2, ..plain.clone() }, ["web@1.4.2+c17+r2", "1.4.2+c17+r2"]);
        let unknown = ReleaseView { config_digest: Some(plain.digest), ..plain.clone() };
        check(&unknown, [&format!("web@1.4.2+{}", plain.digest.short()), &format!("1.4.2+{}", plain.digest.short())]);
    }

    #[test]
    fn moments_are_local_and_short() {
        let when = |text: &str| text.parse::<When>().unwrap();
        let clock = Clock { now: when("2026-11-23T03:03:07Z"), zone: TimeZone::fixed(jiff::tz::offset(1)) };
        assert_eq!(clock.moment(when("2026-11-23T02:12:09Z")), "03:12");
        assert_eq!(clock.moment(when("2026-11-20T02:12:09Z")), "Nov 20 03:12");
        assert_eq!(clock.to_the_millisecond(when("2026-11-23T02:06:11.204Z")), "03:06:11.204");
        assert_eq!(clock.ago(when("2026-11-23T02:12:09Z")), "50m");
        assert_eq!(Clock { zone: TimeZone::UTC, now: When(Time(5)) }.ago(When(Time(9))), "0s");
    }
}
