//! Who may do what: one match over all actions, asked for each input and each route (DESIGN §2).
//!
//! In force from the first day: a host may only speak for itself and read packages; until roles come every other principal
//! may do all the rest.

use pilotage_shared::name::HostName;
use pilotage_shared::principal::Principal;

use crate::input::{Input, Request};
use crate::rejected::Rejected;

/// What is asked, with its target where the answer depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Read the state of the world, its history, metrics.
    Read,
    /// Read the output of hooks.
    ReadLogs,
    /// Take what was recorded: inputs and decisions, for a replay.
    ReadRecording,
    /// Change what runs: deployments.
    Deploy,
    /// Declare fleets.
    ChangeFleet,
    /// Invite, label, cordon, retire.
    ChangeHost,
    /// Copy the store.
    Backup,
    /// Bring, delete, release, block.
    ChangePackage,
    /// Register, delete and release configurations.
    ChangeConfiguration,
    /// Be this host's agent: session, status, run reports.
    BeHost(HostName),
    /// Read a package's manifest and objects.
    ReadPackage,
    /// A rule of ours.
    Own,
    /// Go on after a restore.
    Recover,
}

impl Action {
    /// As it stands in a refusal.
    pub fn as_str(&self) -> &'static str {
        match self {
            Action::Read => "read the state",
            Action::ReadLogs => "read logs",
            Action::ReadRecording => "read recordings",
            Action::Deploy => "deploy",
            Action::ChangeFleet => "change fleets",
            Action::ChangeHost => "change hosts",
            Action::Backup => "make backups",
            Action::ChangePackage => "change packages",
            Action::ChangeConfiguration => "change configurations",
            Action::BeHost(_) => "speak for this host",
            Action::ReadPackage => "read packages",
            Action::Own => "act as the coordinator itself",
            Action::Recover => "go on after a restore",
        }
    }
}

/// May this principal do this?
pub fn allowed(by: &Principal, action: &Action) -> Result<(), Rejected> {
    let yes = match (by, action) {
        (Principal::Host(id), Action::BeHost(name)) => id.name == *name,
        (Principal::Host(_), Action::ReadPackage) => true,
        (Principal::Host(_), _) => false,
        (Principal::Rule { .. }, Action::Own) => true,
        // The one rule of ours that removes something: packages and configurations that nobody needs any more.
        (Principal::Rule { name }, Action::ChangePackage | Action::ChangeConfiguration) => name.as_str() == "sweep",
        (Principal::Rule { .. }, _) | (_, Action::Own | Action::BeHost(_)) => false,
        (Principal::Local { .. } | Principal::Token { .. }, _) => true,
    };
    if yes { Ok(()) } else { Err(Rejected::NotAllowed { who: by.to_string(), action: action.as_str() }) }
}

/// What an input asks for.
pub fn action(input: &Input) -> Action {
    let itself = || match &input.by {
        Principal::Host(id) => Action::BeHost(id.name.clone()),
        // Nobody else has a session; `allowed` refuses it for every other principal.
        Principal::Local { .. } | Principal::Token { .. } | Principal::Rule { .. } => Action::Own,
    };
    match &input.request {
        Request::Start { .. } => Action::Own,
        Request::PutPackage { .. }
        | Request::DeletePackage { .. }
        | Request::ReleasePackage { .. }
        | Request::BlockPackage { .. }
        | Request::UnblockPackage { .. } => Action::ChangePackage,
        Request::PutConfiguration { deploy: true, .. } => Action::Deploy,
        Request::PutConfiguration { .. } | Request::DeleteConfiguration { .. } | Request::ReleaseConfiguration { .. } => Action::ChangeConfiguration,
        Request::PutFleet { .. } | Request::DeleteFleet { .. } => Action::ChangeFleet,
        Request::AddHost { .. }
        | Request::LabelHost { .. }
        | Request::CordonHost { .. }
        | Request::UncordonHost { .. }
        | Request::MaintainHost { .. }
        | Request::RetireHost { .. }
        | Request::RetryHost { .. } => Action::ChangeHost,
        Request::Deploy { .. } | Request::Pause { .. } | Request::Resume { .. } | Request::Cancel { .. } | Request::Rollback { .. } => Action::Deploy,
        Request::Recover { .. } => Action::Recover,
        Request::Hello { hello } => Action::BeHost(hello.host.name.clone()),
        Request::Status { .. } | Request::Heartbeat { .. } | Request::Gone { .. } => itself(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilotage_shared::ids::HostId;
    use pilotage_shared::name::Why;

    #[test]
    fn a_host_speaks_only_for_itself_and_nobody_else_speaks_for_a_host() {
        let name = |n| HostName::new(n).unwrap();
        let host = Principal::Host(HostId { name: name("h1"), join: 1 });
        let person = Principal::Local { uid: 0, user: Why::lossy("root") };
        let check = |by: &Principal, action: Action, expected| assert_eq!(allowed(by, &action).is_ok(), expected, "{by} {action:?}");
        check(&host, Action::BeHost(name("h1")), true);
        check(&host, Action::BeHost(name("h2")), false);
        check(&host, Action::ReadPackage, true);
        for action in [Action::Read, Action::ReadLogs, Action::Deploy, Action::ChangeFleet, Action::ChangeHost, Action::ChangePackage, Action::Own] {
            check(&host, action, false);
        }
        check(&person, Action::Deploy, true);
        check(&person, Action::BeHost(name("h1")), false);
        check(&person, Action::Own, false);
    }
}
