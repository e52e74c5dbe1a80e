//! Configurations as people see them.

use std::collections::BTreeMap;

use pilotage_coordinator_core::world::World;
use pilotage_coordinator_core::world::configuration::Configuration;
use pilotage_shared::api::v1::{ConfigurationContent, ConfigurationFile, ConfigurationView, HeldView, HeldWithView, When};
use pilotage_shared::configuration::{self, Access, ENVIRONMENT};

use super::note;

/// One, in numbers. O(fleets + held pairs).
pub fn configuration(world: &World, of: &Configuration) -> ConfigurationView {
    let settled = world.fleets.values().filter(|f| f.spec.app == of.app && f.settled.is_some_and(|r| r.config == Some(of.digest)));
    let held = world.held_with(&of.digest).map(|(package, hold)| HeldWithView {
        package: world.package_name(package),
        held: HeldView { by: hold.by.clone(), at: When(hold.at), why: hold.why.to_string() },
    });
    ConfigurationView {
        app: of.app.clone(),
        number: of.number,
        digest: of.digest,
        fleet: of.fleet.clone(),
        files: of.numbers.files,
        bytes: of.numbers.bytes,
        variables: of.numbers.variables,
        secrets: of.numbers.secrets,
        added: note(&of.added),
        settled: settled.map(|f| f.spec.name.clone()).collect(),
        held: held.collect(),
        content: None,
    }
}

/// What is in it.
pub fn configuration_content(of: &configuration::Configuration) -> ConfigurationContent {
    let file = |access: &Access| ConfigurationFile {
        mode: format!("{:04o}", access.mode),
        reader: access.reader.clone(),
        size: None,
        digest: None,
        secret: None,
    };
    let content =
        of.files.iter().map(|(path, f)| (path.clone(), ConfigurationFile { size: Some(f.size), digest: Some(f.digest), ..file(&f.access) }));
    let secret = of.secret_files.iter().map(|(path, f)| (path.clone(), ConfigurationFile { secret: Some(f.secret.to_string()), ..file(&f.access) }));
    let mut files: BTreeMap<String, ConfigurationFile> = content.chain(secret).collect();
    files.insert(ENVIRONMENT.to_owned(), file(&of.environment_access));
    ConfigurationContent {
        environment: of.environment.clone(),
        secrets: of.secret_variables.iter().map(|(k, v)| (k.clone(), v.to_string())).collect(),
        files,
    }
}
