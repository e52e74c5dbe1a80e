//! Why a request was refused: the caller's fault, with a stable code. Nothing was changed.

use pilotage_shared::digest::Digest;
use pilotage_shared::ids::{DeploymentId, Generation};
use pilotage_shared::name::{AppName, FleetName, HostName, Version, Why};

/// A refusal. `code()` is stable and part of the API; the text may improve.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// `allowed` said no.
    #[error("{who} may not {action}")]
    NotAllowed {
        /// The principal.
        who: String,
        /// What was asked.
        action: &'static str,
    },
    /// The key was used for something else.
    #[error("the idempotency key {0:?} was used for a different request; take a new key")]
    KeyReused(Why),
    /// No such fleet.
    #[error("there is no fleet {0}")]
    UnknownFleet(FleetName),
    /// No such host.
    #[error("there is no host {0}")]
    UnknownHost(HostName),
    /// No such deployment.
    #[error("there is no deployment {0}")]
    UnknownDeployment(DeploymentId),
    /// No such package.
    #[error("there is no package {app}@{version}; push it first")]
    UnknownVersion {
        /// Of which app.
        app: AppName,
        /// Asked for.
        version: Version,
    },
    /// No such package.
    #[error("there is no package {0}")]
    UnknownPackage(Digest),
    /// Another app's package.
    #[error("package {digest} is of app {found}, the fleet {fleet} runs {wanted}")]
    OtherApp {
        /// Asked for.
        digest: Digest,
        /// Its app.
        found: AppName,
        /// Whose deployment.
        fleet: FleetName,
        /// The fleet's app.
        wanted: AppName,
    },
    /// A version is immutable.
    #[error("{app}@{version} exists with other content ({existing}); give the new content another version")]
    VersionTaken {
        /// Of which app.
        app: AppName,
        /// Asked for.
        version: Version,
        /// What it is.
        existing: Digest,
    },
    /// In use.
    #[error("{package} is in use: {by}")]
    PackageInUse {
        /// Which.
        package: String,
        /// By what.
        by: String,
    },
    /// R23.
    #[error("{package} is held since it failed in {by}: {why}")]
    PackageHeld {
        /// Which.
        package: String,
        /// The deployment that turned.
        by: DeploymentId,
        /// What failed.
        why: Why,
    },
    /// R29.
    #[error("{package} is blocked")]
    PackageBlocked {
        /// Which.
        package: String,
    },
    /// Nothing to release.
    #[error("{package} is not held")]
    NotHeld {
        /// Which.
        package: String,
    },
    /// No such configuration.
    #[error("there is no configuration c{number} of {app}")]
    UnknownConfiguration {
        /// Of which app.
        app: AppName,
        /// Asked for.
        number: u32,
    },
    /// In use.
    #[error("configuration c{number} of {app} is in use: {by}")]
    ConfigurationInUse {
        /// Of which app.
        app: AppName,
        /// Which.
        number: u32,
        /// By what.
        by: String,
    },
    /// R23.
    #[error("{release} is held since it failed in {by}: {why}")]
    ConfigurationHeld {
        /// The package with the configuration.
        release: String,
        /// The configuration's number; none: the package without one.
        config: Option<u32>,
        /// The deployment that turned.
        by: DeploymentId,
        /// What failed.
        why: Why,
    },
    /// Nothing to release.
    #[error("configuration c{number} of {app} is not held")]
    ConfigurationNotHeld {
        /// Of which app.
        app: AppName,
        /// Which.
        number: u32,
    },
    /// A push would take away a package that is on its way.
    #[error(
        "{id} brings {package}: a push of a configuration would take that away. Wait for it, cancel it, or push with --no-deploy and deploy that package with --config"
    )]
    OtherPackage {
        /// What is in course.
        id: DeploymentId,
        /// What it brings.
        package: String,
    },
    /// The selector matches nobody.
    #[error("the selector {selector} of fleet {fleet} matches no host")]
    NoMembers {
        /// Whose.
        fleet: FleetName,
        /// Which.
        selector: String,
    },
    /// The author expected another number.
    #[error("the selector matches {found} hosts, {low} to {high} were expected: {first}")]
    Unexpected {
        /// Found.
        found: u32,
        /// Expected at least.
        low: u32,
        /// Expected at most.
        high: u32,
        /// The first names.
        first: String,
    },
    /// R11: said at once, not after hours.
    #[error("the floor {floor} of {scope} can never be kept in a change: it has {members} hosts, so at most {most} may be the floor")]
    FloorTooHigh {
        /// `the fleet` or `zone=a`.
        scope: String,
        /// In hosts.
        floor: u32,
        /// Members.
        members: u32,
        /// What would do.
        most: u32,
    },
    /// A host would be in two fleets of one app.
    #[error("{host} would be in two fleets of app {app}: {first} and {second}")]
    Overlap {
        /// The first host for which it is true.
        host: HostName,
        /// Of which app.
        app: AppName,
        /// One fleet.
        first: FleetName,
        /// The other.
        second: FleetName,
    },
    /// The app of a fleet never changes.
    #[error("fleet {fleet} runs {app}; delete it and declare another to run {other}")]
    AppChanged {
        /// Whose.
        fleet: FleetName,
        /// Now.
        app: AppName,
        /// Asked for.
        other: AppName,
    },
    /// A fleet says something that it must not.
    #[error("fleet {fleet}: {why}")]
    FleetSpec {
        /// Whose.
        fleet: FleetName,
        /// What is wrong.
        why: String,
    },
    /// In course.
    #[error("{0} is in course; cancel it first")]
    InCourse(DeploymentId),
    /// Not in course.
    #[error("{0} is over; a new deployment is needed")]
    Over(DeploymentId),
    /// Only forward is paused.
    #[error("{0} is on its way back; a rollback is not paused, but can be cancelled")]
    GoingBack(DeploymentId),
    /// Not paused, not frozen.
    #[error("{0} is neither paused nor frozen")]
    NotPaused(FleetName),
    /// R20.
    #[error("{0} has no settled release to go back to: it has never completed a deployment")]
    NothingSettled(FleetName),
    /// Nothing runs.
    #[error("fleet {0} runs nothing yet that could be started again")]
    NothingRuns(FleetName),
    /// The name is taken by a machine that is not retired.
    #[error("host {0} exists; retire it before another machine joins under this name")]
    HostExists(HostName),
    /// Too much for one record.
    #[error("{what} has {found}, at most {max} are allowed")]
    TooMany {
        /// What.
        what: &'static str,
        /// Found.
        found: usize,
        /// Allowed.
        max: usize,
    },
    /// R13.
    #[error("host {0} is retired; its identity is not taken again")]
    Retired(HostName),
    /// R28.
    #[error("host {host} is in quarantine: {why}; a person re-joins it")]
    Quarantined {
        /// Which.
        host: HostName,
        /// Why.
        why: Why,
    },
    /// R3, R4: late, repeated, or of another session.
    #[error("a report of {0} is older than what is known")]
    Stale(HostName),
    /// R17: no counter is bounded only by the peer's word.
    #[error("host {host} says it has seen generation {seen}, the counter is {counter}")]
    CounterJump {
        /// Which.
        host: HostName,
        /// Its word.
        seen: Generation,
        /// Ours.
        counter: Generation,
    },
    /// Before the start.
    #[error("the coordinator has not started yet")]
    NotStarted,
    /// R34.
    #[error("the coordinator recovers from a backup: nobody is moved until a person has gone on with `pilotage recover`")]
    Recovering,
    /// R34.
    #[error("the coordinator does not recover from a backup: there is nothing to confirm")]
    NotRecovering,
    /// R34.
    #[error("{missing} of {members} hosts have not been heard since the restore: {}; wait for them, or go on without them", first(hosts))]
    Unheard {
        /// How many.
        missing: u32,
        /// Of how many members of fleets.
        members: u32,
        /// The first of them by name.
        hosts: Vec<HostName>,
    },
}

