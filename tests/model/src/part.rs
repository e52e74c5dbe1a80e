//! Parts of a state. Most states differ from the one before in one part: the others are shared, and what tells parts apart is
//! made once. So a state is small, and millions fit in memory.

use std::fmt::{self, Debug};
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use crate::mark::{Mark, Marked, Told};

/// A part.
#[derive(Clone)]
pub struct Part<T>(Arc<Shared<T>>);

#[derive(Clone)]
struct Shared<T> {
    value: T,
    marked: OnceLock<Marked>,
}

impl<T: Clone + Told> Part<T> {
    /// Of a value.
    pub fn new(value: T) -> Part<T> {
        Part(Arc::new(Shared { value, marked: OnceLock::new() }))
    }

    /// Changes it, for this state alone.
    pub fn change<R>(&mut self, change: impl FnOnce(&mut T) -> R) -> R {
        let shared = Arc::make_mut(&mut self.0);
        shared.marked = OnceLock::new();
        change(&mut shared.value)
    }

    /// What tells it apart.
    pub fn marked(&self) -> &Marked {
        self.0.marked.get_or_init(|| {
            let mut mark = Mark::default();
            self.0.value.tell(&mut mark);
            mark.end()
        })
    }
}

impl<T> Deref for Part<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T: Debug> Debug for Part<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.value.fmt(f)
    }
}
