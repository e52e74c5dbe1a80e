//! Fleets and the verdict over all of them.

use pilotage_coordinator_core::plan::explain_fleet;
use pilotage_coordinator_core::world::{Course, Fleet, HostState, World};
use pilotage_shared::api::v1::{CoordinatorView, DeploymentState, FleetBody, FleetState, FleetStatus, FleetView, HostCounts, ScopeCounts, When};

use super::{deployment, note, release, waiting};
use crate::engine::View;
use crate::recording::Standing;

/// A fleet as it was declared.
pub fn fleet_view(view: &View<'_>, fleet: &Fleet) -> FleetView {
    FleetView {
        fleet: fleet.spec.name.clone(),
        spec: FleetBody::from(&fleet.spec),
        members: view.world.members(&fleet.spec.name),
        settled: fleet.settled.as_ref().map(|r| release(view.world, r)),
        applied: note(&fleet.applied),
    }
}

/// The coordinator itself. O(hosts).
pub fn coordinator(view: &View<'_>) -> CoordinatorView {
    let mut me = CoordinatorView {
        version: env!("CARGO_PKG_VERSION").into(),
        started_at: When(view.started_at),
        heartbeat_ms: view.world.settings.heartbeat.0,
        recovering: super::recovery::recovering(view.world),
        recording_lost: match view.recorder.standing() {
            Standing::Lost { since, why } => Some(format!("since {}: {why}", When(*since))),
            Standing::Off | Standing::On => None,
        },
        ..CoordinatorView::default()
    };
    for host in view.world.hosts.values().filter(|h| h.state != HostState::Retired) {
        me.hosts += 1;
        match view.world.live.get(&host.id.name) {
            Some(live) if live.heard && !live.reachable => me.unreachable += 1,
            Some(live) if live.heard => {}
            Some(_) | None => me.unheard += 1,
        }
    }
    me
}

/// One fleet at this moment. O(groups).
pub fn status(view: &View<'_>, fleet: &Fleet) -> FleetStatus {
    let world = view.world;
    let name = &fleet.spec.name;
    let counts = world.counts(name);
    let newest = world.newest(fleet);
    let newest_view = newest.map(|d| deployment(view, d));
    let wanted = newest.filter(|_| fleet.active).map(|d| match &d.course {
        Course::Back { to, .. } => *to,
        Course::Forward | Course::Ended { .. } => d.release,
    });
    let idle_waits = if fleet.active { Vec::new() } else { explain_fleet(world, name, view.now) };
    let state = fleet_state(world, fleet, newest_view.as_ref().map(|d| d.state), counts.behind);
    let since = match state {
        FleetState::Waiting => newest_view.as_ref().and_then(|d| d.waiting_since),
        FleetState::Recovering => world.recovering.as_ref().map(|r| When(r.at)),
        FleetState::Frozen => fleet.frozen.as_ref().map(|f| When(f.at)),
        FleetState::Settled | FleetState::Unsettled | FleetState::CatchingUp => newest_view.as_ref().and_then(|d| d.ended_at),
        FleetState::Paused => newest.and_then(|d| d.paused.as_ref()).map(|n| When(n.at)),
        FleetState::Moving => newest.map(|d| When(d.started.at)),
        FleetState::RollingBack => newest_view.as_ref().and_then(|d| d.turned_at),
        FleetState::Empty | FleetState::Unknown => Some(When(fleet.applied.at)),
    };
    let mut per = std::collections::BTreeMap::<String, std::collections::BTreeMap<String, ScopeCounts>>::new();
    for ((key, value), (total, available, floor)) in &counts.per {
        let scope = ScopeCounts { total: *total, available: *available, floor: *floor };
        per.entry(key.to_string()).or_default().insert(value.to_string(), scope);
    }
    let mut versions = std::collections::BTreeMap::<String, u32>::new();
    for (running, n) in &counts.versions {
        let name = running.as_ref().map_or_else(|| "none".to_owned(), |r| world.release_name(r));
        *versions.entry(name).or_default() += n;
    }
    FleetStatus {
        fleet: name.clone(),
        app: fleet.spec.app.clone(),
        state,
        since,
        wanted: wanted.or(fleet.settled).as_ref().map(|r| release(world, r)),
        settled: fleet.settled.as_ref().map(|r| release(world, r)),
        hosts: HostCounts {
            total: counts.total,
            available: counts.available,
            floor: counts.floor,
            margin: counts.available.saturating_sub(counts.floor),
            in_change: counts.in_change,
            down: counts.down,
            settling: counts.settling,
            unknown: counts.unknown,
            unreachable: counts.unreachable,
            to_follow: counts.behind,
            pinned: counts.pinned,
            needs_hands: counts.needs_hands,
        },
        per,
        versions,
        deployment: newest_view,
        waiting: waiting(world, fleet, &idle_waits),
    }
}

fn fleet_state(world: &World, fleet: &Fleet, newest: Option<DeploymentState>, behind: u32) -> FleetState {
    match newest {
        _ if world.recovering.is_some() => FleetState::Recovering,
        _ if fleet.frozen.is_some() => FleetState::Frozen,
        Some(DeploymentState::Moving) => FleetState::Moving,
        Some(DeploymentState::Waiting) => FleetState::Waiting,
        Some(DeploymentState::Paused) => FleetState::Paused,
        Some(DeploymentState::Frozen) => FleetState::Frozen,
        Some(DeploymentState::RollingBack) => FleetState::RollingBack,
        Some(DeploymentState::Ended | DeploymentState::Unknown) | None => match (fleet.unsettled, fleet.settled) {
            _ if world.left.contains_key(&fleet.spec.name) => FleetState::Unsettled,
            (Some(_), _) => FleetState::Unsettled,
            (None, None) => FleetState::Empty,
            (None, Some(_)) if behind > 0 => FleetState::CatchingUp,
            (None, Some(_)) => FleetState::Settled,
        },
    }
}
