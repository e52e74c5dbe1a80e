//! `pilotage runs` and `pilotage logs`.

use std::time::Duration;

use pilotage_shared::api::v1::RunView;
use pilotage_shared::ids::DeploymentId;
use pilotage_shared::name::HostName;

use super::Caller;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Form, safe, safe_bytes};
use crate::render::runs;
use crate::render::words::{Clock, release};

/// Lines of a log that are shown without `--all`.
const LINES: usize = 60;
/// A run's report comes this long after its output at most.
const REPORT_WITHIN: Duration = Duration::from_secs(5);
/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(100);

/// What each lifecycle event did on each host
#[derive(Debug, clap::Args)]
pub struct Runs {
    /// A fleet (its newest deployment) or a deployment, as web-prod.87
    target: String,
    /// Only failures, grouped by cause
    #[arg(long)]
    failed: bool,
    /// Only of this host, with each event
    #[arg(long)]
    host: Option<HostName>,
}

/// The output of a run's hooks
#[derive(Debug, clap::Args)]
pub struct Logs {
    /// FLEET/HOST, DEPLOYMENT/HOST, or a run as web-prod.87/h23/4
    target: String,
    /// Only this lifecycle event; without it the failed one, or all
    #[arg(long)]
    event: Option<String>,
    /// Every event and every line
    #[arg(long)]
    all: bool,
    /// Show the run in course as it writes, or wait for the next one, until its end
    #[arg(long, short, conflicts_with_all = ["event", "all"])]
    follow: bool,
}

impl Logs {
    /// Does it hear Ctrl-C itself?
    pub fn follows(&self) -> bool {
        self.follow
    }
}

/// `runs`
pub async fn runs(args: &Runs, caller: &Caller) -> Result<Exit, Failure> {
    let id = caller.session.newest(&args.target).await?;
    let mut found = caller.session.runs(&id).await?;
    found.retain(|run| args.host.as_ref().is_none_or(|host| &run.host == host) && (!args.failed || runs::failed(run)));
    let clock = Clock::here();
    match (caller.form, args.failed, &args.host) {
        (Form::Json, _, _) => output::json(&found),
        (Form::Text, true, None) => {
            let hosts = if found.is_empty() { Vec::new() } else { caller.session.hosts(&format!("fleet={}&", id.fleet)).await? };
            output::lines(runs::failures(&found, &hosts));
        }
        (Form::Text, _, Some(_)) if !found.is_empty() => output::lines(found.iter().flat_map(|run| runs::events(run, &clock))),
        (Form::Text, _, _) => output::lines(runs::all(&found, &clock)),
    }
    Ok(Exit::Reached)
}

/// `logs`
pub async fn logs(args: &Logs, caller: &Caller) -> Result<Exit, Failure> {
    let (id, host, attempt) = target(&args.target, caller).await?;
    if args.follow {
        return follow(&id, &host, caller).await;
    }
    let found = caller.session.runs(&id).await?;
    let of_host = found.iter().filter(|run| run.host == host && attempt.is_none_or(|attempt| run.attempt == attempt));
    let run = of_host.max_by_key(|run| run.attempt).ok_or_else(|| Failure::NotFound(format!("{host} has no run in {id} yet")))?;
    let mut shown = Vec::new();
    for (event, back) in wanted(run, args) {
        shown.push((event.clone(), back, caller.session.log(&id, run, &event, back).await?));
    }
    match caller.form {
        Form::Json => {
            let value = |(event, back, bytes): &(String, bool, Vec<u8>)| serde_json::json!({ "event": event, "back": back, "output": String::from_utf8_lossy(bytes) });
            output::json(&serde_json::json!({ "run": run, "logs": shown.iter().map(value).collect::<Vec<_>>() }));
        }
        Form::Text => show(run, &shown, args.all),
    }
    Ok(Exit::Reached)
}

/// Shows what the run writes, line by line, and how it ended.
async fn follow(id: &DeploymentId, host: &HostName, caller: &Caller) -> Result<Exit, Failure> {
    let before = newest_of(id, host, caller).await?.map(|run| run.attempt);
    let mut stream = caller.session.output(id, host).await?;
    if caller.form == Form::Text {
        output::line(&format!("{host} in {id}, as it comes; Ctrl-C leaves, the run goes on"));
    }
    let mut rest = Vec::new();
    while !output::closed() {
        let bytes = tokio::select! {
            bytes = stream.next() => bytes?,
            () = caller.interrupt.wait() => return Ok(Exit::Left),
        };
        let Some(bytes) = bytes else { break };
        rest.extend_from_slice(&bytes);
        let whole = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        rest.drain(..whole)
            .collect::<Vec<u8>>()
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .for_each(|line| written(line, caller.form));
    }
    if !rest.is_empty() {
        written(&rest, caller.form);
    }
    let run = reported(id, host, before, caller).await?;
    match (caller.form, run) {
        (Form::Json, run) => output::json(&serde_json::json!({ "run": run })),
        (Form::Text, Some(run)) => output::lines([result(&run), format!("next  pilotage logs {}", safe(&run.run))]),
        (Form::Text, None) => output::line(&format!("--- over; {host} has not reported a run in {id}")),
    }
    Ok(Exit::Reached)
}

