//! What is waited for, in words: each cause with its numbers, its hosts and their own reasons, who can lift it, and how.

use pilotage_coordinator_core::waiting::{Absence, Cause, Missing, Waiting};
use pilotage_coordinator_core::world::configuration::Pair;
use pilotage_coordinator_core::world::{Fleet, World};
use pilotage_shared::api::v1::{MissingView, MissingWhy, WaitingHost, WaitingKind, WaitingView, When};
use pilotage_shared::name::HostName;

/// All that a fleet waits for: blockers first.
pub fn waiting(world: &World, fleet: &Fleet, waiting: &[Waiting]) -> Vec<WaitingView> {
    let mut views: Vec<WaitingView> = waiting.iter().map(|w| one(world, fleet, w)).collect();
    views.sort_by_key(|w| !w.blocks);
    views
}

fn one(world: &World, fleet: &Fleet, waiting: &Waiting) -> WaitingView {
    let name = &fleet.spec.name;
    let words = words(world, fleet, waiting);
    let hosts: Vec<WaitingHost> = waiting
        .hosts
        .iter()
        .map(|host| {
            let slot = world.slot(&fleet.spec.app, host);
            WaitingHost { host: host.clone(), why: why(world, fleet, &waiting.cause, host), since: slot.map(|s| When(s.since)) }
        })
        .collect();
    let (scope, counted, limit) = match &waiting.cause {
        Cause::Floor { scope, counted, floor, .. } => (Some(scope.clone()), Some(*counted), Some(*floor)),
        Cause::Batch { limit } => (None, None, Some(*limit)),
        _ => (None, None, None),
    };
    let id = match &waiting.cause {
        Cause::Floor { scope, .. } => format!("floor:{scope}"),
        cause => cause.kind().to_owned(),
    };
    let host = waiting.hosts.first().map_or("HOST", HostName::as_str);
    let since = match &waiting.cause {
        Cause::Frozen => fleet.frozen.as_ref().map(|f| When(f.at)),
        Cause::Paused => world.newest(fleet).and_then(|d| d.paused.as_ref()).map(|n| When(n.at)),
        Cause::Held => held_since(world, fleet),
        Cause::Recovering => world.recovering.as_ref().map(|r| When(r.at)),
        Cause::LeftAsIs => world.left.get(name).map(|l| When(l.note.at)),
        _ => hosts.iter().filter_map(|h| h.since).min(),
    };
    let count = match waiting.count {
        _ if waiting.cause == Cause::Recovering => String::new(),
        0 => String::new(),
        1 => format!("{host} "),
        n => format!("{n} hosts "),
    };
    let blocks = !waiting.lifts_by_itself();
    WaitingView {
        id,
        kind: words.kind,
        blocks,
        text: format!("{count}{}", words.text),
        count: waiting.count,
        hosts,
        scope,
        counted,
        limit,
        missing: waiting.missing.iter().map(|m| missing(world, fleet, m)).collect(),
        since,
        lifts_at: waiting.lifts_at.map(When),
        lifts_when: words.lifts_when.into(),
        who: words.who.iter().filter(|_| blocks).map(|w| (*w).to_owned()).collect(),
        lift: words.lift.filter(|_| blocks).map(|l| l.replace("HOST", host).replace("FLEET", name.as_str())),
    }
}

fn missing(world: &World, fleet: &Fleet, missing: &Missing) -> MissingView {
    let hosts = missing.hosts.iter().map(|host| {
        let status = world.slot(&fleet.spec.app, host).and_then(|s| s.status.as_ref());
        let why = match missing.why {
            Absence::Down | Absence::Unknown => status.map(|s| s.health.last.to_string()).unwrap_or_default(),
            Absence::InChange | Absence::Settling | Absence::Unheard | Absence::Unreachable | Absence::Maintenance | Absence::Quarantined => {
                String::new()
            }
        };
        WaitingHost { host: host.clone(), why, since: None }
    });
    let why = match missing.why {
        Absence::InChange => MissingWhy::InChange,
        Absence::Settling => MissingWhy::Settling,
        Absence::Unheard => MissingWhy::Unheard,
        Absence::Down => MissingWhy::Down,
        Absence::Unknown => MissingWhy::UnknownHealth,
        Absence::Unreachable => MissingWhy::Unreachable,
        Absence::Maintenance => MissingWhy::Maintenance,
        Absence::Quarantined => MissingWhy::Quarantined,
    };
    MissingView { why, count: missing.count, hosts: hosts.collect() }
}

