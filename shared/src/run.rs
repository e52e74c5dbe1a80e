//! One execution of a lifecycle on a host, as both sides speak of it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{DeploymentId, Generation};
use crate::name::{AppName, HostName, Why};
use crate::release::Release;
use crate::text::Text;

/// `<deployment>/<host>/<attempt>`, as `web-prod.87/h23/1`; a person's own run at the host is `local/<host>/<attempt>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RunId {
    /// None for a run that a person started at the host.
    pub deployment: Option<DeploymentId>,
    /// Where.
    pub host: HostName,
    /// Counted by the host's ledger over all its runs of the app, from 1.
    pub attempt: u32,
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.deployment {
            Some(d) => write!(f, "{d}/{}/{}", self.host, self.attempt),
            None => write!(f, "local/{}/{}", self.host, self.attempt),
        }
    }
}

/// A lifecycle event of a package (G1 of the CodeDeploy contract), and our own tasks between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Event {
    /// Before the load balancer is told.
    BeforeBlockTraffic,
    /// After it has been told.
    AfterBlockTraffic,
    /// The old revision's stop scripts.
    ApplicationStop,
    /// Ours: bits on the host.
    DownloadBundle,
    /// Before files move.
    BeforeInstall,
    /// Ours: the switch, file by file.
    Install,
    /// After files moved.
    AfterInstall,
    /// Start scripts.
    ApplicationStart,
    /// Is it good?
    ValidateService,
    /// Ours: the health check, until healthy once.
    HealthCheck,
    /// Before the load balancer sends traffic again.
    BeforeAllowTraffic,
    /// After it does.
    AfterAllowTraffic,
    /// Ours: the new release looks at the host, with the permission, before anything is disturbed.
    Preflight,
    /// Ours: requests in course come to their end.
    Drain,
    /// Ours: the new release is told that its run turns back.
    OnFailure,
    /// Ours: the previous release is told that it is back.
    OnRollback,
}

impl Event {
    /// CodeDeploy's and our own tasks among them, in the order in which they run; behind them ours that CodeDeploy has no place for.
    pub const ALL: [Event; 16] = [
        Event::BeforeBlockTraffic,
        Event::AfterBlockTraffic,
        Event::ApplicationStop,
        Event::DownloadBundle,
        Event::BeforeInstall,
        Event::Install,
        Event::AfterInstall,
        Event::ApplicationStart,
        Event::ValidateService,
        Event::HealthCheck,
        Event::BeforeAllowTraffic,
        Event::AfterAllowTraffic,
        Event::Preflight,
        Event::Drain,
        Event::OnFailure,
        Event::OnRollback,
    ];

    /// The events that CodeDeploy runs scripts for (F6), in their order.
    pub const SCRIPTED: [Event; 9] = [
        Event::BeforeBlockTraffic,
        Event::AfterBlockTraffic,
        Event::ApplicationStop,
        Event::BeforeInstall,
        Event::AfterInstall,
        Event::ApplicationStart,
        Event::ValidateService,
        Event::BeforeAllowTraffic,
        Event::AfterAllowTraffic,
    ];

    /// As it stands in an AppSpec and in LIFECYCLE_EVENT.
    pub fn as_str(self) -> &'static str {
        match self {
            Event::BeforeBlockTraffic => "BeforeBlockTraffic",
            Event::AfterBlockTraffic => "AfterBlockTraffic",
            Event::ApplicationStop => "ApplicationStop",
            Event::DownloadBundle => "DownloadBundle",
            Event::BeforeInstall => "BeforeInstall",
            Event::Install => "Install",
            Event::AfterInstall => "AfterInstall",
            Event::ApplicationStart => "ApplicationStart",
            Event::ValidateService => "ValidateService",
            Event::HealthCheck => "HealthCheck",
            Event::BeforeAllowTraffic => "BeforeAllowTraffic",
            Event::AfterAllowTraffic => "AfterAllowTraffic",
            Event::Preflight => "Preflight",
            Event::Drain => "Drain",
            Event::OnFailure => "OnFailure",
            Event::OnRollback => "OnRollback",
        }
    }

    /// The event of that name, exactly.
    pub fn named(name: &str) -> Option<Event> {
        Event::ALL.into_iter().find(|e| e.as_str() == name)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a run does now, as far as others need to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Phase {
    /// Begun; nothing disturbed yet.
    Beginning,
    /// Going forward, in this event.
    Forward(Event),
    /// Going back to what was, in this event.
    Back(Event),
}

/// How a run ended (promise 4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The new release runs, validated.
    Committed,
    /// The previous one runs as it was.
    RolledBack {
        /// What failed, as `ValidateService exit 1 "…"`.
        why: Why,
    },
    /// Its permission was no longer good at the last test; nothing was disturbed (R6).
    NotBegun {
        /// Which test failed.
        why: Why,
    },
    /// Neither: says what is inconsistent.
    NeedsHands {
        /// What to look at.
        why: Why,
    },
}

/// One event of a run as the coordinator keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventReport {
    /// Which event.
    pub event: Event,
    /// True when it ran on the way back.
    pub back: bool,
    /// Script inside the bundle; none for our own tasks.
    pub script: Option<Text<300>>,
    /// Milliseconds since the run began.
    pub began_ms: u64,
    /// Milliseconds it took.
    pub took_ms: u64,
    /// CodeDeploy's result code: 0 good, 1 missing, 2 not executable, 3 timed out, 4 failed, 5 unknown, 6 output left open.
    pub code: u8,
    /// The process's exit status, where there was one.
    pub exit: Option<i32>,
    /// What went wrong; empty when nothing did.
    pub message: Why,
    /// The last line of its output (control characters replaced).
    pub last_line: Why,
}

/// A run as the coordinator keeps it; sent whole when the run has ended, and again until it was acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunReport {
    /// Which run.
    pub id: RunId,
    /// Of which app.
    pub app: AppName,
    /// The generation that it spent.
    pub generation: Option<Generation>,
    /// Where it went.
    pub to: Release,
    /// Where it came from.
    pub from: Option<Release>,
    /// Wall time of the host at its begin, milliseconds since 1970; for display.
    pub began_at_ms: u64,
    /// How long the whole run took, milliseconds.
    pub took_ms: u64,
    /// How long the app was out of service, milliseconds; none when it was never stopped.
    pub out_of_service_ms: Option<u64>,
    /// Each event in order, at most 40.
    pub events: Vec<EventReport>,
    /// How it ended.
    pub outcome: Outcome,
}
