//! A person at this host: `pilotage-agent status|explain|rollback|pin|unpin`, over a socket that only root (and the agent's own user)
//! can open, and `runs|logs|verify`, from the disk. Works with the coordinator away (promise 5).

mod past;
mod verify;

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;

use anyhow::{Context as _, bail};
use pilotage_shared::name::{AppName, Why};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{mpsc, oneshot};

use crate::adopt;
use crate::arguments::{Command, Peer};
use crate::config::Service;
use crate::layout::Layout;

/// Longest request or answer, bytes.
const LONGEST: u64 = 64 << 10;

/// What a person wants.
#[derive(Debug, Serialize, Deserialize)]
pub enum Wish {
    /// Answered at once.
    Quick(Quick),
    /// Done elsewhere, and answered when it is done.
    Slow(Slow),
}

/// What takes no time.
#[derive(Debug, Serialize, Deserialize)]
pub enum Quick {
    /// What runs here.
    Status,
    /// Why nothing moves.
    Explain,
    /// Back, and stay there.
    Rollback(AppName, Why),
    /// Stay.
    Pin(AppName, Why),
    /// Follow again.
    Unpin(AppName),
}

/// What takes long.
#[derive(Debug, Serialize, Deserialize)]
pub enum Slow {
    /// What another deployer has installed runs from now on.
    Adopt(adopt::Order),
    /// And back.
    Release(AppName),
}

/// A wish with where its answer goes.
pub type Asked = (Wish, oneshot::Sender<Result<String, String>>);

/// The person's side.
pub fn ask(service: &Service, command: Command) -> anyhow::Result<()> {
    let state = service.state()?;
    let layout = Layout { state };
    let socket = layout.socket();
    let wish = match command {
        Command::Runs => return say(&past::list(&layout)?),
        Command::Logs { app, run } => return say(&past::logs(&layout, &app, run)?),
        Command::Verify { app } => return say(&verify::verify(&layout, app.as_ref())?),
        Command::Local(_) => bail!("local needs no agent"),
        Command::Status => Wish::Quick(Quick::Status),
        Command::Explain => Wish::Quick(Quick::Explain),
        Command::Rollback { app, reason } => Wish::Quick(Quick::Rollback(app, Why::lossy(&reason))),
        Command::Pin { app, reason } => Wish::Quick(Quick::Pin(app, Why::lossy(&reason))),
        Command::Unpin { app } => Wish::Quick(Quick::Unpin(app)),
        Command::Adopt { app, from: Peer::Codedeploy, group, codedeploy_config } => {
            Wish::Slow(Slow::Adopt(adopt::Order { app, group, configuration: codedeploy_config }))
        }
        Command::Release { app } => Wish::Slow(Slow::Release(app)),
    };
    let stream =
        UnixStream::connect(&socket).with_context(|| format!("failed to reach the agent at {}; does it run, and are you root?", socket.display()))?;
    let mut request = serde_json::to_vec(&wish)?;
    request.push(b'\n');
    (&stream).write_all(&request)?;
    let mut answer = String::new();
    BufReader::new(&stream).read_line(&mut answer)?;
    match serde_json::from_str::<Result<String, String>>(&answer).context("the agent did not answer")? {
        Ok(text) => say(&text),
        Err(why) => bail!("{why}"),
    }
}

/// The output of a command; a reader that has had enough (`| head`) is no error.
fn say(text: &str) -> anyhow::Result<()> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(e).context("failed to write the answer"),
        _ => Ok(()),
    }
}

/// An error of ours, for the person.
#[expect(clippy::print_stderr, reason = "this is the output of a command")]
pub fn complain(text: &str) {
    eprintln!("pilotage-agent: {text}");
}

/// The agent's side; the folder of the socket is 0700.
pub async fn serve(layout: &Layout, asked: mpsc::Sender<Asked>) -> anyhow::Result<()> {
    let path = layout.socket();
    match std::fs::remove_file(&path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e).with_context(|| format!("failed to replace {}", path.display())),
        _ => {}
    }
    let listener = tokio::net::UnixListener::bind(&path).with_context(|| format!("failed to listen on {}", path.display()))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))
        .with_context(|| format!("failed to set the mode of {}", path.display()))?;
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            tokio::spawn(answer(stream, asked.clone()));
        }
    });
    Ok(())
}

async fn answer(stream: tokio::net::UnixStream, asked: mpsc::Sender<Asked>) {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    if tokio::io::BufReader::new(read.take(LONGEST)).read_line(&mut line).await.is_err() {
        return;
    }
    let result = match serde_json::from_str(&line) {
        Err(e) => Err(format!("the request is not understood: {e}")),
        Ok(wish) => {
            let (to, from) = oneshot::channel();
            if asked.send((wish, to)).await.is_err() {
                return;
            }
            from.await.unwrap_or_else(|_| Err("the agent is stopping".into()))
        }
    };
    let mut text = serde_json::to_vec(&result).unwrap_or_default();
    text.push(b'\n');
    // A person who left gets no answer.
    let _ = write.write_all(&text).await;
}
