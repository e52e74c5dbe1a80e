use pilotage_agent_core::run::{Contract, Kind, Target};
use pilotage_shared::digest::Digest;
use pilotage_shared::name::{HostName, Version};
use pilotage_shared::release::{PackageName, Release};
use pilotage_shared::run::{Event, RunId};
use pilotage_shared::time::{Millis, Uptime};

use super::*;

const BOOT: BootId = BootId([7; 16]);

/// Run directories and a `/proc` of our own.
struct World {
    dir: tempfile::TempDir,
    sessions: Sessions,
}

impl World {
    fn new() -> World {
        let world = World { dir: tempfile::tempdir().unwrap(), sessions: Sessions::new(BOOT) };
        fs::create_dir(world.runs()).unwrap();
        world
    }

    fn runs(&self) -> PathBuf {
        self.dir.path().join("runs")
    }

    fn proc(&self) -> PathBuf {
        self.dir.path().join("proc")
    }

    /// A run of an app whose hooks are these processes, begun in that boot.
    fn run(&self, name: &str, app: &str, boot: BootId, hooks: &[(i32, u64)]) {
        let folder = self.runs().join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(REQUEST), serde_json::to_vec(&request(app)).unwrap()).unwrap();
        let mut entries = vec![Entry::Opened { boot }, Entry::Disturbed];
        for (script, (pid, started)) in hooks.iter().enumerate() {
            let task = Task::Hook { side: Side::To, event: Event::ApplicationStart, script: script as u16 };
            entries.push(Entry::Began { task, process: Some(Process { pid: *pid, started: *started }) });
            entries.push(Entry::Ended { task, end: pilotage_agent_core::journal::End::good() });
        }
        let lines: Vec<u8> = entries.into_iter().flat_map(|entry| line::line(&Record { at: Uptime(0), wall: 0, entry })).collect();
        fs::write(folder.join(JOURNAL), lines).unwrap();
    }

    fn process(&self, pid: i32, session: i32, started: u64, state: char) {
        let folder = self.proc().join(pid.to_string());
        fs::create_dir_all(&folder).unwrap();
        let stat = format!("{pid} (a ) b) {state} 1 {session} {session} 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 {started} 0 0\n");
        fs::write(folder.join("stat"), stat).unwrap();
    }

    fn check(&mut self, expected: &[(&str, &[i32])]) {
        let (runs, proc) = (self.runs(), self.proc());
        let expected = expected.iter().map(|(app, pids)| (AppName::new(app).unwrap(), pids.iter().copied().collect())).collect();
        assert_eq!(self.sessions.processes(&runs, &proc), expected);
    }
}

fn request(app: &str) -> Request {
    let app = AppName::new(app).unwrap();
    let package = PackageName { app: app.clone(), version: Version::lossy("1") };
    Request {
        format: Request::FORMAT,
        run: RunId { deployment: None, host: HostName::new("h1").unwrap(), attempt: 1 },
        app,
        kind: Kind::LocalRollback,
        to: Target { release: Release::of(Digest::of(b"x")), package, health: None },
        from: None,
        hook_timeout: Millis::seconds(1),
        contract: Contract { application: String::new(), deployment_group: String::new(), deployment_group_id: None, deployment_id: String::new() },
        variables: BTreeMap::new(),
        changes: Default::default(),
        proofs: Vec::new(),
        state: String::new(),
        host: Default::default(),
    }
}

#[test]
fn what_hooks_left_behind_is_the_app() {
    let mut world = World::new();
    world.check(&[]);
    world.run("a-1", "web", BOOT, &[(100, 5000)]);
    world.run("b-1", "db", BOOT, &[(200, 6000)]);
    // The leader of web's session has ended, two of its children live on; one is a zombie.
    world.process(101, 100, 5001, 'S');
    world.process(102, 100, 5002, 'R');
    world.process(103, 100, 5003, 'Z');
    world.process(200, 200, 6000, 'S');
    world.process(1, 1, 1, 'S');
    world.check(&[("web", &[101, 102]), ("db", &[200])]);
}

