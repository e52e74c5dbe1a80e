//! Lets the power-cut test look at the database's files at the moments that decide what a power cut leaves of them. Does
//! nothing in the program itself.

use std::path::Path;

/// What has just happened to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// It is about to be opened.
    Opening,
    /// Something was written, nothing of it is sure to last.
    Written,
    /// What was written to `db` before the last [`Moment::Written`] is on disk.
    DataSynced,
    /// All that was there at the last [`Moment::Written`] or [`Moment::Opening`] is on disk.
    TreeSynced,
}

/// Who is told.
#[cfg(test)]
type Watcher = std::sync::Arc<dyn Fn(Moment, &Path) + Send + Sync>;

/// A place for the test's eye.
#[derive(Clone, Default)]
pub(super) struct Watch(#[cfg(test)] Option<Watcher>);

impl Watch {
    #[cfg(not(test))]
    pub(super) fn see(&self, _: Moment, _: &Path) {}

    #[cfg(test)]
    pub(super) fn see(&self, moment: Moment, database: &Path) {
        if let Some(watcher) = &self.0 {
            watcher(moment, database);
        }
    }

    #[cfg(test)]
    pub(super) fn by(watcher: impl Fn(Moment, &Path) + Send + Sync + 'static) -> Self {
        Self(Some(std::sync::Arc::new(watcher)))
    }
}
