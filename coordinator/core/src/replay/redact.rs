//! What a recording does not hold: hashes of hosts' tokens, and what hosts measure of themselves. Neither decides anything.

use pilotage_shared::status::Status;

use crate::change::Change;
use crate::input::{Input, Request};
use crate::world::load::Record;
use crate::world::{Host, Live};

/// Stands where a token's hash stood.
const NO_TOKEN: [u8; 32] = [0; 32];

/// An input as it is recorded.
pub fn input(input: &Input) -> Input {
    let request = match &input.request {
        Request::AddHost { host, labels, .. } => Request::AddHost { host: host.clone(), labels: labels.clone(), token: NO_TOKEN },
        Request::Status { status } => Request::Status { status: Box::new(Status { metrics: None, ..(**status).clone() }) },
        other => other.clone(),
    };
    Input { request, by: input.by.clone(), reason: input.reason.clone(), idempotency: input.idempotency.clone(), ..*input }
}

/// Changes as they are recorded.
pub fn changes(changes: &[Change]) -> Vec<Change> {
    changes.iter().filter_map(change).collect()
}

/// A change as it is recorded; none when it is not.
pub fn change(change: &Change) -> Option<Change> {
    match change {
        Change::Measured { .. } => None,
        Change::HostPut { host } => Some(Change::HostPut { host: self::host(host) }),
        other => Some(other.clone()),
    }
}

/// A stored record as it is recorded.
pub fn record(record: Record) -> Record {
    match record {
        Record::Host(host) => Record::Host(self::host(&host)),
        other => other,
    }
}

/// A session as it is recorded.
pub fn live(live: &Live) -> Live {
    Live { metrics: None, agent: live.agent.clone(), ..*live }
}

fn host(host: &Host) -> Host {
    Host { token: NO_TOKEN, ..host.clone() }
}

/// Does it only repeat its input?
pub fn is_echo(change: &Change) -> bool {
    matches!(
        change,
        Change::Heard { .. }
            | Change::Noted { .. }
            | Change::Measured { .. }
            | Change::Observed { .. }
            | Change::BlockedSeen { .. }
            | Change::SessionEnded { .. }
    )
}