#[test]
fn the_processes_of_the_unit_that_is_its_service_are_the_apps() {
    let mut world = World::new();
    let state = world.dir.path().join("state");
    let layout = Layout { state: state.clone() };
    let package = |service: &str| {
        let built = tempfile::tempdir().unwrap();
        fs::write(built.path().join("appspec.yml"), format!("version: 0.0\nos: linux\nx-pilotage:\n  {service}\n")).unwrap();
        let objects = pilotage_bundle::Objects::open(&world.dir.path().join("objects")).unwrap();
        let manifest = pilotage_bundle::folder::build(built.path(), &objects, None).unwrap().manifest;
        let release = layout.release(&AppName::new("web").unwrap(), &manifest.digest());
        fs::create_dir_all(layout.private().join("manifests")).unwrap();
        fs::create_dir_all(release.parent().unwrap()).unwrap();
        fs::write(layout.manifest(&manifest.digest()), manifest.encode()).unwrap();
        pilotage_bundle::unpack::unpack(&manifest, &objects, &release).unwrap();
        manifest.digest()
    };
    let run = |world: &World, attempt: u32, package: Digest, task: Task, boot: BootId| {
        let folder = world.runs().join(format!("a-{attempt}"));
        fs::create_dir_all(&folder).unwrap();
        let mut order = Request { state: state.display().to_string(), ..request("web") };
        (order.run.attempt, order.to.release) = (attempt, Release::of(package));
        fs::write(folder.join(REQUEST), serde_json::to_vec(&order).unwrap()).unwrap();
        let entries = [Entry::Opened { boot }, Entry::Disturbed, Entry::Began { task, process: None }];
        let lines: Vec<u8> = entries.into_iter().flat_map(|entry| line::line(&Record { at: Uptime(0), wall: 0, entry })).collect();
        fs::write(folder.join(JOURNAL), lines).unwrap();
    };
    for (pid, group) in [
        (300, "0::/system.slice/web.service\n"),
        (301, "1:name=systemd:/system.slice/web.service/worker\n"),
        (302, "0::/system.slice/other-web.service\n"),
    ] {
        world.process(pid, pid, 1, 'S');
        fs::write(world.proc().join(pid.to_string()).join("cgroup"), group).unwrap();
    }
    let (with_service, without) = (package("service: web"), package("retain: 3"));
    let app = AppName::new("web").unwrap();
    run(&world, 8, with_service, Task::Start(Side::To), BootId([1; 16]));
    world.check(&[("web", &[300, 301])]);
    assert_eq!(world.sessions.started(&app), None, "in an earlier boot");
    run(&world, 9, with_service, Task::Start(Side::To), BOOT);
    world.check(&[("web", &[300, 301])]);
    assert_eq!(world.sessions.started(&app), Some("web.service"));
    // A newer run that started none: what it put there is no unit.
    run(&world, 10, without, Task::Switch, BOOT);
    world.check(&[("web", &[])]);
    assert_eq!(world.sessions.started(&app), None);
}

#[test]
fn daemons_that_left_their_hooks_session_are_found_in_our_units() {
    let mut world = World::new();
    let daemon = |world: &World, pid: i32, run: &str| {
        world.process(pid, pid, 1, 'S');
        let group = format!("1:name=systemd:/pilotage.slice/pilotage-runs.slice/pilotage-run-{run}-5000.service\n0::/\n");
        fs::write(world.proc().join(pid.to_string()).join("cgroup"), group).unwrap();
    };
    world.run("a-1", "web", BOOT, &[(100, 5000)]);
    world.run("b-1", "db", BOOT, &[(200, 6000)]);
    for (pid, run) in [(110, "a-1"), (111, "a-0"), (120, "c-1"), (210, "b-1")] {
        daemon(&world, pid, run);
    }
    // The deployer itself is no application.
    daemon(&world, 112, "a-1");
    fs::write(world.proc().join("112/stat"), "112 (pilotage-deploy) S 1 112 112 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 1 0 0\n").unwrap();
    world.process(200, 200, 6000, 'S');
    world.check(&[("web", &[110, 111]), ("db", &[200, 210])]);
}

#[test]
fn a_journal_that_grows_is_read_again_and_a_run_that_is_swept_forgotten() {
    let mut world = World::new();
    world.run("a-1", "web", BOOT, &[(100, 5000)]);
    world.process(100, 100, 5000, 'S');
    world.process(110, 110, 5100, 'S');
    world.check(&[("web", &[100])]);
    world.run("a-1", "web", BOOT, &[(100, 5000), (110, 5100)]);
    world.check(&[("web", &[100, 110])]);
    fs::remove_dir_all(world.runs().join("a-1")).unwrap();
    world.check(&[]);
}

#[test]
fn numbers_that_mean_something_else_now_are_not_the_apps() {
    let mut world = World::new();
    world.run("a-1", "web", BootId([1; 16]), &[(100, 5000)]);
    world.run("a-2", "web", BOOT, &[(120, 5000)]);
    // Of an earlier boot; and given to another process since.
    world.process(100, 100, 5000, 'S');
    world.process(120, 120, 9000, 'S');
    world.process(121, 120, 9001, 'S');
    world.check(&[("web", &[])]);
}
