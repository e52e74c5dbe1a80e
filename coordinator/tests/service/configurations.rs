//! Configurations through the API: pushed in parts, deployed, shown, held, released; hosts on real connections.

use pilotage_client::ClientError;
use pilotage_shared::api::v1::{
    ConfigurationKnown, ConfigurationPushed, ConfigurationView, DeploymentView, OutcomeWord, Page, ReleaseView, StatusView,
};
use pilotage_shared::configuration::Configuration;
use pilotage_shared::digest::Digest;
use serde_json::{Value, json};

use crate::host::Host;
use crate::running::{Running, problem, until};

async fn deploy(running: &Running, body: Value) -> Result<DeploymentView, ClientError> {
    let mut body = body;
    body["fleet"] = "web-prod".into();
    running.client.post("/v1/deployments", &body, None).await
}

async fn ended(running: &Running) -> DeploymentView {
    until("the deployment ends", async || {
        let d: DeploymentView = running.client.get("/v1/deployments/web-prod").await.unwrap();
        d.outcome.map(|_| d)
    })
    .await
}

async fn fleet() -> (Running, Host, Host) {
    let running = Running::start().await;
    let (one, two) = (running.add_host("h1", "a").await, running.add_host("h2", "a").await);
    let hosts = (Host::start(running.socket(), "h1", one), Host::start(running.socket(), "h2", two));
    running.add_fleet("50%").await;
    running.add_package("1.0.0").await;
    (running, hosts.0, hosts.1)
}

fn config(release: &ReleaseView) -> (String, Option<u32>) {
    (release.package.clone(), release.config)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_is_a_deployment_and_what_is_in_it_can_be_seen() {
    let (running, _one, _two) = fleet().await;
    let first = running.add_configuration("one", true).await.unwrap();
    assert_eq!((first.configuration.number, first.deployment), (1, None), "nothing is settled: it waits");
    deploy(&running, json!({"package": "1.0.0"})).await.unwrap();
    assert_eq!(config(&ended(&running).await.wanted), ("web@1.0.0".into(), Some(1)));
    let second = running.add_configuration("two", true).await.unwrap();
    assert_eq!(config(&second.deployment.unwrap().wanted), ("web@1.0.0".into(), Some(2)));
    let done = ended(&running).await;
    assert_eq!((done.outcome, done.over.as_ref().map(config)), (Some(OutcomeWord::Succeeded), Some(("web@1.0.0".into(), Some(1)))));
    let status: StatusView = running.client.get("/v1/status").await.unwrap();
    assert_eq!(status.fleets[0].versions, [("web@1.0.0+c2".to_owned(), 2)].into());
    let list: Page<ConfigurationView> = running.client.get("/v1/configurations?fleet=web-prod").await.unwrap();
    assert_eq!(list.items.iter().map(|c| (c.number, c.settled.len())).collect::<Vec<_>>(), [(2, 1), (1, 0)]);
    let shown: ConfigurationView = running.client.get("/v1/configurations/web/c1").await.unwrap();
    let content = shown.content.unwrap();
    assert_eq!((content.environment["LOG"].as_str(), content.secrets["DB"].as_str()), ("one", "db-password"));
    assert_eq!(content.files["app.toml"].size, Some(3));
    let again = deploy(&running, json!({"config": "c1"})).await.unwrap();
    assert_eq!(config(&again.wanted), ("web@1.0.0".into(), Some(1)));
    ended(&running).await;
    let without = deploy(&running, json!({"package": "1.0.0", "config": "none"})).await.unwrap();
    assert_eq!(config(&without.wanted), ("web@1.0.0".into(), None));
    running.service.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_turned_back_is_held_as_a_pair_until_a_person_releases_it() {
    let (running, _one, _two) = fleet().await;
    deploy(&running, json!({"package": "1.0.0"})).await.unwrap();
    ended(&running).await;
    // Nobody stages it: the host without a session is a member too.
    running.add_host("h3", "a").await;
    let id = running.add_configuration("bad", true).await.unwrap().deployment.unwrap().id;
    let _: DeploymentView = running.client.post(&format!("/v1/deployments/{id}/rollback"), &json!({"reason": "looks wrong"}), None).await.unwrap();
    let refused = problem(running.add_configuration("bad", true).await);
    assert_eq!(
        (refused.code.as_str(), refused.lift.as_deref()),
        ("configuration-held", Some("pilotage config release c1 --fleet web-prod --reason …"))
    );
    let view: ConfigurationView = running.client.get("/v1/configurations/web/1").await.unwrap();
    assert_eq!((view.held[0].package.as_str(), view.held[0].held.why.contains("looks wrong")), ("web@1.0.0", true));
    let released: ConfigurationView = running.client.post("/v1/configurations/web/c1/release", &json!({"reason": "mended"}), None).await.unwrap();
    assert!(released.held.is_empty());
    assert_eq!(problem(running.client.post::<_, Value>("/v1/configurations/web/c1/release", &json!({}), None).await).code, "configuration-not-held");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_refused_by_name_and_change_nothing() {
    let (running, _one, _two) = fleet().await;
    let upload = async |text: Vec<u8>| {
        running.client.upload::<ConfigurationKnown, _>("/v1/configurations/manifest", "text/plain", None, move |w| w.write_all(&text)).await
    };
    assert_eq!(problem(upload(b"pilotage-configuration 9\n".to_vec()).await).code, "configuration-invalid");
    assert_eq!(problem(upload(vec![b'x'; 2 << 20]).await).code, "too-large");
    let create = async |body: Value| problem(running.client.post::<_, ConfigurationPushed>("/v1/configurations", &body, None).await).code;
    assert_eq!(create(json!({"fleet": "web-prod", "digest": Digest::of(b"x")})).await, "not-found");
    let empty = Configuration::empty();
    upload(empty.encode().into_bytes()).await.unwrap();
    assert_eq!(create(json!({"fleet": "none", "digest": empty.digest()})).await, "unknown-fleet");
    assert_eq!(create(json!({"fleet": "web-prod", "digest": empty.digest(), "deply": true})).await, "bad-request");
    for (body, code) in [
        (json!({"package": "1.0.0", "config": "c9"}), "unknown-configuration"),
        (json!({"package": "1.0.0", "config": "nine"}), "bad-request"),
        (json!({"restart": true, "config": "c1"}), "bad-request"),
        (json!({"config": "none"}), "nothing-runs"),
        (json!({}), "bad-request"),
    ] {
        assert_eq!(problem(deploy(&running, body.clone()).await).code, code, "{body}");
    }
    let list: Page<ConfigurationView> = running.client.get("/v1/configurations").await.unwrap();
    assert!(list.items.is_empty());
}
