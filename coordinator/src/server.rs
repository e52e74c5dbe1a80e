//! Sockets and connections: HTTP/1 and HTTP/2 on a Unix socket and, where the operator says so, on TCP.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use pilotage_shared::limits::HEADERS_MAX;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::{debug, warn};

use crate::principal::Peer;

/// How long the headers of a request may take to arrive.
const HEADERS_WITHIN: Duration = Duration::from_secs(10);
/// An idle HTTP/2 connection is asked after its other end so often,
const PING: Duration = Duration::from_secs(15);
/// and is dead without an answer after so long.
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Connections end within this when the service stops.
const GRACE: Duration = Duration::from_secs(5);

/// Why we cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody answers there.
    #[error("failed to listen on {0}: another coordinator answers there; stop it first, or choose another --socket")]
    SocketInUse(PathBuf),
    /// Something else lies there.
    #[error("failed to listen on {0}: it exists and is no socket; remove it, or choose another --socket")]
    NotASocket(PathBuf),
    /// The socket.
    #[error("failed to listen on {path}")]
    Socket {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// TCP.
    #[error("failed to listen on {address} (choose another --listen, or see who is there with: ss -ltnp)")]
    Tcp {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// Opens the Unix socket: 0660, of the group `pilotage` where there is one (and we may say so). One that a dead process left
/// is replaced.
pub async fn unix(path: &Path) -> Result<UnixListener, ListenError> {
    let failed = |source| ListenError::Socket { path: path.into(), source };
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    match fs::symlink_metadata(path) {
        Ok(found) if !std::os::unix::fs::FileTypeExt::is_socket(&found.file_type()) => return Err(ListenError::NotASocket(path.into())),
        Ok(_) if UnixStream::connect(path).await.is_ok() => return Err(ListenError::SocketInUse(path.into())),
        Ok(_) => fs::remove_file(path).map_err(failed)?,
        Err(_) => {}
    }
    // Made beside its place and moved there once its mode is right: nobody else can ever connect.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{}.{}", name.chars().take(8).collect::<String>(), std::process::id()));
    let _ = fs::remove_file(&beside);
    let old = nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o177));
    let bound = UnixListener::bind(&beside);
    nix::sys::stat::umask(old);
    let listener = bound.map_err(failed)?;
    if let Ok(Some(group)) = nix::unistd::Group::from_name("pilotage")
        && let Err(error) = nix::unistd::chown(&beside, None, Some(group.gid))
    {
        debug!(%error, "the socket stays with our own group");
    }
    fs::set_permissions(&beside, fs::Permissions::from_mode(0o660)).map_err(failed)?;
    fs::rename(&beside, path).map_err(failed)?;
    Ok(listener)
}

/// Opens the TCP address.
pub async fn tcp(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|source| ListenError::Tcp { address, source })
}

/// Serves until `stop`; then lets what is in course end, for a while.
pub async fn serve(unix: UnixListener, tcp: Option<TcpListener>, router: Router, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    let port = tcp.as_ref().and_then(|l| l.local_addr().ok()).map_or(0, |a| a.port());
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            accepted = unix.accept() => match accepted {
                Ok((stream, _)) => match stream.peer_cred() {
                    Ok(peer) => drop(connections.spawn(connection(stream, Peer::Unix { uid: peer.uid() }, router.clone(), stop.clone()))),
                    Err(error) => warn!(%error, "a connection without peer credentials was closed"),
                },
                Err(error) => pause(&error).await,
            },
            accepted = accept(tcp.as_ref()) => match accepted {
                Ok(stream) => drop(connections.spawn(connection(stream, Peer::Tcp { port }, router.clone(), stop.clone()))),
                Err(error) => pause(&error).await,
            },
            Some(ended) = connections.join_next() => {
                if let Err(error) = ended {
                    warn!(%error, "a connection's task failed");
                }
            }
        }
    }
    drop((unix, tcp));
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, all).await.is_err() {
        debug!("some connections did not end by themselves");
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<tokio::net::TcpStream> {
    match listener {
        Some(listener) => {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        }
        None => std::future::pending().await,
    }
}

/// Too many open files, most likely: the next attempt would fail at once.
async fn pause(error: &io::Error) {
    warn!(%error, "a connection was not accepted");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

async fn connection(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, peer: Peer, router: Router, stop: CancellationToken) {
    let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        router.clone().oneshot(request.map(axum::body::Body::new))
    });
    let mut builder = Builder::new(TokioExecutor::new());
    // The exact limit on headers is `identify`'s; these bound what is read before it can be asked.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS_WITHIN).max_buf_size(4 * HEADERS_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING_TIMEOUT)
        .max_header_list_size(2 * HEADERS_MAX as u32)
        .max_concurrent_streams(64);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection ended");
    }
}
