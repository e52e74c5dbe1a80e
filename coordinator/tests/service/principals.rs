//! No anonymous principal: who is let in where, and who is not.

use pilotage_client::{Address, Client, Secret};
use serde_json::{Value, json};

use crate::host::Host;
use crate::running::{Running, problem, raw, request, until};

fn code(body: &str) -> String {
    serde_json::from_str::<Value>(body).map(|v| v["code"].as_str().unwrap_or_default().to_owned()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tcp_everything_but_health_needs_a_token() {
    let running = Running::start().await;
    let (host, address) = (running.tcp(), Address::Tcp(running.tcp()));
    let document: Value = running.client.get("/v1/openapi.json").await.unwrap();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let (status, _, body) = raw(&address, &request(&method.to_uppercase(), path, &[("host", &host)])).await;
            match path.as_str() {
                "/healthz" | "/readyz" => assert_eq!(status, 200),
                _ => assert_eq!((status, code(&body).as_str()), (401, "unauthenticated"), "{method} {path}"),
            }
        }
    }
    let (status, _, _) = raw(&address, &request("GET", "/nowhere", &[("host", &host)])).await;
    assert_eq!(status, 401, "whoever is not known does not learn what is there");
    let known = Client::new(address, Some(Secret::new(running.token())));
    let _: Value = known.get("/v1/status").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_names_and_pages_are_refused() {
    let running = Running::start().await;
    let (host, address) = (running.tcp(), Address::Tcp(running.tcp()));
    let bearer = format!("Bearer {}", running.token());
    for (headers, status) in [
        (vec![("host", host.as_str())], 200),
        (vec![("host", "evil.example")], 421),
        (vec![("host", host.as_str()), ("origin", "http://evil.example")], 403),
        (vec![("host", host.as_str()), ("sec-fetch-site", "cross-site")], 403),
    ] {
        let mut headers = headers;
        headers.push(("authorization", &bearer));
        let (found, _, body) = raw(&address, &request("GET", "/v1/status", &headers)).await;
        assert_eq!(found, status, "{headers:?} {body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_speaks_for_itself_alone_and_reads_packages_alone() {
    let running = Running::start().await;
    let token = running.add_host("h1", "a").await;
    let package = running.add_package("1.0.0").await;
    let host = Client::new(running.socket(), Some(token));
    for path in ["/v1/status", "/v1/hosts", "/v1/events", "/v1/packages", "/metrics", "/v1/deployments/x/runs/h1/log"] {
        assert_eq!(problem(host.get::<Value>(path).await).code, "not-allowed", "{path}");
    }
    let deploy = json!({"fleet": "web-prod", "package": "1.0.0"});
    assert_eq!(problem(host.post::<_, Value>("/v1/deployments", &deploy, None).await).code, "not-allowed");
    assert_eq!(problem(host.delete("/v1/hosts/h1", None).await.map(|()| 0)).code, "not-allowed");
    let manifest = host.get_bytes(&format!("/agent/v1/manifests/{}", package.digest), 1 << 20).await.unwrap();
    assert_eq!(pilotage_shared::digest::Digest::of(&manifest), package.digest);
    // And nobody else is a host.
    let report = json!({});
    assert_eq!(problem(running.client.put::<_, Value>("/agent/v1/runs", &report, None).await).code, "not-allowed");
    let (status, _, _) = raw(&running.socket(), &request("POST", "/agent/v1/session", &[("host", "localhost")])).await;
    assert_eq!(status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_over_tcp_need_insecure_on_our_end_too() {
    for (insecure, let_in) in [(false, false), (true, true)] {
        let running = Running::with(insecure).await;
        let token = running.add_host("h1", "a").await;
        let host = Host::start(Address::Tcp(running.tcp()), "h1", token);
        if let_in {
            until("h1 is heard", async || {
                let view: Value = running.client.get("/v1/hosts/h1").await.unwrap();
                (!view["heard_at"].is_null()).then_some(())
            })
            .await;
        } else {
            assert!(host.ended().await.contains("encryption"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_cannot_take_anothers_session() {
    let running = Running::start().await;
    let token = running.add_host("h1", "a").await;
    running.add_host("h2", "a").await;
    let why = Host::start(running.socket(), "h2", token).ended().await;
    assert!(why.contains("may not speak for this host"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_and_socket_are_only_for_their_owner_and_no_token_is_kept_or_told() {
    use std::os::unix::fs::PermissionsExt;
    let running = Running::start().await;
    let token = running.add_host("h1", "a").await;
    let mode = |path: &str| std::fs::metadata(running.folder.path().join(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("state"), mode("state/token"), mode("c.sock")), (0o700, 0o600, 0o660));
    let told: Value = running.client.get("/v1/events").await.unwrap();
    let hosts: Value = running.client.get("/v1/hosts/h1").await.unwrap();
    let secret = token.expose().clone();
    assert!(!told.to_string().contains(&secret) && !hosts.to_string().contains(&secret));
    let Running { service, folder, .. } = running;
    service.stop().await.unwrap();
    let mut open = vec![folder.path().join("state")];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            assert!(!bytes.windows(secret.len()).any(|w| w == secret.as_bytes()), "{}", path.display());
        }
    }
}
