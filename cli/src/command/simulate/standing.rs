//! A live fleet as it stands: its policy, its members, what they run, and how long its hooks took when they last ran.

use std::collections::BTreeMap;

use pilotage_shared::api::v1::{
    ConfigurationView, FleetView, HostStateWord, HostView, PackageView, ReleaseView, RunOutcomeWord, RunView, SlotView, StandingWord,
};
use pilotage_shared::fleet::FleetSpec;
use pilotage_shared::health::Standing;
use pilotage_shared::name::{AppName, FleetName, Version, Why};
use pilotage_shared::release::Release;
use pilotage_shared::run::Event;
use pilotage_shared::time::Millis;
use pilotage_simulator::forecast::pace::{RUN, Spread};
use pilotage_simulator::forecast::{Barred, Config, Member, Pace, Package, Refusal, Scenario};

use super::{plain, unknown_package};
use crate::failure::Failure;
use crate::session::Session;

/// Deployments whose runs are looked at, newest first, until one has runs that committed.
const LOOK_BACK: usize = 5;

/// What was found.
pub struct Found {
    /// For the forecast.
    pub scenario: Scenario,
    /// What it rests on, for people.
    pub assumed: Vec<String>,
}

/// Reads it. `version` as a person writes it: `1.4.2`, `web@1.4.2`, `sha256:…`.
pub async fn fleet(session: &Session, name: &FleetName, version: Option<&str>) -> Result<Found, Failure> {
    let fleet = session.fleet(name).await?;
    let hosts = session.hosts(&format!("fleet={name}&")).await?;
    let package = match version {
        Some(version) => package(&session.package(&full(&fleet.spec.app, version)).await?),
        None => unknown_package(),
    };
    let newest = session.deployments(Some(name), LOOK_BACK).await?;
    let mut assumed = Vec::new();
    if let Some(active) = newest.iter().find(|d| d.outcome.is_none()) {
        assumed.push(format!("{} is in course and would be superseded", active.id));
    }
    let mut pace = Pace::default();
    let mut measured = None;
    for deployment in &newest {
        let runs = session.runs(&deployment.id).await?;
        let hooks = hooks(&runs);
        if !hooks.is_empty() {
            measured = Some(format!("hooks as the runs of {} took", deployment.id));
            pace.hooks = hooks;
            break;
        }
    }
    assumed.push(measured.unwrap_or_else(|| "hooks as a small service takes: no run is recorded".to_owned()));
    let heartbeat = Millis(session.status().await?.coordinator.heartbeat_ms.max(1));
    let number = newest.first().map_or(0, |d| d.id.number);
    Ok(Found { scenario: Scenario { pace, heartbeat, newest: number, ..as_it_stands(&fleet, &hosts, package)? }, assumed })
}

/// The same for the deployment that is about to be made; `version` none: of the settled package, as the coordinator takes it.
pub async fn planned(session: &Session, name: &FleetName, version: Option<&str>, config: Option<&str>) -> Result<Found, Failure> {
    let settled = match version {
        Some(_) => None,
        None => session.fleet(name).await?.settled,
    };
    let version = match (version, settled) {
        (Some(version), _) => version.to_owned(),
        (None, Some(settled)) => settled.digest.to_string(),
        (None, None) => return Err(Failure::Usage(format!("nothing is settled on {name}: say which version"))),
    };
    let mut found = fleet(session, name, Some(&version)).await?;
    found.scenario.config = match config {
        None => Config::Current,
        Some("none") => Config::Without,
        Some(number) => this(&session.configuration(&found.scenario.spec.app, number).await?, &found.scenario.package.version),
    };
    Ok(found)
}

fn this(view: &ConfigurationView, version: &Version) -> Config {
    let package = format!("{}@{version}", view.app);
    let held = view.held.iter().find(|held| held.package == package).map(|with| (with.held.by.clone(), Why::lossy(&with.held.why)));
    Config::This { number: view.number, digest: view.digest, held }
}

fn full(app: &AppName, version: &str) -> String {
    if version.contains('@') || version.starts_with("sha256:") { version.to_owned() } else { format!("{app}@{version}") }
}

fn package(view: &PackageView) -> Package {
    let held = view.held.as_ref().map(|held| Refusal::Held { by: held.by.clone(), why: Why::lossy(&held.why) });
    let refusal = if view.blocked { Some(Refusal::Blocked) } else { held };
    Package { digest: view.digest, version: view.version.clone(), bytes: view.bytes, refusal }
}

/// The scenario of a fleet and its hosts.
fn as_it_stands(fleet: &FleetView, hosts: &[HostView], package: Package) -> Result<Scenario, Failure> {
    let spec = FleetSpec::try_from(fleet.spec.clone()).map_err(|error| Failure::Usage(format!("{}: {error}", fleet.fleet)))?;
    let members = hosts.iter().filter(|host| host.state != HostStateWord::Retired).map(|host| member(host, &spec)).collect();
    Ok(Scenario { members, settled: fleet.settled.as_ref().map(release), ..plain(spec, package) })
}

fn release(view: &ReleaseView) -> Release {
    Release { package: view.digest, config: view.config_digest, restart: view.restart }
}

