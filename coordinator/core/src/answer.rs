//! What the sender of an admitted input is told; kept with the idempotency key that it came under.

use pilotage_shared::digest::Digest;
use pilotage_shared::ids::{DeploymentId, HostId};
use pilotage_shared::name::{AppName, HostName, Why};
use pilotage_shared::wire::Welcome;
use serde::{Deserialize, Serialize};

/// What a sender is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// It is so.
    Done,
    /// A session begins.
    Welcome(Welcome),
    /// No session; the connection ends.
    Goodbye(Why),
    /// This deployment.
    Deployment(DeploymentId),
    /// This host.
    Host(HostId),
    /// The fleet's members are now so many; these came and went (at most 20 of each are named).
    Fleet {
        /// Members now.
        members: u32,
        /// Hosts gained.
        gained: Vec<HostName>,
        /// Hosts lost.
        lost: Vec<HostName>,
    },
    /// This package.
    Package(Digest),
    /// This configuration, and the deployment that brings it, where there is one.
    Configuration {
        /// Of which app.
        app: AppName,
        /// Its number.
        number: u32,
        /// Who brings it.
        deployment: Option<DeploymentId>,
    },
}
