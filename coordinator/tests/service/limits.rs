//! What is too large, of the wrong kind, or not understood is refused by name, and nothing is changed.

use pilotage_client::Address;
use serde_json::{Value, json};

use crate::running::{Running, problem, raw};

async fn post(address: &Address, path: &str, headers: &str, body: &str) -> (u16, String) {
    let request = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}", body.len());
    let (status, _, body) = raw(address, &request).await;
    let code = serde_json::from_str::<Value>(&body).map(|v| v["code"].as_str().unwrap_or_default().to_owned());
    (status, code.unwrap_or(body))
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_bounded_and_strict() {
    let running = Running::start().await;
    let json_type = "content-type: application/json\r\n";
    let good = r#"{"name":"h1","labels":{"zone":"a"}}"#;
    let long = format!(r#"{{"name":"h1","reason":"{}"}}"#, "x".repeat(2 << 20));
    let header = format!("{json_type}x-long: {}\r\n", "y".repeat(20 << 10));
    for (headers, body, expected) in [
        ("content-type: text/plain\r\n", good, (415, "media-type")),
        (json_type, "{", (400, "bad-request")),
        (json_type, r#"{"name":"h1","label":{}}"#, (400, "bad-request")),
        (json_type, r#"{"name":"h1","reason":"a\u001b[1m"}"#, (400, "bad-request")),
        (json_type, r#"{"name":"h/1"}"#, (400, "bad-request")),
        (json_type, long.as_str(), (413, "too-large")),
        (header.as_str(), good, (431, "headers-too-large")),
    ] {
        let (status, code) = post(&running.socket(), "/v1/hosts", headers, body).await;
        assert_eq!((status, code.as_str()), expected, "{}", &body[..body.len().min(60)]);
    }
    assert_eq!(problem(running.client.get::<Value>("/v1/hosts?limit=9999").await).code, "bad-request");
    assert_eq!(problem(running.client.get::<Value>("/v1/hosts?slector=x").await).code, "bad-request");
    assert_eq!(problem(running.client.get::<Value>("/v1/hosts?standing=tired").await).code, "bad-request");
    assert_eq!(problem(running.client.get::<Value>("/v1/hosts?selector=a==b").await).code, "bad-request");
    let hosts: Value = running.client.get("/v1/hosts").await.unwrap();
    assert_eq!(hosts["items"], json!([]), "nothing was changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_come_in_pages_and_by_filter() {
    let running = Running::start().await;
    for i in 0..7 {
        running.add_host(&format!("h{i}"), ["a", "b"][i % 2]).await;
    }
    let (mut names, mut cursor) = (Vec::new(), String::new());
    loop {
        let page: Value = running.client.get(&format!("/v1/hosts?limit=3{cursor}")).await.unwrap();
        names.extend(page["items"].as_array().unwrap().iter().map(|h| h["host"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(names, ["h0", "h1", "h2", "h3", "h4", "h5", "h6"]);
    let page: Value = running.client.get("/v1/hosts?selector=zone%3Db&standing=unheard").await.unwrap();
    assert_eq!(page["items"].as_array().map(Vec::len), Some(3));
    let labels = json!({"labels": {"zone": null, "rack": "r1"}});
    let host: Value = running.client.patch("/v1/hosts/h0", &labels, None).await.unwrap();
    assert_eq!(host["labels"], json!({"rack": "r1"}));
}
