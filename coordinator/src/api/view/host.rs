//! Hosts and their slots as people see them.

use pilotage_coordinator_core::world::{Host, HostState, Slot, World};
use pilotage_shared::api::v1::{HostStateWord, HostView, LoanView, RefusalView, RunNow, SlotView, StandingWord, When};
use pilotage_shared::health::Standing;
use pilotage_shared::intent::Go;
use pilotage_shared::name::{AppName, HostName};
use pilotage_shared::release::Release;
use pilotage_shared::run::Phase;

use super::{note, release, run_outcome};
use crate::engine::phase;

/// One host with all its slots.
pub fn host(world: &World, host: &Host) -> HostView {
    let name = &host.id.name;
    let live = world.live.get(name);
    let mut apps: Vec<AppName> = world.host_slots(name).map(|(app, _)| app.clone()).collect();
    apps.extend(world.member_of.get(name).into_iter().flat_map(|m| m.keys().cloned()));
    apps.sort();
    apps.dedup();
    let slots: Vec<SlotView> = apps.iter().map(|app| slot(world, app, name)).collect();
    let own = whole(world, name);
    HostView {
        host: name.clone(),
        id: host.id.to_string(),
        state: match host.state {
            HostState::Active => HostStateWord::Active,
            HostState::Maintenance => HostStateWord::Maintenance,
            HostState::Retired => HostStateWord::Retired,
        },
        standing: own.or_else(|| slots.iter().map(|s| s.standing).max_by_key(badness)).unwrap_or(StandingWord::Unknown),
        labels: host.labels.clone(),
        cordoned: host.cordoned.as_ref().map(note),
        quarantined: host.quarantined.as_ref().map(ToString::to_string),
        added: note(&host.added),
        agent: live.map(|l| l.agent.to_string()),
        heard_at: live.map(|l| When(l.heard_at)),
        slots,
        metrics: live.and_then(|l| l.metrics.clone()),
    }
}

/// How the whole host counts, when that is not for its slots to say.
fn whole(world: &World, host: &HostName) -> Option<StandingWord> {
    match world.live.get(host) {
        Some(live) if live.heard && !live.reachable => Some(StandingWord::Unreachable),
        Some(live) if live.heard => None,
        Some(_) | None => Some(StandingWord::Unheard),
    }
}

fn badness(standing: &StandingWord) -> u8 {
    match standing {
        StandingWord::Available => 0,
        StandingWord::Settling => 1,
        StandingWord::Unknown => 2,
        StandingWord::Down => 3,
        StandingWord::Unheard => 4,
        StandingWord::Unreachable => 5,
    }
}

fn slot(world: &World, app: &AppName, host: &HostName) -> SlotView {
    let empty = Slot::default();
    let slot = world.slot(app, host).unwrap_or(&empty);
    let status = slot.status.as_ref();
    let fleet = world.member_of.get(host).and_then(|m| m.get(app)).and_then(|f| world.fleets.get(f));
    let view = |r: &Release| release(world, r);
    let intent = world.intent(app, host);
    let wanted = wanted(world, fleet, intent.as_ref().and_then(|i| i.release));
    let running = status.and_then(|s| s.running);
    let standing = whole(world, host).unwrap_or(match status.map(|s| s.standing) {
        Some(Standing::Available) => StandingWord::Available,
        Some(Standing::Settling) => StandingWord::Settling,
        Some(Standing::Down) => StandingWord::Down,
        Some(Standing::Unknown) | None => StandingWord::Unknown,
    });
    let last_ended = status.and_then(|s| s.last_ended.as_ref()).map(|(_, outcome)| run_outcome(outcome));
    let text = |t: Option<&pilotage_shared::name::Why>| t.map(ToString::to_string);
    SlotView {
        app: app.clone(),
        fleet: fleet.map(|f| f.spec.name.clone()),
        wanted: wanted.as_ref().map(view),
        running: running.as_ref().map(view),
        previous: status.and_then(|s| s.previous).as_ref().map(view),
        settled: fleet.and_then(|f| f.settled).as_ref().map(view),
        staged: status.and_then(|s| s.staged).as_ref().map(view),
        behind: wanted.is_some() && running != wanted,
        standing,
        phase: doing(slot, wanted.as_ref(), intent.map(|i| i.go)),
        health: status.map_or_else(String::new, |s| s.health.last.to_string()),
        health_for_ms: status.map_or(0, |s| s.health.for_ms),
        run: status.and_then(|s| s.run.as_ref()).map(|run| {
            let (event, back) = match run.phase {
                Phase::Beginning => (None, false),
                Phase::Forward(event) => (Some(event.to_string()), false),
                Phase::Back(event) => (Some(event.to_string()), true),
            };
            RunNow { to: view(&run.release), event, back, generation: run.generation.map(|g| g.0) }
        }),
        loan: slot.loan.as_ref().map(|loan| LoanView {
            generation: loan.generation.0,
            release: view(&loan.release),
            deployment: loan.deployment.clone(),
            withdrawn: loan.withdrawn,
            while_down: loan.while_down,
            at: When(loan.at),
        }),
        refused: status
            .map(|s| s.refused.as_slice())
            .unwrap_or_default()
            .iter()
            .map(|r| RefusalView { release: view(&r.release), deployment: r.deployment.clone(), why: r.why.to_string(), needs_hands: r.needs_hands })
            .collect(),
        pinned: text(status.and_then(|s| s.pinned.as_ref())),
        declines: text(status.and_then(|s| s.declines.as_ref())),
        needs_hands: text(status.and_then(|s| s.needs_hands.as_ref())),
        last_run: last_ended.as_ref().map(|(word, _)| *word),
        last_run_why: last_ended.map(|(_, why)| why).filter(|why| !why.is_empty()),
        since: Some(When(slot.since)).filter(|w| w.0.0 > 0),
    }
}

/// What it should run: what it is told to, or where its fleet goes or stands.
fn wanted(world: &World, fleet: Option<&pilotage_coordinator_core::world::Fleet>, told: Option<Release>) -> Option<Release> {
    use pilotage_coordinator_core::world::Course;
    told.or_else(|| {
        let fleet = fleet?;
        let course = world.active(fleet).map(|d| match &d.course {
            Course::Back { to, .. } => *to,
            Course::Forward | Course::Ended { .. } => d.release,
        });
        course.or(fleet.settled)
    })
}

fn doing(slot: &Slot, wanted: Option<&Release>, go: Option<Go>) -> String {
    let Some(status) = &slot.status else { return "never heard".into() };
    if status.run.is_some() {
        return phase(status);
    }
    if let Some(loan) = &slot.loan {
        return if loan.withdrawn { "permission withdrawn".into() } else { "permitted".into() };
    }
    match wanted {
        Some(release) if status.running.as_ref() == Some(release) => "idle".into(),
        Some(release) if status.staged.as_ref() == Some(release) => "staged".into(),
        Some(_) if go == Some(Go::Stage) => "staging".into(),
        Some(_) | None => "idle".into(),
    }
}
