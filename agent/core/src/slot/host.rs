//! What a host remembers of its sessions: the ledger's record of the host itself (R28, R29, R33).

use pilotage_shared::ids::{Epoch, LedgerId, SessionId};
use pilotage_shared::intent::Blocked;
use pilotage_shared::planted::{Bug, planted};
use pilotage_shared::wire::Welcome;
use serde::{Deserialize, Serialize};

/// Epochs of coordinators that were left, newest last (R33).
const LEFT_KEPT: usize = 8;

/// The durable record of a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Made at random with the ledger.
    pub ledger: LedgerId,
    /// The session it is in, or was in last; stored before its first status (R28).
    pub last: Option<SessionId>,
    /// Never joined again.
    pub left: Vec<Epoch>,
    /// The newest blocked list (R29).
    pub blocked: Blocked,
}

/// The coordinator process is an old one that still runs: its connection is closed (R33).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this coordinator process was left for a newer one")]
pub struct OldCoordinator;

/// A welcome arrives: the record to write before the first status is sent.
pub fn welcome(host: &Host, welcome: &Welcome) -> Result<Host, OldCoordinator> {
    let epoch = welcome.session.epoch;
    if host.left.contains(&epoch) && !planted(Bug::BackToOldEpoch) {
        return Err(OldCoordinator);
    }
    let mut new = blocked(host, &welcome.blocked).unwrap_or_else(|| host.clone());
    if let Some(last) = host.last.filter(|last| last.epoch != epoch) {
        new.left.push(last.epoch);
        let surplus = new.left.len().saturating_sub(LEFT_KEPT);
        new.left.drain(..surplus);
    }
    new.last = Some(welcome.session);
    Ok(new)
}

/// R29: the list grows freely; what leaves it leaves by a newer version of the list, which only a person makes.
pub fn blocked(host: &Host, blocked: &Blocked) -> Option<Host> {
    (blocked.version > host.blocked.version).then(|| Host { blocked: blocked.clone(), ..host.clone() })
}
