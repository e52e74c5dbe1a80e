//! What one agent is still to be told: the newest of everything.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pilotage_shared::intent::{Answers, Blocked, Intent};
use pilotage_shared::name::{AppName, Why};
use pilotage_shared::wire::{Frame, Welcome};
use tokio::sync::Notify;

#[derive(Debug, Default)]
struct Levels {
    welcome: Option<Welcome>,
    intents: BTreeMap<AppName, Intent>,
    heard: Option<Answers>,
    /// The list as it is now, and the version that was last sent whole.
    blocked: Blocked,
    blocked_sent: Option<u64>,
    goodbye: Option<Why>,
    closed: bool,
}

/// Filled by the engine, emptied by the connection.
#[derive(Debug, Default)]
pub struct Outbox {
    levels: Mutex<Levels>,
    /// For the writer.
    changed: Notify,
    /// For the reader.
    ended: Notify,
}

impl Outbox {
    fn change(&self, change: impl FnOnce(&mut Levels)) {
        change(&mut self.lock());
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Levels> {
        self.levels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session's first frame; it carries the blocked list whole.
    pub fn welcome(&self, welcome: Welcome) {
        self.change(|levels| {
            levels.blocked = welcome.blocked.clone();
            levels.blocked_sent = Some(welcome.blocked.version);
            levels.welcome = Some(welcome);
        });
    }

    /// The wishes as they are now.
    pub fn intents(&self, intents: Vec<Intent>, blocked: &Blocked) {
        self.change(|levels| {
            levels.blocked.clone_from(blocked);
            levels.intents.extend(intents.into_iter().map(|i| (i.app.clone(), i)));
        });
    }

    /// A frame of this host was taken in.
    pub fn heard(&self, answers: Answers, blocked: &Blocked) {
        self.change(|levels| {
            levels.blocked.clone_from(blocked);
            levels.heard = Some(answers);
        });
    }

    /// The last frame, and the end.
    pub fn close(&self, why: &str) {
        self.change(|levels| {
            levels.goodbye.get_or_insert_with(|| Why::lossy(why));
        });
        self.ended.notify_one();
    }

    /// The connection is gone: nothing more can be said.
    pub fn abandon(&self) {
        self.change(|levels| levels.closed = true);
        self.ended.notify_one();
    }

    /// Has it ended, or is it about to?
    pub fn is_closed(&self) -> bool {
        let levels = self.lock();
        levels.closed || levels.goodbye.is_some()
    }

    /// Waits until the session is to end.
    pub async fn closed(&self) {
        loop {
            if self.is_closed() {
                return;
            }
            self.ended.notified().await;
        }
    }

    /// The frames to be sent now; waits for the first. None at the end.
    pub async fn next(&self) -> Option<Vec<Frame>> {
        loop {
            if let Some(frames) = self.take() {
                return Some(frames).filter(|f| !f.is_empty());
            }
            self.changed.notified().await;
        }
    }

    /// None: nothing to say now; an empty list: it is over.
    fn take(&self) -> Option<Vec<Frame>> {
        let mut levels = self.lock();
        let levels = &mut *levels;
        let mut frames = Vec::new();
        if levels.closed {
            return Some(frames);
        }
        if let Some(why) = levels.goodbye.clone() {
            // What was wished before is not said any more: it belongs to a session that is over (R3, R13).
            levels.closed = true;
            return Some(vec![Frame::Goodbye(why)]);
        }
        frames.extend(levels.welcome.take().map(Frame::Welcome));
        let version = levels.blocked.version;
        let (blocked, sent) = (&levels.blocked, &mut levels.blocked_sent);
        let mut list = || (sent.replace(version) != Some(version)).then(|| blocked.clone());
        for (_, intent) in std::mem::take(&mut levels.intents) {
            frames.push(Frame::Intent(intent, version, list()));
        }
        if let Some(answers) = levels.heard.take() {
            frames.push(Frame::Heard(answers, version, list()));
        }
        (!frames.is_empty()).then_some(frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now<T>(future: impl Future<Output = T>) -> Option<T> {
        use futures_util::FutureExt;
        future.now_or_never()
    }

    #[test]
    fn the_newest_answer_wins_and_the_list_is_sent_once() {
        let outbox = Outbox::default();
        let blocked = Blocked { version: 3, packages: Vec::new() };
        outbox.heard(Answers { seq: 1, beat: 1 }, &blocked);
        outbox.heard(Answers { seq: 1, beat: 2 }, &blocked);
        assert_eq!(now(outbox.next()), Some(Some(vec![Frame::Heard(Answers { seq: 1, beat: 2 }, 3, Some(blocked.clone()))])));
        assert_eq!(now(outbox.next()), None);
        outbox.heard(Answers { seq: 1, beat: 3 }, &blocked);
        assert_eq!(now(outbox.next()), Some(Some(vec![Frame::Heard(Answers { seq: 1, beat: 3 }, 3, None)])));
        outbox.close("over");
        assert_eq!(now(outbox.next()), Some(Some(vec![Frame::Goodbye(Why::lossy("over"))])));
        assert_eq!(now(outbox.next()), Some(None));
        assert!(now(outbox.closed()).is_some());
    }
}
