//! The programs under test: built first when cargo runs us, and copied without their symbols (an agent hashes its
//! deployer at every start).

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Where both are.
pub struct Programs {
    pub agent: PathBuf,
    pub deployer: PathBuf,
}

/// The workspace's folder.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

/// Builds them at first use.
pub fn programs() -> &'static Programs {
    static PROGRAMS: OnceLock<Programs> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let own = env::current_exe().unwrap();
        // target/<profile>/deps/<test>
        let profile = own.ancestors().nth(2).unwrap();
        // Started by hand, it takes what is there.
        if let Some(cargo) = env::var_os("CARGO") {
            build(&cargo, profile);
        }
        let copies = profile.join("local-tests");
        fs::create_dir_all(&copies).unwrap();
        let [agent, deployer] = ["pilotage-agent", "pilotage-deployer"].map(|name| copy(&profile.join(name), &copies));
        Programs { agent, deployer }
    })
}

/// Never `-p`, or dozens of crates are built twice with other features; and without the variables of the outer run.
fn build(cargo: &OsStr, profile: &Path) {
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--locked", "--bin", "pilotage-agent", "--bin", "pilotage-deployer"]).current_dir(workspace());
    command.arg("--target-dir").arg(profile.parent().unwrap());
    if profile.ends_with("release") {
        command.arg("--release");
    }
    for (name, _) in env::vars_os() {
        let outer = ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_", "CARGO_MAKEFLAGS"];
        if name.to_str().is_some_and(|n| n == "CARGO" || outer.iter().any(|prefix| n.starts_with(prefix))) {
            command.env_remove(name);
        }
    }
    assert!(command.status().unwrap().success(), "the agent and the deployer cannot be built");
}

fn copy(from: &Path, folder: &Path) -> PathBuf {
    let (to, new) = (folder.join(from.file_name().unwrap()), folder.join(format!("new-{}", std::process::id())));
    let changed = |path: &Path| path.metadata().and_then(|m| m.modified()).ok();
    if changed(&to) < changed(from) {
        let stripped = Command::new("strip").arg("-o").arg(&new).arg(from).status().is_ok_and(|s| s.success());
        if !stripped {
            fs::copy(from, &new).unwrap();
        }
        fs::rename(&new, &to).unwrap();
    }
    to
}