fn written(line: &[u8], form: Form) {
    match form {
        Form::Json => output::json(&serde_json::json!({ "line": String::from_utf8_lossy(line) })),
        Form::Text => output::whole_line(&safe_bytes(line)),
    }
}

async fn newest_of(id: &DeploymentId, host: &HostName, caller: &Caller) -> Result<Option<RunView>, Failure> {
    Ok(caller.session.runs(id).await?.into_iter().filter(|run| &run.host == host).max_by_key(|run| run.attempt))
}

/// The report comes right behind the output; a host that cannot bring it now is not waited for.
async fn reported(id: &DeploymentId, host: &HostName, before: Option<u32>, caller: &Caller) -> Result<Option<RunView>, Failure> {
    let deadline = tokio::time::Instant::now() + REPORT_WITHIN;
    loop {
        let newest = newest_of(id, host, caller).await?.filter(|run| before.is_none_or(|before| run.attempt > before));
        if newest.is_some() || tokio::time::Instant::now() > deadline {
            return Ok(newest);
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn result(run: &RunView) -> String {
    let why = if run.why.is_empty() { String::new() } else { format!(": {}", safe(&run.why)) };
    format!("--- {}{why}", runs::outcome(run.outcome))
}

fn show(run: &RunView, shown: &[(String, bool, Vec<u8>)], all: bool) {
    let generation = run.generation.map_or_else(String::new, |generation| format!(" · generation {generation}"));
    let failed = runs::failed_event(run).map_or_else(String::new, |event| {
        let exit = event.exit.map_or_else(|| format!("code {}", event.code), |exit| format!("exit {exit}"));
        format!(" · {} {exit}", event.script.as_deref().map_or_else(|| safe(&event.event), safe))
    });
    output::line(&format!("{} · {}{generation}{failed}", safe(&run.run), release(&run.to)));
    if shown.is_empty() {
        output::line("no output is at the coordinator: only failed runs send theirs");
    }
    for (event, back, bytes) in shown {
        output::line(&format!("--- {}{event}", if *back { "back: " } else { "" }));
        let lines: Vec<&[u8]> = bytes.strip_suffix(b"\n").unwrap_or(bytes).split(|byte| *byte == b'\n').collect();
        let skip = if all { 0 } else { lines.len().saturating_sub(LINES) };
        if skip > 0 {
            output::line(&format!("({skip} lines before: --all)"));
        }
        for line in &lines[skip..] {
            output::whole_line(&safe_bytes(line));
        }
    }
    output::line(&result(run));
}

/// The events whose output is shown.
fn wanted(run: &RunView, args: &Logs) -> Vec<(String, bool)> {
    let failed = runs::failed_event(run).filter(|_| !args.all && args.event.is_none());
    run.events
        .iter()
        .filter(|event| event.log)
        .filter(|event| args.event.as_ref().is_none_or(|name| &event.event == name))
        .filter(|event| failed.is_none_or(|failed| failed.event == event.event && failed.back == event.back))
        .map(|event| (event.event.clone(), event.back))
        .collect()
}

/// `FLEET/HOST`, `DEPLOYMENT/HOST`, `DEPLOYMENT/HOST/ATTEMPT`.
async fn target(text: &str, caller: &Caller) -> Result<(DeploymentId, HostName, Option<u32>), Failure> {
    let bad = || Failure::Usage(format!("{text:?} names no run: write FLEET/HOST, DEPLOYMENT/HOST or DEPLOYMENT/HOST/ATTEMPT"));
    let mut parts = text.split('/');
    let (Some(target), Some(host), attempt, None) = (parts.next(), parts.next(), parts.next(), parts.next()) else { return Err(bad()) };
    let host = host.parse().map_err(|_| bad())?;
    let attempt = attempt.map(|text| text.parse().map_err(|_| bad())).transpose()?;
    Ok((caller.session.newest(target).await?, host, attempt))
}
