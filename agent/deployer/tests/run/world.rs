//! A host in a temporary directory: state directory, packages, runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pilotage_agent_core::journal::Journal;
use pilotage_agent_core::journal::line;
use pilotage_agent_core::run::{Contract, Kind, Permit, Request, Target};
use pilotage_bundle::{Objects, folder, unpack};
use pilotage_shared::ids::Generation;
use pilotage_shared::name::{AppName, HostName, Version};
use pilotage_shared::release::{PackageName, Release};
use pilotage_shared::run::{Outcome, RunId, RunReport};
use pilotage_shared::time::{Millis, Uptime};

/// The longest that any test waits for anything.
pub const PATIENCE: Duration = Duration::from_secs(50);

pub struct World {
    dir: tempfile::TempDir,
    runs: std::cell::Cell<u32>,
}

impl World {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        for folder in ["state/apps/web/releases", "state/private/manifests", "state/private/runs", "out"] {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        Self { dir, runs: Default::default() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// Makes a package. `@` in contents stands for the world's directory. Hook scripts get a shebang and may be given as
    /// `(event, script)` in `hooks`; what else stands in the AppSpec is `spec`.
    pub fn package(&self, version: &str, files: &[(&str, &str)], spec: &str, hooks: &[(&str, &str)]) -> Target {
        let built = self.path(&format!("build-{version}"));
        let root = self.dir.path().display().to_string();
        let mut appspec = format!("version: 0.0\nos: linux\n{}", spec.replace('@', &root));
        let mut scripts: BTreeMap<String, String> = BTreeMap::new();
        let mut by_event: Vec<(&str, Vec<String>)> = Vec::new();
        for (n, (event, body)) in hooks.iter().enumerate() {
            let (event, more) = event.split_once(' ').unwrap_or((event, ""));
            let name = format!("hooks/{n}.sh");
            let entry = format!(
                "    - location: {name}\n{}",
                more.split(' ').filter(|m| !m.is_empty()).map(|m| format!("      {}\n", m.replace('=', ": "))).collect::<String>()
            );
            match by_event.iter_mut().find(|(e, _)| *e == event) {
                Some((_, entries)) => entries.push(entry),
                None => by_event.push((event, vec![entry])),
            }
            let text = if body.starts_with("#!") || body.starts_with('\n') { body.to_string() } else { format!("#!/bin/sh\n{body}\n") };
            scripts.insert(name, text);
        }
        if !by_event.is_empty() {
            appspec.push_str("hooks:\n");
        }
        for (event, entries) in by_event {
            appspec.push_str(&format!("  {event}:\n{}", entries.concat()));
        }
        scripts.insert("appspec.yml".into(), appspec);
        scripts.extend(files.iter().map(|(name, text)| (name.to_string(), text.to_string())));
        for (name, text) in scripts {
            let path = built.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text.replace('@', &root)).unwrap();
        }
        self.take(version, &built)
    }

    /// Takes a folder as a package of this host.
    pub fn take(&self, version: &str, built: &Path) -> Target {
        let objects = Objects::open(&self.path("state/private/objects")).unwrap();
        let built = folder::build(built, &objects, None).unwrap();
        let digest = built.manifest.digest();
        fs::write(self.path("state/private/manifests").join(digest.hex()), built.manifest.encode()).unwrap();
        unpack::unpack(&built.manifest, &objects, &self.release(&digest.hex())).unwrap();
        let package = PackageName { app: AppName::new("web").unwrap(), version: Version::new(version).unwrap() };
        Target { release: Release::of(digest), package, health: None }
    }

    /// A program that stands before the machine's own.
    pub fn program(&self, name: &str, script: &str) {
        let path = self.path("bin").join(name);
        fs::create_dir_all(self.path("bin")).unwrap();
        fs::write(&path, format!("#!/bin/sh\n{}\n", script.replace('@', &self.dir.path().display().to_string()))).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }

    pub fn release(&self, hex: &str) -> PathBuf {
        self.path("state/apps/web/releases").join(hex)
    }

