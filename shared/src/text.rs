//! Free text that people and hosts send: bounded, valid UTF-8, without control characters, checked at the door.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Text of at most `N` bytes without control characters (DESIGN §7). It can be shown on a terminal as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<const N: usize>(Cow<'static, str>);

/// Why a text was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Longer than the limit.
    #[error("text has {len} bytes, at most {max} are allowed")]
    TooLong {
        /// Bytes found.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// A control character (also DEL, C1 controls, and bidirectional overrides).
    #[error("text has the control character U+{code:04X} at byte {at}")]
    Control {
        /// Code point.
        code: u32,
        /// Byte offset.
        at: usize,
    },
}

impl<const N: usize> Text<N> {
    /// Checks and takes a text.
    pub fn new(text: impl Into<String>) -> Result<Self, TextError> {
        let text = text.into();
        if text.len() > N {
            return Err(TextError::TooLong { len: text.len(), max: N });
        }
        match text.char_indices().find(|(_, c)| is_control(*c)) {
            Some((at, c)) => Err(TextError::Control { code: c.into(), at }),
            None => Ok(Self(text.into())),
        }
    }

    /// A text that stands in the program itself: plain ASCII and short enough, or it panics at its first use. It costs nothing.
    pub const fn fixed(text: &'static str) -> Self {
        let bytes = text.as_bytes();
        assert!(bytes.len() <= N, "the text is too long");
        let mut at = 0;
        while at < bytes.len() {
            assert!(is_plain(bytes[at]), "only plain ASCII");
            at += 1;
        }
        Self(Cow::Borrowed(text))
    }

    /// Makes a text from anything: control characters become spaces, what is too long is cut at a character.
    pub fn lossy(text: &str) -> Self {
        if text.len() <= N && text.bytes().all(is_plain) {
            return Self(text.to_owned().into());
        }
        let mut out = String::new();
        for c in text.chars().map(|c| if is_control(c) { ' ' } else { c }) {
            if out.len() + c.len_utf8() > N {
                break;
            }
            out.push(c);
        }
        Self(out.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A printable ASCII character.
#[inline]
const fn is_plain(byte: u8) -> bool {
    byte >= b' ' && byte < 0x7f
}

fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<const N: usize> FromStr for Text<N> {
    type Err = TextError;
    fn from_str(s: &str) -> Result<Self, TextError> {
        Self::new(s)
    }
}

impl<const N: usize> Serialize for Text<N> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Text<N> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(d)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_long_texts_are_refused() {
        assert_eq!(Text::<8>::new("a\x1b[1m"), Err(TextError::Control { code: 0x1b, at: 1 }));
        assert_eq!(Text::<3>::new("abcd"), Err(TextError::TooLong { len: 4, max: 3 }));
        assert!(Text::<8>::new("a\u{202e}b").is_err());
        assert_eq!(Text::<4>::lossy("ab\ncdef").as_str(), "ab c");
        assert_eq!(Text::<3>::lossy("aéé").as_str(), "aé");
        assert_eq!(Text::<3>::lossy("abcd"), Text::fixed("abc"));
        assert_eq!(Text::<8>::lossy("a\x7fb").as_str(), "a b");
    }
}
