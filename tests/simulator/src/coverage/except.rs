//! What cannot be met in the simulator by its construction, each with its reason.

use super::fault::{Fault, Strikes};
use super::phase::HostPhase;

/// Why a kind cannot be met; none: it can.
pub fn kind(group: &str, kind: &str) -> Option<&'static str> {
    match (group, kind) {
        ("change", "ConfigurationDeleted") | ("input", "DeleteConfiguration") => {
            Some("no seed deletes a configuration; the tests of the coordinator's core delete some")
        }
        _ => None,
    }
}

/// Why a fault cannot strike a host in this phase; none: it can.
pub fn pair(phase: HostPhase, fault: Fault) -> Option<&'static str> {
    use HostPhase::{NoAgent, Off, Orphaned, Permitted};
    let processless = matches!(phase, Off | NoAgent | Orphaned);
    match fault {
        _ if fault.strikes() == Strikes::Nobody => Some("it belongs to a package, a hook or a machine, and has no moment of its own"),
        Fault::AgentDied | Fault::AgentStalled | Fault::FetchFailed | Fault::Pinned | Fault::WentBack if processless => Some("no agent lives"),
        Fault::DeployerDied if !phase.in_run() && phase != Orphaned => Some("no deployer lives"),
        Fault::DiedInBegin if phase != Permitted => Some("a run begins from a permission only"),
        Fault::WentBack if phase.in_run() => Some("one run at a time (R26)"),
        Fault::PowerLost if phase == Off => Some("there is no power"),
        Fault::ApplicationDied if phase == Off => Some("nothing runs without power"),
        Fault::FetchFailed if phase != HostPhase::Staging => Some("bits are on their way then"),
        _ => None,
    }
}
