//! What `files` and `permissions` do to directories that others use too.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use pilotage_shared::run::Outcome;

use crate::world::{World, log};

const SPEC: &str = "files:\n  - source: /app\n    destination: @/out/app\n";

fn refused(world: &World, from: Option<&pilotage_agent_core::run::Target>, to: &pilotage_agent_core::run::Target, expected: &str) {
    let before = world.photograph_without_folder_times();
    let (report, run) = world.deploy(from, to);
    // What no hook can change any more is refused before anything stops.
    let (Outcome::RolledBack { why } | Outcome::NotBegun { why }) = report.outcome else { panic!("{}", log(&run)) };
    assert!(why.as_str().contains(expected), "{why}");
    assert_eq!(world.photograph_without_folder_times(), before, "folders of others keep a new time");
}

#[test]
fn a_file_that_is_not_ours_is_treated_as_the_appspec_says() {
    let world = World::new();
    fs::create_dir(world.path("out/app")).unwrap();
    fs::write(world.path("out/app/page"), "theirs").unwrap();
    fs::set_permissions(world.path("out/app/page"), Permissions::from_mode(0o640)).unwrap();
    let spec = |behaviour: &str| format!("file_exists_behavior: {behaviour}\n{SPEC}");
    let package = |version: &str, behaviour: &str| world.package(version, &[("app/page", "ours"), ("app/other", "x")], &spec(behaviour), &[]);
    refused(&world, None, &package("1", "DISALLOW"), "The deployment failed because a specified file already exists at this location: ");
    // What BeforeInstall may take away is refused only at Install (C5: the files of before are there all the same).
    let keeps = world.package("1b", &[("app/page", "ours")], &spec("DISALLOW"), &[("BeforeInstall", "true")]);
    let (report, _) = world.deploy(None, &keeps);
    assert!(matches!(report.outcome, Outcome::RolledBack { .. }));
    assert_eq!(world.read("out/app/page"), "theirs");
    // Replaced, and put back when it fails later.
    let bad = world.package("2", &[("app/page", "ours")], &spec("OVERWRITE"), &[("ValidateService", "exit 1")]);
    refused(&world, None, &bad, "ValidateService exit 1");
    let retain = package("3", "RETAIN");
    world.commit(None, &retain);
    assert_eq!((world.read("out/app/page").as_str(), world.read("out/app/other").as_str()), ("theirs", "x"));
    let overwrite = package("4", "OVERWRITE");
    world.commit(Some(&retain), &overwrite);
    assert_eq!(world.read("out/app/page"), "ours");
    // What a release installed itself is no conflict.
    let disallow = world.package("5", &[("app/page", "again")], SPEC, &[]);
    world.commit(Some(&overwrite), &disallow);
    assert_eq!(world.read("out/app/page"), "again");
    // C6: theirs comes back, as it was, when a later release does not install there any more.
    let elsewhere = world.package("6", &[("app/other", "x")], SPEC, &[]);
    let bad = world.package("7", &[("app/other", "x")], SPEC, &[("ValidateService", "exit 1")]);
    refused(&world, Some(&disallow), &bad, "ValidateService exit 1");
    world.commit(Some(&disallow), &elsewhere);
    let mode = fs::metadata(world.path("out/app/page")).unwrap().mode() & 0o7777;
    assert_eq!((world.read("out/app/page").as_str(), mode), ("theirs", 0o640));
    assert_eq!(fs::read_dir(world.path("state/private/foreign/web")).unwrap().count(), 0, "given back is not kept");
    refused(&world, Some(&elsewhere), &disallow, "already exists");
    world.commit(Some(&elsewhere), &world.package("8", &[("y", "")], "files:\n  - source: y\n    destination: @/out\n", &[]));
    assert!(!world.path("out/app/other").exists() && world.path("out/app").exists(), "a folder that we did not make stays");
}

#[test]
fn entries_merge_and_only_what_was_installed_is_removed() {
    let world = World::new();
    let spec = "files:\n  - source: /\n    destination: @/out/all\n  - source: conf/a.conf\n    destination: @/out/etc\n  - source: conf/sub\n    destination: @/out/etc\n";
    let files = [("conf/a.conf", "a"), ("conf/sub/.hidden", "h"), ("conf/sub/deep/b", "b")];
    let one = world.package("1", &files, spec, &[]);
    world.commit(None, &one);
    for file in ["all/appspec.yml", "all/conf/sub/deep/b", "etc/a.conf", "etc/.hidden", "etc/deep/b"] {
        assert!(world.path("out").join(file).is_file(), "{file}");
    }
    fs::write(world.path("out/etc/deep/foreign"), "f").unwrap();
    world.commit(Some(&one), &world.package("2", &[("x", "")], "files:\n  - source: x\n    destination: @/out\n", &[]));
    assert!(!world.path("out/all").exists() && world.path("out/etc/deep/foreign").exists() && !world.path("out/etc/a.conf").exists());
}

