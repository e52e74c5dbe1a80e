//! Output of hooks while they run, for people who watch a host (`pilotage logs --follow`). In memory only: what is kept for
//! later comes with the run's report.
//!
//! That somebody watches is a level in the host's intents (`follow`). The host sends what its run has written, from the offset
//! that it is asked for; it is told to stop when nobody watches any more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use pilotage_shared::ids::DeploymentId;
use pilotage_shared::name::{AppName, HostName};
use pilotage_shared::run::RunId;
use tokio::sync::watch;

/// Bytes that are kept of one run for who comes late or reads slowly.
const KEPT: usize = 1 << 20;

type Place = (HostName, AppName);

/// Everybody who is watched now.
#[derive(Clone, Debug, Default)]
pub struct Follows(Arc<Mutex<BTreeMap<Place, Followed>>>);

#[derive(Debug)]
struct Followed {
    watchers: usize,
    run: Option<RunId>,
    /// Where `bytes` begin in the run's output.
    start: u64,
    bytes: Vec<u8>,
    ended: bool,
    changed: watch::Sender<u64>,
}

impl Followed {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

/// One piece of a run's output, from its host.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Whose.
    pub run: RunId,
    /// Of which app.
    pub app: AppName,
    /// Where it begins in the run's output.
    pub offset: u64,
    /// What was before it is not there any more, if it was not sent.
    pub gap: bool,
    /// What was written.
    pub bytes: Bytes,
    /// Nothing comes after it.
    pub last: bool,
}

impl Follows {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Place, Followed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does anybody watch this app there?
    pub fn wants(&self, host: &HostName, app: &AppName) -> bool {
        self.lock().contains_key(&(host.clone(), app.clone()))
    }

    /// One more who watches; `left` is called when the last one of this place has gone.
    pub(crate) fn watch(&self, host: HostName, app: AppName, deployment: DeploymentId, left: impl FnOnce() + Send + 'static) -> Watching {
        let place = (host, app);
        let mut all = self.lock();
        let fresh = || Followed { watchers: 0, run: None, start: 0, bytes: Vec::new(), ended: false, changed: watch::channel(0).0 };
        let followed = all.entry(place.clone()).or_insert_with(fresh);
        followed.watchers += 1;
        let changed = followed.changed.subscribe();
        drop(all);
        Watching { follows: self.clone(), place, deployment, run: None, at: 0, changed, left: Some(Box::new(left)) }
    }

    /// Takes a piece in; the offset that is wanted next, or none when nobody watches.
    pub fn take(&self, piece: &Piece) -> Option<u64> {
        let mut all = self.lock();
        let followed = all.get_mut(&(piece.run.host.clone(), piece.app.clone()))?;
        if followed.run.as_ref() != Some(&piece.run) {
            (followed.run, followed.start, followed.ended) = (Some(piece.run.clone()), 0, false);
            followed.bytes.clear();
        }
        if piece.gap && piece.offset > followed.end() {
            followed.start = piece.offset;
            followed.bytes.clear();
        }
        let end = followed.end();
        // A gap is asked for again; what is known already is passed over.
        let known = usize::try_from(end.saturating_sub(piece.offset)).unwrap_or(usize::MAX);
        if piece.offset > end || known > piece.bytes.len() {
            return Some(end);
        }
        followed.bytes.extend_from_slice(&piece.bytes[known..]);
        let surplus = followed.bytes.len().saturating_sub(2 * KEPT);
        if surplus > 0 {
            let cut = followed.bytes.len() - KEPT;
            followed.bytes.drain(..cut);
            followed.start += cut as u64;
        }
        followed.ended |= piece.last;
        followed.changed.send_modify(|n| *n += 1);
        Some(followed.end())
    }
}

/// What one watcher sees.
pub struct Watching {
    follows: Follows,
    place: Place,
    deployment: DeploymentId,
    run: Option<RunId>,
    at: u64,
    changed: watch::Receiver<u64>,
    left: Option<Box<dyn FnOnce() + Send>>,
}

impl Watching {
    /// What has come since the last call; waits for it. None when the run has ended and all of it was given.
    pub async fn next(&mut self) -> Option<Bytes> {
        loop {
            self.changed.borrow_and_update();
            match self.look() {
                Look::Bytes(bytes) => return Some(bytes),
                Look::Over => return None,
                // Its sender lives as long as we watch.
                Look::Nothing => self.changed.changed().await.ok()?,
            }
        }
    }

    /// Has a run begun to be seen?
    pub fn begun(&self) -> bool {
        self.run.is_some()
    }

    fn look(&mut self) -> Look {
        let all = self.follows.lock();
        let Some(followed) = all.get(&self.place) else { return Look::Over };
        let Some(run) = followed.run.as_ref().filter(|r| r.deployment.as_ref() == Some(&self.deployment)) else { return Look::Nothing };
        match &self.run {
            None => self.run = Some(run.clone()),
            Some(seen) if seen != run => return Look::Over,
            Some(_) => {}
        }
        if self.at < followed.start {
            let missed = format!("(…{} bytes came faster than they could be shown)\n", followed.start - self.at);
            self.at = followed.start;
            return Look::Bytes(missed.into());
        }
        let from = usize::try_from(self.at - followed.start).unwrap_or(usize::MAX);
        match followed.bytes.get(from..) {
            Some(new) if !new.is_empty() => {
                self.at = followed.end();
                Look::Bytes(Bytes::copy_from_slice(new))
            }
            _ if followed.ended => Look::Over,
            _ => Look::Nothing,
        }
    }
}

