//! Starts deployers so that neither a stop nor a crash nor an upgrade of the agent touches them (DESIGN §6).

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, bail};
use pilotage_shared::digest::Digest;

use crate::config::Launch;
use crate::layout::Layout;

/// Names of deployers' units: these around the run directory's name and a number, as one run may need several deployers.
const PREFIX: &str = "pilotage-run-";
const SUFFIX: &str = ".service";
/// Since which version systemd can collect a unit that has failed.
const COLLECTS: u32 = 236;
/// What the unit of a deployer is, and since which version systemd understands that: an older one would refuse the whole unit.
/// Hooks live in it, and the application after them: none of systemd's defaults limits these, and neither the deployer's end
/// nor the want of memory of one of these processes ends anything else.
const PROPERTIES: [(u32, &str); 4] = [(0, "KillMode=process"), (227, "TasksMax=infinity"), (240, "Type=exec"), (243, "OOMPolicy=continue")];

/// Knows how.
pub struct Launcher {
    program: PathBuf,
    launch: Launch,
    /// Of systemd; 0: not asked, or not understood.
    systemd: u32,
    /// Children of plain launches, to be reaped.
    children: Vec<Child>,
}

impl Launcher {
    /// Copies the deployer to `private/bin/<sha256>` and runs it from there, so that an upgrade cannot swap it in a run.
    pub fn new(deployer: &Path, launch: Launch, layout: &Layout) -> anyhow::Result<Launcher> {
        let version = Command::new(deployer).arg("--version").output().with_context(|| format!("failed to run {}", deployer.display()))?;
        let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
        let wanted = format!("pilotage-deployer {}", env!("CARGO_PKG_VERSION"));
        if version != wanted {
            bail!("{} is {version:?}, this agent needs {wanted:?}", deployer.display());
        }
        let bytes = fs::read(deployer).with_context(|| format!("failed to read {}", deployer.display()))?;
        let folder = layout.private().join("bin").join(Digest::of(&bytes).hex());
        let program = folder.join("pilotage-deployer");
        if !program.exists() {
            fs::create_dir_all(&folder)?;
            pilotage_disk::durable::replace(&program, &bytes, 0o700)?;
        }
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700))?;
        let systemd = match launch {
            Launch::Systemd => {
                Command::new("systemctl").arg("--version").output().map_or(0, |told| version_of(&String::from_utf8_lossy(&told.stdout)))
            }
            Launch::Plain | Launch::Auto => 0,
        };
        Ok(Launcher { program, launch, systemd, children: Vec::new() })
    }

    /// The deployer that is run.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Starts a deployer on a run directory. That it began to work is seen by its lock and its journal, not here.
    pub fn start(&mut self, folder: &Path) -> anyhow::Result<()> {
        self.reap();
        match self.launch {
            Launch::Systemd => self.unit(folder),
            Launch::Plain | Launch::Auto => self.process(folder),
        }
    }

    fn unit(&self, folder: &Path) -> anyhow::Result<()> {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let unit = format!("{PREFIX}{name}-{}{SUFFIX}", crate::clock::uptime().0);
        let end = Command::new("systemd-run")
            .args(arguments(self.systemd, &unit, folder))
            .arg(&self.program)
            .arg(".")
            .stdin(Stdio::null())
            .output()
            .context("failed to run systemd-run")?;
        if !end.status.success() {
            let said = String::from_utf8_lossy(&end.stderr);
            bail!("systemd-run did not start the deployer ({}): {}", end.status, said.lines().last().unwrap_or_default());
        }
        Ok(())
    }

    fn process(&mut self, folder: &Path) -> anyhow::Result<()> {
        let log = fs::File::options().create(true).append(true).open(folder.join("deployer.log"))?;
        let child = Command::new(&self.program)
            .arg(".")
            .current_dir(folder)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("failed to start {}", self.program.display()))?;
        self.children.push(child);
        Ok(())
    }

    /// Takes the ends of deployers of plain launches, so that none stays as a zombie.
    pub fn reap(&mut self) {
        self.children.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
    }
}

/// The name of the run directory on which the deployer of a unit worked.
pub fn folder_of(unit: &str) -> Option<&str> {
    Some(unit.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.rsplit_once('-')?.0)
}

/// What `systemd-run` is told, before the program.
fn arguments(systemd: u32, unit: &str, folder: &Path) -> Vec<OsString> {
    let mut all: Vec<OsString> = vec!["--slice=pilotage-runs.slice".into(), format!("--unit={unit}").into()];
    if systemd >= COLLECTS {
        all.push("--collect".into());
    }
    for (_, property) in PROPERTIES.iter().filter(|(since, _)| systemd >= *since) {
        all.push(format!("--property={property}").into());
    }
    // As a property: the flag of that name is younger.
    let mut place = OsString::from("--property=WorkingDirectory=");
    place.push(folder);
    all.push(place);
    all
}

/// `systemd 252 (252.39-1~deb12u1)` → 252.
fn version_of(told: &str) -> u32 {
    told.split_whitespace().nth(1).and_then(|word| word.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_says_its_run_directory() {
        assert_eq!(folder_of("pilotage-run-ab12cd34-7-123456.service"), Some("ab12cd34-7"));
        assert_eq!(folder_of("pilotage-run-x.service"), None);
        assert_eq!(folder_of("pilotage-agent.service"), None);
    }

    #[test]
    fn an_older_systemd_is_told_only_what_it_understands() {
        let check = |told: &str, expected: &str| {
            let all = arguments(version_of(told), "u.service", Path::new("/r/a 1"));
            let text: Vec<_> = all.iter().map(|a| a.to_string_lossy()).collect();
            assert_eq!(
                text.join(" ").replace("--property=", ""),
                format!("--slice=pilotage-runs.slice --unit=u.service {expected}WorkingDirectory=/r/a 1"),
                "{told}"
            );
        };
        check("systemd 252 (252.39-1~deb12u1)\n+PAM +AUDIT", "--collect KillMode=process TasksMax=infinity Type=exec OOMPolicy=continue ");
        check("systemd 239 (239-82.el8)", "--collect KillMode=process TasksMax=infinity ");
        check("systemd 219\n+PAM", "KillMode=process ");
        check("systemd 257~rc1-2 (x)", "--collect KillMode=process TasksMax=infinity Type=exec OOMPolicy=continue ");
        check("", "KillMode=process ");
    }
}