#[test]
fn links_are_data_and_foreign_links_are_not_followed() {
    let world = World::new();
    let built = world.path("linked");
    fs::create_dir_all(built.join("app/real")).unwrap();
    fs::write(built.join("appspec.yml"), format!("version: 0.0\nos: linux\n{}", SPEC.replace('@', world.path("").to_str().unwrap()))).unwrap();
    fs::write(built.join("app/real/x"), "x").unwrap();
    symlink("/nowhere", built.join("app/dangling")).unwrap();
    symlink("real/x", built.join("app/to-file")).unwrap();
    let one = world.take("1", &built);
    // B9: the destination may be a link of root's.
    fs::create_dir(world.path("elsewhere")).unwrap();
    symlink(world.path("elsewhere"), world.path("out/app")).unwrap();
    world.commit(None, &one);
    assert_eq!(fs::read_link(world.path("elsewhere/dangling")).unwrap().to_str(), Some("/nowhere"));
    assert_eq!(world.read("elsewhere/to-file"), "x");
    if nix::unistd::geteuid().is_root() {
        // A folder of somebody else's, who swaps a part of the way for a link.
        let two = world.package("2", &[("app/page", "x")], "files:\n  - source: /app\n    destination: @/out/user/www\n", &[]);
        fs::create_dir(world.path("out/user")).unwrap();
        symlink("/etc", world.path("out/user/www")).unwrap();
        for path in ["out/user", "out/user/www"] {
            std::os::unix::fs::lchown(world.path(path), Some(65534), Some(65534)).unwrap();
        }
        let Outcome::NotBegun { why } = world.deploy(Some(&one), &two).0.outcome else { panic!() };
        assert!(why.as_str().contains("is a link that somebody else than root controls"), "{why}");
    }
}

#[test]
fn permissions_reach_everything_installed_and_nothing_else() {
    let world = World::new();
    fs::create_dir(world.path("out/app")).unwrap();
    fs::write(world.path("out/app/foreign"), "f").unwrap();
    let spec = format!(
        "{SPEC}permissions:\n  - object: /\n    pattern: \"**\"\n    mode: 0640\n    type: [file]\n  - object: @/out/app\n    pattern: \"**\"\n    mode: 4750\n    type: [directory]\n"
    );
    world.commit(None, &world.package("1", &[("app/page", "one"), ("app/sub/x", "x")], &spec, &[]));
    let mode = |name: &str| fs::metadata(world.path("out/app").join(name)).unwrap().mode() & 0o7777;
    assert_eq!((mode("page"), mode("sub/x"), mode("sub")), (0o640, 0o640, 0o4750));
    assert_eq!((mode("foreign"), mode("")), (0o644, 0o755), "what was there is not touched");
    let twice = format!("{SPEC}permissions:\n  - object: @/out/app/page\n    mode: 600\n  - object: /\n    mode: 600\n");
    let two = world.package("2", &[("app/page", "two")], &twice, &[]);
    let Outcome::NotBegun { why } = world.deploy(None, &two).0.outcome else { panic!() };
    assert!(why.as_str().contains("two entries are about"), "{why}");
}

#[test]
fn owners_are_looked_up_when_files_are_installed() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let world = World::new();
    let owned =
        |name: &str| format!("{SPEC}permissions:\n  - object: /\n    owner: {name}\n    group: \"65534\"\n    mode: 4755\n    type: [file]\n");
    world.commit(None, &world.package("1", &[("app/page", "one")], &owned("nobody"), &[]));
    let meta = fs::metadata(world.path("out/app/page")).unwrap();
    assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o7777), (65534, 65534, 0o4755), "owner before mode");
    let unknown = world.package("2", &[("app2/page", "two")], &owned("nosuchuser").replace("app", "app2"), &[]);
    refused(&world, None, &unknown, "this host has no user nosuchuser");
}

#[test]
fn what_before_install_adds_to_the_release_is_installed() {
    let world = World::new();
    let add = "mkdir -p \"$(dirname \"$0\")/../app\"; echo generated > \"$(dirname \"$0\")/../app/made\"";
    let one = world.package("1", &[("app/page", "one")], SPEC, &[("BeforeInstall", add)]);
    world.commit(None, &one);
    assert_eq!(world.read("out/app/made"), "generated\n");
    let times = ["out/app/page", "build-1/app/page"].map(|path| fs::metadata(world.path(path)).unwrap().mtime());
    assert_eq!(times[0], times[1] & !1, "the manifest's time, in even seconds");
    // What hooks of a failed run have left in the release is no reason to refuse it for ever.
    let bad = world.package("2", &[("app/page", "two")], SPEC, &[("BeforeInstall", add), ("ValidateService", "test -e @/good")]);
    assert!(matches!(world.deploy(Some(&one), &bad).0.outcome, Outcome::RolledBack { .. }));
    fs::write(world.path("good"), "").unwrap();
    world.commit(Some(&one), &bad);
}

#[test]
fn nothing_is_installed_into_the_agents_own_state() {
    let world = World::new();
    let bad = world.package("1", &[("app/page", "one")], "files:\n  - source: /app\n    destination: @/state/private\n", &[]);
    let Outcome::NotBegun { why } = world.deploy(None, &bad).0.outcome else { panic!() };
    assert!(why.as_str().contains("lies in the agent's own directory"), "{why}");
}

#[test]
fn a_file_may_become_a_folder_and_back() {
    let world = World::new();
    let one = world.package("1", &[("app/thing", "file")], SPEC, &[]);
    let two = world.package("2", &[("app/thing/inner", "folder")], SPEC, &[]);
    world.commit(None, &one);
    world.commit(Some(&one), &two);
    assert_eq!(world.read("out/app/thing/inner"), "folder");
    let bad = world.package("3", &[("app/thing", "file again")], SPEC, &[("ValidateService", "exit 1")]);
    refused(&world, Some(&two), &bad, "ValidateService exit 1");
    world.commit(Some(&two), &one);
    assert_eq!(world.read("out/app/thing"), "file");
}