enum Look {
    Bytes(Bytes),
    Nothing,
    Over,
}

impl Drop for Watching {
    fn drop(&mut self) {
        let mut all = self.follows.lock();
        let Some(followed) = all.get_mut(&self.place) else { return };
        followed.watchers -= 1;
        if followed.watchers == 0 {
            all.remove(&self.place);
            drop(all);
            if let Some(left) = self.left.take() {
                left();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    fn piece(attempt: u32, offset: u64, text: &[u8], last: bool) -> Piece {
        let run = RunId { deployment: Some("web-prod.1".parse().unwrap()), host: HostName::new("h1").unwrap(), attempt };
        Piece { run, app: AppName::new("web").unwrap(), offset, gap: false, bytes: Bytes::copy_from_slice(text), last }
    }

    fn watched(follows: &Follows) -> Watching {
        follows.watch(HostName::new("h1").unwrap(), AppName::new("web").unwrap(), "web-prod.1".parse().unwrap(), || {})
    }

    fn now(watching: &mut Watching) -> Option<Option<String>> {
        watching.next().now_or_never().map(|bytes| bytes.map(|b| String::from_utf8_lossy(&b).into_owned()))
    }

    fn some(text: &str) -> Option<Option<String>> {
        Some(Some(text.to_owned()))
    }

    #[test]
    fn what_is_written_is_seen_once_by_everybody_also_by_who_comes_late() {
        let follows = Follows::default();
        assert_eq!(follows.take(&piece(1, 0, b"nobody", false)), None);
        let mut first = watched(&follows);
        assert_eq!(now(&mut first), None);
        assert_eq!(follows.take(&piece(1, 0, b"one\n", false)), Some(4));
        assert_eq!(now(&mut first), some("one\n"));
        let mut late = watched(&follows);
        assert_eq!(follows.take(&piece(1, 9, b"a gap", false)), Some(4));
        assert_eq!(follows.take(&piece(1, 2, b"e\ntwo\n", true)), Some(8));
        assert_eq!((now(&mut first), now(&mut first)), (some("two\n"), Some(None)));
        assert_eq!((now(&mut late), now(&mut late)), (some("one\ntwo\n"), Some(None)));
    }

    #[test]
    fn what_is_gone_at_the_host_is_passed_over_and_said() {
        let follows = Follows::default();
        let mut watching = watched(&follows);
        follows.take(&piece(1, 0, b"one\n", false));
        assert_eq!(now(&mut watching), some("one\n"));
        let late = |offset| Piece { gap: true, ..piece(1, offset, b"late\n", false) };
        assert_eq!(follows.take(&late(100)), Some(105));
        assert_eq!((now(&mut watching), now(&mut watching)), (some("(…96 bytes came faster than they could be shown)\n"), some("late\n")));
        assert_eq!(follows.take(&late(100)), Some(105), "sent twice");
        assert_eq!(now(&mut watching), None);
        let mut newcomer = watched(&follows);
        assert_eq!((now(&mut newcomer), now(&mut newcomer)), (some("(…100 bytes came faster than they could be shown)\n"), some("late\n")));
    }

    #[test]
    fn another_run_ends_the_watch_of_the_one_before_and_is_seen_by_who_comes_then() {
        let follows = Follows::default();
        let mut first = watched(&follows);
        follows.take(&piece(1, 0, b"one", false));
        assert_eq!(now(&mut first), some("one"));
        assert_eq!(follows.take(&piece(2, 0, b"two", false)), Some(3));
        assert_eq!(now(&mut first), Some(None));
        assert_eq!(now(&mut watched(&follows)), some("two"));
        let other = RunId { deployment: Some("web-prod.2".parse().unwrap()), ..piece(3, 0, b"", false).run };
        follows.take(&Piece { run: other, ..piece(3, 0, b"three", false) });
        assert_eq!(now(&mut watched(&follows)), None, "it is not of this deployment");
    }

    #[test]
    fn who_reads_too_slowly_is_told_what_was_missed() {
        let follows = Follows::default();
        let mut slow = watched(&follows);
        let chunk = vec![b'x'; KEPT];
        for n in 0..3 {
            follows.take(&piece(1, n * KEPT as u64, &chunk, n == 2));
        }
        assert_eq!(now(&mut slow), some(&format!("(…{} bytes came faster than they could be shown)\n", 2 * KEPT)));
        assert_eq!(now(&mut slow).unwrap().unwrap().len(), KEPT);
        assert_eq!(now(&mut slow), Some(None));
    }

    #[test]
    fn the_last_who_leaves_is_noticed() {
        let (follows, left) = (Follows::default(), Arc::new(Mutex::new(0)));
        let watch = || {
            let left = left.clone();
            follows
                .watch(HostName::new("h1").unwrap(), AppName::new("web").unwrap(), "web-prod.1".parse().unwrap(), move || *left.lock().unwrap() += 1)
        };
        let (one, two) = (watch(), watch());
        drop(one);
        assert_eq!(*left.lock().unwrap(), 0);
        drop(two);
        assert_eq!(*left.lock().unwrap(), 1);
        assert!(!follows.wants(&HostName::new("h1").unwrap(), &AppName::new("web").unwrap()));
    }
}
