//! Section E of the CodeDeploy contract, item by item. Readings of entries, ranges, modes and patterns: the conformance tests.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::Command;

use pilotage_agent_core::run::Target;
use pilotage_deployer::install::installed::Installed;
use pilotage_deployer::install::links::Links;
use pilotage_deployer::install::plan::{Originals, Source, plan};
use pilotage_deployer::install::spec::{Context, Exists, Files, Permission, Spec};
use pilotage_deployer::install::{keep, ready, switch};
use pilotage_shared::run::Outcome;
use xattr::FileExt as _;

use crate::world::World;

const SPEC: &str = "files:\n  - source: /app\n    destination: @/out/app\npermissions:\n";
const TREE: &[(&str, &str)] = &[("app/a.sh", "a"), ("app/b.txt", "b"), ("app/sub/a.sh", "sa"), ("app/sub/deep/c", "c")];

fn root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Installs the tree with these permissions; gives the world.
fn installed(permissions: &str) -> World {
    let world = World::new();
    let target = world.package("1", TREE, &format!("{SPEC}{permissions}"), &[]);
    world.commit(None, &target);
    world
}

fn refused(permissions: &str, expected: &str) {
    let world = World::new();
    let target = world.package("1", TREE, &format!("{SPEC}{permissions}"), &[]);
    not_begun(&world, &target, expected);
}

fn not_begun(world: &World, target: &Target, expected: &str) {
    let outcome = world.deploy(None, target).0.outcome;
    let Outcome::NotBegun { why } = outcome else { panic!("{outcome:?}") };
    assert!(why.as_str().contains(expected), "{why}");
    assert!(!world.path("out/app").exists(), "nothing was touched");
}

/// Modes of: the folder itself, a.sh, b.txt, sub, sub/a.sh, sub/deep/c.
fn modes(world: &World) -> String {
    let mode = |name: &str| format!("{:o}", fs::symlink_metadata(world.path("out/app").join(name)).unwrap().mode() & 0o7777);
    ["", "a.sh", "b.txt", "sub", "sub/a.sh", "sub/deep/c"].map(mode).join(" ")
}

fn check(permissions: &str, expected: &str) {
    assert_eq!(modes(&installed(permissions)), expected, "{permissions}");
}

#[test]
fn e1_e2_entries_without_attributes_or_objects_do_nothing() {
    check("  - object: @/out/app\n  - {object: /nowhere, mode: 600}\n  - {object: /etc, mode: 600}\n", "755 644 644 755 644 644");
}

#[test]
fn e3_an_object_that_is_a_file() {
    check("  - {object: @/out/app/a.sh, mode: 700}\n", "755 700 644 755 644 644");
    check("  - {object: @/out/app/a.sh, mode: 700, type: [directory]}\n", "755 644 644 755 644 644");
    refused("  - {object: @/out/app/a.sh, mode: 700, pattern: '*.sh'}\n", "is a file: pattern must be ** and except empty");
    refused("  - {object: @/out/app/a.sh, mode: 700, except: [x]}\n", "is a file: pattern must be ** and except empty");
}

#[test]
fn e4_a_folder_itself_is_changed_through_its_parent_only() {
    check("  - {object: @/out/app, mode: 700}\n", "755 700 700 700 700 700");
    check("  - {object: @/out, pattern: app, mode: 700}\n", "700 644 644 755 644 644");
}

#[test]
fn e5_a_pattern_means_direct_children() {
    check("  - {object: @/out/app, pattern: '*.sh', mode: 700}\n", "755 700 644 755 644 644");
    check("  - {object: @/out/app, pattern: '*', mode: 700}\n", "755 700 700 700 644 644");
    check("  - {object: @/out/app, pattern: 'sub/*', mode: 700}\n", "755 644 644 755 644 644");
}

#[test]
fn e6_except_names_direct_children() {
    check("  - {object: @/out/app, except: ['*.sh', c], mode: 700}\n", "755 644 700 700 700 700");
    check("  - {object: @/out/app, except: [sub/a.sh, '@/out/app/b.txt'], mode: 700}\n", "755 700 700 700 700 700");
}

