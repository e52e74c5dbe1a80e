//! What an order does otherwise than the AppSpec says: applied once, to the plan that the run works with.

use pilotage_agent_core::lifecycle::Hooks;
use pilotage_agent_core::run::Changes;
use pilotage_shared::file_exists::FileExists;

use crate::install::spec::Exists;
use crate::prepare::Prepared;

/// `exists_said`: the AppSpec itself says what to do with files that are there; then that counts (C1).
pub fn apply(changes: &Changes, exists_said: bool, prepared: &mut Prepared) {
    if let (Some(exists), false) = (changes.file_exists, exists_said) {
        prepared.install.exists = match exists {
            FileExists::Disallow => Exists::Disallow,
            FileExists::Overwrite => Exists::Overwrite,
            FileExists::Retain => Exists::Retain,
        };
    }
    for hooks in std::iter::once(&mut prepared.plan.to).chain(&mut prepared.plan.from) {
        hooks_of(changes, hooks);
    }
    if changes.one_account {
        for permission in &mut prepared.install.permissions {
            (permission.owner, permission.group) = (None, None);
        }
    }
}

fn hooks_of(changes: &Changes, hooks: &mut Hooks) {
    if let Some(events) = &changes.events {
        hooks.retain(|event, _| events.contains(event));
    }
    if changes.one_account {
        for script in hooks.values_mut().flatten() {
            (script.runas, script.sudo) = (None, false);
        }
    }
}
