//! A case's own folder: `root_dir`, bundles, destinations. In texts `@` stands for it.

use std::cell::{Cell, RefCell};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::bundle::Bundle;
use crate::programs::programs;
use crate::selinux;

/// A state is waited for at most so long.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct World {
    dir: TempDir,
    pub bundles: Cell<u32>,
    mounted: RefCell<Option<PathBuf>>,
    selinux: Cell<bool>,
}

impl World {
    pub fn new() -> World {
        let dir = tempfile::Builder::new().prefix("pilotage-local-").permissions(fs::Permissions::from_mode(0o755)).tempdir().unwrap();
        let world = World { dir, bundles: Cell::new(0), mounted: RefCell::new(None), selinux: Cell::new(false) };
        world.configure("");
        world
    }

    /// More lines for CodeDeploy's configuration file.
    pub fn configure(&self, more: &str) {
        fs::write(self.path("c.yml"), self.fill(&format!("---\n:root_dir: @/root\n{more}"))).unwrap();
    }

    pub fn path(&self, inside: &str) -> PathBuf {
        self.dir.path().join(inside)
    }

    pub fn fill(&self, text: &str) -> String {
        text.replace('@', self.dir.path().to_str().unwrap())
    }

    pub fn bundle(&self) -> Bundle<'_> {
        Bundle::new(self)
    }

    /// A bundle that installs one file, `out/page`.
    pub fn page(&self, content: &str) -> Bundle<'_> {
        self.bundle().file("app/page", content).install("/app", "@/out")
    }

    /// The command, with this case's configuration and an environment as a login has it.
    pub fn command(&self) -> Command {
        let mut command = match self.selinux.get() {
            true => selinux::inside(&self.path("semanage"), &programs().agent),
            false => Command::new(&programs().agent),
        };
        command.env_clear().env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", self.dir.path());
        command.arg("local").arg("--deployer").arg(&programs().deployer).arg("-c").arg(self.path("c.yml"));
        // A case never talks to the machine's systemd: what it leaves could outlive it.
        command.args(["--launch", "plain"]).current_dir(self.dir.path());
        command
    }

    /// Commands see a host with SELinux on, and a stand-in for its tool: what it was called with is in `semanage.log`, its rules
    /// are in `rules`.
    pub fn selinux(&self) -> &Self {
        self.selinux.set(true);
        self.theirs("semanage", &self.fill(selinux::SEMANAGE)).sh("chmod +x @/semanage; touch @/rules");
        self
    }

    /// Somebody else's file, or folder (`/` at its end).
    pub fn theirs(&self, path: &str, content: &str) -> &Self {
        let to = self.path(path);
        if path.ends_with('/') {
            fs::create_dir_all(to).unwrap();
        } else {
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::write(to, content).unwrap();
        }
        self
    }

    #[track_caller]
    pub fn read(&self, path: &str) -> String {
        let bytes = fs::read(self.path(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
        String::from_utf8_lossy(&bytes).into_owned()
    }

    #[track_caller]
    pub fn has(&self, path: &str, content: &str) -> &Self {
        assert_eq!(self.read(path), content, "{path}");
        self
    }

    #[track_caller]
    pub fn is(&self, path: &str) -> &Self {
        assert!(self.path(path).symlink_metadata().is_ok(), "{path} is not there");
        self
    }

    #[track_caller]
    pub fn gone(&self, path: &str) -> &Self {
        assert!(self.path(path).symlink_metadata().is_err(), "{path} is there");
        self
    }

    #[track_caller]
    pub fn mode(&self, path: &str, mode: u32) -> &Self {
        let found = fs::metadata(self.path(path)).unwrap_or_else(|e| panic!("{path}: {e}")).mode() & 0o7777;
        assert_eq!(format!("{found:04o}"), format!("{mode:04o}"), "mode of {path}");
        self
    }

    #[track_caller]
    pub fn owner(&self, path: &str, user: &str, group: &str) -> &Self {
        let found = fs::symlink_metadata(self.path(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
        let user = nix::unistd::User::from_name(user).unwrap().unwrap().uid.as_raw();
        let group = nix::unistd::Group::from_name(group).unwrap().unwrap().gid.as_raw();
        assert_eq!((found.uid(), found.gid()), (user, group), "owner of {path}");
        self
    }

    #[track_caller]
    pub fn link(&self, path: &str, target: &str) -> &Self {
        let found = fs::read_link(self.path(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
        assert_eq!(found, Path::new(&self.fill(target)), "target of {path}");
        self
    }

    /// A script of this case's own, in its folder.
    #[track_caller]
    pub fn sh(&self, script: &str) {
        self.sh_says(script);
    }

    /// The same, and what it prints.
    #[track_caller]
    pub fn sh_says(&self, script: &str) -> String {
        let output = Command::new("sh").arg("-ec").arg(self.fill(script)).current_dir(self.dir.path()).output().unwrap();
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// A small file system of its own at `path`; needs root. False: this machine lets nobody mount.
    pub fn small_disk(&self, path: &str, size: &str) -> bool {
        fs::create_dir_all(self.path(path)).unwrap();
        let options = format!("size={size},mode=755");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(self.path(path)).status().is_ok_and(|s| s.success());
        if mounted {
            *self.mounted.borrow_mut() = Some(self.path(path));
        }
        mounted
    }

    /// Waits for a state.
    #[track_caller]
    pub fn until(&self, what: &str, test: impl Fn() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !test() {
            assert!(Instant::now() < end, "waited in vain: {what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[track_caller]
    pub fn until_there(&self, path: &str) {
        self.until(path, || self.path(path).exists());
    }

    /// The directory of the one run that is under way.
    #[track_caller]
    pub fn run(&self) -> PathBuf {
        let mut runs = fs::read_dir(self.path("root/.pilotage/private/runs")).unwrap();
        runs.next().expect("a run").unwrap().path()
    }

    /// A process that a hook has left, by the file that holds its number.
    pub fn alive(&self, pid_file: &str) -> bool {
        let pid = self.read(pid_file);
        fs::read_to_string(format!("/proc/{}/stat", pid.trim())).is_ok_and(|s| !s.contains(") Z "))
    }

    /// Ends it.
    pub fn end(&self, pid_file: &str) {
        let pid: i32 = self.read(pid_file).trim().parse().unwrap();
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(at) = self.mounted.take() {
            let _ = Command::new("umount").arg("-l").arg(at).status();
        }
    }
}
