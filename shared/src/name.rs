//! Names that people give: apps, fleets, hosts, labels, versions. Parsed once, then trusted.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::text::Text;

/// Why a name was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} name {found:?} is not valid: {why}")]
pub struct NameError {
    /// What was to be named: `app`, `fleet`, ….
    pub kind: &'static str,
    /// What was given (cut to 80 characters).
    pub found: String,
    /// What is wrong with it.
    pub why: &'static str,
}

fn check(kind: &'static str, text: &str) -> Result<(), NameError> {
    let bad = |why| Err(NameError { kind, found: text.chars().take(80).collect(), why });
    let Some(first) = text.bytes().next() else { return bad("it is empty") };
    if text.len() > 63 {
        return bad("it is longer than 63 characters");
    }
    if !(first.is_ascii_lowercase() || first.is_ascii_digit()) {
        return bad("it must begin with a lower-case letter or a digit");
    }
    if !text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-')) {
        return bad("only a-z, 0-9, '.', '_' and '-' are allowed");
    }
    Ok(())
}

/// How many bytes of a name stand beside its text.
const BEGINNING: usize = 8;

/// The first bytes of a name as a number that orders as they do. No name has a zero byte: what is shorter comes first.
fn beginning(text: &str) -> u64 {
    text.bytes().chain([0; BEGINNING]).take(BEGINNING).fold(0, |first, byte| first << 8 | u64::from(byte))
}

/// Orders two names that begin alike.
#[inline]
fn behind(a: &Arc<str>, b: &Arc<str>) -> Ordering {
    if a.len() <= BEGINNING && b.len() <= BEGINNING || Arc::ptr_eq(a, b) { Ordering::Equal } else { a.cmp(b) }
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident = $kind:literal),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name {
            /// Its beginning: most comparisons end here, without a look at the text.
            first: u64,
            text: Arc<str>,
        }

        impl $name {
            /// Checks and takes a name: `[a-z0-9][a-z0-9._-]{0,62}` (DESIGN §10).
            pub fn new(text: &str) -> Result<Self, NameError> {
                check($kind, text)?;
                Ok(Self { first: beginning(text), text: text.into() })
            }
            /// The name.
            pub fn as_str(&self) -> &str { &self.text }
        }
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool { self.cmp(other).is_eq() }
        }
        impl Eq for $name {}
        impl Ord for $name {
            #[inline]
            fn cmp(&self, other: &Self) -> Ordering {
                self.first.cmp(&other.first).then_with(|| behind(&self.text, &other.text))
            }
        }
        impl PartialOrd for $name {
            #[inline]
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> { Some(self.cmp(other)) }
        }
        impl Hash for $name {
            fn hash<H: Hasher>(&self, state: &mut H) { self.text.hash(state) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.debug_tuple(stringify!($name)).field(&self.text).finish() }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.pad(&self.text) }
        }
        impl FromStr for $name {
            type Err = NameError;
            fn from_str(s: &str) -> Result<Self, NameError> { Self::new(s) }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> { s.serialize_str(&self.text) }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                Self::new(&String::deserialize(d)?).map_err(serde::de::Error::custom)
            }
        }
    )*};
}

names! {
    /// A thing that is deployed, as `web`.
    AppName = "app",
    /// An app on the hosts that a selector matches, as `web-prod`.
    FleetName = "fleet",
    /// A machine with an agent, as people see it: `h1`.
    HostName = "host",
    /// The key of a label, as `zone`.
    LabelKey = "label",
    /// A secret as hosts call it in their own files: `db-password`.
    SecretName = "secret",
}

/// The value of a label; free of control characters, at most 63 bytes.
pub type LabelValue = Text<63>;
/// A package's version: free text of at most 64 bytes, ordered by [`compare_versions`].
pub type Version = Text<64>;
/// Why somebody did something; at most 400 bytes.
pub type Reason = Text<400>;
/// A short explanation made by a program (a refusal, a decline, the last line of a hook); at most 300 bytes.
pub type Why = Text<300>;

/// Orders versions by runs of digits (as numbers) and other characters: `1.10` comes after `1.9`.
pub fn compare_versions(a: &str, b: &str) -> Ordering {
    use Ordering::Equal;
    let (mut a, mut b) = (a, b);
    loop {
        if a.is_empty() || b.is_empty() {
            return a.len().cmp(&b.len());
        }
        let (x, y) = (run(a), run(b));
        let order = match (x.trim_start_matches('0'), y.trim_start_matches('0')) {
            (m, n) if is_digit(x) && is_digit(y) => m.len().cmp(&n.len()).then(m.cmp(n)),
            _ => x.cmp(y),
        };
        if order != Equal {
            return order;
        }
        (a, b) = (&a[x.len()..], &b[y.len()..]);
    }
}

fn is_digit(run: &str) -> bool {
    run.as_bytes().first().is_some_and(u8::is_ascii_digit)
}

fn run(text: &str) -> &str {
    let digit = is_digit(text);
    let end = text.bytes().position(|b| b.is_ascii_digit() != digit).unwrap_or(text.len());
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cmp::Ordering::{Equal, Greater, Less};
    use std::collections::BTreeSet;

    #[test]
    fn names_are_checked() {
        assert!(AppName::new("web-1.a_b").is_ok());
        for bad in ["", "-a", "A", "a b", "a/b", &"a".repeat(64), "..", "ä"] {
            assert!(AppName::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_are_ordered_as_their_texts() {
        let texts = [
            "a",
            "a-",
            "a.b",
            "ab",
            "abcdefg",
            "abcdefgh",
            "abcdefgh0",
            "abcdefghi",
            "abcdefghij",
            "b",
            "h1",
            "h10",
            "h2",
            "host-0000042",
            "host-0000043",
            "0",
        ];
        for a in texts {
            for b in texts {
                let (x, y) = (HostName::new(a).unwrap(), HostName::new(b).unwrap());
                assert_eq!((x.cmp(&y), x == y), (a.cmp(b), a == b), "{a} {b}");
            }
        }
        let sorted: BTreeSet<HostName> = texts.iter().map(|text| HostName::new(text).unwrap()).collect();
        assert_eq!(sorted.len(), texts.len());
        assert_eq!(format!("{:?}", HostName::new("h1").unwrap()), "HostName(\"h1\")");
    }

    #[test]
    fn versions_are_ordered_by_runs() {
        for (a, b, order) in
            [("1.9", "1.10", Less), ("1.0", "1.0", Equal), ("2", "1.9.9", Greater), ("1.0-rc1", "1.0-rc2", Less), ("1.01", "1.1", Equal)]
        {
            assert_eq!(compare_versions(a, b), order, "{a} {b}");
        }
    }
}
