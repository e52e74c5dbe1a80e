//! Deployments through the API to hosts on real connections.

use pilotage_shared::api::v1::{DeploymentView, Explanation, HostView, OutcomeWord, StatusView, WaitingKind};
use serde_json::json;

use crate::host::Host;
use crate::running::{Running, problem, until};

async fn deploy(running: &Running, version: &str) -> DeploymentView {
    running.client.post("/v1/deployments", &json!({"fleet": "web-prod", "package": version, "reason": "test"}), None).await.unwrap()
}

async fn ended(running: &Running, id: &str) -> DeploymentView {
    until(&format!("{id} ends"), async || {
        let d: DeploymentView = running.client.get(&format!("/v1/deployments/{id}")).await.unwrap();
        d.outcome.map(|_| d)
    })
    .await
}

async fn fleet_of(n: usize) -> (Running, Vec<Host>) {
    let running = Running::start().await;
    let mut hosts = Vec::new();
    for i in 0..n {
        let name = format!("h{i}");
        let token = running.add_host(&name, ["a", "b"][i % 2]).await;
        hosts.push(Host::start(running.socket(), &name, token));
    }
    running.add_fleet("50%").await;
    (running, hosts)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_is_brought_to_a_release_and_to_the_next() {
    let (running, _hosts) = fleet_of(4).await;
    running.add_package("1.0.0").await;
    running.add_package("1.1.0").await;
    for (version, n) in [("1.0.0", 1), ("web@1.1.0", 2)] {
        let begun = deploy(&running, version).await;
        assert_eq!((begun.id.to_string(), begun.reason.as_str()), (format!("web-prod.{n}"), "test"));
        let done = ended(&running, "web-prod").await;
        assert_eq!((done.outcome, done.waves[0].new), (Some(OutcomeWord::Succeeded), 4));
    }
    let status: StatusView = running.client.get("/v1/status").await.unwrap();
    let fleet = &status.fleets[0];
    assert_eq!((fleet.hosts.total, fleet.hosts.available, fleet.hosts.floor, fleet.hosts.to_follow), (4, 4, 2, 0));
    assert_eq!(fleet.versions, [("web@1.1.0".to_owned(), 4)].into());
    let lowest = fleet.deployment.as_ref().and_then(|d| d.lowest_available);
    assert!(lowest.is_some_and(|lowest| lowest >= 2), "{lowest:?}");
    let host: HostView = running.client.get("/v1/hosts/h1").await.unwrap();
    assert_eq!(host.slots[0].previous.as_ref().map(|r| r.package.as_str()), Some("web@1.0.0"));
    running.service.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_waited_for_is_named_and_a_retired_host_is_not_waited_for() {
    let (running, hosts) = fleet_of(3).await;
    running.add_host("dead", "a").await;
    running.add_package("1.0.0").await;
    deploy(&running, "1.0.0").await;
    let waiting = until("only the dead host is waited for", async || {
        let e: Explanation = running.client.get("/v1/deployments/web-prod/explain").await.unwrap();
        let dead = |w: &pilotage_shared::api::v1::WaitingView| w.hosts.iter().all(|h| h.host.as_str() == "dead");
        (e.waiting.len() == 1 && e.waiting.iter().all(dead)).then_some(e)
    })
    .await;
    assert!(matches!(waiting.waiting[0].kind, WaitingKind::Unreachable | WaitingKind::Unheard));
    running.client.delete("/v1/hosts/dead?reason=burnt", None).await.unwrap();
    assert_eq!(ended(&running, "web-prod.1").await.outcome, Some(OutcomeWord::Succeeded));
    let problem = problem(running.client.post::<_, HostView>("/v1/hosts/dead/cordon", &json!({}), None).await);
    assert_eq!(problem.code, "host-retired");
    drop(hosts);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retired_host_is_hung_up_on_and_never_comes_back() {
    let running = Running::start().await;
    let token = running.add_host("h1", "a").await;
    let host = Host::start(running.socket(), "h1", token.clone());
    until("h1 is heard", async || {
        let view: HostView = running.client.get("/v1/hosts/h1").await.unwrap();
        view.heard_at
    })
    .await;
    running.client.delete("/v1/hosts/h1", None).await.unwrap();
    assert!(host.ended().await.contains("over"));
    assert!(Host::start(running.socket(), "h1", token).ended().await.contains("not one of ours"));
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_said_at_once() {
    let (running, _hosts) = fleet_of(2).await;
    running.add_package("1.0.0").await;
    let deploy = async |body: serde_json::Value| problem(running.client.post::<_, DeploymentView>("/v1/deployments", &body, None).await);
    for (body, code) in [
        (json!({"fleet": "nobody", "package": "1.0.0"}), "unknown-fleet"),
        (json!({"fleet": "web-prod", "package": "9.9.9"}), "unknown-package"),
        (json!({"fleet": "web-prod", "package": "db@1.0.0"}), "unknown-package"),
        (json!({"fleet": "web-prod", "restart": true}), "nothing-runs"),
        (json!({"fleet": "web-prod"}), "bad-request"),
        (json!({"fleet": "web-prod", "package": "1.0.0", "restart": true}), "bad-request"),
        (json!({"fleet": "Web Prod", "package": "1.0.0"}), "bad-request"),
    ] {
        assert_eq!(deploy(body.clone()).await.code, code, "{body}");
    }
    let put = async |name: &str, body: serde_json::Value| {
        problem(running.client.put::<_, serde_json::Value>(&format!("/v1/fleets/{name}"), &body, None).await)
    };
    for (name, body, code) in [
        ("f", json!({"fleet": "f", "app": "web", "select": "rack=none", "floor": {"fleet": "1"}}), "no-members"),
        ("f", json!({"fleet": "f", "app": "db", "select": "zone", "floor": {"fleet": "2"}}), "floor-too-high"),
        ("f", json!({"fleet": "f", "app": "db", "select": "zone", "floor": {"fleet": "1"}, "expect": {"low": 5, "high": 9}}), "unexpected-members"),
        ("f", json!({"fleet": "f", "app": "web", "select": "zone", "floor": {"fleet": "1"}}), "fleets-overlap"),
        ("g", json!({"fleet": "f", "app": "web", "select": "zone", "floor": {"fleet": "1"}}), "bad-request"),
        ("f", json!({"fleet": "f", "app": "web", "select": "zone", "floor": {"fleet": "1", "pre": {}}}), "bad-request"),
    ] {
        assert_eq!(put(name, body.clone()).await.code, code, "{body}");
    }
    let fleets: serde_json::Value = running.client.get("/v1/fleets").await.unwrap();
    assert_eq!(fleets["items"].as_array().map(Vec::len), Some(1), "nothing was changed");
}
