//! Releases are sealed when they are committed, and mended, or refused by name, before they are gone back to.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use pilotage_shared::run::Outcome;

use crate::world::{World, log};

const SPEC: &str = "files:\n  - source: /app\n    destination: @/out/app\n";
/// A release that its hook works in, once: it changes a file, and makes others.
const WORK: &str = "cd \"$(dirname \"$0\")/..\"; test -e log && exit 0; echo tuned > conf; mkdir -p deps/one; echo dep > deps/one/lib; chmod 755 deps/one/lib; ln -s one deps/current; echo rows > data";

fn one(world: &World) -> pilotage_agent_core::run::Target {
    let one =
        world.package("1", &[("app/page", "one"), ("run.sh", "#!/bin/sh\n"), ("conf", "default"), ("notes", "n")], SPEC, &[("AfterInstall", WORK)]);
    world.commit(None, &one);
    one
}

/// What an application, or an accident, does to a committed release.
fn damage(world: &World, release: &std::path::Path) {
    fs::write(release.join("app/page"), "0ne").unwrap();
    fs::remove_file(release.join("notes")).unwrap();
    fs::remove_dir_all(release.join("deps")).unwrap();
    fs::write(release.join("hooks/0.sh"), "#!/bin/sh\ntouch @/evil\n".replace('@', world.path("").to_str().unwrap())).unwrap();
    fs::write(release.join("data"), "more rows").unwrap();
    fs::write(release.join("conf"), "edited since").unwrap();
    fs::write(release.join("log"), "the application's own").unwrap();
}

fn mended(world: &World, release: &std::path::Path) {
    let read = |name: &str| fs::read_to_string(release.join(name)).unwrap();
    assert_eq!((read("app/page").as_str(), read("notes").as_str(), read("deps/current/lib").as_str()), ("one", "n", "dep\n"));
    assert_eq!(fs::metadata(release.join("deps/one/lib")).unwrap().permissions().mode() & 0o777, 0o755);
    assert_eq!((read("data").as_str(), read("log").as_str()), ("more rows", "the application's own"), "its own data stays");
    assert!(!world.path("evil").exists());
}

#[test]
fn a_release_is_mended_before_it_is_gone_back_to() {
    let world = World::new();
    let one = one(&world);
    let release = world.release(&one.release.package.hex());
    let two = world.package("2", &[("app/page", "two")], SPEC, &[]);
    world.commit(Some(&one), &two);
    damage(&world, &release);
    let run = world.commit(Some(&two), &one);
    mended(&world, &release);
    assert_eq!(world.read("out/app/page"), "one", "{}", log(&run));
}

#[test]
fn the_old_release_is_mended_before_it_is_started_again() {
    let world = World::new();
    let one = one(&world);
    let release = world.release(&one.release.package.hex());
    let bad = world.package("2", &[("app/page", "two")], SPEC, &[("ValidateService", "exit 1")]);
    // `app/page` is only installed from it, which is put back from what was kept: it is left, as data.
    damage(&world, &release);
    fs::write(release.join("app/page"), "one").unwrap();
    let (report, run) = world.deploy(Some(&one), &bad);
    assert!(matches!(report.outcome, Outcome::RolledBack { .. }), "{}", log(&run));
    mended(&world, &release);
}

#[test]
fn what_cannot_be_mended_is_refused_by_name() {
    let world = World::new();
    let one = one(&world);
    let two = world.package("2", &[("app/page", "two")], SPEC, &[]);
    world.commit(Some(&one), &two);
    let release = world.release(&one.release.package.hex());
    fs::remove_file(release.join("app/page")).unwrap();
    fs::remove_dir_all(world.path("state/private/objects")).unwrap();
    let before = world.photograph();
    let Outcome::NotBegun { why } = world.deploy(Some(&two), &one).0.outcome else { panic!() };
    assert!(why.as_str().contains("\"app/page\" is not as it was committed, and its content is nowhere on this host"), "{why}");
    assert_eq!(world.photograph(), before);
}

#[test]
fn seals_go_with_their_releases() {
    let world = World::new();
    let one = one(&world);
    let seals = || fs::read_dir(world.path("state/private/seals/web")).unwrap().count();
    let two = world.package("2", &[("x", "2")], "", &[]);
    world.commit(Some(&one), &two);
    assert_eq!(seals(), 2);
    fs::remove_dir_all(world.release(&one.release.package.hex())).unwrap();
    world.commit(Some(&two), &world.package("3", &[("x", "3")], "", &[]));
    assert_eq!(seals(), 2);
}
