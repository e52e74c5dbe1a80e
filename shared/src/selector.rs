//! Label selectors: `k=v, k!=v, k in (a,b), k`, joined by AND (DESIGN §10). One parser for all uses.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::fleet::Labels;
use crate::name::{LabelKey, LabelValue};

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Term {
    /// `k=v`
    Is(LabelKey, LabelValue),
    /// `k!=v`; true also when there is no `k`.
    IsNot(LabelKey, LabelValue),
    /// `k in (a,b)`
    In(LabelKey, BTreeSet<LabelValue>),
    /// `k`
    Has(LabelKey),
}

/// All of its terms must hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Selector {
    terms: Vec<Term>,
}

/// Why a selector was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("selector {text:?} is not valid at {at:?}: {why}")]
pub struct SelectorError {
    /// The whole selector.
    pub text: String,
    /// The part that is wrong.
    pub at: String,
    /// What is wrong, and what to write.
    pub why: String,
}

impl Selector {
    /// Does a host with these labels match?
    pub fn matches(&self, labels: &Labels) -> bool {
        self.terms.iter().all(|term| match term {
            Term::Is(k, v) => labels.get(k) == Some(v),
            Term::IsNot(k, v) => labels.get(k) != Some(v),
            Term::In(k, vs) => labels.get(k).is_some_and(|v| vs.contains(v)),
            Term::Has(k) => labels.contains_key(k),
        })
    }

    /// Its terms.
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }
}

impl FromStr for Selector {
    type Err = SelectorError;
    fn from_str(text: &str) -> Result<Self, SelectorError> {
        let fail = |at: &str, why: String| SelectorError { text: text.chars().take(200).collect(), at: at.chars().take(80).collect(), why };
        let mut terms = Vec::new();
        for part in split(text) {
            let part = part.trim();
            if part.is_empty() {
                return Err(fail(part, "a condition is empty; write k=v, k!=v, k in (a,b) or k".into()));
            }
            terms.push(term(part).map_err(|why| fail(part, why))?);
        }
        Ok(Self { terms })
    }
}

/// Splits at commas outside parentheses.
fn split(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0u32, 0, Vec::new());
    for (i, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn term(part: &str) -> Result<Term, String> {
    let key = |k: &str| LabelKey::new(k.trim()).map_err(|e| e.to_string());
    let value = |v: &str| match v.trim() {
        "" => Err("the value is empty".to_owned()),
        v if v.contains(['=', '!', '(', ')', ',']) => Err(format!("the value {v:?} has one of = ! ( ) ,")),
        v => LabelValue::new(v).map_err(|e| e.to_string()),
    };
    if let Some((k, v)) = part.split_once("!=") {
        return Ok(Term::IsNot(key(k)?, value(v)?));
    }
    if let Some((k, v)) = part.split_once('=') {
        return Ok(Term::Is(key(k)?, value(v)?));
    }
    if let Some((k, rest)) = part.split_once(char::is_whitespace) {
        let list = rest.trim().strip_prefix("in").map(str::trim_start).and_then(|r| r.strip_prefix('(')).and_then(|r| r.strip_suffix(')'));
        let Some(list) = list else { return Err("expected `k in (a,b)`".into()) };
        return Ok(Term::In(key(k)?, list.split(',').map(value).collect::<Result<_, _>>()?));
    }
    Ok(Term::Has(key(part)?))
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, term) in self.terms.iter().enumerate() {
            if i > 0 {
                write!(f, ",")?;
            }
            match term {
                Term::Is(k, v) => write!(f, "{k}={v}")?,
                Term::IsNot(k, v) => write!(f, "{k}!={v}")?,
                Term::In(k, vs) => write!(f, "{k} in ({})", vs.iter().map(LabelValue::as_str).collect::<Vec<_>>().join(","))?,
                Term::Has(k) => write!(f, "{k}")?,
            }
        }
        Ok(())
    }
}

impl Serialize for Selector {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Selector {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(k, v)| (LabelKey::new(k).unwrap(), LabelValue::new(*v).unwrap())).collect()
    }

    #[test]
    fn terms_are_joined_by_and() {
        let check = |text: &str, expected| {
            let selector: Selector = text.parse().unwrap();
            assert_eq!(selector.matches(&labels(&[("env", "prod"), ("zone", "a")])), expected, "{text}");
            assert_eq!(selector.to_string().parse::<Selector>().unwrap(), selector);
        };
        check("env=prod", true);
        check("env=prod, zone=b", false);
        check("zone in (a, b)", true);
        check("zone!=a", false);
        check("rack!=r1", true);
        check("env", true);
        check("rack", false);
    }

    #[test]
    fn errors_name_the_part() {
        for (text, at) in [("env=prod,", ""), ("env=", "env="), ("Env=x", "Env=x"), ("env on (a)", "env on (a)"), ("", ""), ("a==b", "a==b")] {
            assert_eq!(text.parse::<Selector>().unwrap_err().at, at, "{text}");
        }
    }
}