fn first(hosts: &[HostName]) -> String {
    hosts.iter().map(HostName::as_str).collect::<Vec<_>>().join(" ")
}

impl Rejected {
    /// The stable code of the problem document.
    pub fn code(&self) -> &'static str {
        match self {
            Rejected::NotAllowed { .. } => "not-allowed",
            Rejected::KeyReused(_) => "idempotency-key-reused",
            Rejected::UnknownFleet(_) => "unknown-fleet",
            Rejected::UnknownHost(_) => "unknown-host",
            Rejected::UnknownDeployment(_) => "unknown-deployment",
            Rejected::UnknownVersion { .. } | Rejected::UnknownPackage(_) => "unknown-package",
            Rejected::OtherApp { .. } => "package-of-other-app",
            Rejected::VersionTaken { .. } => "version-taken",
            Rejected::PackageInUse { .. } => "package-in-use",
            Rejected::PackageHeld { .. } => "package-held",
            Rejected::PackageBlocked { .. } => "package-blocked",
            Rejected::NotHeld { .. } => "package-not-held",
            Rejected::UnknownConfiguration { .. } => "unknown-configuration",
            Rejected::ConfigurationInUse { .. } => "configuration-in-use",
            Rejected::ConfigurationHeld { .. } => "configuration-held",
            Rejected::ConfigurationNotHeld { .. } => "configuration-not-held",
            Rejected::OtherPackage { .. } => "deployment-in-course",
            Rejected::NoMembers { .. } => "no-members",
            Rejected::Unexpected { .. } => "unexpected-members",
            Rejected::FloorTooHigh { .. } => "floor-too-high",
            Rejected::Overlap { .. } => "fleets-overlap",
            Rejected::AppChanged { .. } => "app-changed",
            Rejected::FleetSpec { .. } => "fleet-invalid",
            Rejected::InCourse(_) => "deployment-in-course",
            Rejected::Over(_) => "deployment-over",
            Rejected::GoingBack(_) => "deployment-going-back",
            Rejected::NotPaused(_) => "not-paused",
            Rejected::NothingSettled(_) => "nothing-settled",
            Rejected::NothingRuns(_) => "nothing-runs",
            Rejected::HostExists(_) => "host-exists",
            Rejected::TooMany { .. } => "too-many",
            Rejected::Retired(_) => "host-retired",
            Rejected::Quarantined { .. } => "host-quarantined",
            Rejected::Stale(_) => "stale",
            Rejected::CounterJump { .. } => "counter-jump",
            Rejected::NotStarted => "not-started",
            Rejected::Recovering => "recovering",
            Rejected::NotRecovering => "not-recovering",
            Rejected::Unheard { .. } => "hosts-unheard",
        }
    }

    /// The HTTP status of the problem document.
    pub fn status(&self) -> u16 {
        match self {
            Rejected::NotAllowed { .. } | Rejected::Retired(_) | Rejected::Quarantined { .. } => 403,
            Rejected::UnknownFleet(_)
            | Rejected::UnknownHost(_)
            | Rejected::UnknownDeployment(_)
            | Rejected::UnknownVersion { .. }
            | Rejected::UnknownPackage(_)
            | Rejected::UnknownConfiguration { .. } => 404,
            Rejected::OtherApp { .. }
            | Rejected::NoMembers { .. }
            | Rejected::Unexpected { .. }
            | Rejected::FloorTooHigh { .. }
            | Rejected::FleetSpec { .. }
            | Rejected::TooMany { .. } => 422,
            Rejected::NotStarted => 503,
            Rejected::KeyReused(_)
            | Rejected::VersionTaken { .. }
            | Rejected::PackageInUse { .. }
            | Rejected::PackageHeld { .. }
            | Rejected::PackageBlocked { .. }
            | Rejected::NotHeld { .. }
            | Rejected::ConfigurationInUse { .. }
            | Rejected::ConfigurationHeld { .. }
            | Rejected::ConfigurationNotHeld { .. }
            | Rejected::OtherPackage { .. }
            | Rejected::Overlap { .. }
            | Rejected::AppChanged { .. }
            | Rejected::InCourse(_)
            | Rejected::Over(_)
            | Rejected::GoingBack(_)
            | Rejected::NotPaused(_)
            | Rejected::NothingSettled(_)
            | Rejected::NothingRuns(_)
            | Rejected::HostExists(_)
            | Rejected::Stale(_)
            | Rejected::CounterJump { .. }
            | Rejected::Recovering
            | Rejected::NotRecovering
            | Rejected::Unheard { .. } => 409,
        }
    }
}
