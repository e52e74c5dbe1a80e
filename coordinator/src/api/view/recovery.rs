//! What the backup wants and what the hosts run, side by side (R34).

use pilotage_coordinator_core::world::recovery::Verdict;
use pilotage_coordinator_core::world::{Course, Fleet, World, facts::Counted};
use pilotage_shared::api::v1::{FleetRecovery, InCourseView, RecoveringView, RecoveryThen, RecoveryView, RunsView, When};
use pilotage_shared::name::HostName;

use super::{note, release};

/// Hosts that are named.
const NAMED: usize = 20;

/// That the world recovers; none when it does not. O(hosts).
pub fn recovering(world: &World) -> Option<RecoveringView> {
    let recovering = world.recovering.as_ref()?;
    let (hosts, mut missing) = world.heard_of();
    let unheard = missing.len() as u32;
    missing.truncate(NAMED);
    Some(RecoveringView { backup_at: When(recovering.backup), restored_at: When(recovering.at), hosts, unheard, missing })
}

/// All of it. O(hosts · log hosts).
pub fn recovery(world: &World) -> RecoveryView {
    RecoveryView { recovering: recovering(world), fleets: world.fleets.values().map(|f| fleet_recovery(world, f)).collect() }
}

fn fleet_recovery(world: &World, fleet: &Fleet) -> FleetRecovery {
    let name = &fleet.spec.name;
    let mut runs: Vec<RunsView> = world
        .runs_now(name)
        .into_iter()
        .map(|(running, hosts)| RunsView {
            release: running.as_ref().map(|r| release(world, r)),
            known: running.is_none_or(|r| world.packages.contains_key(&r.package)),
            count: hosts.len() as u32,
            hosts: first(hosts),
        })
        .collect();
    runs.sort_by_key(|r| std::cmp::Reverse(r.count));
    let unheard = world.groups.get(name).into_iter().flatten().filter(|(f, _)| f.standing == Counted::Unheard);
    let mut missing: Vec<HostName> = unheard.flat_map(|(_, hosts)| hosts.iter().cloned()).collect();
    missing.sort();
    let verdict = world.recovering.as_ref().map(|_| world.verdict(name));
    let left = world.left.get(name);
    let why = match (&verdict, left) {
        (Some(verdict), _) => verdict_in_words(world, fleet, verdict),
        (None, Some(left)) => left.why.to_string(),
        (None, None) => String::new(),
    };
    FleetRecovery {
        fleet: name.clone(),
        app: fleet.spec.app.clone(),
        settled: fleet.settled.as_ref().map(|r| release(world, r)),
        in_course: world.active(fleet).map(|d| {
            let to = match &d.course {
                Course::Back { to, .. } => to,
                Course::Forward | Course::Ended { .. } => &d.release,
            };
            InCourseView { deployment: d.id.clone(), to: release(world, to) }
        }),
        members: world.members(name),
        runs,
        unheard: missing.len() as u32,
        missing: first(missing),
        then: verdict.as_ref().map(|v| match v {
            Verdict::Keep => RecoveryThen::Keep,
            Verdict::Adopt(_) => RecoveryThen::Adopt,
            Verdict::Leave(_) => RecoveryThen::Leave,
        }),
        why,
        frozen: fleet.frozen.is_some(),
        left: left.map(|l| note(&l.note)),
    }
}

fn first(mut hosts: Vec<HostName>) -> Vec<HostName> {
    hosts.truncate(NAMED);
    hosts
}

fn verdict_in_words(world: &World, fleet: &Fleet, verdict: &Verdict) -> String {
    let stopped = world.active(fleet).map_or_else(String::new, |d| format!("; {} is stopped", d.id));
    let what = match verdict {
        Verdict::Keep => match &fleet.settled {
            Some(settled) => format!("{} stays settled", world.release_name(settled)),
            None => "nothing is settled".into(),
        },
        Verdict::Adopt(release) => format!("all that were heard run {}: it becomes settled", world.release_name(release)),
        Verdict::Leave(why) => format!("{why}; they stay where they are until a person deploys"),
    };
    format!("{what}{stopped}")
}
