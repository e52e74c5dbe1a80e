//! One agent's connection from its hello to its end.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use http_body_util::BodyExt;
use pilotage_coordinator_core::input::{Request, Via};
use pilotage_coordinator_core::{Answer, Rejected};
use pilotage_shared::ids::{HostId, SessionId};
use pilotage_shared::name::Reason;
use pilotage_shared::principal::Principal;
use pilotage_shared::wire::{Decoder, Frame, Hello, encode};
use tokio::sync::Semaphore;
use tracing::{debug, info, warn};

use super::Outbox;
use crate::engine::{Ask, Handle, Refusal};

/// A connection that does not say hello within this is closed.
const HELLO: Duration = Duration::from_secs(10);

/// Frames of one connection, until it has none any more.
struct Incoming {
    body: axum::body::Body,
    decoder: Decoder,
}

impl Incoming {
    async fn next(&mut self) -> Result<Option<Frame>, String> {
        loop {
            if let Some(frame) = self.decoder.next_frame().map_err(|e| e.to_string())? {
                return Ok(Some(frame));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(error.to_string()),
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        self.decoder.push(data);
                    }
                }
            }
        }
    }
}

/// Takes a connection over: reads in a task of its own; what is to be written is the stream that is given back.
pub fn serve(
    host: HostId,
    body: axum::body::Body,
    engine: Handle,
    handshakes: Arc<Semaphore>,
) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static {
    let outbox = Arc::new(Outbox::default());
    let guard = Abandon(outbox.clone());
    tokio::spawn(read(host, Incoming { body, decoder: Decoder::default() }, engine, outbox, handshakes));
    stream::unfold(guard, |guard| async move {
        let frames = guard.0.next().await?;
        let mut bytes = Vec::new();
        for frame in &frames {
            match encode(frame) {
                Ok(frame) => bytes.extend(frame),
                Err(error) => warn!(%error, "a frame could not be written"),
            }
        }
        Some((Ok(Bytes::from(bytes)), guard))
    })
}

/// Tells the reader when the connection no longer takes anything.
struct Abandon(Arc<Outbox>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

async fn read(host: HostId, mut incoming: Incoming, engine: Handle, outbox: Arc<Outbox>, handshakes: Arc<Semaphore>) {
    let name = host.to_string();
    let by = Principal::Host(host);
    match begin(&by, &mut incoming, &engine, &outbox, &handshakes).await {
        Err(why) => {
            info!(host = name, why, "no session");
            outbox.close(&why);
        }
        Ok(session) => {
            info!(host = name, session = session.n, "session began");
            let why = tokio::select! {
                why = go_on(&by, &mut incoming, &engine) => why,
                () = outbox.closed() => "it was closed".to_owned(),
            };
            info!(host = name, session = session.n, why, "session ended");
            outbox.close(&why);
            let gone = engine.ask(|reply| ask(&by, Request::Gone { session }, None, reply)).await;
            if let Err(refusal) = gone {
                debug!(host = name, %refusal, "the session's end was not taken in");
            }
        }
    }
}

async fn begin(by: &Principal, incoming: &mut Incoming, engine: &Handle, outbox: &Arc<Outbox>, handshakes: &Semaphore) -> Result<SessionId, String> {
    let _turn = handshakes.acquire().await.map_err(|_| "the coordinator stops".to_owned())?;
    let frame = tokio::time::timeout(HELLO, incoming.next()).await.map_err(|_| "no hello within 10 s".to_owned())??;
    let hello: Hello = match frame {
        Some(Frame::Hello(hello)) => hello,
        Some(_) => return Err("the first frame is no hello".into()),
        None => return Err("it ended before its hello".into()),
    };
    let request = Request::Hello { hello: Box::new(hello) };
    match engine.ask(|reply| ask(by, request, Some(outbox.clone()), reply)).await {
        Ok(Answer::Welcome(welcome)) => Ok(welcome.session),
        Ok(Answer::Goodbye(why)) => Err(why.to_string()),
        Ok(other) => Err(format!("unexpected answer {other:?}")),
        Err(refusal) => Err(refusal.to_string()),
    }
}

/// Takes frames in until something ends it; says what.
async fn go_on(by: &Principal, incoming: &mut Incoming, engine: &Handle) -> String {
    loop {
        let request = match incoming.next().await {
            Ok(Some(Frame::Status(status))) => Request::Status { status: Box::new(status) },
            Ok(Some(Frame::Heartbeat(heartbeat))) => Request::Heartbeat { heartbeat },
            Ok(Some(Frame::Hello(_) | Frame::Welcome(_) | Frame::Intent(..) | Frame::Heard(..) | Frame::Goodbye(_))) => {
                return "it sent a frame that is not a host's".into();
            }
            Ok(None) => return "the agent closed it".into(),
            Err(why) => return why,
        };
        match engine.ask(|reply| ask(by, request, None, reply)).await {
            Ok(Answer::Goodbye(why)) => return why.to_string(),
            Ok(_) => {}
            Err(Refusal::Rejected(rejected)) if matches!(*rejected, Rejected::Stale(_)) => debug!(%rejected, "dropped"),
            // What was not admitted must be said again whole: only a new session does that.
            Err(refusal) => return refusal.to_string(),
        }
    }
}

fn ask(by: &Principal, request: Request, outbox: Option<Arc<Outbox>>, reply: tokio::sync::oneshot::Sender<Result<Answer, Refusal>>) -> Ask {
    let make = Box::new(move |_: &_| Ok(request));
    Ask { by: by.clone(), via: Via::Agent, reason: Reason::default(), idempotency: None, make, outbox, reply }
}
