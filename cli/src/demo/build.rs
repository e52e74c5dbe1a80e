//! Where the demo's programs come from: beside this one; under `cargo run` they are built first.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::context::Cargo;

/// The programs of a fleet.
#[derive(Clone, Debug)]
pub struct Programs {
    /// `pilotage-coordinator`
    pub coordinator: PathBuf,
    /// `pilotage-agent`
    pub agent: PathBuf,
    /// `pilotage-deployer`
    pub deployer: PathBuf,
}

/// Why there are none.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// This program's own path is unknown.
    #[error("failed to find out where this program is")]
    Own(#[source] std::io::Error),
    /// cargo did not start.
    #[error("failed to start {0}")]
    Start(PathBuf, #[source] std::io::Error),
    /// cargo failed; it has said why.
    #[error("failed to build coordinator, agent and deployer")]
    Build,
    /// Not there, and nothing to build them with.
    #[error("failed to find {0} beside this program: build it, or run the demo by `cargo run --release -- demo`")]
    Missing(PathBuf),
}

const NAMES: [&str; 3] = ["pilotage-coordinator", "pilotage-agent", "pilotage-deployer"];

/// Finds them, and builds them first when this program runs under cargo.
pub fn programs(cargo: Option<&Cargo>) -> Result<Programs, BuildError> {
    let own = std::env::current_exe().map_err(BuildError::Own)?;
    let folder = own.parent().unwrap_or(Path::new("/"));
    if let Some(cargo) = cargo {
        build(cargo, folder)?;
    }
    let [coordinator, agent, deployer] = NAMES.map(|name| folder.join(name));
    let missing = [&coordinator, &agent, &deployer].into_iter().find(|path| !path.is_file()).cloned();
    missing.map_or(Ok(Programs { coordinator, agent, deployer }), |path| Err(BuildError::Missing(path)))
}

/// Never `-p`, or dozens of crates are built twice with other features; and without the variables of the outer run, or build
/// scripts that watch them run again each time.
fn build(cargo: &Cargo, folder: &Path) -> Result<(), BuildError> {
    let mut command = Command::new(&cargo.program);
    // In a member's folder cargo would look for these programs in that member alone.
    command.arg("build").current_dir(cargo.manifest_dir.parent().unwrap_or(&cargo.manifest_dir));
    for name in NAMES {
        command.args(["--bin", name]);
    }
    if folder.file_name().is_none_or(|name| name != "debug") {
        command.arg("--release");
    }
    if let Some(target) = folder.parent() {
        command.arg("--target-dir").arg(target);
    }
    for name in &cargo.to_remove {
        command.env_remove(name);
    }
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(BuildError::Build),
        Err(error) => Err(BuildError::Start(cargo.program.clone(), error)),
    }
}
