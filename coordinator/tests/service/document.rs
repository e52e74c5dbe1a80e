//! The OpenAPI document is what the tests start from: whatever it documents answers, and every error is a problem document
//! with a documented code.

use serde_json::Value;

use crate::running::{Running, raw, request};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

async fn document(running: &Running) -> Value {
    running.client.get("/v1/openapi.json").await.unwrap()
}

fn operations(document: &Value) -> Vec<(String, String)> {
    let paths = document["paths"].as_object().unwrap();
    let of = |(path, item): (&String, &Value)| {
        METHODS.iter().filter(|m| item.get(**m).is_some()).map(|m| (m.to_uppercase(), path.clone())).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of).collect()
}

fn codes(document: &Value) -> Vec<String> {
    let codes = document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"].as_array().unwrap();
    codes.iter().map(|c| c.as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_documented_get_answers() {
    let running = Running::start().await;
    running.add_host("h1", "a").await;
    running.add_host("h2", "a").await;
    running.add_fleet("1").await;
    let package = running.add_package("1.0.0").await;
    let body = serde_json::json!({"fleet": "web-prod", "package": "1.0.0"});
    let _: Value = running.client.post("/v1/deployments", &body, None).await.unwrap();
    running.add_configuration("one", false).await.unwrap();
    let document = document(&running).await;
    let mut asked = 0;
    for (method, path) in operations(&document) {
        let path = path.replace("{app}", "web").replace("{configuration}", "c1");
        let path = path.replace("{fleet}", "web-prod").replace("{host}", "h1").replace("{deployment}", "web-prod.1");
        let path = path.replace("{package}", "web@1.0.0").replace("{digest}", &package.digest.to_string());
        // Without a run there is no log, and the output of one that comes is waited for.
        if method != "GET" || path.ends_with("/log") || path.ends_with("/output") || path.starts_with("/agent") {
            continue;
        }
        let (status, head, body) = raw(&running.socket(), &request("GET", &path, &[("host", "localhost")])).await;
        assert_eq!(status, 200, "{path}: {head}\n{body}");
        asked += 1;
    }
    assert!(asked >= 14, "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_error_is_a_problem_with_a_documented_code() {
    let running = Running::start().await;
    let document = document(&running).await;
    let codes = codes(&document);
    let mut asked = 0;
    for (method, path) in operations(&document) {
        // Names that are none, and names of nothing.
        for name in ["No%20Name", "nothing"] {
            let mut path = path.clone();
            for parameter in ["{fleet}", "{host}", "{deployment}", "{package}", "{digest}", "{action}", "{app}", "{configuration}"] {
                path = path.replace(parameter, name);
            }
            for headers in [&[("host", "localhost")][..], &[("host", "evil.example")], &[("host", "localhost"), ("authorization", "Bearer wrong")]] {
                let (status, head, body) = raw(&running.socket(), &request(&method, &format!("{path}?nonsense=1"), headers)).await;
                if status < 400 {
                    continue;
                }
                assert!(head.contains("content-type: application/problem+json"), "{method} {path}: {head}");
                let problem: Value = serde_json::from_str(&body).unwrap_or_else(|e| panic!("{method} {path}: {e}: {body}"));
                assert_eq!(problem["status"], status, "{method} {path}");
                assert!(codes.contains(&problem["code"].as_str().unwrap().to_owned()), "{method} {path}: {body}");
                asked += 1;
            }
        }
    }
    assert!(asked > 200, "{asked}");
    for (method, path, code) in [("GET", "/v2/fleets", "not-found"), ("PUT", "/v1/hosts", "method-not-allowed")] {
        let (_, _, body) = raw(&running.socket(), &request(method, path, &[("host", "localhost")])).await;
        assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["code"], code);
    }
}
