//! The names of the cores' variants, and the list of them: one macro makes both, and the compiler refuses a list that lacks one.

use pilotage_coordinator_core::world::Outcome as End;
use pilotage_coordinator_core::{Cause, Change, Request};
use pilotage_shared::run::Outcome;

macro_rules! kinds {
    ($(#[$doc:meta])* $function:ident, $list:ident, $of:ident: $($variant:ident)*) => {
        $(#[$doc])*
        pub fn $function(of: &$of) -> &'static str {
            match of { $($of::$variant { .. } => stringify!($variant)),* }
        }

        /// All of them.
        pub const $list: &[&str] = &[$(stringify!($variant)),*];
    };
}

kinds! {
    /// A change's kind.
    change, CHANGES, Change:
    Started StartupOver CounterRaised HostPut HostRetired Quarantined SessionBegan Confirmed SessionEnded Silent Heard BlockedSeen
    Measured Observed Noted Lent Withdrawn Renumbered Returned FleetPut FleetDeleted Froze Thawed Deployed Paused Resumed Turned
    OthersDone StragglersDue Ended PackagePut PackageDeleted BlockedSet Remembered Forgotten Restored GoesOn FleetRecovered Recovered
    ConfigurationPut ConfigurationDeleted PairsReleased
}

kinds! {
    /// What is waited for.
    cause, CAUSES, Cause:
    Staging Floor Batch NotBegun Withdrawing InChange Settling Unreachable Unheard Unknown Refused Declines Pinned Cordoned
    Maintenance Quarantined NeedsHands FirstInstall Paused Frozen Held NoMembers Stragglers Recovering LeftAsIs
}

kinds! {
    /// What is asked.
    request, REQUESTS, Request:
    Start PutPackage DeletePackage ReleasePackage BlockPackage UnblockPackage PutFleet DeleteFleet AddHost LabelHost CordonHost
    UncordonHost MaintainHost RetireHost RetryHost Deploy Pause Resume Cancel Rollback Hello Status Heartbeat Gone Recover
    PutConfiguration DeleteConfiguration ReleaseConfiguration
}

kinds! {
    /// How a deployment has ended.
    end, OUTCOMES, End: Succeeded RolledBack Stopped Superseded NeedsHands
}

kinds! {
    /// How a run has ended.
    run, RUN_OUTCOMES, Outcome: Committed RolledBack NotBegun NeedsHands
}
