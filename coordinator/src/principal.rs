//! Who asks: made by the transport, never read from a body (DESIGN §2, §7). There is no anonymous principal.
//!
//! - Unix socket: the peer credentials, or a token where one is shown (an agent of this machine).
//! - TCP: a bearer token; without `--insecure` no host's.
//! - The Host header must be a name that we serve; a foreign Origin or a cross-site fetch is refused.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use pilotage_disk::durable;
use pilotage_shared::limits::HEADERS_MAX;
use pilotage_shared::name::Why;
use pilotage_shared::principal::Principal;
use sha2::{Digest as _, Sha256};

use crate::api::App;
use crate::problem::Refused;

/// By which way a connection came.
#[derive(Clone, Debug)]
pub enum Peer {
    /// The socket, with the peer's user id.
    Unix {
        /// Of the process that connected.
        uid: u32,
    },
    /// TCP, with the address that we listen on.
    Tcp {
        /// Our port.
        port: u16,
    },
}

/// What is known of the caller; every request has one of these.
#[derive(Clone, Debug)]
pub enum Identity {
    /// Known.
    Known(Principal),
    /// Not known, and why.
    Unknown(&'static str),
}

/// The coordinator's own secrets: SHA-256 of the people's token, and what tokens of repeated invitations are made from.
#[derive(Clone)]
pub struct Secrets {
    token: [u8; 32],
    seed: [u8; 32],
}

impl Secrets {
    /// Reads them, or makes them at the first start: `token` (for people, by `Authorization: Bearer`) and `seed`, both 0600.
    pub fn open(state: &Path) -> io::Result<Secrets> {
        let token = file(&state.join("token"), || random().map(|r| format!("pil_{}\n", hex(&r)).into_bytes()))?;
        let seed = file(&state.join("seed"), || random().map(|r| r.to_vec()))?;
        let token = String::from_utf8_lossy(&token).trim().to_owned();
        if token.len() < 32 {
            return Err(io::Error::other(format!("{} is too short for a token: remove it, a new one is made", state.join("token").display())));
        }
        let seed = Sha256::digest(&seed).into();
        Ok(Secrets { token: hash(&token), seed })
    }

    /// A host's token: random, but the same for the same principal, key and name, so that a repeated invitation is answered
    /// alike although only the hash is kept.
    pub fn host_token(&self, by: &Principal, key: Option<&str>, host: &str) -> io::Result<String> {
        let bytes = match key {
            None => random()?,
            Some(key) => {
                let mut hasher = Sha256::new();
                hasher.update(self.seed);
                for part in [by.to_string().as_str(), key, host] {
                    hasher.update((part.len() as u64).to_be_bytes());
                    hasher.update(part);
                }
                hasher.finalize().into()
            }
        };
        Ok(format!("pilh_{}", hex(&bytes)))
    }
}

/// SHA-256 of a token.
pub fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

fn random() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|e| io::Error::other(e.to_string()))?;
    Ok(bytes)
}

/// 32 random bytes: the epoch of this life (R2).
pub fn epoch() -> io::Result<pilotage_shared::ids::Epoch> {
    random().map(pilotage_shared::ids::Epoch)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn file(path: &Path, make: impl FnOnce() -> io::Result<Vec<u8>>) -> io::Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let bytes = make()?;
            durable::create_new(path, &bytes, 0o600).map_err(io::Error::other)?;
            Ok(bytes)
        }
        other => other,
    }
}

/// Names that we serve.
#[derive(Clone, Debug)]
pub struct Names(Arc<Vec<String>>);

impl Names {
    /// `localhost` and its addresses, the address that we listen on, and what the operator says.
    pub fn new(listen: Option<std::net::SocketAddr>, further: &[String]) -> Self {
        let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "[::1]".to_owned()];
        names.extend(listen.map(|a| if a.is_ipv6() { format!("[{}]", a.ip()) } else { a.ip().to_string() }));
        names.extend(further.iter().map(|n| n.to_ascii_lowercase()));
        Self(Arc::new(names))
    }

    fn serve(&self, authority: &str, peer: &Peer) -> bool {
        let (name, port) = match authority.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
            _ => (authority, None),
        };
        let port_fits = match (peer, port) {
            (Peer::Unix { .. }, _) | (_, None) => true,
            // Behind something that encrypts, clients name its port and not ours; a wrong name is what matters.
            (Peer::Tcp { .. }, Some(port)) => port.parse::<u16>().is_ok(),
        };
        port_fits && self.0.iter().any(|n| n.eq_ignore_ascii_case(name))
    }
}

/// Checks what every request must have, and says who asks. Routes decide with it (`api::guard`).
pub async fn identify(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let Some(peer) = request.extensions().get::<Peer>().cloned() else {
        return Refused::new("internal", "the connection has no peer").into_response();
    };
    if let Err(refused) = check(&app.names, request.uri(), request.headers(), &peer) {
        return refused.into_response();
    }
    let identity = who(&app, request.headers(), &peer);
    request.extensions_mut().insert(identity);
    next.run(request).await
}