fn held_since(world: &World, fleet: &Fleet) -> Option<When> {
    let release = world.newest(fleet).map(|d| d.release)?;
    let package = world.packages.get(&release.package).and_then(|p| p.held.as_ref());
    package.or_else(|| world.held_pairs.get(&Pair::of(&release))).map(|h| When(h.at))
}

/// It is not the package alone that is held.
fn held_pair(world: &World, fleet: &Fleet) -> bool {
    world.newest(fleet).is_some_and(|d| d.release.config.is_some() && !world.barred_package(&d.release.package) && world.barred(&d.release))
}

struct Words {
    kind: WaitingKind,
    text: String,
    lifts_when: &'static str,
    who: &'static [&'static str],
    lift: Option<&'static str>,
}

fn words(world: &World, of: &Fleet, waiting: &Waiting) -> Words {
    let (cause, fleet) = (&waiting.cause, of.spec.name.as_str());
    let words = |kind, text: &str, lifts_when, who, lift| Words { kind, text: text.into(), lifts_when, who, lift };
    const NOBODY: &[&str] = &[];
    const OPERATOR: &[&str] = &["operator"];
    const AT_HOST: &[&str] = &["root of the host"];
    match cause {
        Cause::Staging => {
            words(WaitingKind::Staging, "fetching and checking the package", "the package is there, verified and unpacked", NOBODY, None)
        }
        Cause::Floor { scope, counted, floor, members } => Words {
            kind: WaitingKind::Floor,
            text: format!("waiting for the floor of {scope}: {counted} of {members} available, floor {floor}"),
            lifts_when: "more hosts are available, or the floor is lower",
            who: OPERATOR,
            lift: Some("pilotage hosts --selector … --standing down"),
        },
        Cause::Batch { limit } => Words {
            kind: WaitingKind::Batch,
            text: format!("waiting for a turn: at most {limit} may be in change at once"),
            lifts_when: "hosts in change are done",
            who: NOBODY,
            lift: None,
        },
        Cause::NotBegun => words(WaitingKind::NotBegun, "permitted, not begun yet", "the host begins or declines", NOBODY, None),
        Cause::Withdrawing => {
            words(WaitingKind::Withdrawing, "told to stay, not acknowledged yet", "the host says that it has seen it, or is retired", NOBODY, None)
        }
        Cause::InChange => words(WaitingKind::InChange, "in change", "its run has ended", NOBODY, None),
        Cause::Settling => words(WaitingKind::Settling, "healthy, not for long enough yet", "it stays healthy for `healthy_for`", NOBODY, None),
        Cause::Unreachable => words(
            WaitingKind::Unreachable,
            "not heard from",
            "the host is heard again, or a person retires it",
            OPERATOR,
            Some("pilotage host retire HOST --reason …"),
        ),
        Cause::Unheard => words(WaitingKind::Unheard, "not heard since the coordinator's start", "the host is heard", NOBODY, None),
        Cause::Unknown => words(WaitingKind::UnknownHealth, "on the new release, its health is not known", "its health is known", AT_HOST, None),
        Cause::Refused => words(
            WaitingKind::Refused,
            "failed in this deployment and went back",
            "a person retries it, or deploys anew",
            OPERATOR,
            Some("pilotage host retry HOST --reason …"),
        ),
        Cause::Declines => words(WaitingKind::Declines, "will not begin", "the host's own reason is gone", AT_HOST, None),
        Cause::Pinned => {
            words(WaitingKind::Pinned, "pinned by hand at the host", "it is unpinned there", AT_HOST, Some("pilotage-agent unpin (on HOST)"))
        }
        Cause::Cordoned => {
            words(WaitingKind::Cordoned, "cordoned", "a person uncordons it", OPERATOR, Some("pilotage host uncordon HOST --reason …"))
        }
        Cause::Maintenance => words(WaitingKind::Maintenance, "in maintenance", "a person ends its maintenance", OPERATOR, None),
        Cause::Quarantined => words(
            WaitingKind::Quarantined,
            "in quarantine: two machines under one identity, or one set back",
            "a person looks and retries it",
            OPERATOR,
            Some("pilotage host retry HOST --reason …"),
        ),
        Cause::NeedsHands => words(WaitingKind::NeedsHands, "inconsistent: a person must look", "the host is consistent again", AT_HOST, None),
        Cause::FirstInstall => words(
            WaitingKind::FirstInstall,
            "may run something that nobody has deployed, and the fleet has no health check to know",
            "the fleet has a health check, or says `first_install: true`",
            OPERATOR,
            None,
        ),
        Cause::Paused => words(WaitingKind::Paused, "it is paused", "a person resumes it", OPERATOR, Some("pilotage resume FLEET --reason …")),
        Cause::Frozen => Words {
            kind: WaitingKind::Frozen,
            text: format!("fleet {fleet} is frozen: a host has seen a newer world than this store knows (was it restored from a backup?)"),
            lifts_when: "a person deploys or resumes",
            who: OPERATOR,
            lift: Some("pilotage resume FLEET --reason …"),
        },
        Cause::Held if held_pair(world, of) => words(
            WaitingKind::Held,
            "the package is held with this configuration",
            "a person releases it, or deploys another",
            OPERATOR,
            Some("pilotage config release … --fleet FLEET --reason …"),
        ),
        Cause::Held => words(
            WaitingKind::Held,
            "the package is held or blocked",
            "a person releases it, or deploys another",
            OPERATOR,
            Some("pilotage package release … --reason …"),
        ),
        Cause::NoMembers => words(WaitingKind::NoMembers, "the fleet has no hosts", "a host joins", OPERATOR, Some("pilotage fleet show FLEET")),
        Cause::Stragglers => words(WaitingKind::Stragglers, "may follow later", "they are done, or their time is over", NOBODY, None),
        Cause::Recovering => Words {
            kind: WaitingKind::Recovering,
            text: recovering(world, of, waiting.count),
            lifts_when: "a person goes on: first look with `pilotage recover`",
            who: OPERATOR,
            lift: Some(if waiting.count == 0 { "pilotage recover --confirm --reason …" } else { "pilotage recover --go-on --reason …" }),
        },
        Cause::LeftAsIs => Words {
            kind: WaitingKind::LeftAsIs,
            text: world.left.get(&of.spec.name).map_or_else(String::new, |l| format!("left as it was found after the restore: {}", l.why)),
            lifts_when: "a person deploys",
            who: OPERATOR,
            lift: Some("pilotage deploy FLEET VERSION --reason …"),
        },
    }
}

