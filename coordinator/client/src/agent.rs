//! What an agent says to the coordinator: one HTTP/2 connection for the session (frames of `pilotage_shared::wire` in both
//! directions), and one for bulk: manifests, objects, run reports, logs.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use pilotage_shared::digest::Digest;
use pilotage_shared::name::AppName;
use pilotage_shared::run::{Event, RunId, RunReport};
use tokio::sync::mpsc;

use crate::client::{Client, bad, empty, encode, full, good, next_data};
use crate::connect::{Address, Body};
use crate::error::ClientError;
use crate::secret::Secret;
use crate::upload::channel;

/// A number in decimal.
const OFFSET_MAX: usize = 20;

/// The coordinator as one agent sees it.
#[derive(Debug)]
pub struct Coordinator {
    client: Client,
    bulk: Mutex<Option<SendRequest<Body>>>,
}

/// A piece of the output of a run that is under way.
#[derive(Clone, Debug)]
pub struct Piece<'a> {
    /// Of which app.
    pub app: &'a AppName,
    /// Whose.
    pub run: &'a RunId,
    /// Where it begins in the run's output, bytes.
    pub offset: u64,
    /// What was before it is not there any more, if it was not sent.
    pub gap: bool,
    /// Nothing comes after it.
    pub last: bool,
    /// What was written, at most [`LOG_TAIL`](pilotage_shared::limits::LOG_TAIL) bytes.
    pub bytes: Bytes,
}

/// A live session: bytes in both directions, and nothing else. Dropping it ends the connection.
#[derive(Debug)]
pub struct Session {
    /// Bytes of frames to the coordinator; bounded: a full one means that the coordinator does not read.
    pub send: SessionSender,
    /// Bytes of frames from it.
    pub receive: Download,
}

/// The sending half of a session.
#[derive(Clone, Debug)]
pub struct SessionSender(mpsc::Sender<std::io::Result<Bytes>>);

/// A streamed answer.
#[derive(Debug)]
pub struct Download {
    body: Incoming,
    /// Keeps the connection alive while the answer is read.
    _connection: SendRequest<Body>,
}

impl SessionSender {
    /// Waits for room, then sends. False when the session is over.
    pub async fn send(&self, bytes: Vec<u8>) -> bool {
        self.0.send(Ok(bytes.into())).await.is_ok()
    }
}

impl Download {
    /// The next bytes; none at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        next_data(&mut self.body).await
    }

    /// All of it, at most `limit` bytes.
    pub async fn all(mut self, limit: usize) -> Result<Vec<u8>, ClientError> {
        let mut all = Vec::new();
        while let Some(bytes) = self.next().await? {
            if all.len() + bytes.len() > limit {
                return Err(ClientError::Body(std::io::Error::other(format!("more than {limit} bytes"))));
            }
            all.extend_from_slice(&bytes);
        }
        Ok(all)
    }

    /// A reader for blocking code; to be used on a blocking thread (`spawn_blocking`) of the same runtime.
    pub fn into_blocking_reader(self) -> BlockingReader {
        BlockingReader { download: self, rest: Bytes::new(), runtime: tokio::runtime::Handle::current() }
    }
}

/// Reads a [`Download`] from a blocking thread.
#[derive(Debug)]
pub struct BlockingReader {
    download: Download,
    rest: Bytes,
    runtime: tokio::runtime::Handle,
}

impl std::io::Read for BlockingReader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.rest.is_empty() {
            match self.runtime.block_on(self.download.next()) {
                Ok(Some(bytes)) => self.rest = bytes,
                Ok(None) => return Ok(0),
                Err(error) => return Err(std::io::Error::other(error)),
            }
        }
        let take = buffer.len().min(self.rest.len());
        buffer[..take].copy_from_slice(&self.rest.split_to(take));
        Ok(take)
    }
}

impl Coordinator {
    /// The coordinator at an address; `token` is the host's own.
    pub fn new(address: Address, token: Secret<String>) -> Self {
        Self { client: Client::new(address, Some(token)), bulk: Mutex::new(None) }
    }

    /// Where it is.
    pub fn address(&self) -> &Address {
        self.client.address()
    }

