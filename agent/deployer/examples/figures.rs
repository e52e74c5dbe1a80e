//! What installing costs on this machine, beside raw limits: `tests/figures-install`. A package of 5,000 files and 200 MB is
//! deployed over another one by the release binary; the same tree is unpacked by tar and copied by cp.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement that cannot go on shall stop; its output is its purpose")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use pilotage_agent_core::journal::{Entry, line};
use pilotage_agent_core::lifecycle::Task;
use pilotage_agent_core::run::{Changes, Contract, HostOffers, Kind, Permit, Request, Target};
use pilotage_bundle::{Objects, folder, unpack};
use pilotage_shared::ids::Generation;
use pilotage_shared::name::{AppName, HostName, Version};
use pilotage_shared::release::{PackageName, Release};
use pilotage_shared::run::{Outcome, RunId, RunReport};
use pilotage_shared::time::{Millis, Uptime};

const FILES: usize = 5_000;
const BYTES: usize = 200 << 20;

struct World {
    dir: tempfile::TempDir,
    deployer: PathBuf,
}

/// Entries of a journal that are durable before something begins, in a run with nine hooks: each hook, Install, the commit, the end.
const ENTRIES: usize = 12;

fn main() {
    let small = std::env::args().nth(1).is_some_and(|what| what == "small");
    let deployer = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().join("pilotage-deployer");
    let world = World { dir: tempfile::tempdir().unwrap(), deployer };
    for folder in ["state/apps/web/releases", "state/private/manifests", "state/private/runs", "out"] {
        fs::create_dir_all(world.path(folder)).unwrap();
    }
    fs::set_permissions(world.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    // First: ext4 without a journal makes new files slowly for minutes after many were removed.
    small_ones(&world);
    if !small {
        large(&world);
    }
}

fn large(world: &World) {
    let trees = ["1", "2"].map(|version| world.tree(version));
    let raw = raw(world, &trees[0]);
    let targets = ["1", "2"].map(|version| world.take(version));
    let first = world.deploy(1, None, &targets[0], &Outcome::Committed);
    let second = world.deploy(2, Some(&targets[0]), &targets[1], &Outcome::Committed);
    let third = world.deploy(3, Some(&targets[1]), &targets[0], &Outcome::Committed);
    println!("{FILES} files, {} MB; tar --zstd -x {:.2} s, cp -a {:.2} s, each with a sync", BYTES >> 20, raw.0, raw.1);
    println!("cp -a once more, on the disk as the runs have left it: {:.2} s", copied(world, &trees[0], "again"));
    for (name, run) in [("first install", first), ("upgrade", second), ("downgrade, mended by its seal", third)] {
        println!("{name:<32} {run}");
    }
}

fn small_ones(world: &World) {
    let runs = world.small();
    let (processes, entries) = (median(nine_processes, 9), median(|| appends(world), 9));
    println!("10 files and 9 hooks of `true`    {:.0} ms (median of {}; quickest {:.0} ms)", runs[runs.len() / 2], runs.len(), runs[0]);
    println!("on this disk and processor alone  9 processes of `true` {processes:.1} ms, {ENTRIES} synced entries of a file {entries:.1} ms");
}

/// What is done once costs so many milliseconds.
fn milliseconds(work: impl FnOnce()) -> f64 {
    let begun = Instant::now();
    work();
    begun.elapsed().as_secs_f64() * 1000.0
}

fn median(mut once: impl FnMut() -> f64, times: usize) -> f64 {
    let mut all: Vec<f64> = (0..times).map(|_| once()).collect();
    all.sort_by(f64::total_cmp);
    all[times / 2]
}

fn nine_processes() -> f64 {
    milliseconds(|| (0..9).for_each(|_| assert!(Command::new("/bin/true").status().unwrap().success())))
}

fn appends(world: &World) -> f64 {
    let mut file = fs::OpenOptions::new().create(true).append(true).open(world.path("appended")).unwrap();
    milliseconds(|| {
        for _ in 0..ENTRIES {
            file.write_all(&[b'x'; 200]).unwrap();
            file.sync_data().unwrap();
        }
    })
}

impl World {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn tree(&self, version: &str) -> PathBuf {
        let built = self.path(&format!("build-{version}"));
        let mut noise = fs::File::open("/dev/urandom").unwrap();
        let mut content = vec![0; BYTES / FILES];
        for n in 0..FILES {
            let file = built.join(format!("app/{:02}/{n}", n % 100));
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            noise.read_exact(&mut content).unwrap();
            fs::write(file, &content).unwrap();
        }
        let stamp = |event: &str| format!("#!/bin/sh\ndate +%s%N >>'{}/{event}'\n", self.dir.path().display());
        fs::write(built.join("stop.sh"), stamp("stop")).unwrap();
        fs::write(built.join("start.sh"), stamp("start")).unwrap();
        let out = self.path("out/app");
        let spec = format!(
            "version: 0.0\nos: linux\nfiles:\n  - {{source: /app, destination: {}}}\nhooks:\n  ApplicationStop: [{{location: stop.sh}}]\n  ApplicationStart: [{{location: start.sh}}]\n",
            out.display()
        );
        fs::write(built.join("appspec.yml"), spec).unwrap();
        built
    }

    fn take(&self, version: &str) -> Target {
        let objects = Objects::open(&self.path("state/private/objects")).unwrap();
        let built = folder::build(&self.path(&format!("build-{version}")), &objects, None).unwrap();
        let digest = built.manifest.digest();
        fs::write(self.path("state/private/manifests").join(digest.hex()), built.manifest.encode()).unwrap();
        unpack::unpack(&built.manifest, &objects, &self.path("state/apps/web/releases").join(digest.hex())).unwrap();
        let package = PackageName { app: AppName::new("web").unwrap(), version: Version::new(version).unwrap() };
        Target { release: Release::of(digest), package, health: None }
    }

    /// Deploys; gives what it cost as text.
    fn deploy(&self, attempt: u32, from: Option<&Target>, to: &Target, expected: &Outcome) -> String {
        let _ = (fs::remove_file(self.path("stop")), fs::remove_file(self.path("start")));
        let boot = pilotage_deployer::clock::boot().unwrap();
        let begin_by = Uptime(pilotage_deployer::clock::uptime().unwrap().0 + 3_600_000);
        let deployment = format!("web-prod.{attempt}");
        let request = Request {
            format: Request::FORMAT,
            run: RunId { deployment: Some(deployment.parse().unwrap()), host: HostName::new("h1").unwrap(), attempt },
            app: AppName::new("web").unwrap(),
            kind: Kind::Activate(Permit { generation: Generation(u64::from(attempt)), begin_by, boot, while_down: false }),
            to: to.clone(),
            from: from.cloned(),
            hook_timeout: Millis::seconds(40),
            contract: Contract {
                application: "web".into(),
                deployment_group: "web-prod".into(),
                deployment_group_id: None,
                deployment_id: deployment,
            },
            variables: BTreeMap::new(),
            changes: Changes::default(),
            host: HostOffers::default(),
            proofs: Vec::new(),
            state: self.path("state").to_str().unwrap().to_owned(),
        };
        let run = self.path("state/private/runs").join(attempt.to_string());
        fs::create_dir(&run).unwrap();
        fs::write(run.join("request"), serde_json::to_vec(&request).unwrap()).unwrap();
        let begun = Instant::now();
        let mut child = Command::new(&self.deployer).arg(".").current_dir(&run).stdin(Stdio::null()).spawn().unwrap();
        let (mut peak, mut reported) = (0, None);
        while child.try_wait().unwrap().is_none() {
            peak = peak_of(child.id()).unwrap_or(peak);
            if reported.is_none() && run.join("report").exists() {
                reported = Some(begun.elapsed().as_secs_f64());
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let took = begun.elapsed().as_secs_f64();
        let report: RunReport = serde_json::from_slice(&fs::read(run.join("report")).unwrap()).unwrap();
        assert_eq!(&report.outcome, expected);
        let stamp = |name: &str| fs::read_to_string(self.path(name)).ok().and_then(|t| t.lines().next_back()?.parse::<u64>().ok());
        let gap = stamp("stop").zip(stamp("start")).map_or("-".into(), |(stop, start)| format!("{} ms", start.saturating_sub(stop) / 1_000_000));
        let told = reported.unwrap_or(took);
        format!("{told:.2} s ({}), then {:.2} s of sweeping; stop to start {gap}; peak RSS {:.1} MB", tasks(&run), took - told, peak as f64 / 1024.0)
    }

    /// Ten files and nine hooks: how long each deployment took from its start to its report, in milliseconds, sorted.
    fn small(&self) -> Vec<f64> {
        let events = [
            "BeforeBlockTraffic",
            "AfterBlockTraffic",
            "ApplicationStop",
            "BeforeInstall",
            "AfterInstall",
            "ApplicationStart",
            "ValidateService",
            "BeforeAllowTraffic",
            "AfterAllowTraffic",
        ];
        let hooks: String = events.iter().map(|e| format!("  {e}: [{{location: true.sh}}]\n")).collect();
        let targets = ["3", "4"].map(|version| {
            let built = self.path(&format!("build-{version}"));
            fs::create_dir_all(built.join("app")).unwrap();
            (0..10).for_each(|n| fs::write(built.join(format!("app/{n}")), version).unwrap());
            fs::write(built.join("true.sh"), "#!/bin/true\n").unwrap();
            let out = self.path("out/small");
            fs::write(
                built.join("appspec.yml"),
                format!("version: 0.0\nos: linux\nfiles:\n  - {{source: /app, destination: {}}}\nhooks:\n{hooks}", out.display()),
            )
            .unwrap();
            self.take(version)
        });
        let one = |n: u32| {
            let (from, to) = (&targets[n as usize % 2], &targets[(n as usize + 1) % 2]);
            milliseconds(|| drop(self.deploy(100 + n, Some(from), to, &Outcome::Committed)))
        };
        let mut times: Vec<f64> = (0..20).map(one).skip(1).collect();
        times.sort_by(f64::total_cmp);
        times
    }
}

/// How long each task of our own took.
fn tasks(run: &Path) -> String {
    let (journal, _) = line::parse(&fs::read(run.join("journal")).unwrap()).unwrap();
    let at = |task: Task, end: bool| {
        let found = journal.records().iter().find(|r| match &r.entry {
            Entry::Began { task: t, .. } => *t == task && !end,
            Entry::Ended { task: t, .. } => *t == task && end,
            _ => false,
        });
        found.map(|r| r.at.0)
    };
    let one = |task: Task| format!("{task:?} {} ms", at(task, true).zip(at(task, false)).map_or(0, |(end, begin)| end - begin));
    [Task::Verify, Task::Keep, Task::Prepare, Task::Switch, Task::Commit].map(one).join(", ")
}

fn peak_of(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?.trim().trim_end_matches(" kB").trim().parse().ok()
}

/// Seconds that tar and cp take for the tree.
fn raw(world: &World, tree: &Path) -> (f64, f64) {
    let (archive, to) = (world.path("tree.tar.zst"), world.path("raw"));
    fs::create_dir(&to).unwrap();
    run(format!("tar --zstd -cf '{}' -C '{}' app", archive.display(), tree.display()));
    let unpacked = run(format!("tar --zstd -xf '{}' -C '{}' && sync -f '{}'", archive.display(), to.display(), to.display()));
    (unpacked, copied(world, tree, "raw/copy"))
}

fn copied(world: &World, tree: &Path, to: &str) -> f64 {
    let to = world.path(to);
    run(format!("cp -a '{}' '{}' && sync -f '{}'", tree.display(), to.display(), to.display()))
}

/// Seconds that a line of shell takes.
fn run(line: String) -> f64 {
    milliseconds(|| assert!(Command::new("sh").args(["-c", &line]).status().unwrap().success(), "{line}")) / 1000.0
}