fn check(names: &Names, uri: &Uri, headers: &HeaderMap, peer: &Peer) -> Result<(), Refused> {
    let size: usize = headers.iter().map(|(k, v)| k.as_str().len() + v.len() + 4).sum();
    if size > HEADERS_MAX {
        return Err(Refused::new("headers-too-large", format!("the headers have {size} bytes, {HEADERS_MAX} are allowed")));
    }
    let host = headers.get(header::HOST).and_then(|v| v.to_str().ok()).or_else(|| uri.authority().map(|a| a.as_str()));
    let Some(host) = host else { return Err(Refused::new("misdirected", "the request names no host")) };
    if !names.serve(host, peer) {
        return Err(Refused::new("misdirected", format!("{host:?} is not a name of this coordinator; add it with --name")));
    }
    if let Some(origin) = headers.get(header::ORIGIN) {
        let origin = origin.to_str().unwrap_or_default();
        let ours = origin.split_once("://").is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host));
        if !ours {
            return Err(Refused::new("foreign-origin", "the request comes from a page of another origin"));
        }
    }
    match headers.get("sec-fetch-site").map(|v| v.as_bytes()) {
        None | Some(b"same-origin" | b"none") => Ok(()),
        Some(_) => Err(Refused::new("foreign-origin", "the request is a cross-site fetch")),
    }
}

fn who(app: &App, headers: &HeaderMap, peer: &Peer) -> Identity {
    let Some(authorization) = headers.get(header::AUTHORIZATION) else {
        return match peer {
            Peer::Unix { uid } => Identity::Known(Principal::Local { uid: *uid, user: user(*uid) }),
            Peer::Tcp { .. } => Identity::Unknown("show a bearer token: the coordinator's file `token` has one"),
        };
    };
    let token = authorization.to_str().ok().and_then(|v| v.strip_prefix("Bearer ").or_else(|| v.strip_prefix("bearer ")));
    let Some(token) = token else { return Identity::Unknown("the Authorization header is no bearer token") };
    // Only hashes are compared: how long it takes says nothing of the token.
    let hash = hash(token.trim());
    if hash == app.secrets.token {
        return Identity::Known(Principal::Token { name: Why::lossy("operator") });
    }
    match (app.engine.host_of(&hash), peer) {
        (None, _) => Identity::Unknown("the token is not one of ours, or its host is retired"),
        (Some(_), Peer::Tcp { .. }) if !app.insecure => Identity::Unknown("agents over TCP need encryption, or --insecure on both ends"),
        (Some(host), _) => Identity::Known(Principal::Host(host)),
    }
}

/// Whoever runs this process.
pub fn ourselves() -> Principal {
    let uid = nix::unistd::getuid().as_raw();
    Principal::Local { uid, user: user(uid) }
}

fn user(uid: u32) -> Why {
    let name = nix::unistd::User::from_uid(uid.into()).ok().flatten().map(|u| u.name);
    Why::lossy(&name.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_names_are_served() {
        let names = Names::new(Some("10.0.0.1:7400".parse().unwrap()), &["C1.example.net".into()]);
        let tcp = Peer::Tcp { port: 7400 };
        for good in ["localhost", "localhost:7400", "127.0.0.1:7400", "[::1]:7400", "10.0.0.1:7400", "c1.example.net", "c1.EXAMPLE.net:443"] {
            assert!(names.serve(good, &tcp), "{good}");
        }
        for bad in ["", "evil.example", "localhost.evil.example", "127.0.0.1.evil:80", "localhost:x"] {
            assert!(!names.serve(bad, &tcp), "{bad}");
        }
    }

    #[test]
    fn foreign_pages_are_refused() {
        let names = Names::new(None, &[]);
        let check = |pairs: &[(&'static str, &'static str)], code: Option<&str>| {
            let headers = pairs.iter().map(|(k, v)| (k.parse().unwrap(), v.parse().unwrap())).collect();
            let result = check(&names, &Uri::from_static("/v1/hosts"), &headers, &Peer::Tcp { port: 7400 });
            assert_eq!(result.err().map(|r| r.problem().code.clone()).as_deref(), code, "{pairs:?}");
        };
        check(&[("host", "localhost:7400")], None);
        check(&[], Some("misdirected"));
        check(&[("host", "evil.example")], Some("misdirected"));
        check(&[("host", "localhost:7400"), ("origin", "http://localhost:7400")], None);
        check(&[("host", "localhost:7400"), ("origin", "http://evil.example")], Some("foreign-origin"));
        check(&[("host", "localhost:7400"), ("origin", "null")], Some("foreign-origin"));
        check(&[("host", "localhost:7400"), ("sec-fetch-site", "cross-site")], Some("foreign-origin"));
        check(&[("host", "localhost:7400"), ("sec-fetch-site", "same-origin")], None);
    }

    #[test]
    fn secrets_are_made_once_and_only_for_their_owner() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let first = Secrets::open(dir.path()).unwrap();
        let again = Secrets::open(dir.path()).unwrap();
        assert_eq!((first.token, first.seed), (again.token, again.seed));
        for name in ["token", "seed"] {
            assert_eq!(fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let by = Principal::Token { name: Why::lossy("operator") };
        let token = |key, host| first.host_token(&by, key, host).unwrap();
        assert_eq!(token(Some("k"), "h1"), token(Some("k"), "h1"));
        assert_ne!(token(Some("k"), "h1"), token(Some("k"), "h2"));
        assert_ne!(token(None, "h1"), token(None, "h1"));
    }
}