#[test]
fn e7_types_may_be_a_bare_text() {
    check("  - {object: @/out/app, type: file, mode: 600}\n", "755 600 600 755 600 600");
    check("  - {object: @/out/app, type: [directory], except: sub, mode: 700}\n", "755 644 644 755 644 644");
}

#[test]
fn e8_nothing_is_meant_by_two_entries() {
    refused("  - {object: @/out/app, mode: 600}\n  - {object: @/out/app/sub, mode: 644}\n", "two entries are about");
}

#[test]
fn e9_e11_owner_before_mode_and_numbers_are_owners_too() {
    if !root() {
        return;
    }
    let world = installed("  - {object: @/out/app, owner: nobody, group: 12345, mode: 4755, type: [file]}\n");
    let meta = fs::metadata(world.path("out/app/a.sh")).unwrap();
    assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o7777), (65534, 12345, 0o4755));
}

#[test]
fn e10_modes_are_octal_text() {
    check("  - {object: @/out/app, mode: 0640, type: [file]}\n", "755 640 640 755 640 640");
    check("  - {object: @/out/app, mode: 2750, type: [directory]}\n", "755 644 644 2750 644 644");
}

#[test]
fn e11_an_owner_may_be_made_by_before_install() {
    if !root() {
        return;
    }
    let (world, name) = (World::new(), format!("plt{}", std::process::id()));
    let spec =
        format!("{SPEC}  - {{object: /, owner: {name}, acls: ['{name}:rwx']}}\n").replace("object: /, owner", "object: /, type: [file], owner");
    let target = world.package("1", TREE, &spec, &[("BeforeInstall", &format!("useradd -M -N {name}"))]);
    let (report, _) = world.deploy(None, &target);
    let id = nix::unistd::User::from_name(&name).unwrap().map(|u| u.uid.as_raw());
    let _ = Command::new("userdel").arg(&name).status();
    assert_eq!(report.outcome, Outcome::Committed);
    assert_eq!(Some(fs::metadata(world.path("out/app/sub/a.sh")).unwrap().uid()), id);
    // Without a hook that could make it, it is refused while nothing is stopped.
    let world = World::new();
    not_begun(&world, &world.package("1", TREE, &spec, &[]), &format!("this host has no user {name}"));
}

#[test]
fn e12_a_links_owner_is_its_own() {
    if !root() {
        return;
    }
    let world = World::new();
    let built = world.path("linked");
    fs::create_dir_all(built.join("app")).unwrap();
    fs::write(world.path("target"), "t").unwrap();
    symlink(world.path("target"), built.join("app/link")).unwrap();
    symlink("/nowhere", built.join("app/dangling")).unwrap();
    let spec = format!("version: 0.0\nos: linux\n{SPEC}  - {{object: /, owner: nobody, mode: 600, acls: ['nobody:rwx']}}\n");
    fs::write(built.join("appspec.yml"), spec.replace('@', world.path("").to_str().unwrap())).unwrap();
    world.commit(None, &world.take("1", &built));
    let owner = |path: &Path| fs::symlink_metadata(path).unwrap().uid();
    assert_eq!((owner(&world.path("out/app/link")), owner(&world.path("out/app/dangling")), owner(&world.path("target"))), (65534, 65534, 0));
}

#[test]
fn e13_e14_lists_let_in_whom_they_name() {
    if !root() {
        return;
    }
    let world = installed(
        "  - {object: @/out/app, mode: 600, acls: ['u:nobody:r', 'm::r--'], type: [file]}\n  - {object: @/out/app, mode: 755, acls: ['d:u:nobody:rwx', 'daemon:7'], type: [directory]}\n",
    );
    let read = |name: &str, uid: &str| {
        let path = world.path("out/app").join(name);
        Command::new("setpriv").args(["--reuid", uid, "--regid", "65533", "--clear-groups", "cat"]).arg(path).output().unwrap().status.success()
    };
    assert!(read("a.sh", "65534") && read("sub/a.sh", "65534"), "nobody is named");
    assert!(!read("a.sh", "2"), "and nobody else");
    // What is made in the folder inherits.
    fs::write(world.path("out/app/sub/new"), "").unwrap();
    assert!(fs::File::open(world.path("out/app/sub/new")).unwrap().get_xattr("system.posix_acl_access").unwrap().is_some());
    // The lists survive a way back.
    let before = fs::File::open(world.path("out/app/sub")).unwrap().get_xattr("system.posix_acl_default").unwrap();
    let bad = world.package(
        "2",
        TREE,
        SPEC.strip_suffix("permissions:\n").unwrap(),
        &[("BeforeInstall", "rm -rf @/out/app"), ("ValidateService", "exit 1")],
    );
    assert!(matches!(world.deploy(None, &bad).0.outcome, Outcome::RolledBack { .. }));
    assert!(read("a.sh", "65534"));
    assert_eq!(fs::File::open(world.path("out/app/sub")).unwrap().get_xattr("system.posix_acl_default").unwrap(), before);
    refused("  - {object: @/out/app, acls: ['d:u:nobody:rwx']}\n", "default access control entries are for directories");
}

