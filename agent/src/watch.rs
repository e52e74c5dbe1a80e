//! Asks one application how it is, for as long as its slot exists. What the answers mean is decided in `agent/core`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use pilotage_shared::health::{HealthCheck, Probe};
use pilotage_shared::name::{AppName, Why};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What the deployer may take besides the command itself.
const BY_COMMAND: Duration = Duration::from_secs(5);

/// One answer.
#[derive(Debug)]
pub struct Answer {
    /// Of which app.
    pub app: AppName,
    /// Well or not.
    pub good: bool,
    /// As `503 Service Unavailable`.
    pub said: Why,
}

/// Asks a package's own command for us: the agent runs nothing of a package itself (DESIGN §6).
#[derive(Clone, Debug)]
pub struct Asker {
    /// The deployer.
    pub program: PathBuf,
    /// The order of what runs, as JSON; it is secret (the host's variables) and goes through a pipe.
    pub order: Vec<u8>,
}

/// A running watch; ends when it is dropped.
#[derive(Debug)]
pub struct Watch {
    /// What is asked; compared when the wish changes.
    pub check: HealthCheck,
    task: JoinHandle<()>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Watch {
    /// Begins to ask. `variables` are the host's own, for `${NAME}`; `asker` is for checks by command.
    pub fn start(
        app: AppName,
        check: HealthCheck,
        variables: &BTreeMap<String, String>,
        asker: Option<Asker>,
        answers: mpsc::Sender<Answer>,
    ) -> Watch {
        let probe = resolve(&check.probe, variables);
        let (every, timeout) = (Duration::from_millis(check.every.0), Duration::from_millis(check.timeout.0));
        // Who asks by command keeps the time himself and ends what hangs.
        let timeout = if asker.is_some() { timeout + BY_COMMAND } else { timeout };
        let task = tokio::spawn(async move {
            let mut beat = tokio::time::interval(every);
            beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                beat.tick().await;
                let result = match &probe {
                    Ok(probe) => match tokio::time::timeout(timeout, ask(probe, asker.as_ref())).await {
                        Ok(result) => result,
                        Err(_) => Err(format!("no answer within {timeout:?}")),
                    },
                    Err(why) => Err(why.clone()),
                };
                let (good, said) = match result {
                    Ok(said) => (true, said),
                    Err(said) => (false, said),
                };
                if answers.send(Answer { app: app.clone(), good, said: Why::lossy(&said) }).await.is_err() {
                    return;
                }
            }
        });
        Watch { check, task }
    }
}

/// The probe with `${NAME}` replaced; a name that the host does not have is an answer: a bad one that says so.
pub fn resolve(probe: &Probe, variables: &BTreeMap<String, String>) -> Result<Probe, String> {
    let fill = |text: &str| substitute(text, variables);
    let long = |e: pilotage_shared::text::TextError| e.to_string();
    Ok(match probe {
        Probe::Http { url } => Probe::Http { url: fill(url.as_str())?.parse().map_err(long)? },
        Probe::Tcp { address } => Probe::Tcp { address: fill(address.as_str())?.parse().map_err(long)? },
        Probe::Unit { unit } => Probe::Unit { unit: fill(unit.as_str())?.parse().map_err(long)? },
        Probe::Command { location } => Probe::Command { location: location.clone() },
    })
}

fn substitute(text: &str, variables: &BTreeMap<String, String>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, behind) = after.split_once('}').ok_or_else(|| format!("{text:?} has `${{` without `}}`"))?;
        let value = variables.get(name).ok_or_else(|| format!("this host has no variable {name} (its own file, [variables])"))?;
        out.push_str(before);
        out.push_str(value);
        rest = behind;
    }
    out.push_str(rest);
    Ok(out)
}

async fn ask(probe: &Probe, asker: Option<&Asker>) -> Result<String, String> {
    match probe {
        Probe::Http { url } => http(url.as_str()).await,
        Probe::Tcp { address } => TcpStream::connect(address.as_str()).await.map(|_| "accepted".into()).map_err(|e| plain(&e)),
        Probe::Unit { unit } => {
            let mut systemctl = tokio::process::Command::new("systemctl");
            systemctl.args(["is-active", "--", unit.as_str()]).stdin(Stdio::null()).kill_on_drop(true);
            let output = systemctl.output().await;
            let state = output.map_err(|e| format!("systemctl: {e}"))?;
            let state = String::from_utf8_lossy(&state.stdout).trim().to_owned();
            if state == "active" { Ok(state) } else { Err(format!("{unit} is {state}")) }
        }
        Probe::Command { location } => match asker {
            Some(asker) => by_command(asker).await.map(|()| format!("{location} says it is well")),
            None => Err("only a package's own AppSpec can ask by command".into()),
        },
    }
}

async fn by_command(asker: &Asker) -> Result<(), String> {
    let mut command = tokio::process::Command::new(&asker.program);
    command.arg("--ask").env_clear().stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|e| format!("the deployer: {e}"))?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(&asker.order).await.map_err(|e| plain(&e))?;
    }
    let output = child.wait_with_output().await.map_err(|e| plain(&e))?;
    let said = String::from_utf8_lossy(&output.stderr).trim().trim_start_matches("pilotage-deployer: ").to_owned();
    if output.status.success() { Ok(()) } else { Err(said) }
}

async fn http(url: &str) -> Result<String, String> {
    let target = target(url)?;
    let stream = TcpStream::connect((target.host.as_str(), target.port)).await.map_err(|e| plain(&e))?;
    let (mut send, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
    let _connection = AbortOnDrop(tokio::spawn(connection));
    let request = http::Request::get(target.path)
        .header(http::header::HOST, target.authority)
        .header(http::header::USER_AGENT, "pilotage-agent")
        .body(Empty::<bytes::Bytes>::new())
        .map_err(|e| e.to_string())?;
    let status = send.send_request(request).await.map_err(|e| e.to_string())?.status();
    if (200..400).contains(&status.as_u16()) { Ok(status.to_string()) } else { Err(status.to_string()) }
}

/// What a URL says, taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    /// To connect to; without brackets.
    host: String,
    port: u16,
    /// For the Host header.
    authority: String,
    /// With its query.
    path: String,
}

fn target(url: &str) -> Result<Target, String> {
    let uri: http::Uri = url.parse().map_err(|e| format!("{url}: {e}"))?;
    if uri.scheme_str() != Some("http") {
        return Err(format!("{url} does not begin with http://"));
    }
    let authority = uri.authority().ok_or_else(|| format!("{url} names no host"))?;
    Ok(Target {
        host: authority.host().trim_start_matches('[').trim_end_matches(']').to_owned(),
        port: authority.port_u16().unwrap_or(80),
        authority: authority.to_string(),
        path: uri.path_and_query().map_or("/", |p| p.as_str()).to_owned(),
    })
}

struct AbortOnDrop<T>(JoinHandle<T>);
impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn plain(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "connection refused".into(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