fn recovering(world: &World, fleet: &Fleet, unheard: u32) -> String {
    let backup = world.recovering.as_ref().map_or_else(String::new, |r| format!(" of {}", When(r.backup)));
    let members = world.members(&fleet.spec.name);
    let heard = if unheard == 0 { format!("all {members} hosts heard") } else { format!("{unheard} of {members} hosts not heard") };
    format!("recovering: restored from a backup{backup}; {heard}")
}

/// A host's own reason.
fn why(world: &World, fleet: &Fleet, cause: &Cause, host: &HostName) -> String {
    let slot = world.slot(&fleet.spec.app, host);
    let status = slot.and_then(|s| s.status.as_ref());
    let of = |text: Option<String>| text.unwrap_or_default();
    match cause {
        Cause::InChange => of(status.filter(|s| s.run.is_some()).map(crate::engine::phase)),
        Cause::Refused => of(status.and_then(|s| s.refused.last()).map(|r| r.why.to_string())),
        Cause::Declines => of(status.and_then(|s| s.declines.as_ref()).map(ToString::to_string)),
        Cause::Pinned => of(status.and_then(|s| s.pinned.as_ref()).map(ToString::to_string)),
        Cause::NeedsHands => of(status.and_then(|s| s.needs_hands.as_ref()).map(ToString::to_string)),
        Cause::Quarantined => of(world.hosts.get(host).and_then(|h| h.quarantined.as_ref()).map(ToString::to_string)),
        Cause::Cordoned => of(world.hosts.get(host).and_then(|h| h.cordoned.as_ref()).map(|n| format!("by {}, {:?}", n.by, n.reason.as_str()))),
        Cause::Settling | Cause::Floor { .. } | Cause::Unknown => of(status.map(|s| s.health.last.to_string())),
        Cause::Unreachable => of(world.live.get(host).map(|l| format!("last heard {}", When(l.heard_at)))),
        Cause::Staging
        | Cause::Batch { .. }
        | Cause::NotBegun
        | Cause::Withdrawing
        | Cause::Unheard
        | Cause::Maintenance
        | Cause::FirstInstall
        | Cause::Paused
        | Cause::Frozen
        | Cause::Held
        | Cause::NoMembers
        | Cause::Stragglers
        | Cause::Recovering
        | Cause::LeftAsIs => String::new(),
    }
}
