//! `pilotage-agent local`: deploys a bundle on this host without a coordinator, with the flags, the layout on disk and the words
//! of `codedeploy-local`. The work is done by the same deployer as the service's, on a run directory: one command is one run
//! from what the group runs now to the bundle, and back by itself when that fails.
//!
//! Everything lies below `root_dir`: what CodeDeploy's users look for by its names (`root`), and our own state in `.pilotage`
//! (`group`: what each deployment group runs). One command at a time works below one `root_dir`.

pub mod bundle;
pub mod configuration;
mod events;
mod flags;
mod follow;
mod group;
mod log;
pub mod records;
mod retention;
mod root;
mod told;
mod words;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use pilotage_agent_core::run::{Changes, Contract, HostOffers, Kind, Request, Target};
use pilotage_shared::name::{HostName, Version};
use pilotage_shared::release::{PackageName, Release};
use pilotage_shared::run::{Outcome, RunId};
use pilotage_shared::time::Millis;

use crate::config::{self, Launch, Service};
use crate::launch::Launcher;
use crate::slots::own_check::own_check;
use crate::{layout::Layout, rundir, watch};
use bundle::Taken;
use configuration::Configuration;
pub use flags::Flags;
use follow::{End, Follower};
use group::{Deployed, Group};
use log::Log;
use root::Root;
use told::Told;

/// The AppSpec's own time limits count: above them there is nobody who could say another (F3).
const HOOK_TIMEOUT: Millis = Millis::seconds(366 * 24 * 3600);

/// Does it; the exit code is 0 when the bundle runs, else 1 (N5).
pub fn run(flags: &Flags, service: &Service) -> ExitCode {
    if flags.version {
        words::say(&format!("pilotage-agent {} (as codedeploy-local 1.0)", env!("CARGO_PKG_VERSION")));
        return ExitCode::SUCCESS;
    }
    let ordinary = !nix::unistd::geteuid().is_root();
    let complain = |error: anyhow::Error| {
        words::complain(&format!("ERROR: {error:#}"));
        ExitCode::FAILURE
    };
    let configuration = match configuration::load(flags.agent_configuration_file.as_deref(), ordinary) {
        Ok(configuration) => configuration,
        Err(error) => return complain(error),
    };
    let log = Log::open(configuration.log_dir.as_deref());
    log.line("INFO", &format!("deploying {} to {}", flags.bundle_location, flags.deployment_group));
    match deploy(flags, service, &configuration, ordinary) {
        Ok(code) => {
            let (level, how) = if code == ExitCode::SUCCESS { ("INFO", "has succeeded") } else { ("ERROR", "has failed") };
            log.line(level, &format!("the deployment to {} {how}", flags.deployment_group));
            code
        }
        Err(error) => {
            log.line("ERROR", &format!("{error:#}"));
            complain(error)
        }
    }
}

fn deploy(flags: &Flags, service: &Service, configuration: &Configuration, ordinary: bool) -> anyhow::Result<ExitCode> {
    let events = events::chosen(&flags.events)?;
    let path = bundle::locate(&flags.bundle_location, flags.kind)?;
    root::check_group(&flags.deployment_group)?;
    if ordinary {
        words::say(&format!(
            "You are not root: `runas`, owners and groups are left out, and everything is kept below {}",
            configuration.root_dir.display()
        ));
    }
    let root = Root::open(&configuration.root_dir)?;
    let state = Layout::open(&root.state())?;
    let _alone = root.lock(&flags.deployment_group)?;
    let mut launcher = Launcher::new(&service.deployer()?, if ordinary { Launch::Plain } else { service.launch()? }, &state)?;
    let mut group = Group::load(&state, &flags.deployment_group)?;
    let mut site = Site { flags, root: &root, state: &state, launcher: &mut launcher, log: configuration.deployments_log };
    site.finish_unfinished(&mut group)?;
    if group.is_new() {
        records::take_over(&root, &state, &mut group)?;
    }

    words::say(&format!("DownloadBundle  {}", path.display()));
    let taken = bundle::take(&path, flags.appspec_filename.as_deref(), &state, &group.app)?;
    for note in &taken.built.appspec.warnings {
        words::say(&format!("  {} {note}", taken.built.manifest.appspec));
    }
    if !ordinary {
        crate::fetch::preflight(&taken.folder.join(&taken.built.manifest.appspec))?;
    }
    let deployed = group.next(taken.digest);
    root.make_deployment(&deployed, &group.name, &taken.folder, (!path.is_dir()).then_some(path.as_path()))?;
    words::say(&format!("Starting to execute deployment from within folder {}", root.deployment(&group.name, &deployed.deployment).display()));
    records::most_recent(&root, &group.name, &deployed)?;
    retention::old_deployments(&root, &group, &deployed, configuration.max_revisions)?;

    let request =
        site.request(&group, &deployed, &taken, Changes { file_exists: Some(flags.file_exists_behavior.into()), events, one_account: ordinary })?;
    let code = site.perform(&mut group, deployed, &request)?;
    retention::releases(&root, &state, &group)?;
    Ok(code)
}

