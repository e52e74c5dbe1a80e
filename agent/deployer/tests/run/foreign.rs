//! What belongs to others, and what hooks do to the tree: nothing of it is lost, forward or back.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use pilotage_shared::run::Outcome;
use xattr::FileExt as _;

use crate::world::{World, log};

const SPEC: &str = "files:\n  - source: /app\n    destination: @/out/app\n";

fn attribute(world: &World, name: &str) -> Option<Vec<u8>> {
    fs::File::open(world.path(name)).unwrap().get_xattr("user.note").unwrap()
}

fn set_attribute(world: &World, name: &str) {
    fs::File::open(world.path(name)).unwrap().set_xattr("user.note", b"kept").unwrap();
}

#[test]
fn the_way_back_rebuilds_what_a_hook_has_deleted_with_all_that_was_on_it() {
    let world = World::new();
    let one = world.package("1", &[("app/page", "one"), ("app/sub/x", "x")], SPEC, &[]);
    world.commit(None, &one);
    fs::create_dir_all(world.path("out/app/node_modules/left-pad")).unwrap();
    fs::write(world.path("out/app/node_modules/left-pad/index.js"), "pad").unwrap();
    fs::set_permissions(world.path("out/app/node_modules/left-pad"), Permissions::from_mode(0o2750)).unwrap();
    fs::write(world.path("out/app/.env"), "SECRET=1").unwrap();
    fs::set_permissions(world.path("out/app/.env"), Permissions::from_mode(0o600)).unwrap();
    symlink("page", world.path("out/app/link")).unwrap();
    nix::unistd::mkfifo(&world.path("out/app/pipe"), nix::sys::stat::Mode::from_bits_truncate(0o620)).unwrap();
    for name in ["out/app/page", "out/app/.env", "out/app/sub", "out/app"] {
        set_attribute(&world, name);
    }
    let before = world.photograph_without_folder_times();
    for (version, delete) in [
        ("2", "rm -rf @/out/app"),
        ("3", "rm -rf @/out/app/* @/out/app/.env"),
        ("4", "rm -rf @/out/app; mkdir -p @/out/app; echo new > @/out/app/page"),
    ] {
        let bad = world.package(
            version,
            &[("app/page", "two"), ("app/new", "n")],
            &format!("file_exists_behavior: OVERWRITE\n{SPEC}"),
            &[("BeforeInstall", delete), ("ValidateService", "exit 1")],
        );
        let (report, run) = world.deploy(Some(&one), &bad);
        assert!(matches!(report.outcome, Outcome::RolledBack { .. }), "{}", log(&run));
        assert_eq!(world.photograph_without_folder_times(), before, "{delete}");
        for name in ["out/app/page", "out/app/.env", "out/app/sub", "out/app"] {
            assert_eq!(attribute(&world, name).as_deref(), Some(&b"kept"[..]), "{name} after {delete}");
        }
        assert!(!run.join("undo").exists() && !run.join("stage").exists());
    }
}

#[test]
fn what_hooks_put_into_the_tree_survives_the_switch() {
    let world = World::new();
    let install = "mkdir -p @/out/app/node_modules; echo dep > @/out/app/node_modules/dep; test -e @/out/app/.env || echo generated > @/out/app/.env; chmod -R g+w @/out/app";
    let one = world.package("1", &[("app/page", "one"), ("app/old", "o")], SPEC, &[("AfterInstall", install)]);
    let two = world.package("2", &[("app/page", "two")], SPEC, &[("AfterInstall", install)]);
    world.commit(None, &one);
    fs::write(world.path("out/app/.env"), "edited by hand").unwrap();
    world.commit(Some(&one), &two);
    assert_eq!((world.read("out/app/.env").as_str(), world.read("out/app/node_modules/dep").as_str()), ("edited by hand", "dep\n"));
    assert!(!world.path("out/app/old").exists());
    world.commit(Some(&two), &one);
    assert_eq!(
        (world.read("out/app/page").as_str(), world.read("out/app/old").as_str(), world.read("out/app/.env").as_str()),
        ("one", "o", "edited by hand")
    );
}

#[test]
fn d5_orphans_of_the_same_content_never_block_a_deployment() {
    let world = World::new();
    fs::create_dir(world.path("out/app")).unwrap();
    for n in 0..20 {
        fs::write(world.path(&format!("out/app/{n}")), format!("content {n}")).unwrap();
    }
    symlink("1", world.path("out/app/link")).unwrap();
    let files: Vec<(String, String)> = (0..20).map(|n| (format!("app/{n}"), format!("content {n}"))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(n, t)| (n.as_str(), t.as_str())).collect();
    let one = world.package("1", &files, SPEC, &[]);
    world.commit(None, &one);
    // They count as somebody else's: what is given back is what stood there.
    world.commit(Some(&one), &world.package("2", &[("app/new", "")], SPEC, &[]));
    assert_eq!(world.read("out/app/7"), "content 7");
    fs::write(world.path("out/app/7"), "content 8").unwrap();
    let Outcome::NotBegun { why } = world.deploy(None, &one).0.outcome else { panic!() };
    assert!(why.as_str().contains("already exists at this location: ") && why.as_str().ends_with("/out/app/7"), "{why}");
}

