//! A running coordinator in a folder of its own.

use std::path::Path;
use std::time::Duration;

use pilotage_bundle::{Objects, pack};
use pilotage_client::{Address, Client, ClientError, Secret};
use pilotage_coordinator::config::{Config, Flags};
use pilotage_coordinator::service::Service;
use pilotage_shared::api::v1::{ConfigurationKnown, ConfigurationPushed, HostAdded, PackageView, Problem};
use pilotage_shared::configuration::{Access, Configuration, File};
use pilotage_shared::name::SecretName;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A service in this process.
pub struct Running {
    pub service: Service,
    pub folder: tempfile::TempDir,
    pub client: Client,
}

pub fn config(folder: &Path, insecure: bool) -> Config {
    let flags = Flags {
        state: Some(folder.join("state")),
        socket: Some(folder.join("c.sock")),
        listen: Some("127.0.0.1:0".parse().unwrap()),
        heartbeat: Some("200ms".parse().unwrap()),
        insecure,
        log: Some("warn".into()),
        ..Flags::default()
    };
    Config::from_flags(flags).unwrap()
}

impl Running {
    pub async fn start() -> Self {
        Self::with(false).await
    }

    pub async fn with(insecure: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let service = Service::start(&config(folder.path(), insecure)).await.unwrap();
        let client = Client::new(Address::Unix(folder.path().join("c.sock")), None);
        Self { service, folder, client }
    }

    pub fn socket(&self) -> Address {
        Address::Unix(self.folder.path().join("c.sock"))
    }

    pub fn tcp(&self) -> String {
        self.service.listening.unwrap().to_string()
    }

    pub fn token(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("state/token")).unwrap().trim().to_owned()
    }

    /// Invites a host; gives its token.
    pub async fn add_host(&self, name: &str, zone: &str) -> Secret<String> {
        let body = json!({"name": name, "labels": {"zone": zone}, "reason": "test"});
        let added: HostAdded = self.client.post("/v1/hosts", &body, None).await.unwrap();
        Secret::new(added.token)
    }

    /// Uploads a package whose content is its version.
    pub async fn add_package(&self, version: &str) -> PackageView {
        let bytes = tar(&[("appspec.yml", "version: 0.0\nos: linux\n"), ("app", version)]);
        let path = format!("/v1/packages?app=web&version={version}");
        self.client.upload(&path, "application/octet-stream", None, move |w| w.write_all(&bytes)).await.unwrap()
    }

    /// One file of this content, a variable and a secret, for fleet web-prod.
    pub async fn add_configuration(&self, content: &str, deploy: bool) -> Result<ConfigurationPushed, ClientError> {
        let folder = tempfile::tempdir().unwrap();
        let objects = Objects::open(folder.path()).unwrap();
        let (digest, size) = objects.put(content.as_bytes()).unwrap();
        let mut configuration = Configuration::empty();
        configuration.files.insert("app.toml".into(), File { access: Access::of("root"), size, digest });
        configuration.environment.insert("LOG".into(), content.into());
        configuration.secret_variables.insert("DB".into(), SecretName::new("db-password").unwrap());
        let text = configuration.encode();
        let known: ConfigurationKnown =
            self.client.upload("/v1/configurations/manifest", "text/plain", None, move |w| w.write_all(text.as_bytes())).await?;
        let mut stream = Vec::new();
        pack::write(&objects, known.missing, &mut stream).unwrap();
        let path = format!("/v1/objects?manifest={}", configuration.digest());
        let _: serde::de::IgnoredAny = self.client.upload(&path, "application/octet-stream", None, move |w| w.write_all(&stream)).await?;
        let body = json!({"fleet": "web-prod", "digest": configuration.digest(), "deploy": deploy, "reason": "test"});
        self.client.post("/v1/configurations", &body, None).await
    }

    pub async fn add_fleet(&self, floor: &str) -> Value {
        let body = json!({"fleet": "web-prod", "app": "web", "select": "zone", "floor": {"fleet": floor},
            "health": {"http": "http://localhost/", "healthy_for": "1s"}});
        self.client.put("/v1/fleets/web-prod?reason=test", &body, None).await.unwrap()
    }
}

/// Waits for a state, with a bound.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let bound = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < bound, "not within 30 s: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub fn problem<T: std::fmt::Debug>(result: Result<T, ClientError>) -> Problem {
    match result {
        Err(ClientError::Problem(problem)) => *problem,
        other => panic!("expected a problem: {other:?}"),
    }
}

/// One HTTP/1 request as it stands; gives status, headers (lower case) and body.
pub async fn raw(address: &Address, request: &str) -> (u16, String, String) {
    let mut answer = Vec::new();
    match address {
        Address::Unix(path) => {
            let mut stream = tokio::net::UnixStream::connect(path).await.unwrap();
            // A refusal may come, and the connection end, before all was written.
            let _ = stream.write_all(request.as_bytes()).await;
            let _ = stream.read_to_end(&mut answer).await;
        }
        Address::Tcp(authority) => {
            let mut stream = tokio::net::TcpStream::connect(authority.as_str()).await.unwrap();
            // A refusal may come, and the connection end, before all was written.
            let _ = stream.write_all(request.as_bytes()).await;
            let _ = stream.read_to_end(&mut answer).await;
        }
    }
    let text = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    (status, head.to_ascii_lowercase(), body.to_owned())
}

/// A request without a body, with these headers.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> String {
    let headers: String = headers.iter().map(|(k, v)| format!("{k}: {v}\r\n")).collect();
    format!("{method} {path} HTTP/1.1\r\n{headers}connection: close\r\ncontent-length: 0\r\n\r\n")
}

/// A tar by hand.
pub fn tar(files: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, content) in files {
        let mut header = [0u8; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[100..124].copy_from_slice(b"0000644\x000000000\x000000000\x00");
        header[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
        header[136..148].copy_from_slice(b"00000000000\0");
        header[148..157].copy_from_slice(b"        0");
        header[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        out.extend_from_slice(&header);
        out.extend_from_slice(content.as_bytes());
        out.resize(out.len().div_ceil(512) * 512, 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}
