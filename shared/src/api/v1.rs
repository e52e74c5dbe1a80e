//! Version 1 of the API's bodies: JSON, additive. A reader ignores fields that it does not know and takes an unknown word of
//! a closed list as `unknown`; the server refuses unknown fields of requests by name, so that nobody believes a wish was
//! heard that was not.
//!
//! Names, ids and digests are the domain's own types, written as people write them; moments are [`When`], spans [`Span`].

mod configuration;
mod deployment;
mod event;
mod fleet;
mod host;
mod package;
mod problem;
mod recovery;
mod run;
#[cfg(feature = "openapi")]
mod schema;
mod status;
mod time;
mod waiting;

pub use configuration::{
    ConfigurationContent, ConfigurationFile, ConfigurationKnown, ConfigurationPushed, ConfigurationView, CreateConfiguration, HeldWithView,
};
pub use deployment::{CreateDeployment, DeploymentState, DeploymentView, OutcomeWord, WaveView};
pub use event::EventView;
pub use fleet::{
    Expect, Failure, FailureThen, FleetApplied, FleetBody, FleetBodyError, FleetView, Floor, Health, Hooks, Leave, StragglersBody, StragglersThen,
};
pub use host::{AddHost, HostAdded, HostStateWord, HostView, LoanView, PatchHost, RefusalView, RunNow, SlotView, StandingWord};
pub use package::{CreatePackage, HeldView, ManifestKnown, PackageView};
pub use problem::Problem;
pub use recovery::{FleetRecovery, InCourseView, Recover, RecoveringView, RecoveryThen, RecoveryView, RunsView};
pub use run::{RunEventView, RunOutcomeWord, RunView};
pub use status::{BackupView, CoordinatorView, FleetState, FleetStatus, HostCounts, MakeBackup, ScopeCounts, StatusView};
pub use time::{Span, When, WhenError};
pub use waiting::{Explanation, MissingView, MissingWhy, WaitingHost, WaitingKind, WaitingView};

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::name::Reason;

/// What a release is, for people and machines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReleaseView {
    /// As `web@1.4.2`; the digest's beginning when the package is not known any more.
    pub package: String,
    /// The package's.
    pub digest: Digest,
    /// The configuration's number: 17 for `c17`; none without one, or when it is not known any more.
    #[serde(default)]
    pub config: Option<u32>,
    /// The configuration's digest.
    #[serde(default)]
    pub config_digest: Option<Digest>,
    /// Rises with each restart of the same package.
    #[serde(default)]
    pub restart: u32,
}

/// Who did something, why, when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NoteView {
    /// The principal.
    pub by: String,
    /// Its words.
    pub reason: String,
    /// When.
    pub at: When,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Page<T> {
    /// In a stable order.
    pub items: Vec<T>,
    /// Give it as `cursor` to read on; none at the end.
    #[serde(default)]
    pub next: Option<String>,
}

/// The body of a request that needs nothing but a reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Because {
    /// Why; may be empty.
    #[serde(default)]
    pub reason: Reason,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::FleetSpec;

    const MINIMAL: &str = r#"{"fleet":"web-prod","app":"web","select":"env=prod","floor":{"fleet":"66%"}}"#;

    #[test]
    fn a_fleet_goes_through_json_unchanged() {
        for json in [
            MINIMAL,
            r#"{"fleet":"f","app":"web","select":"k in (a,b)","expect":{"low":1,"high":9},"floor":{"fleet":"2","per":{"zone":"50%"}},"parallel":"3",
                "failure":{"tolerate":"5%","then":"pause"},"stragglers":{"after":"30m","at_most":"2%"},"health":{"tcp":"localhost:1","every":"1500ms"},
                "hooks":{"timeout":"90s"},"first_install":true}"#,
        ] {
            let body: FleetBody = serde_json::from_str(json).unwrap();
            let spec = FleetSpec::try_from(body).unwrap();
            let again: FleetBody = serde_json::from_str(&serde_json::to_string(&FleetBody::from(&spec)).unwrap()).unwrap();
            assert_eq!(FleetSpec::try_from(again), Ok(spec));
        }
    }

    #[test]
    fn words_of_a_newer_version_are_read_and_never_obeyed() {
        let body: FleetBody = serde_json::from_str(&MINIMAL.replace("\"floor\"", r#""failure":{"then":"explode"},"floor""#)).unwrap();
        assert_eq!(body.failure.then, FailureThen::Unknown);
        assert_eq!(FleetSpec::try_from(body), Err(FleetBodyError::Word("failure.then")));
        assert_eq!(serde_json::from_str::<OutcomeWord>(r#""evaporated""#).unwrap(), OutcomeWord::Unknown);
        assert_eq!(serde_json::from_str::<WaitingKind>(r#""alarm""#).unwrap(), WaitingKind::Unknown);
        assert_eq!(serde_json::from_str::<StandingWord>(r#""vibrating""#).unwrap(), StandingWord::Unknown);
        assert_eq!(serde_json::to_string(&OutcomeWord::RolledBack).unwrap(), r#""rolled_back""#);
    }
}
