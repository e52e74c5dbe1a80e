//! The whole coordinator killed with -9 before each change of its files, and the power of its machine cut: it starts again, and
//! whatever it had answered with "done" is done.

use std::path::Path;

use pilotage_client::{Address, Client};
use pilotage_coordinator::packages::Packages;
use pilotage_coordinator::service::Service;
use pilotage_crash::{kill_before, record, victim};
use pilotage_shared::api::v1::PackageView;
use serde_json::{Value, json};

use crate::running::{config, tar};

/// People's requests, one after the other.
const WISHES: u64 = 8;

async fn ask(client: &Client, n: u64) {
    let post = async |path: &str, body: Value| drop(client.post::<_, Value>(path, &body, None).await.unwrap());
    let upload = async |version: &str| {
        let bytes = tar(&[("appspec.yml", "version: 0.0\nos: linux\n"), ("app", &version.repeat(3000))]);
        let path = format!("/v1/packages?app=web&version={version}");
        let view: PackageView = client.upload(&path, "application/octet-stream", None, move |w| w.write_all(&bytes)).await.unwrap();
        assert_eq!(view.version.as_str(), version);
    };
    match n {
        1 | 2 => post("/v1/hosts", json!({"name": format!("h{n}"), "labels": {"zone": "a"}})).await,
        3 => upload("1.0.0").await,
        4 => {
            let body = json!({"fleet": "web-prod", "app": "web", "select": "zone", "floor": {"fleet": "1"}, "first_install": true});
            let _: Value = client.put("/v1/fleets/web-prod?reason=test", &body, None).await.unwrap();
        }
        5 => post("/v1/deployments", json!({"fleet": "web-prod", "package": "1.0.0", "reason": "test"})).await,
        6 => upload("1.1.0").await,
        7 => post("/v1/deployments/web-prod.1/cancel", json!({"reason": "test"})).await,
        _ => post("/v1/hosts/h2/cordon", json!({"reason": "test"})).await,
    }
}

/// How many of the wishes are fulfilled, in their order; an error when they are not whole.
async fn fulfilled(folder: &Path, client: &Client) -> Result<u64, String> {
    let get = async |path: &str| client.get::<Value>(path).await.ok();
    let list = |page: Option<Value>| page.and_then(|p| p["items"].as_array().cloned()).unwrap_or_default();
    let hosts = list(get("/v1/hosts").await);
    let packages = list(get("/v1/packages?app=web").await);
    let fleet = get("/v1/fleets/web-prod").await;
    let deployment = get("/v1/deployments/web-prod.1").await;
    let files = Packages::open(&folder.join("state/packages")).map_err(|e| e.to_string())?;
    for package in &packages {
        let digest = package["digest"].as_str().unwrap_or_default().parse().map_err(|_| format!("{package}"))?;
        files.complete(&digest).map_err(|e| format!("the package {package} is not whole: {e}"))?;
    }
    let done = [
        !hosts.is_empty(),
        hosts.len() > 1,
        !packages.is_empty(),
        fleet.is_some(),
        deployment.is_some(),
        packages.len() > 1,
        deployment.as_ref().is_some_and(|d| d["outcome"] == "stopped"),
        hosts.iter().any(|h| h["cordoned"].is_object()),
    ];
    let n = done.iter().take_while(|d| **d).count();
    if done[n..].iter().any(|d| *d) { Err(format!("a later wish is fulfilled and an earlier one is not: {done:?}")) } else { Ok(n as u64) }
}

fn client(folder: &Path) -> Client {
    Client::new(Address::Unix(folder.join("c.sock")), None)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Serves and asks, as the victim.
fn work(folder: &Path) {
    runtime().block_on(async {
        let service = Service::start(&config(folder, false)).await.unwrap();
        for n in 1..=WISHES {
            ask(&client(folder), n).await;
            victim::acknowledge(n);
        }
        service.stop().await.unwrap();
    });
}

/// What is wrong with what a crash left.
fn verdict(folder: &Path, acknowledged: Option<u64>) -> Result<(), String> {
    runtime().block_on(async {
        let service = Service::start(&config(folder, false)).await.map_err(|e| format!("does not start: {e:?}"))?;
        let found = fulfilled(folder, &client(folder)).await;
        // It goes on from there.
        let more = client(folder).post::<_, Value>("/v1/hosts", &json!({"name": "more"}), None).await;
        service.stop().await.map_err(|e| format!("does not stop: {e:?}"))?;
        let found = found?;
        more.map_err(|e| format!("cannot go on: {e}"))?;
        if Some(found) < acknowledged { Err(format!("acknowledged {acknowledged:?}, found {found}")) } else { Ok(()) }
    })
}

#[test]
fn nothing_that_was_answered_is_lost_by_kill_9() {
    if let Some(folder) = victim::folder() {
        return work(&folder);
    }
    let mut killed = 0;
    // Every change would take minutes: a step that divides none of their cycles meets each kind.
    for n in (1..).step_by(23) {
        let dir = tempfile::tempdir().unwrap();
        let end = kill_before(&victim::again("crash::nothing_that_was_answered_is_lost_by_kill_9", dir.path()), dir.path(), n).unwrap();
        verdict(dir.path(), end.acknowledged(end.end())).unwrap_or_else(|why| panic!("killed before change {n}: {why}"));
        if end.status.success() {
            break;
        }
        killed += 1;
    }
    println!("coordinator: killed before {killed} of its changes");
    assert!(killed > 5, "the victim did little: {killed}");
}

#[test]
fn nothing_that_was_answered_is_lost_by_a_power_cut() {
    if let Some(folder) = victim::folder() {
        return work(&folder);
    }
    let dir = tempfile::tempdir().unwrap();
    let recording = record(&victim::again("crash::nothing_that_was_answered_is_lost_by_a_power_cut", dir.path()), dir.path()).unwrap().journalled();
    assert!(recording.status.success(), "{}", recording.said);
    let (mut tried, mut failures) = (0, Vec::new());
    for crash in recording.crashes(1).step_by(13) {
        let dir = tempfile::tempdir().unwrap();
        recording.rebuild(crash, dir.path()).unwrap();
        tried += 1;
        failures.extend(verdict(dir.path(), recording.acknowledged(crash.after)).err().map(|why| format!("{crash:?}: {why}")));
    }
    println!("coordinator: {tried} states after a power cut within {} events", recording.end());
    assert!(failures.is_empty(), "{} of {tried} failed: {failures:#?}", failures.len());
}
