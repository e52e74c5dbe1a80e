//! The same key and request twice have one effect; another request under the key is refused.

use serde_json::{Value, json};

use crate::running::{Running, problem};

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_has_one_effect_and_the_same_answer() {
    let running = Running::start().await;
    running.add_host("h1", "a").await;
    running.add_host("h2", "a").await;
    running.add_fleet("1").await;
    running.add_package("1.0.0").await;
    let body = json!({"fleet": "web-prod", "package": "1.0.0", "reason": "once"});
    let mut ids = Vec::new();
    for _ in 0..3 {
        let d: Value = running.client.post("/v1/deployments", &body, Some("key-1")).await.unwrap();
        ids.push(d["id"].clone());
    }
    assert_eq!(ids, ["web-prod.1", "web-prod.1", "web-prod.1"]);
    let other = json!({"fleet": "web-prod", "package": "1.0.0", "reason": "twice"});
    assert_eq!(problem(running.client.post::<_, Value>("/v1/deployments", &other, Some("key-1")).await).code, "idempotency-key-reused");
    let d: Value = running.client.post("/v1/deployments", &body, Some("key-2")).await.unwrap();
    assert_eq!(d["id"], "web-prod.2");

    let host = json!({"name": "h3", "labels": {"zone": "a"}});
    let first: Value = running.client.post("/v1/hosts", &host, Some("key-3")).await.unwrap();
    let again: Value = running.client.post("/v1/hosts", &host, Some("key-3")).await.unwrap();
    assert_eq!(first, again, "the same token too, although only its hash is kept");
    assert_eq!(problem(running.client.post::<_, Value>("/v1/hosts", &host, None).await).code, "host-exists");
}
