//! At start: the run directories are read beside the ledger, so that a ledger that was lost or set back knows of the run that may
//! still be alive (PROTOCOL §5: it is reported as `run` until it has ended) or whose deployer died in the middle of a switch
//! (promise 4: it is finished), and no run ever takes the directory of another.

use std::collections::BTreeMap;

use pilotage_agent_core::run::{Kind, Request};
use pilotage_agent_core::slot::recovered::{Found, recovered};
use pilotage_agent_core::slot::{RunEntry, RunKind, Slot};
use pilotage_shared::name::AppName;
use tracing::warn;

use crate::layout::Layout;
use crate::ledger::Ledger;
use crate::rundir;

/// Brings the slots up to what the run directories say; durable when it returns. Directories without a whole order began
/// nothing (the order is written before the deployer starts) and are passed over.
pub fn recover(layout: &Layout, ledger: &mut Ledger, slots: &mut BTreeMap<AppName, Slot>) -> anyhow::Result<()> {
    let mut found: BTreeMap<AppName, Vec<Found>> = BTreeMap::new();
    for entry in std::fs::read_dir(layout.runs())? {
        let folder = entry?.path();
        let Some(request) = rundir::request(&folder) else { continue };
        // A directory under another name is no run of ours: it would never be looked at.
        if folder != layout.run(&request.app, request.run.attempt) {
            warn!(folder = %folder.display(), "a run directory does not bear its run's name");
            continue;
        }
        let ended = rundir::report(&folder).is_some();
        found.entry(request.app.clone()).or_default().push(Found { run: entry_of(request), ended });
    }
    for (app, found) in found {
        let Some(record) = recovered(&slots.get(&app).cloned().unwrap_or_default(), &found) else { continue };
        warn!(%app, attempts = record.attempts, run = ?record.run.as_ref().map(|r| r.attempt), "the ledger is older than the run directories");
        ledger.write_slot(&app, &record)?;
        slots.insert(app, record);
    }
    Ok(())
}

fn entry_of(request: Request) -> RunEntry {
    let kind = match request.kind {
        Kind::Activate(permit) => RunKind::Activate(permit.generation),
        // No permission is spent by either.
        Kind::LocalRollback => RunKind::LocalRollback,
        Kind::GoBack => RunKind::Again,
    };
    RunEntry {
        attempt: request.run.attempt,
        kind,
        deployment: request.run.deployment,
        release: request.to.release,
        from: request.from.map(|target| target.release),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilotage_agent_core::run::{Contract, Permit, REPORT, Target};
    use pilotage_shared::digest::Digest;
    use pilotage_shared::ids::{BootId, Generation};
    use pilotage_shared::name::{HostName, Version};
    use pilotage_shared::release::{PackageName, Release};
    use pilotage_shared::run::{Outcome, RunId, RunReport};
    use pilotage_shared::time::{Millis, Uptime};

    fn request(app: &AppName, attempt: u32) -> Request {
        let target = |n| Target {
            release: Release::of(Digest([n; 32])),
            package: PackageName { app: app.clone(), version: Version::lossy("1") },
            health: None,
        };
        Request {
            format: Request::FORMAT,
            run: RunId { deployment: Some("prod.2".parse().unwrap()), host: HostName::new("h1").unwrap(), attempt },
            app: app.clone(),
            kind: Kind::Activate(Permit { generation: Generation(9), begin_by: Uptime(5), boot: BootId([0; 16]), while_down: false }),
            to: target(2),
            from: Some(target(1)),
            hook_timeout: Millis::seconds(1),
            contract: Contract {
                application: "web".into(),
                deployment_group: "prod".into(),
                deployment_group_id: None,
                deployment_id: "prod.2".into(),
            },
            variables: BTreeMap::new(),
            changes: Default::default(),
            proofs: Vec::new(),
            state: "/".into(),
            host: Default::default(),
        }
    }

    #[test]
    fn a_host_that_lost_its_ledger_knows_its_living_run_and_gives_no_directory_twice() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let layout = Layout::open(&state).unwrap();
        let (web, db) = (AppName::new("web").unwrap(), AppName::new("db").unwrap());
        for (app, attempt, ended) in [(&web, 3, true), (&web, 4, false), (&db, 6, true)] {
            let folder = layout.run(app, attempt);
            let order = request(app, attempt);
            rundir::create(&folder, &order).unwrap();
            let report = RunReport {
                id: order.run.clone(),
                app: app.clone(),
                generation: order.generation(),
                to: order.to.release,
                from: None,
                began_at_ms: 0,
                took_ms: 0,
                out_of_service_ms: None,
                events: Vec::new(),
                outcome: Outcome::Committed,
            };
            if ended {
                std::fs::write(folder.join(REPORT), serde_json::to_vec(&report).unwrap()).unwrap();
            }
        }
        std::fs::create_dir(layout.runs().join("torn-9")).unwrap();
        let (mut ledger, made) = Ledger::open(&layout.private().join("ledger")).unwrap();
        let mut slots = made.slots;
        assert!(made.new && slots.is_empty());
        recover(&layout, &mut ledger, &mut slots).unwrap();
        drop(ledger);
        let (mut ledger, found) = Ledger::open(&layout.private().join("ledger")).unwrap();
        let mut again = found.slots;
        assert_eq!(again, slots, "durable");
        let seen: Vec<_> = slots.iter().map(|(a, s)| (a.as_str(), s.attempts, s.run.as_ref().map(|r| r.attempt), s.spent.0)).collect();
        assert_eq!(seen, [("db", 6, None, 0), ("web", 4, Some(4), 9)]);
        recover(&layout, &mut ledger, &mut again).unwrap();
        assert_eq!(again, slots, "what the ledger knows stays as it is");
    }
}
