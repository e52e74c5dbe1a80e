//! The event stream (server-sent events): one entry after the other, resumed behind the last one that was read.

use std::time::Duration;

use bytes::BytesMut;
use http::Method;
use http::header::ACCEPT;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use pilotage_shared::api::v1::EventView;

use crate::client::{Client, bad, empty, good};
use crate::error::ClientError;

/// One event's text at most.
const EVENT_MAX: usize = 1 << 20;
/// Between attempts to come back, growing to the second.
const AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3));
/// The coordinator says something (if only a comment) at least this often; longer silence is a dead connection.
const SILENCE: Duration = Duration::from_secs(45);

/// Reads events for as long as it is asked. A broken connection is opened again behind the last event, without loss or
/// repetition, for as long as `patience` allows.
#[derive(Debug)]
pub struct Events {
    client: Client,
    path: String,
    after: Option<u64>,
    patience: Duration,
    open: Option<(Incoming, BytesMut)>,
}

impl Events {
    pub(crate) fn new(client: Client, path: String, after: Option<u64>) -> Self {
        Self { client, path, after, patience: Duration::from_secs(60), open: None }
    }

    /// How long an unreachable coordinator is waited for (60 s) before [`Events::next`] gives its error.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Position of the last event read.
    pub fn position(&self) -> Option<u64> {
        self.after
    }

    /// The next event; waits for it. A refusal (and unreachability beyond the patience) is an error.
    pub async fn next(&mut self) -> Result<EventView, ClientError> {
        let mut lost: Option<tokio::time::Instant> = None;
        let mut pause = AGAIN.0;
        loop {
            match self.try_next().await {
                Ok(event) => return Ok(event),
                Err(error @ (ClientError::Problem(_) | ClientError::Request(_))) if !error.is_unreachable() => return Err(error),
                Err(error) => {
                    self.open = None;
                    let since = *lost.get_or_insert_with(tokio::time::Instant::now);
                    if since.elapsed() > self.patience {
                        return Err(error);
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(AGAIN.1);
                }
            }
        }
    }

    async fn try_next(&mut self) -> Result<EventView, ClientError> {
        let (mut body, mut buffer) = match self.open.take() {
            Some(open) => open,
            None => (self.connect().await?, BytesMut::new()),
        };
        loop {
            while let Some(block) = next_block(&mut buffer) {
                if let Some(event) = parse(&block)? {
                    self.after = Some(event.id);
                    self.open = Some((body, buffer));
                    return Ok(event);
                }
            }
            if buffer.len() > EVENT_MAX {
                return Err(ClientError::Answer { status: 200, why: "an event without end".into() });
            }
            let broken = |why: String| ClientError::Body(std::io::Error::other(why));
            let frame = tokio::time::timeout(SILENCE, body.frame()).await.map_err(|_| broken(format!("nothing was heard for {SILENCE:?}")))?;
            let frame = frame.ok_or_else(|| broken("the stream has ended".into()))?.map_err(|e| broken(e.to_string()))?;
            if let Some(data) = frame.data_ref() {
                buffer.extend_from_slice(data);
            }
        }
    }

    async fn connect(&self) -> Result<Incoming, ClientError> {
        let mut request = self.client.request(Method::GET, &self.path)?.header(ACCEPT, "text/event-stream");
        if let Some(after) = self.after {
            request = request.header("last-event-id", after);
        }
        let response = self.client.send(request.body(empty()).map_err(bad)?).await?;
        Ok(good(response).await?.into_body())
    }
}

/// Takes one block up to its empty line.
fn next_block(buffer: &mut BytesMut) -> Option<Vec<u8>> {
    let end = buffer.windows(2).position(|w| w == b"\n\n")?;
    let block = buffer.split_to(end + 2);
    Some(block[..end].to_vec())
}

/// Comments and fields that we do not know give nothing.
fn parse(block: &[u8]) -> Result<Option<EventView>, ClientError> {
    let text = String::from_utf8_lossy(block);
    let data: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("data:")).map(|d| d.strip_prefix(' ').unwrap_or(d)).collect();
    if data.is_empty() {
        return Ok(None);
    }
    serde_json::from_str(&data.join("\n")).map(Some).map_err(|e| ClientError::Answer { status: 200, why: format!("an event: {e}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_in_any_cut() {
        let mut buffer = BytesMut::from(
            &b": hello\n\nid: 7\ndata: {\"id\":7,\"at\":\"1970-01-01T00:00:01Z\",\"kind\":\"x\",\"by\":\"b\",\"text\":\"t\"}\n\nid: 8"[..],
        );
        assert_eq!(parse(&next_block(&mut buffer).unwrap()).unwrap(), None);
        assert_eq!(parse(&next_block(&mut buffer).unwrap()).unwrap().unwrap().id, 7);
        assert_eq!(next_block(&mut buffer), None);
    }
}