fn member(host: &HostView, spec: &FleetSpec) -> Member {
    let slot = host.slots.iter().find(|slot| slot.app == spec.app);
    let of = |of: fn(&SlotView) -> Option<&ReleaseView>| slot.and_then(of).map(release);
    let barred = if host.state == HostStateWord::Maintenance {
        Some(Barred::Maintenance)
    } else if host.cordoned.is_some() {
        Some(Barred::Cordoned)
    } else if let Some(why) = slot.and_then(|slot| slot.needs_hands.as_deref()) {
        Some(Barred::NeedsHands(Why::lossy(why)))
    } else {
        slot.and_then(|slot| slot.pinned.as_deref()).map(|why| Barred::Pinned(Why::lossy(why)))
    };
    Member {
        name: host.host.clone(),
        labels: host.labels.clone(),
        running: of(|slot| slot.running.as_ref()),
        previous: of(|slot| slot.previous.as_ref()),
        staged: of(|slot| slot.staged.as_ref()),
        standing: standing(host, slot, spec),
        barred,
    }
}

fn standing(host: &HostView, slot: Option<&SlotView>, spec: &FleetSpec) -> Option<Standing> {
    if host.quarantined.is_some() {
        return None;
    }
    match slot.map_or(host.standing, |slot| slot.standing) {
        StandingWord::Available => Some(Standing::Available),
        StandingWord::Settling => Some(Standing::Settling),
        StandingWord::Down => Some(Standing::Down),
        StandingWord::Unreachable | StandingWord::Unheard => None,
        StandingWord::Unknown if slot.is_none() && spec.health.is_some() => Some(Standing::Down),
        StandingWord::Unknown => Some(Standing::Unknown),
    }
}

/// How long each event took in the runs that committed.
fn hooks(runs: &[RunView]) -> BTreeMap<Event, Spread> {
    let good: Vec<&RunView> = runs.iter().filter(|run| run.outcome == RunOutcomeWord::Committed).collect();
    let took = |event: Event, run: &RunView| {
        let of_it: Vec<u64> = run.events.iter().filter(|e| !e.back && e.event == event.as_str()).map(|e| e.took_ms).collect();
        (!of_it.is_empty()).then(|| Millis(of_it.iter().sum()))
    };
    let times = |event: Event| Spread::seen(good.iter().filter_map(|run| took(event, run)).collect());
    RUN.into_iter().filter_map(|event| Some((event, times(event)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples;
    use pilotage_shared::api::v1::{HeldView, HeldWithView};

    fn spec() -> FleetSpec {
        crate::fleet_file::parse("fleet: web-prod\napp: web\nselect: env=prod\nfloor: 66%\nhealth: http://localhost/\n").unwrap()
    }

    #[test]
    fn a_host_is_taken_as_it_stands() {
        let check = |change: &dyn Fn(&mut HostView), standing: Option<Standing>, barred: Option<Barred>| {
            let mut host = samples::host("h23");
            change(&mut host);
            let member = member(&host, &spec());
            assert_eq!((member.standing, member.barred), (standing, barred));
            assert_eq!((member.name, member.labels), (host.host, host.labels));
        };
        check(&|_| (), Some(Standing::Available), None);
        check(&|h| h.slots[0].standing = StandingWord::Unheard, None, None);
        check(&|h| h.quarantined = Some("two".to_owned()), None, None);
        check(&|h| h.cordoned = Some(h.added.clone()), Some(Standing::Available), Some(Barred::Cordoned));
        check(&|h| h.slots[0].pinned = Some("mine".to_owned()), Some(Standing::Available), Some(Barred::Pinned(Why::lossy("mine"))));
        check(&|h| (h.slots.clear(), h.standing = StandingWord::Unknown).1, Some(Standing::Down), None);
        let member = member(&samples::host("h23"), &spec());
        assert_eq!(member.running, Some(release(&samples::release("web@1.4.2"))));
    }

    #[test]
    fn a_configuration_is_held_with_some_packages_only() {
        let held = HeldView { by: "web-prod.87".parse().unwrap(), at: samples::host("h1").added.at, why: "exit 7".to_owned() };
        let view = ConfigurationView {
            app: "web".parse().unwrap(),
            number: 17,
            digest: samples::release("web@1.4.2").digest,
            fleet: "web-prod".parse().unwrap(),
            files: 1,
            bytes: 1,
            variables: 1,
            secrets: 0,
            added: samples::host("h1").added,
            settled: Vec::new(),
            held: vec![HeldWithView { package: "web@1.4.2".to_owned(), held }],
            content: None,
        };
        let held = |version: &str| match this(&view, &Version::lossy(version)) {
            Config::This { number: 17, held, .. } => held.map(|(by, why)| format!("{by} {why}")),
            other => panic!("{other:?}"),
        };
        assert_eq!((held("1.4.2").as_deref(), held("1.4.3")), (Some("web-prod.87 exit 7"), None));
    }

    #[test]
    fn hooks_take_as_long_as_in_the_runs_that_committed() {
        let mut run = samples::failed_run("h23", "x");
        assert!(hooks(std::slice::from_ref(&run)).is_empty(), "a failed run proves no duration");
        run.outcome = RunOutcomeWord::Committed;
        let hooks = hooks(&[run]);
        let said: Vec<String> = hooks.iter().map(|(event, spread)| format!("{event} {spread}")).collect();
        assert_eq!(said, ["ApplicationStop 1.2s", "ValidateService 31.1s"]);
    }
}
