//! Streamed bodies made by blocking code (archives, packs), in constant memory.

use std::io::{self, Write};

use bytes::{Bytes, BytesMut};
use http::Method;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use crate::client::{Client, answer, bad};
use crate::connect::Body;
use crate::error::ClientError;

/// Bytes of one chunk.
const CHUNK: usize = 64 << 10;
/// Chunks on their way.
const AHEAD: usize = 8;

impl Client {
    /// POST of a body that `write` makes on a blocking thread, chunk by chunk. When `write` fails the request is broken off
    /// (the coordinator takes nothing); when the coordinator refuses early, its problem is the error.
    pub async fn upload<T, F>(&self, path: &str, content_type: &str, key: Option<&str>, write: F) -> Result<T, ClientError>
    where
        T: DeserializeOwned,
        F: FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
    {
        let (sender, body) = channel();
        let mut request = self.request(Method::POST, path)?.header(CONTENT_TYPE, content_type);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let request = request.body(body).map_err(bad)?;
        let writer = tokio::task::spawn_blocking(move || {
            let mut writer = ChunkWriter { sender, buffer: BytesMut::with_capacity(CHUNK) };
            let result = write(&mut writer).and_then(|()| writer.flush());
            if let Err(error) = &result {
                // Breaks the request off; a coordinator that refused has hung up already.
                let _ = writer.sender.blocking_send(Err(io::Error::new(error.kind(), error.to_string())));
            }
            result
        });
        let response = self.send(request).await;
        let written = match response.is_ok() && !writer.is_finished() {
            // It answered before the end: the writer is told by its closed channel; its own error says nothing more.
            true => Ok(()),
            false => writer.await.unwrap_or_else(|e| Err(io::Error::other(e))),
        };
        match (response, written) {
            (Ok(response), Ok(())) => answer(response).await,
            (Ok(response), Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => answer(response).await,
            (Err(unreachable), Ok(())) => Err(unreachable),
            (Err(unreachable), Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => Err(unreachable),
            (_, Err(error)) => Err(ClientError::Body(error)),
        }
    }
}

/// A body that is fed from elsewhere.
pub(crate) fn channel() -> (mpsc::Sender<io::Result<Bytes>>, Body) {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let stream = futures_util::stream::unfold(receiver, |mut receiver: mpsc::Receiver<io::Result<Bytes>>| async move {
        receiver.recv().await.map(|chunk| (chunk.map(Frame::data), receiver))
    });
    (sender, StreamBody::new(stream).boxed())
}

struct ChunkWriter {
    sender: mpsc::Sender<io::Result<Bytes>>,
    buffer: BytesMut,
}

impl Write for ChunkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let take = bytes.len().min(CHUNK - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..take]);
        if self.buffer.len() >= CHUNK {
            self.flush()?;
        }
        Ok(take)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let chunk = self.buffer.split().freeze();
        self.buffer.reserve(CHUNK);
        self.sender.blocking_send(Ok(chunk)).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}