/// Where and with what this command works.
struct Site<'a> {
    flags: &'a Flags,
    root: &'a Root,
    state: &'a Layout,
    launcher: &'a mut Launcher,
    log: bool,
}

impl Site<'_> {
    fn request(&self, group: &Group, deployed: &Deployed, taken: &Taken, changes: Changes) -> anyhow::Result<Request> {
        let mut variables = config::environment();
        variables.insert("PATH".into(), words::complete_path(variables.get("PATH").map_or("", String::as_str)));
        let health = |check: pilotage_shared::health::HealthCheck| match watch::resolve(&check.probe, &variables) {
            Ok(probe) => pilotage_shared::health::HealthCheck { probe, ..check },
            Err(_) => check,
        };
        let target = |deployment: &str, release: Release, check| Target {
            release,
            package: PackageName { app: group.app.clone(), version: Version::lossy(deployment) },
            health: Option::map(check, health),
        };
        let from = group.committed.as_ref().map(|now| {
            let release = Release::of(now.package);
            target(&now.deployment, release, own_check(self.state, &group.app, &release))
        });
        Ok(Request {
            format: Request::FORMAT,
            run: RunId { deployment: None, host: HostName::new("localhost")?, attempt: deployed.attempt },
            app: group.app.clone(),
            kind: Kind::LocalRollback,
            to: target(&deployed.deployment, Release::of(deployed.package), taken.built.appspec.health.clone()),
            from,
            hook_timeout: HOOK_TIMEOUT,
            contract: Contract {
                application: self.flags.application_name.clone().unwrap_or_else(|| self.flags.bundle_location.clone()),
                deployment_group: self.flags.deployment_group_name.clone(),
                deployment_group_id: Some(group.name.clone()),
                deployment_id: deployed.deployment.clone(),
            },
            variables,
            changes,
            host: HostOffers::default(),
            proofs: Vec::new(),
            state: self.state.state.display().to_string(),
        })
    }

    /// A command that was killed, or left alone, has left its run; it is seen to its end before anything else begins.
    fn finish_unfinished(&mut self, group: &mut Group) -> anyhow::Result<()> {
        let Some(before) = group.unfinished.clone() else { return Ok(()) };
        words::say(&format!("An earlier deployment, {}, has not ended: it goes on first", before.deployment));
        let folder = self.state.run(&group.app, before.attempt);
        if rundir::never_begun(&folder) {
            return group.forget_unfinished(self.state);
        }
        self.root.link_logs(&folder, &group.name, &before.deployment)?;
        match self.see_to_its_end(group, &before, &folder)? {
            None => anyhow::bail!("{} is still under way", before.deployment),
            Some(Outcome::Committed) => words::say(&format!("{} has succeeded meanwhile", before.deployment)),
            Some(outcome) => words::say(&format!("{} has ended: {}", before.deployment, words::outcome(&outcome))),
        }
        Ok(())
    }

    fn perform(&mut self, group: &mut Group, deployed: Deployed, request: &Request) -> anyhow::Result<ExitCode> {
        let folder = self.state.run(&group.app, deployed.attempt);
        let before = group.committed.clone();
        group.begin(self.state, deployed.clone())?;
        rundir::create(&folder, request)?;
        self.root.link_logs(&folder, &group.name, &deployed.deployment)?;
        let outcome = self.see_to_its_end(group, &deployed, &folder);
        let told = Told { root: self.root, group: &group.name, deployed: &deployed, before: before.as_ref() };
        Ok(match outcome? {
            None => {
                words::complain(&format!("Left alone: {} goes on by itself; its log is {}", deployed.deployment, told.log().display()));
                ExitCode::FAILURE
            }
            Some(Outcome::Committed) => {
                words::say("AppSpec file valid. Local deployment successful");
                ExitCode::SUCCESS
            }
            Some(outcome) => {
                words::complain(&told.failure(&outcome, group.last_report.as_ref()));
                ExitCode::FAILURE
            }
        })
    }

    /// The outcome, taken into the group's record; none when it was left alone. What the run has kept goes with its directory.
    fn see_to_its_end(&mut self, group: &mut Group, deployed: &Deployed, folder: &Path) -> anyhow::Result<Option<Outcome>> {
        let mut follower = Follower::new(self.root, group, deployed, folder, self.log)?;
        let outcome = match follower.follow(self.launcher)? {
            End::Left => return Ok(None),
            End::Ended(outcome) => outcome,
        };
        rundir::until_left(folder)?;
        group.last_report = rundir::report(folder);
        if outcome == Outcome::Committed {
            records::committed(self.root, self.state, group, deployed)?;
        }
        group.end(self.state, &outcome)?;
        if !matches!(outcome, Outcome::NeedsHands { .. }) {
            std::fs::remove_dir_all(folder).with_context(|| format!("failed to remove {}", folder.display()))?;
        }
        Ok(Some(outcome))
    }
}
