//! What happened, line by line: kept only when somebody will read it. A seed that fails is run again with its trace on.

use std::collections::VecDeque;

use pilotage_coordinator_core::Change;
use pilotage_shared::intent::{Answers, Intent};
use pilotage_shared::name::AppName;
use pilotage_shared::status::{SlotStatus, Status};
use pilotage_shared::time::{Millis, Time};

/// FNV-1a, for digests: no stranger chooses the lines.
const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// When simulated time begins; nothing depends on it.
pub const BEGINNING: Time = Time(1_000_000_000_000);

/// The newest lines, and what all lines came to.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    lines: VecDeque<String>,
    keep: usize,
    /// Of every line so far, where two runs are to be compared.
    digest: Option<u64>,
}

impl Trace {
    /// Keeps nothing and formats nothing.
    pub fn off() -> Self {
        Self::default()
    }

    /// Keeps the newest lines.
    pub fn keeping(keep: usize) -> Self {
        Self { lines: VecDeque::new(), keep, digest: None }
    }

    /// The same, and a digest of all lines: two runs with the same one were the same run.
    pub fn digesting(keep: usize) -> Self {
        Self { digest: Some(FNV_BASIS), ..Self::keeping(keep) }
    }

    /// Of all lines so far.
    pub fn digest(&self) -> Option<u64> {
        self.digest
    }

    /// Adds a line.
    pub fn line(&mut self, now: Time, text: impl FnOnce() -> String) {
        if self.keep == 0 && self.digest.is_none() {
            return;
        }
        let line = format!("{:>9} {}", since_beginning(now), text());
        let bytes = line.bytes().chain([b'\n']);
        self.digest = self.digest.map(|digest| bytes.fold(digest, |digest, byte| (digest ^ u64::from(byte)).wrapping_mul(FNV_PRIME)));
        if self.keep == 0 {
            return;
        }
        if self.lines.len() == self.keep {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    /// All that were kept.
    pub fn lines(&self) -> impl Iterator<Item = &String> {
        self.lines.iter()
    }
}

/// As `+12.340s`.
pub fn since_beginning(now: Time) -> String {
    let Millis(ms) = now - BEGINNING;
    format!("+{}.{:03}", ms / 1000, ms % 1000)
}

/// A status in one line.
pub fn status(status: &Status) -> String {
    let slot = |(app, s): (&AppName, &SlotStatus)| {
        let run = s.run.as_ref().map_or_else(String::new, |r| format!(" run {:?} {:?}", r.generation.map(|g| g.0), r.phase));
        let running = s.running.map_or_else(|| "nothing".into(), |r| r.package.short());
        let staged = s.staged.map_or_else(|| "nothing".into(), |r| r.package.short());
        let more = format!("{}{}", if s.pinned.is_some() { " pinned" } else { "" }, if s.declines.is_some() { " declines" } else { "" });
        format!("{app}: seen {} spent {}{run} runs {running} staged {staged} {:?}{more} refused {}", s.seen, s.spent, s.standing, s.refused.len())
    };
    let slots: Vec<String> = status.slots.iter().map(slot).collect();
    format!("s{} seq {} beat {} {}", status.session.n, status.seq, status.beat, slots.join("; "))
}

/// An intent in one line.
pub fn intent(intent: &Intent) -> String {
    let release = intent.release.map_or_else(|| "nothing".into(), |r| r.package.short());
    let down = if intent.while_down { " while down" } else { "" };
    let Answers { seq, beat } = intent.answers;
    format!("s{} answers {seq}/{beat} {:?} {release} generation {}{down}", intent.session.n, intent.go, intent.generation)
}

/// A change in one line, unless it only says that somebody was heard.
pub fn change(change: &Change) -> String {
    match change {
        Change::Observed { host, .. } => format!("· observed {host}"),
        Change::BlockedSeen { version } => format!("· newer blocked list {version}"),
        Change::Heard { host, seq, beat, .. } => format!("· heard {host} {seq}/{beat}"),
        Change::Lent { host, loan, .. } => {
            format!(
                "· lent {host} generation {} {} for {} while_down {}",
                loan.generation,
                loan.release.package.short(),
                loan.deployment,
                loan.while_down
            )
        }
        other => {
            let text = format!("{other:?}");
            format!("· {}", text.chars().take(300).collect::<String>())
        }
    }
}