    /// Opens the session's connection: `POST /agent/v1/session`, both bodies streamed. The first frame to send is the hello.
    pub async fn session(&self) -> Result<Session, ClientError> {
        let mut connection = self.client.address().http2().await?;
        let (sender, body) = channel();
        let request = self.request(Method::POST, "/agent/v1/session")?.header(CONTENT_TYPE, "application/octet-stream").body(body).map_err(bad)?;
        let response = connection.send_request(request).await.map_err(|e| self.client.address().unreachable(e))?;
        let body = good(response).await?.into_body();
        Ok(Session { send: SessionSender(sender), receive: Download { body, _connection: connection } })
    }

    /// A package's manifest: canonical text.
    pub async fn manifest(&self, package: &Digest) -> Result<Download, ClientError> {
        self.fetch(Method::GET, &format!("/agent/v1/manifests/{package}"), empty()).await
    }

    /// A configuration's manifest: canonical text.
    pub async fn configuration(&self, configuration: &Digest) -> Result<Download, ClientError> {
        self.fetch(Method::GET, &format!("/agent/v1/configurations/{configuration}"), empty()).await
    }

    /// Objects, as one pack stream (the form of `pilotage_bundle`), in the order asked for; at most
    /// [`OBJECTS_PER_REQUEST`](pilotage_shared::limits::OBJECTS_PER_REQUEST) at a time.
    pub async fn objects(&self, objects: &[Digest]) -> Result<Download, ClientError> {
        let list: String = objects.iter().map(|d| format!("{d}\n")).collect();
        self.fetch(Method::POST, "/agent/v1/objects", full(list.into())).await
    }

    /// Reports a run that has ended; good to repeat until it returns.
    pub async fn put_run(&self, report: &RunReport) -> Result<(), ClientError> {
        let body = serde_json::to_vec(report).map_err(|e| ClientError::Request(e.to_string()))?;
        self.fetch(Method::PUT, "/agent/v1/runs", full(body.into())).await?.all(0).await.map(drop)
    }

    /// Uploads one event's output (its tail, or all of it on request); replaces what was there.
    pub async fn put_log(&self, app: &AppName, run: &RunId, event: Event, back: bool, output: Bytes) -> Result<(), ClientError> {
        let deployment = run.deployment.as_ref().map_or_else(String::new, |d| encode(&d.to_string()));
        let path = format!("/agent/v1/logs?app={app}&deployment={deployment}&attempt={}&event={event}&back={back}", run.attempt);
        self.fetch(Method::PUT, &path, full(output)).await?.all(0).await.map(drop)
    }

    /// Sends a piece of a run's output to whoever watches it; the offset that is wanted next, or none when nobody watches.
    pub async fn put_output(&self, piece: &Piece<'_>) -> Result<Option<u64>, ClientError> {
        let deployment = piece.run.deployment.as_ref().map_or_else(String::new, |d| encode(&d.to_string()));
        let (attempt, offset, gap, last) = (piece.run.attempt, piece.offset, piece.gap, piece.last);
        let path = format!("/agent/v1/output?app={}&deployment={deployment}&attempt={attempt}&offset={offset}&gap={gap}&last={last}", piece.app);
        let answer = self.fetch(Method::PUT, &path, full(piece.bytes.clone())).await?.all(OFFSET_MAX).await?;
        Ok(std::str::from_utf8(&answer).ok().and_then(|text| text.parse().ok()))
    }

    async fn fetch(&self, method: Method, path: &str, body: Body) -> Result<Download, ClientError> {
        let connection = self.bulk().await?;
        let request = self.request(method, path)?.body(body).map_err(bad)?;
        let response: Response<Incoming> = connection.clone().send_request(request).await.map_err(|e| self.client.address().unreachable(e))?;
        Ok(Download { body: good(response).await?.into_body(), _connection: connection })
    }

    fn request(&self, method: Method, path: &str) -> Result<http::request::Builder, ClientError> {
        let address = self.client.address();
        let uri = format!("http://{}{path}", address.host());
        let mut request: http::request::Builder = Request::builder().method(method).uri(uri);
        for (name, value) in self.client.request(Method::GET, "/")?.headers_ref().into_iter().flatten() {
            if name != http::header::HOST {
                request = request.header(name, value);
            }
        }
        Ok(request)
    }

    /// The connection for bulk, opened again when it is gone. (Two callers may open one each; the later one stays.)
    async fn bulk(&self) -> Result<SendRequest<Body>, ClientError> {
        let kept = || self.bulk.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept().as_ref().filter(|c| !c.is_closed()).cloned();
        match known {
            Some(connection) => Ok(connection),
            None => {
                let connection = self.client.address().http2().await?;
                *kept() = Some(connection.clone());
                Ok(connection)
            }
        }
    }
}