#[test]
fn c4_c7_links_and_folders_in_the_way() {
    let world = World::new();
    fs::create_dir_all(world.path("out/app/folder")).unwrap();
    symlink("/nowhere", world.path("out/app/dangling")).unwrap();
    fs::write(world.path("out/other"), "theirs").unwrap();
    symlink(world.path("out/other"), world.path("out/app/link")).unwrap();
    // A dangling link counts as absent, and is never written through; it comes back with the next release.
    let one = world.package("1", &[("app/dangling", "ours")], SPEC, &[]);
    world.commit(None, &one);
    assert!(world.read("out/app/dangling") == "ours" && !std::path::Path::new("/nowhere").exists());
    let two = world.package("2", &[("app/link", "ours")], &format!("file_exists_behavior: OVERWRITE\n{SPEC}"), &[]);
    world.commit(Some(&one), &two);
    assert_eq!(fs::read_link(world.path("out/app/dangling")).unwrap().to_str(), Some("/nowhere"));
    assert_eq!((world.read("out/app/link").as_str(), world.read("out/other").as_str()), ("ours", "theirs"), "the link is replaced, not followed");
    let three = world.package("3", &[("app/folder", "a file")], &format!("file_exists_behavior: OVERWRITE\n{SPEC}"), &[]);
    let Outcome::NotBegun { why } = world.deploy(Some(&two), &three).0.outcome else { panic!() };
    assert!(why.as_str().ends_with("/out/app/folder is there already and is no file"), "{why}");
}

#[test]
fn two_apps_do_not_install_one_file() {
    let world = World::new();
    let one = world.package("1", &[("app/page", "one")], SPEC, &[]);
    world.commit(None, &one);
    fs::rename(world.path("state/private/installed/web"), world.path("state/private/installed/shop")).unwrap();
    fs::remove_file(world.path("out/app/page")).unwrap();
    let Outcome::NotBegun { why } = world.deploy(None, &one).0.outcome else { panic!() };
    assert!(why.as_str().contains("is installed by the app shop too"), "{why}");
}

#[test]
fn a_destination_in_another_file_system_is_prepared_there() {
    let shm = std::path::Path::new("/dev/shm");
    if !nix::unistd::geteuid().is_root() || !shm.is_dir() {
        return;
    }
    let other = tempfile::tempdir_in(shm).unwrap();
    let world = World::new();
    let spec = format!("files:\n  - source: /app\n    destination: {}/app\n", other.path().display());
    let asides = || fs::read_dir(shm).unwrap().flatten().filter(|e| e.file_name().to_string_lossy().starts_with(".pilotage-")).count();
    let one = world.package("1", &[("app/page", "one"), ("app/sub/x", "x")], &spec, &[]);
    world.commit(None, &one);
    let page = other.path().join("app/page");
    let (was, inode) = (fs::read_to_string(&page).unwrap(), fs::metadata(&page).unwrap().ino());
    let bad = world.package(
        "2",
        &[("app/page", "two")],
        &spec,
        &[("BeforeInstall", "ls -d /dev/shm/.pilotage-* > @/aside"), ("ValidateService", "exit 1")],
    );
    assert!(matches!(world.deploy(Some(&one), &bad).0.outcome, Outcome::RolledBack { .. }));
    assert_eq!((was.as_str(), fs::read_to_string(&page).unwrap().as_str()), ("one", "one"));
    assert!(fs::metadata(&page).unwrap().ino() != inode && other.path().join("app/sub/x").exists());
    assert!(world.read("aside").contains("/dev/shm/.pilotage-"), "made aside there before Install");
    assert_eq!(asides(), 0, "and swept");
}

#[test]
fn only_what_has_changed_is_prepared_anew() {
    let world = World::new();
    let hook =
        "ls -i @/state/private/runs/*/stage | tr '\\n' ' ' > @/aside; d=$(dirname \"$0\")/..; echo changed > \"$d/app/b\"; echo added > \"$d/app/c\"";
    let one = world.package("1", &[("app/a", "a"), ("app/b", "b")], SPEC, &[("BeforeInstall", hook)]);
    world.commit(None, &one);
    let aside = world.read("aside");
    let prepared = |name: &str| aside.contains(&format!("{} ", fs::metadata(world.path("out/app").join(name)).unwrap().ino()));
    assert_eq!((prepared("a"), prepared("b"), prepared("c")), (true, false, false), "{aside}");
    assert_eq!((world.read("out/app/b").as_str(), world.read("out/app/c").as_str()), ("changed\n", "added\n"));
}
