//! The paths of CodeDeploy's layout, for hooks that compute them (wild 14): when the host's own file names a deployment root,
//! `<root>/<group>/<deployment>/deployment-archive` is a link to the unpacked bundle, and the deployments log stands beside.

use std::fs;
use std::path::{Path, PathBuf};

use pilotage_agent_core::run::{Contract, LOGS};

use crate::hook::order::DeploymentsLog;
use crate::install::InstallError;
use crate::install::links;
use crate::place::{self, Place};

/// Deployments of one group whose links are kept.
const KEPT: usize = 5;

/// Makes the links of this deployment, and says where its output goes besides.
pub fn offer(root: &Path, contract: &Contract, bundle: &Path, run: &Path) -> Result<(), InstallError> {
    let Some((group, deployment)) = names(contract) else { return Ok(()) };
    let folder = root.join(group).join(deployment);
    for path in [root, &root.join("deployment-logs"), &root.join(group), &folder] {
        make_all(path)?;
    }
    links::set(&folder.join("deployment-archive"), Some(bundle))?;
    links::set(&folder.join("logs"), Some(&run.join(LOGS)))?;
    sweep(&root.join(group));
    Ok(())
}

/// Where lines go besides the run's own logs.
pub fn log(root: &Path, contract: &Contract) -> DeploymentsLog {
    DeploymentsLog { path: root.join("deployment-logs/codedeploy-agent-deployments.log"), deployment: contract.deployment_id.clone() }
}

/// Names of one level each.
fn names(contract: &Contract) -> Option<(&str, &str)> {
    let plain = |name: &&str| !name.is_empty() && !name.starts_with('.') && !name.contains('/');
    Some(contract.deployment_group.as_str()).filter(plain).zip(Some(contract.deployment_id.as_str()).filter(plain))
}

/// Nothing is made in a folder that somebody else could swap.
fn make_all(path: &Path) -> Result<(), InstallError> {
    let above: Vec<&Path> = path.ancestors().filter(|p| p.parent().is_some()).collect();
    for folder in above.into_iter().rev() {
        let place = Place::of(folder)?;
        if place.stat()?.is_none() {
            place::make_folder(&place)?;
        }
    }
    Ok(())
}

/// The newest stay; what leads nowhere goes. It holds links only.
fn sweep(group: &Path) {
    let mut all: Vec<(std::time::SystemTime, PathBuf)> =
        fs::read_dir(group).into_iter().flatten().flatten().filter_map(|e| Some((e.metadata().ok()?.modified().ok()?, e.path()))).collect();
    all.sort();
    let old = all.len().saturating_sub(KEPT);
    for (n, (_, folder)) in all.into_iter().enumerate() {
        let archive = folder.join("deployment-archive");
        if archive.is_symlink() && (n < old || !archive.exists()) {
            let _ = fs::remove_file(archive);
            let _ = fs::remove_file(folder.join("logs"));
            // Something of others in it keeps it.
            let _ = fs::remove_dir(folder);
        }
    }
}
