//! Connections: a Unix socket or TCP, HTTP/1 for requests of people, HTTP/2 for agents.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::error::ClientError;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);
/// An agent's connection asks after the other end so often.
const PING: Duration = Duration::from_secs(15);
/// And is dead without an answer after so long.
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// The body of every request.
pub(crate) type Body = BoxBody<Bytes, std::io::Error>;

/// Where a coordinator listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Its Unix socket; the peer credentials say who asks.
    Unix(PathBuf),
    /// `HOST:PORT`; a bearer token says who asks.
    Tcp(String),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
            Address::Tcp(authority) => write!(f, "http://{authority}"),
        }
    }
}

impl Address {
    /// The value of the Host header.
    pub(crate) fn host(&self) -> &str {
        match self {
            Address::Unix(_) => "localhost",
            Address::Tcp(authority) => authority,
        }
    }

    pub(crate) fn unreachable(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ClientError {
        ClientError::Unreachable { address: self.to_string(), source: source.into() }
    }

    async fn open(&self) -> Result<Box<dyn Stream>, ClientError> {
        let open = async {
            match self {
                Address::Unix(path) => UnixStream::connect(path).await.map(|s| Box::new(s) as Box<dyn Stream>),
                Address::Tcp(authority) => {
                    let stream = TcpStream::connect(authority.as_str()).await?;
                    stream.set_nodelay(true)?;
                    Ok(Box::new(stream) as Box<dyn Stream>)
                }
            }
        };
        match tokio::time::timeout(CONNECT, open).await {
            Ok(stream) => stream.map_err(|e| self.unreachable(e)),
            Err(_) => Err(self.unreachable(format!("no connection within {CONNECT:?}"))),
        }
    }

    /// A connection for one request of a person.
    pub(crate) async fn http1(&self) -> Result<http1::SendRequest<Body>, ClientError> {
        let (send, connection) = http1::handshake(TokioIo::new(self.open().await?)).await.map_err(|e| self.unreachable(e))?;
        // Ends with the request's last byte or with `send`; its errors arrive at the request too.
        tokio::spawn(connection);
        Ok(send)
    }

    /// A connection for many requests of an agent.
    pub(crate) async fn http2(&self) -> Result<http2::SendRequest<Body>, ClientError> {
        let stream = TokioIo::new(self.open().await?);
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.timer(TokioTimer::new()).keep_alive_interval(PING).keep_alive_timeout(PING_TIMEOUT).keep_alive_while_idle(true);
        let (send, connection) = builder.handshake(stream).await.map_err(|e| self.unreachable(e))?;
        tokio::spawn(connection);
        Ok(send)
    }
}

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}
