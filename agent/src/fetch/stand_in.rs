//! A coordinator for tests: answers what agents ask for in bulk, over HTTP/2 on a Unix socket, from a store of objects of its
//! own; remembers what it was asked and told.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use pilotage_bundle::{Built, Objects, folder, pack};
use pilotage_client::agent::Coordinator;
use pilotage_client::{Address, Secret};
use pilotage_shared::configuration::{self, Configuration};
use pilotage_shared::digest::Digest;
use tokio::task::JoinSet;

/// What it has and what it was asked.
#[derive(Default)]
pub struct Known {
    /// Texts of manifests, by the digest that is asked for.
    pub manifests: BTreeMap<String, Vec<u8>>,
    /// Texts of configurations, likewise.
    pub configurations: BTreeMap<String, Vec<u8>>,
    /// Answers to everything else while it is not 200.
    pub refuse: Option<StatusCode>,
    /// Objects are not sent though they are asked for.
    pub withhold: bool,
    /// `METHOD path?query`, in order.
    pub asked: Vec<String>,
    /// Objects asked for, each time.
    pub objects_asked: Vec<Digest>,
    /// Bodies of PUTs, by path and query.
    pub told: BTreeMap<String, Bytes>,
}

/// The stand-in; its tasks end with it.
pub struct StandIn {
    /// What it knows; tests read and change it.
    pub known: Arc<Mutex<Known>>,
    objects: Arc<Objects>,
    _tasks: JoinSet<()>,
    /// Connected to it.
    pub client: Arc<Coordinator>,
}

impl StandIn {
    /// Listens in this folder.
    pub fn start(at: &Path) -> StandIn {
        let socket = at.join("coordinator.sock");
        let listener = tokio::net::UnixListener::bind(&socket).unwrap();
        let known = Arc::new(Mutex::new(Known::default()));
        let objects = Arc::new(Objects::open(&at.join("theirs")).unwrap());
        let mut tasks = JoinSet::new();
        let (served, serving) = (known.clone(), objects.clone());
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (known, objects) = (served.clone(), serving.clone());
                let service = hyper::service::service_fn(move |request| answer(request, known.clone(), objects.clone()));
                let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                connections.spawn(async move {
                    // The client may be gone at any moment.
                    let _ = server.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        let client = Arc::new(Coordinator::new(Address::Unix(socket), Secret::new("token".to_owned())));
        StandIn { known, objects, _tasks: tasks, client }
    }

    /// Has the content of a configuration with one file.
    pub fn configuration(&self, content: &str) -> Configuration {
        let (digest, size) = self.objects.put(content.as_bytes()).unwrap();
        let mut configuration = Configuration::empty();
        configuration.files.insert("app.toml".into(), configuration::File { access: configuration::Access::of("root"), size, digest });
        configuration
    }

    /// Has a package made of a folder.
    pub fn offer(&self, package: &Path) -> Built {
        let built = folder::build(package, &self.objects, None).unwrap();
        self.known.lock().unwrap().manifests.insert(built.manifest.digest().to_string(), built.manifest.encode().into());
        built
    }
}

fn found<'a>(known: &'a Known, path: &str) -> Option<&'a Vec<u8>> {
    let manifest = path.strip_prefix("/agent/v1/manifests/").and_then(|d| known.manifests.get(d));
    manifest.or_else(|| path.strip_prefix("/agent/v1/configurations/").and_then(|d| known.configurations.get(d)))
}

async fn answer(request: Request<Incoming>, known: Arc<Mutex<Known>>, objects: Arc<Objects>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|b| b.to_bytes()).unwrap_or_default();
    let path = head.uri.path_and_query().map_or("", |p| p.as_str()).to_owned();
    let mut known = known.lock().unwrap();
    known.asked.push(format!("{} {path}", head.method));
    let (status, bytes) = match (head.method.as_str(), path.as_str()) {
        _ if known.refuse.is_some() => (known.refuse.unwrap_or_default(), Bytes::new()),
        ("GET", path) => match found(&known, path) {
            Some(text) => (StatusCode::OK, text.clone().into()),
            None => (StatusCode::NOT_FOUND, Bytes::new()),
        },
        ("POST", "/agent/v1/objects") => {
            let list: Vec<Digest> = String::from_utf8_lossy(&body).lines().map(|l| l.parse().unwrap()).collect();
            known.objects_asked.extend(&list);
            let mut stream = Vec::new();
            let sent = if known.withhold { Vec::new() } else { list };
            pack::write(&objects, sent, &mut stream).unwrap();
            (StatusCode::OK, stream.into())
        }
        ("PUT", _) => {
            known.told.insert(path, body);
            (StatusCode::NO_CONTENT, Bytes::new())
        }
        _ => (StatusCode::METHOD_NOT_ALLOWED, Bytes::new()),
    };
    let mut response = Response::new(Full::new(bytes));
    *response.status_mut() = status;
    Ok(response)
}
