//! Starts deployers so that neither a stop nor a crash nor an upgrade of the agent touches them (DESIGN §6).

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, bail};
use pilotage_shared::digest::Digest;

use crate::config::Launch;
use crate::layout::Layout;

/// Knows how.
pub struct Launcher {
    program: PathBuf,
    launch: Launch,
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
        Ok(Launcher { program, launch, children: Vec::new() })
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
        let status = Command::new("systemd-run")
            .args(["--quiet", "--collect", "--slice=pilotage-runs.slice", "-p", "KillMode=process", "-p", "Type=exec"])
            .arg(format!("--unit=pilotage-run-{name}-{}.service", crate::clock::uptime().0))
            .arg(format!("--working-directory={}", folder.display()))
            .arg(&self.program)
            .arg(".")
            .stdin(Stdio::null())
            .status()
            .context("failed to run systemd-run")?;
        if !status.success() {
            bail!("systemd-run did not start the deployer ({status})");
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
