//! The connection to the coordinator: hello, then frames in both directions, again and again. Decides nothing.
//!
//! A session is dead when nothing arrived for three heartbeats (R3); a new one is sought after a time drawn at random from a
//! range that doubles, so that hosts do not all come back at once.

use std::time::Duration;

use pilotage_agent_core::slot::host::{self as host_record, Host};
use pilotage_client::agent::{Coordinator, SessionSender};
use pilotage_shared::ids::{BootId, HostId};
use pilotage_shared::name::{HostName, Why};
use pilotage_shared::wire::{Decoder, Frame, Hello, VERSION, Welcome, encode};
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

/// The first wait before a new attempt lies below this; it doubles up to [`LONGEST`].
const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(10);
/// A hello is answered within this.
const WELCOME: Duration = Duration::from_secs(10);

/// What the link tells the loop.
pub enum News {
    /// A hello is about to be written: every permission held is void from now on (R6).
    Leaving,
    /// A session; the sender takes whole frames.
    Up(Box<Welcome>, SessionSender),
    /// A frame of the session.
    Frame(Box<Frame>),
    /// The session is over.
    Down,
}

/// Keeps a session as long as the agent lives. `host` has the newest durable record of the host.
pub async fn keep(coordinator: std::sync::Arc<Coordinator>, name: HostName, boot: BootId, host: watch::Receiver<Host>, news: mpsc::Sender<News>) {
    let mut longest = FIRST;
    loop {
        if news.send(News::Leaving).await.is_err() {
            return;
        }
        match session(&coordinator, &name, boot, &host, &news).await {
            Ok(()) => longest = FIRST,
            Err(why) => {
                warn!(coordinator = %coordinator.address(), why, "no session");
                longest = (longest * 2).min(LONGEST);
            }
        }
        if news.send(News::Down).await.is_err() {
            return;
        }
        tokio::time::sleep(jitter(longest)).await;
    }
}

/// A random part of a span.
fn jitter(longest: Duration) -> Duration {
    let mut byte = [128; 2];
    // Without randomness the middle does as well.
    let _ = getrandom::fill(&mut byte);
    longest * u32::from(u16::from_be_bytes(byte)) / 65_536
}

async fn session(
    coordinator: &Coordinator,
    name: &HostName,
    boot: BootId,
    host: &watch::Receiver<Host>,
    news: &mpsc::Sender<News>,
) -> Result<(), String> {
    let mut session = coordinator.session().await.map_err(|e| said(&e))?;
    let known = host.borrow().clone();
    let hello = Hello {
        host: HostId { name: name.clone(), join: 0 },
        ledger: known.ledger,
        boot,
        last: known.last,
        versions: (VERSION, VERSION),
        agent: Why::lossy(env!("CARGO_PKG_VERSION")),
    };
    let bytes = encode(&Frame::Hello(hello)).map_err(|e| e.to_string())?;
    if !session.send.send(bytes).await {
        return Err("the connection closed before the hello".into());
    }
    let mut decoder = Decoder::default();
    let mut silence = WELCOME;
    loop {
        while let Some(frame) = decoder.next_frame().map_err(|e| e.to_string())? {
            match frame {
                Frame::Goodbye(why) => return Err(format!("the coordinator says: {why}")),
                Frame::Welcome(welcome) => {
                    // R33: the connection ends here, before a word is said in that session.
                    host_record::welcome(&host.borrow(), &welcome).map_err(|old| old.to_string())?;
                    silence = Duration::from_millis(welcome.heartbeat.0 * 3);
                    info!(session = welcome.session.n, epoch = ?welcome.session.epoch, "session");
                    if news.send(News::Up(Box::new(welcome), session.send.clone())).await.is_err() {
                        return Ok(());
                    }
                }
                frame => {
                    if news.send(News::Frame(Box::new(frame))).await.is_err() {
                        return Ok(());
                    }
                }
            }
        }
        match tokio::time::timeout(silence, session.receive.next()).await {
            Err(_) => return Err(format!("nothing heard for {silence:?}")),
            Ok(Err(error)) => return Err(said(&error)),
            Ok(Ok(None)) => return Err("the coordinator closed the connection".into()),
            Ok(Ok(Some(bytes))) => decoder.push(&bytes),
        }
    }
}

/// An error with its causes.
pub fn said(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
