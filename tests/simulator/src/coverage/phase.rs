//! In which phase a host is, in truth and as the coordinator has it: what comes first in the list is said of it.

use pilotage_shared::run::{Event, Phase};

use super::listed;

listed! {
    /// A host's phase.
    HostPhase {
        /// No power.
        Off,
        /// No agent.
        NoAgent,
        /// A run goes on, and no agent lives.
        Orphaned,
        /// A run that has disturbed nothing yet.
        Beginning,
        /// The old release is being stopped.
        Stopping,
        /// Files are being switched.
        Switching,
        /// The new release is being started.
        Starting,
        /// The new release is being validated.
        Validating,
        /// The new release's health check is waited for.
        Checking,
        /// On the way back: the new release is being stopped.
        BackStopping,
        /// On the way back: files are being put back.
        BackSwitching,
        /// On the way back: the old release is being started.
        BackStarting,
        /// On the way back: the old release is being validated.
        BackValidating,
        /// On the way back: the old release's health check is waited for.
        BackChecking,
        /// It has no session that the coordinator believes in.
        Unreachable,
        /// It may begin, and has not.
        Permitted,
        /// What it was permitted was taken back, and it has not said so yet.
        Withdrawn,
        /// Bits are on their way.
        Staging,
        /// By its own measure.
        Down,
        /// By its own measure.
        Settling,
        /// It does not know whether it serves.
        Unknown,
        /// It serves, and nothing is under way.
        Idle,
    }
}

/// Which phase of a run with a living deployer that is; none for events for which the simulated packages have no hook, and that take no time.
pub fn of_run(phase: Phase) -> Option<HostPhase> {
    match phase {
        Phase::Beginning => Some(HostPhase::Beginning),
        Phase::Forward(event) => match event {
            Event::BeforeBlockTraffic | Event::AfterBlockTraffic | Event::ApplicationStop => Some(HostPhase::Stopping),
            Event::Install => Some(HostPhase::Switching),
            Event::ApplicationStart => Some(HostPhase::Starting),
            Event::ValidateService => Some(HostPhase::Validating),
            Event::HealthCheck => Some(HostPhase::Checking),
            Event::DownloadBundle | Event::BeforeInstall | Event::AfterInstall | Event::BeforeAllowTraffic | Event::AfterAllowTraffic => None,
            Event::Preflight | Event::Drain | Event::OnFailure | Event::OnRollback => None,
        },
        Phase::Back(event) => match event {
            Event::ApplicationStop => Some(HostPhase::BackStopping),
            Event::Install => Some(HostPhase::BackSwitching),
            Event::ApplicationStart => Some(HostPhase::BackStarting),
            Event::ValidateService => Some(HostPhase::BackValidating),
            Event::HealthCheck => Some(HostPhase::BackChecking),
            Event::BeforeBlockTraffic
            | Event::AfterBlockTraffic
            | Event::DownloadBundle
            | Event::BeforeInstall
            | Event::AfterInstall
            | Event::BeforeAllowTraffic
            | Event::AfterAllowTraffic
            | Event::Preflight
            | Event::Drain
            | Event::OnFailure
            | Event::OnRollback => None,
        },
    }
}

impl HostPhase {
    /// A run is under way, and an agent watches it.
    pub fn in_run(self) -> bool {
        match self {
            HostPhase::Beginning
            | HostPhase::Stopping
            | HostPhase::Switching
            | HostPhase::Starting
            | HostPhase::Validating
            | HostPhase::Checking
            | HostPhase::BackStopping
            | HostPhase::BackSwitching
            | HostPhase::BackStarting
            | HostPhase::BackValidating
            | HostPhase::BackChecking => true,
            HostPhase::Off
            | HostPhase::NoAgent
            | HostPhase::Orphaned
            | HostPhase::Unreachable
            | HostPhase::Permitted
            | HostPhase::Withdrawn
            | HostPhase::Staging
            | HostPhase::Down
            | HostPhase::Settling
            | HostPhase::Unknown
            | HostPhase::Idle => false,
        }
    }
}
