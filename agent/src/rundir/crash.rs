//! The agent's files of a run under power cuts: its order is there whole once its deployer may be started, and a mark once it
//! was made; before that there is none, or it can be told that it is not whole.

use std::collections::BTreeMap;

use pilotage_agent_core::run::{Changes, Contract, HostOffers, Kind, Permit, Target};
use pilotage_crash::{record, victim};
use pilotage_shared::digest::Digest;
use pilotage_shared::ids::{BootId, Generation};
use pilotage_shared::name::{AppName, HostName, Version};
use pilotage_shared::release::{PackageName, Release};
use pilotage_shared::run::RunId;
use pilotage_shared::time::{Millis, Uptime};

use super::*;

fn order() -> Request {
    let app = AppName::new("web").unwrap();
    let to = Target { release: Release::of(Digest([2; 32])), package: PackageName { app: app.clone(), version: Version::lossy("2") }, health: None };
    Request {
        format: Request::FORMAT,
        run: RunId { deployment: Some("prod.2".parse().unwrap()), host: HostName::new("h1").unwrap(), attempt: 4 },
        app,
        kind: Kind::Activate(Permit { generation: Generation(9), begin_by: Uptime(5), boot: BootId([0; 16]), while_down: false }),
        to,
        from: None,
        hook_timeout: Millis::seconds(1),
        contract: Contract { application: "web".into(), deployment_group: "prod".into(), deployment_group_id: None, deployment_id: "prod.2".into() },
        variables: (0..200).map(|n| (format!("VARIABLE_{n}"), "x".repeat(50))).collect::<BTreeMap<_, _>>(),
        changes: Changes::default(),
        host: HostOffers::default(),
        proofs: Vec::new(),
        state: "/".into(),
    }
}

#[test]
fn an_order_and_its_marks_outlive_a_power_cut() {
    if let Some(runs) = victim::folder() {
        let folder = runs.join("runs/web-4");
        create(&folder, &order()).unwrap();
        victim::acknowledge(1);
        revoke(&folder, "a new session").unwrap();
        victim::acknowledge(2);
        turn_back(&folder, &Why::lossy("blocked")).unwrap();
        return victim::acknowledge(3);
    }
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("runs")).unwrap();
    let recording = record(&victim::again("rundir::crash::an_order_and_its_marks_outlive_a_power_cut", dir.path()), dir.path()).unwrap();
    assert!(recording.status.success(), "{}", recording.said);
    let mut tried = 0;
    for crash in recording.crashes(40) {
        let dir = tempfile::tempdir().unwrap();
        recording.rebuild(crash, dir.path()).unwrap();
        tried += 1;
        let folder = dir.path().join("runs/web-4");
        let acknowledged = recording.acknowledged(crash.after).unwrap_or(0);
        match request(&folder) {
            Some(found) => assert_eq!(found, order(), "{crash:?}"),
            None => assert_eq!(acknowledged, 0, "{crash:?}: the order is lost"),
        }
        for (n, mark, text) in [(2, REVOKED, "a new session"), (3, TURN_BACK, "blocked")] {
            match fs::read_to_string(folder.join(mark)) {
                Ok(found) => assert_eq!(found, text, "{crash:?}"),
                Err(_) => assert!(acknowledged < n, "{crash:?}: the mark {mark} is lost"),
            }
        }
        // Whatever is left, the agent makes the order whole and goes on.
        create(&folder, &order()).unwrap();
        assert_eq!(request(&folder), Some(order()), "{crash:?}");
    }
    println!("orders: {tried} states after a power cut");
}
