//! Parts of a state. Most states differ from the one before in one part: the others are shared, and what tells parts apart (a
//! hash of all that is written of them) is made once. So a state is small, and millions fit in memory.

use std::fmt::{self, Debug, Write};
use std::hash::{DefaultHasher, Hasher};
use std::ops::Deref;
use std::sync::Arc;

/// A part.
#[derive(Clone)]
pub struct Part<T> {
    value: Arc<T>,
    mark: u64,
}

impl<T: Clone + Debug> Part<T> {
    /// Of a value.
    pub fn new(value: T) -> Part<T> {
        let mut text = Text(DefaultHasher::new());
        // It never fails: a hasher takes everything.
        let _ = write!(text, "{value:?}");
        Part { mark: text.0.finish(), value: Arc::new(value) }
    }

    /// Changes it, for this state alone.
    pub fn change<R>(&mut self, change: impl FnOnce(&mut T) -> R) -> R {
        let mut value = T::clone(&self.value);
        let result = change(&mut value);
        *self = Part::new(value);
        result
    }

    /// Two parts are one when nothing that can be told apart differs.
    pub fn mark(&self) -> u64 {
        self.mark
    }
}

impl<T> Deref for Part<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Debug> Debug for Part<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

struct Text(DefaultHasher);

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}