    pub fn request(&self, from: Option<&Target>, to: &Target) -> Request {
        let attempt = self.runs.get() + 1;
        self.runs.set(attempt);
        let boot = pilotage_deployer::clock::boot().unwrap();
        let begin_by = Uptime(pilotage_deployer::clock::uptime().unwrap().0 + 3_600_000);
        Request {
            format: Request::FORMAT,
            run: RunId { deployment: Some(format!("web-prod.{attempt}").parse().unwrap()), host: HostName::new("h1").unwrap(), attempt },
            app: AppName::new("web").unwrap(),
            kind: Kind::Activate(Permit { generation: Generation(u64::from(attempt)), begin_by, boot, while_down: false }),
            to: to.clone(),
            from: from.cloned(),
            hook_timeout: Millis::seconds(40),
            contract: Contract {
                application: "web".into(),
                deployment_group: "web-prod".into(),
                deployment_group_id: None,
                deployment_id: format!("web-prod.{attempt}"),
            },
            variables: BTreeMap::from([("PORT".to_string(), "8080".to_string())]),
            changes: Default::default(),
            proofs: Vec::new(),
            state: self.path("state").to_str().unwrap().to_owned(),
            host: Default::default(),
        }
    }

    /// A run directory with this request.
    pub fn run_directory(&self, request: &Request) -> PathBuf {
        let run = self.path("state/private/runs").join(request.run.attempt.to_string());
        fs::create_dir(&run).unwrap();
        fs::write(run.join("request"), serde_json::to_vec(request).unwrap()).unwrap();
        run
    }

    pub fn deploy(&self, from: Option<&Target>, to: &Target) -> (RunReport, PathBuf) {
        let run = self.run_directory(&self.request(from, to));
        assert_eq!(start(&run).wait().unwrap().code(), Some(0));
        (report(&run), run)
    }

    /// Deploys, and it must be committed.
    pub fn commit(&self, from: Option<&Target>, to: &Target) -> PathBuf {
        let (report, run) = self.deploy(from, to);
        assert_eq!(report.outcome, Outcome::Committed, "{}", log(&run));
        run
    }

    /// The same, but for times of folders.
    pub fn photograph_without_folder_times(&self) -> BTreeSet<String> {
        let folder = |line: &str| line.split(' ').nth(1).is_some_and(|mode| mode.len() == 5 && mode.starts_with('4'));
        let cut = |line: String| if folder(&line) { line.rsplitn(3, ' ').nth(2).unwrap().to_owned() } else { line };
        self.photograph().into_iter().map(cut).collect()
    }

    /// Everything below `out`: kind, mode, owner, time and content, byte for byte.
    pub fn photograph(&self) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        look(&self.path("out"), &mut all);
        for link in ["current", "previous"] {
            all.insert(format!("{link} {:?}", fs::read_link(self.path("state/apps/web").join(link)).ok()));
        }
        all
    }
}

fn look(folder: &Path, all: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let (path, meta) = (entry.path(), fs::symlink_metadata(entry.path()).unwrap());
        let content = if meta.is_dir() {
            look(&path, all);
            String::new()
        } else if meta.is_symlink() {
            fs::read_link(&path).unwrap().display().to_string()
        } else {
            if meta.is_file() { format!("{:?}", String::from_utf8_lossy(&fs::read(&path).unwrap())) } else { String::new() }
        };
        all.insert(format!("{} {:o} {}:{} {}.{} {content}", path.display(), meta.mode(), meta.uid(), meta.gid(), meta.mtime(), meta.mtime_nsec()));
    }
}

/// Starts a deployer as an agent does.
pub fn start(run: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pilotage-deployer"));
    // Programs of this world's own stand before the machine's.
    let bin = run.ancestors().nth(4).unwrap().join("bin");
    if bin.exists() {
        command.env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", bin.display()));
    }
    command.arg(".").current_dir(run).stdin(Stdio::null()).spawn().unwrap()
}

pub fn report(run: &Path) -> RunReport {
    serde_json::from_slice(&fs::read(run.join("report")).unwrap()).unwrap()
}

pub fn journal(run: &Path) -> Journal {
    line::parse(&fs::read(run.join("journal")).unwrap_or_default()).unwrap().0
}

/// For messages of failing tests.
pub fn log(run: &Path) -> String {
    let journal = journal(run);
    let lines: Vec<String> = journal.records().iter().map(|r| format!("{:?}", r.entry)).collect();
    format!("{}\n{}", lines.join("\n"), fs::read_to_string(run.join("logs/scripts.log")).unwrap_or_default())
}

/// Waits for a state.
pub fn until(what: &str, test: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !test() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn alive(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{}/stat", pid.trim())).is_ok_and(|s| !s.contains(") Z "))
}
