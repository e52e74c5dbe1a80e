//! Loopback HTTP of this host: `/ready/<app>` for load balancers, `/metrics` for Prometheus, `/healthz`.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::{TokioIo, TokioTimer};
use pilotage_shared::metrics::HostMetrics;
use pilotage_shared::name::AppName;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::warn;

/// Connections at once: load balancers and scrapers of one host; the rest waits in the kernel.
const CONNECTIONS: usize = 64;
/// After a failed accept (no descriptors left) before the next.
const AGAIN: Duration = Duration::from_millis(200);

/// What is served; replaced whole.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// May each app get traffic? False from before the first stop hook until it is available again.
    pub ready: BTreeMap<AppName, bool>,
    /// The newest reading.
    pub metrics: HostMetrics,
}

/// Answers until the agent ends; connections end with it.
pub async fn run(listener: TcpListener, view: watch::Receiver<View>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.len() >= CONNECTIONS {
            connections.join_next().await;
        }
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let view = view.clone();
                    connections.spawn(async move {
                        let service = hyper::service::service_fn(move |request| {
                            let answer = answer(&request, &view.borrow());
                            async move { Ok::<_, Infallible>(answer) }
                        });
                        let mut server = hyper::server::conn::http1::Builder::new();
                        server.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(5)).max_buf_size(16 << 10);
                        // A caller that breaks off is its own affair.
                        let _ = server.serve_connection(TokioIo::new(stream), service).await;
                    });
                }
                Err(error) => {
                    warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(AGAIN).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

fn answer(request: &Request<Incoming>, view: &View) -> Response<Full<Bytes>> {
    let (status, text) = decide(request.method(), request.uri().path(), request.headers(), view);
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn decide(method: &Method, path: &str, headers: &http::HeaderMap, view: &View) -> (StatusCode, String) {
    let host = headers.get(header::HOST).and_then(|h| h.to_str().ok()).unwrap_or_default();
    // `[::1]:9470` has colons of its own.
    let name = if host.ends_with(']') { host } else { host.rsplit_once(':').map_or(host, |(name, _)| name) };
    if !matches!(name, "localhost" | "127.0.0.1" | "[::1]") {
        return (StatusCode::MISDIRECTED_REQUEST, "this is a loopback service\n".into());
    }
    if headers.contains_key(header::ORIGIN) || headers.get("sec-fetch-site").is_some_and(|s| s == "cross-site") {
        return (StatusCode::FORBIDDEN, "no requests from pages\n".into());
    }
    if method != Method::GET {
        return (StatusCode::METHOD_NOT_ALLOWED, "GET only\n".into());
    }
    match path {
        "/healthz" => (StatusCode::OK, "ok\n".into()),
        "/metrics" => (StatusCode::OK, crate::metrics::prometheus(&view.metrics, view.ready.iter().map(|(a, r)| (a.to_string(), *r)))),
        _ => match path.strip_prefix("/ready/").and_then(|app| view.ready.iter().find(|(a, _)| a.as_str() == app)) {
            Some((_, true)) => (StatusCode::OK, "ready\n".into()),
            Some((_, false)) => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n".into()),
            None => (StatusCode::NOT_FOUND, "not found\n".into()),
        },
    }
}

/// Binds, and writes the address down for those who gave port 0.
pub async fn listen(address: SocketAddr, note: &std::path::Path) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).await.map_err(|e| anyhow::anyhow!("failed to listen on {address}: {e}"))?;
    pilotage_disk::durable::replace(note, format!("{}\n", listener.local_addr()?).as_bytes(), 0o600)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_local_callers_are_answered_and_readiness_is_a_status() {
        let view = View { ready: BTreeMap::from([(AppName::new("web").unwrap(), true), (AppName::new("db").unwrap(), false)]), ..View::default() };
        let check = |path: &str, extra: Option<(&'static str, &str)>, expected: u16| {
            let mut headers = http::HeaderMap::new();
            headers.insert(header::HOST, "127.0.0.1:9470".parse().unwrap());
            if let Some((name, value)) = extra {
                headers.insert(name, value.parse().unwrap());
            }
            assert_eq!(decide(&Method::GET, path, &headers, &view).0.as_u16(), expected, "{path} {extra:?}");
        };
        check("/ready/web", None, 200);
        check("/ready/db", None, 503);
        check("/ready/other", None, 404);
        check("/metrics", None, 200);
        check("/ready/web", Some(("host", "evil.example")), 421);
        check("/ready/web", Some(("origin", "http://evil.example")), 403);
        check("/ready/web", Some(("host", "[::1]:9470")), 200);
        check("/ready/web", Some(("host", "[::1]")), 200);
        check("/ready/web", Some(("host", "localhost")), 200);
        check("/ready/web", Some(("host", "localhost.evil.example:9470")), 421);
        check("/ready/web", Some(("host", "")), 421);
    }

    #[tokio::test]
    async fn answers_follow_the_view_and_a_silent_caller_holds_up_nobody() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let web = || AppName::new("web").unwrap();
        let (set, view) = watch::channel(View { ready: BTreeMap::from([(web(), false)]), ..View::default() });
        let dir = tempfile::tempdir().unwrap();
        let note = dir.path().join("listen");
        let listener = listen("127.0.0.1:0".parse().unwrap(), &note).await.unwrap();
        let address: SocketAddr = std::fs::read_to_string(&note).unwrap().trim().parse().unwrap();
        assert_eq!(address, listener.local_addr().unwrap());
        let mut tasks = JoinSet::new();
        tasks.spawn(run(listener, view));
        let _silent = tokio::net::TcpStream::connect(address).await.unwrap();
        let get = async |path: &str| {
            let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
            let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).await.unwrap();
            text
        };
        assert!(get("/ready/web").await.starts_with("HTTP/1.1 503"));
        set.send_modify(|view| view.ready = BTreeMap::from([(web(), true)]));
        assert!(get("/ready/web").await.starts_with("HTTP/1.1 200"));
        assert!(get("/metrics").await.contains("pilotage_app_ready{app=\"web\"} 1\n"));
        assert!(listen(address, &note).await.unwrap_err().to_string().contains(&address.to_string()), "a port in use is named");
    }
}
