//! `logs --follow`: a person watches, the host is told so, and what it brings is seen.

use bytes::Bytes;
use pilotage_client::agent::{Coordinator, Piece};
use pilotage_shared::name::{AppName, HostName};
use pilotage_shared::run::RunId;
use serde_json::json;

use crate::host::Host;
use crate::running::{Running, problem, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_watched_from_its_beginning_to_its_end() {
    let running = Running::start().await;
    running.add_package("1.0.0").await;
    let token = running.add_host("h0", "a").await;
    running.add_host("away", "b").await;
    running.add_fleet("50%").await;
    let path = "/v1/deployments/web-prod/runs/h0/output";
    assert_eq!(problem(running.client.stream(path).await).code, "not-found", "nothing was ever deployed");
    let body = json!({"fleet": "web-prod", "package": "1.0.0", "reason": "test"});
    running.client.post::<_, serde_json::Value>("/v1/deployments", &body, None).await.unwrap();
    assert_eq!(problem(running.client.stream("/v1/deployments/web-prod/runs/nobody/output").await).code, "not-found");

    let (app, run) =
        (AppName::new("web").unwrap(), RunId { deployment: Some("web-prod.1".parse().unwrap()), host: HostName::new("h0").unwrap(), attempt: 1 });
    let host = Coordinator::new(running.socket(), token.clone());
    let piece = |offset, last, text: &'static str| Piece {
        app: &app,
        run: &run,
        offset,
        gap: offset > 100,
        last,
        bytes: Bytes::from_static(text.as_bytes()),
    };
    assert_eq!(host.put_output(&piece(0, false, "unseen")).await.unwrap(), None, "nobody watches");

    let mut watched = running.client.stream(path).await.unwrap();
    let watcher = Host::watched(running.socket(), "h0", token);
    until("the host is told that somebody watches", async || watcher.follow().then_some(())).await;
    assert_eq!(host.put_output(&piece(0, false, "one\n")).await.unwrap(), Some(4));
    assert_eq!(watched.next().await.unwrap().unwrap(), "one\n");
    assert_eq!(host.put_output(&piece(40, false, "a gap")).await.unwrap(), Some(4), "it is asked for");
    assert_eq!(host.put_output(&piece(400, false, "late\n")).await.unwrap(), Some(405), "what is gone is not");
    assert_eq!(watched.next().await.unwrap().unwrap(), "(…396 bytes came faster than they could be shown)\n");
    assert_eq!(watched.next().await.unwrap().unwrap(), "late\n");
    assert_eq!(host.put_output(&piece(405, true, "two\n")).await.unwrap(), Some(409));
    assert_eq!(watched.next().await.unwrap().unwrap(), "two\n");
    assert!(watched.next().await.unwrap().is_none());
    drop(watched);
    until("the host is told that nobody watches", async || (!watcher.follow()).then_some(())).await;
    running.service.stop().await.unwrap();
}
