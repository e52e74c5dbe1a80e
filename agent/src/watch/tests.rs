use std::convert::Infallible;

use http::{Request, Response};
use hyper::body::Incoming;
use pilotage_shared::text::Text;
use pilotage_shared::time::Millis;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;

/// An application that answers every path `/<number>` with that status, `/silent` never, and refuses callers that do not say
/// which host they want. Ends with the set.
async fn application(address: &str) -> (JoinSet<()>, u16) {
    let listener = TcpListener::bind(address).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(async move {
                let service = hyper::service::service_fn(answer);
                // The caller breaks off after the first line.
                let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    (tasks, port)
}

async fn answer(request: Request<Incoming>) -> Result<Response<Empty<bytes::Bytes>>, Infallible> {
    let path = request.uri().path().trim_start_matches('/');
    if path == "silent" {
        std::future::pending::<()>().await;
    }
    let host = request.headers().get(http::header::HOST).and_then(|h| h.to_str().ok()).unwrap_or_default();
    let status = if host.contains(':') { path.parse().unwrap_or(404) } else { 421 };
    Ok(Response::builder().status(status).body(Empty::new()).unwrap())
}

fn text<const N: usize>(text: String) -> Text<N> {
    Text::new(text).unwrap()
}

/// Patient: what does answer is never called late on a busy machine.
fn patient(probe: Probe) -> HealthCheck {
    HealthCheck { every: Millis(5), timeout: Millis::seconds(60), ..HealthCheck::of(probe) }
}

async fn first(probe: Probe, variables: &BTreeMap<String, String>) -> (bool, String) {
    first_of(patient(probe), variables).await
}

/// The first answer of a watch.
async fn first_of(check: HealthCheck, variables: &BTreeMap<String, String>) -> (bool, String) {
    let (answers, mut received) = mpsc::channel(1);
    let _watch = Watch::start(AppName::new("web").unwrap(), check, variables, None, answers);
    let answer = received.recv().await.unwrap();
    (answer.good, answer.said.to_string())
}

#[tokio::test]
async fn http_is_good_from_200_to_399() {
    let (_app, port) = application("127.0.0.1:0").await;
    let variables = BTreeMap::from([("PORT".to_owned(), port.to_string())]);
    let check = async |path: &str, good: bool, said: &str| {
        let url = text(format!("http://127.0.0.1:${{PORT}}/{path}"));
        let (was, words) = first(Probe::Http { url }, &variables).await;
        assert!(was == good && words.contains(said), "{path}: {was} {words:?}");
    };
    check("200", true, "200 OK").await;
    check("204", true, "204").await;
    check("302", true, "302").await;
    check("399", true, "399").await;
    check("400", false, "400").await;
    check("503", false, "503 Service Unavailable").await;
    let silent = Probe::Http { url: text(format!("http://127.0.0.1:{port}/silent")) };
    let (good, said) = first_of(HealthCheck { timeout: Millis(50), ..patient(silent) }, &variables).await;
    assert!(!good && said == "no answer within 50ms", "{said}");
}

#[test]
fn urls_say_where_to_connect_and_what_to_ask() {
    let check = |url: &str, host: &str, port: u16, authority: &str, path: &str| {
        let expected = Target { host: host.into(), port, authority: authority.into(), path: path.into() };
        assert_eq!(target(url).unwrap(), expected, "{url}");
    };
    check("http://localhost:8080/healthz?deep=1", "localhost", 8080, "localhost:8080", "/healthz?deep=1");
    check("http://localhost", "localhost", 80, "localhost", "/");
    check("http://[::1]:8080/x", "::1", 8080, "[::1]:8080", "/x");
    assert!(target("https://localhost/").unwrap_err().contains("does not begin with http://"));
    assert!(target("localhost:80").is_err() && target("/x").is_err() && target("").is_err());
}

#[tokio::test]
async fn tcp_is_good_when_accepted() {
    let none = BTreeMap::new();
    let (app, port) = application("127.0.0.1:0").await;
    assert_eq!(first(Probe::Tcp { address: text(format!("127.0.0.1:{port}")) }, &none).await, (true, "accepted".into()));
    drop(app);
    // A port that was free a moment ago and that nobody listens on.
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(first(Probe::Tcp { address: text(free.to_string()) }, &none).await, (false, "connection refused".into()));
}

#[tokio::test]
async fn a_variable_that_the_host_does_not_have_is_said_as_the_answer() {
    let (good, said) = first(Probe::Tcp { address: text("localhost:${PORT}".into()) }, &BTreeMap::new()).await;
    assert!(!good && said.contains("no variable PORT"), "{said}");
}

#[tokio::test]
async fn a_watch_asks_again_and_ends_with_its_owner() {
    let (_app, port) = application("127.0.0.1:0").await;
    let (answers, mut received) = mpsc::channel(1);
    let probe = Probe::Tcp { address: text(format!("127.0.0.1:{port}")) };
    let watch = Watch::start(AppName::new("web").unwrap(), patient(probe), &BTreeMap::new(), None, answers);
    for _ in 0..5 {
        assert!(received.recv().await.unwrap().good);
    }
    drop(watch);
    while received.recv().await.is_some() {}
}

#[test]
fn variables_come_from_the_hosts_own_file() {
    let variables = BTreeMap::from([("PORT".to_owned(), "8081".to_owned())]);
    assert_eq!(substitute("http://localhost:${PORT}/x", &variables).unwrap(), "http://localhost:8081/x");
    assert!(substitute("${HOME}", &variables).unwrap_err().contains("no variable HOME"));
    assert!(substitute("${PORT", &variables).is_err());
}