#[test]
fn e16_e18_a_context_is_refused_before_anything_stops_where_there_is_no_selinux() {
    if !Path::new("/sys/fs/selinux/enforce").exists() {
        refused(
            "  - {object: @/out/app, context: {type: httpd_sys_content_t}}\n",
            "the context httpd_sys_content_t needs SELinux, which is not on at this host",
        );
    }
}

#[test]
fn e17_e18_labels_are_given_to_what_is_installed() {
    if !root() {
        return;
    }
    // As on a host with SELinux; the attribute can be set on any.
    let world = World::new();
    let release = world.path("release");
    fs::create_dir_all(release.join("app")).unwrap();
    fs::write(release.join("app/page"), "p").unwrap();
    fs::write(release.join("app/other"), "o").unwrap();
    fs::File::open(world.path("out")).unwrap().set_xattr("security.selinux", b"system_u:object_r:var_t:s0\0").unwrap();
    let permission = |name: &str, user: Option<&str>, range: Option<&str>| Permission {
        object: world.path("out/app").join(name).display().to_string(),
        pattern: "**".into(),
        except: Vec::new(),
        of_files: true,
        of_folders: true,
        mode: None,
        owner: None,
        group: None,
        acls: None,
        context: Some(Context { user: user.map(Into::into), kind: "httpd_t".into(), range: range.map(Into::into) }),
    };
    let label = |name: &str| {
        let label = fs::File::open(world.path(name)).unwrap().get_xattr("security.selinux").unwrap();
        label.map(|l| String::from_utf8(l).unwrap().trim_end_matches('\0').to_owned()).unwrap_or_default()
    };
    for (user, range, expected) in
        [(None, None, "system_u:object_r:httpd_t:s0"), (Some("staff_u"), Some("s0-s1:c0.c3"), "staff_u:object_r:httpd_t:s0-s1:c0.c3")]
    {
        let spec = Spec {
            files: vec![Files { source: "app".into(), destination: world.path("out/app").display().to_string(), glob: None }],
            exists: Exists::Overwrite,
            permissions: vec![permission("page", user, range)],
        };
        let (run, app, state) = (tempfile::tempdir_in(world.path("state/private/runs")).unwrap(), world.path("state/apps/web"), world.path("state"));
        let (originals, foreign) = (Originals::new(), world.path("state/private/foreign/web"));
        let source = Source { release: &release, originals: &originals, state: &state, foreign: &foreign, selinux: true };
        keep::keep(run.path(), &app, Installed::default(), &plan(&source, &spec, &mut Vec::new()).unwrap(), None).unwrap();
        ready::prepare(run.path(), &source, &spec, &[], true, Default::default()).unwrap();
        switch::switch(run.path(), &app, &source, &spec, &Links::default()).unwrap();
        assert_eq!(
            (label("out/app/page").as_str(), label("out/app/other").as_str()),
            (expected, "system_u:object_r:var_t:s0"),
            "its own, and what its folder hands down"
        );
        assert_eq!(label("out/app"), "system_u:object_r:var_t:s0");
    }
}

#[test]
fn e19_a_tree_as_in_the_documentation_goes_by_what_the_agent_does() {
    // The user guide says that `except: [my-file-1.txt]` on `/tmp/my-app` spares that file at any depth: it does not.
    check("  - {object: @/out/app, pattern: '**', except: [a.sh], mode: 700, type: [file]}\n", "755 644 700 755 700 700");
}
