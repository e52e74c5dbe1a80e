//! `pilotage deploy` and `restart`.

use pilotage_shared::api::v1::{CreateDeployment, DeploymentView};
use pilotage_shared::file_exists::FileExists;
use pilotage_shared::name::FleetName;
use pilotage_shared::time::Millis;

use super::watch::{Until, Watch, follow};
use super::{Caller, Why, simulate};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Form, safe};
use crate::render::words::{plural, release};

/// Bring a fleet to a package
#[derive(Debug, clap::Args)]
pub struct Deploy {
    /// Which fleet
    fleet: FleetName,
    /// A version of its app, as 1.4.2, web@1.4.2 or sha256:…; without one: what is settled, with another configuration
    #[arg(required_unless_present = "config")]
    version: Option<String>,
    /// With this configuration, as c17 (none: without), instead of the fleet's current one
    #[arg(long, value_name = "cN")]
    config: Option<String>,
    /// What to do with files that are there and are not ours, where the AppSpec does not say it: DISALLOW, OVERWRITE or RETAIN
    #[arg(long, alias = "file-exists-behavior", value_name = "WHAT")]
    file_exists: Option<FileExists>,
    /// Taken from CodeDeploy's users, and always so here: a stop script that fails never holds a deployment up
    #[arg(long, hide_short_help = true)]
    ignore_application_stop_failures: bool,
    /// Change nothing; show what it would do: how long, how much capacity, and how far a bad version would get
    #[arg(long, conflicts_with_all = ["watch", "until", "timeout"])]
    plan: bool,
    #[command(flatten)]
    watching: Watching,
    #[command(flatten)]
    why: Why,
}

/// Start again what a fleet runs
#[derive(Debug, clap::Args)]
pub struct Restart {
    /// Which fleet
    fleet: FleetName,
    #[command(flatten)]
    watching: Watching,
    #[command(flatten)]
    why: Why,
}

/// How a deployment is watched by the command that began it.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Watching {
    /// Follow it to its end; the exit code says how it went
    #[arg(long)]
    watch: bool,
    /// Follow it so far
    #[arg(long, value_enum)]
    until: Option<Until>,
    /// Follow it at most so long, as 45m (exit 5 or 6)
    #[arg(long, value_name = "SPAN")]
    timeout: Option<Millis>,
}

impl Watching {
    /// None: it is only begun.
    pub fn watch(self, wanted_back: bool) -> Option<Watch> {
        let asked = self.watch || self.until.is_some() || self.timeout.is_some();
        asked.then(|| Watch { until: self.until.unwrap_or_default(), timeout: self.timeout, wanted_back, ..Watch::default() })
    }
}

/// `deploy`
pub async fn deploy(args: &Deploy, caller: &Caller) -> Result<Exit, Failure> {
    if args.plan {
        return simulate::plan(&args.fleet, args.version.as_deref(), args.config.as_deref(), caller).await;
    }
    let (fleet, package, config) = (args.fleet.clone(), args.version.clone(), args.config.clone());
    let body = CreateDeployment { fleet, package, restart: false, config, file_exists: args.file_exists, reason: args.why.reason.clone() };
    begin(&body, args.watching, caller).await
}

/// `restart`
pub async fn restart(args: &Restart, caller: &Caller) -> Result<Exit, Failure> {
    let body = CreateDeployment {
        fleet: args.fleet.clone(),
        package: None,
        restart: true,
        config: None,
        file_exists: None,
        reason: args.why.reason.clone(),
    };
    begin(&body, args.watching, caller).await
}

async fn begin(body: &CreateDeployment, watching: Watching, caller: &Caller) -> Result<Exit, Failure> {
    let view = caller.session.deploy(body).await?;
    if caller.form == Form::Json && watching.watch(false).is_none() {
        output::json(&view);
    }
    said(&view, watching, caller).await
}

/// Says that a deployment has begun, and follows it where that is asked for.
pub async fn said(view: &DeploymentView, watching: Watching, caller: &Caller) -> Result<Exit, Failure> {
    let watch = watching.watch(false);
    if caller.form == Form::Text {
        output::lines(begun(&caller.session.context, view, watch.is_some()));
    }
    match watch {
        Some(watch) => follow(caller, &view.id, watch).await,
        None => Ok(Exit::Reached),
    }
}

fn begun(context: &str, view: &DeploymentView, watched: bool) -> Vec<String> {
    let over = view.over.as_ref().map_or_else(|| "the first".to_owned(), |over| format!("over {}", release(over)));
    let hosts: u32 = view.waves.iter().map(|wave| wave.hosts).sum();
    let mut lines =
        vec![format!("{context}: {}  {} {over} · {}, floor {}", view.id, release(&view.wanted), plural(hosts as usize, "host", "hosts"), view.floor)];
    lines.extend(view.file_exists.map(|word| format!("      files that are there and are not ours: {word}, where the AppSpec does not say it")));
    lines.extend(view.waiting.iter().filter(|waiting| waiting.blocks).map(|waiting| format!("      ! {}", safe(&waiting.text))));
    if !watched {
        lines.push(format!("next  pilotage watch {}", view.fleet));
    }
    lines
}
