//! What is waited for, in `pilotage explain`'s words.

use pilotage_coordinator_core::waiting::{Cause, Waiting};

use super::center::Center;

/// One thing that is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waits {
    /// The stable word for machines.
    pub kind: &'static str,
    /// It does not lift without somebody.
    pub blocks: bool,
    /// One line for people, with its numbers.
    pub text: String,
    /// How many hosts it is about; 0: the whole fleet.
    pub count: u32,
    /// The first of them by name.
    pub hosts: Vec<String>,
    /// The command that lifts it; `HOST`, `FLEET` are filled in.
    pub lift: Option<String>,
}

/// A waiting of the core as people read it.
pub fn waits(center: &Center, waiting: &Waiting) -> Waits {
    let first = waiting.hosts.first();
    let (text, lift) = words(&waiting.cause);
    let count = match (waiting.count, first) {
        (0, _) => String::new(),
        (1, Some(host)) => format!("{host} "),
        (n, _) => format!("{n} hosts "),
    };
    let fleet = center.world.fleets.keys().next().map(ToString::to_string).unwrap_or_default();
    let host = first.map_or_else(|| "HOST".to_owned(), ToString::to_string);
    Waits {
        kind: waiting.cause.kind(),
        blocks: !waiting.lifts_by_itself(),
        text: format!("{count}{text}"),
        count: waiting.count,
        hosts: waiting.hosts.iter().map(ToString::to_string).collect(),
        lift: lift.map(|lift| lift.replace("HOST", &host).replace("FLEET", &fleet)),
    }
}

fn words(cause: &Cause) -> (String, Option<&'static str>) {
    let say = |text: &str, lift| (text.to_owned(), lift);
    match cause {
        Cause::Staging => say("fetching and checking the package", None),
        Cause::Floor { scope, counted, floor, members } => {
            (format!("wait for the floor of {scope}: {counted} of {members} available, floor {floor}"), None)
        }
        Cause::Batch { limit } => (format!("wait for their turn: at most {limit} may be in change at once"), None),
        Cause::NotBegun => say("permitted, not begun yet", None),
        Cause::Withdrawing => say("told to stay, not acknowledged yet", None),
        Cause::InChange => say("in change", None),
        Cause::Settling => say("healthy, not for long enough yet", None),
        Cause::Unreachable => say("not heard from", Some("pilotage host retire HOST --reason …")),
        Cause::Unheard => say("not heard since the coordinator's start", None),
        Cause::Unknown => say("on the new release, its health is not known", None),
        Cause::Refused => say("failed in this deployment and went back", Some("pilotage host retry HOST --reason …")),
        Cause::Declines => say("will not begin", None),
        Cause::Pinned => say("pinned by hand at the host", Some("pilotage-agent unpin (on HOST)")),
        Cause::Cordoned => say("cordoned", Some("pilotage host uncordon HOST --reason …")),
        Cause::Maintenance => say("in maintenance", None),
        Cause::Quarantined => say("in quarantine: two machines under one identity, or one set back", Some("pilotage host retry HOST --reason …")),
        Cause::NeedsHands => say("inconsistent: a person must look", None),
        Cause::FirstInstall => say("may run something that nobody has deployed, and the fleet has no health check to know", None),
        Cause::Paused => say("it is paused", Some("pilotage resume FLEET --reason …")),
        Cause::Frozen => say("the fleet is frozen", Some("pilotage resume FLEET --reason …")),
        Cause::Held => say("the package is held or blocked", Some("pilotage package release … --reason …")),
        Cause::NoMembers => say("the fleet has no hosts", Some("pilotage fleet show FLEET")),
        Cause::Stragglers => say("may follow later", None),
        Cause::Recovering => say("the coordinator recovers from a backup", Some("pilotage recover")),
        Cause::LeftAsIs => say("left as it was found after a restore", Some("pilotage deploy FLEET VERSION --reason …")),
    }
}
