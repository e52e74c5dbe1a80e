//! Another user swaps links under our hands: no file of root is changed, whatever is installed into that user's folders.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::Path;
use std::process::{Command, Stdio};

use pilotage_deployer::install::installed::Installed;
use pilotage_deployer::install::links::Links;
use pilotage_deployer::install::plan::{Originals, Source, plan};
use pilotage_deployer::install::spec::{Exists, Files, Permission, Spec};
use pilotage_deployer::install::{InstallError, keep, ready, stage, switch, unswitch};

use crate::world::World;

const ROUNDS: usize = 200;
const FILES: usize = 50;
const NOBODY: u32 = 65534;

/// Swaps `www` for a link to the victim and back, and the same for a folder and a file in it, as fast as it can.
const SWAPS: &str = r#"
    my ($home, $victim) = @ARGV;
    my $n = 0;
    while (1) {
        for my $way ("www", "www/sub") {
            rename("$home/$way", "$home/aside$n") and symlink($victim, "$home/$way");
            select(undef, undef, undef, 0.0003);
            if (-l "$home/$way") { unlink("$home/$way"); rename("$home/aside$n", "$home/$way") }
            select(undef, undef, undef, rand(0.08));
            $n++;
        }
        for my $file ("www/0", "www/sub/1") {
            unlink("$home/$file"); symlink("$victim/secret", "$home/$file");
        }
        mkdir("$home/www"); mkdir("$home/www/sub");
    }
"#;

fn photograph(folder: &Path) -> BTreeSet<String> {
    let one = |path: &Path| {
        let meta = fs::symlink_metadata(path).unwrap();
        let content = if meta.is_file() { fs::read_to_string(path).unwrap() } else { String::new() };
        format!("{} {:o} {}:{} {content}", path.display(), meta.mode(), meta.uid(), meta.gid())
    };
    let inside = fs::read_dir(folder).unwrap().flatten().map(|e| one(&e.path()));
    inside.chain([one(folder)]).collect()
}

#[test]
fn ten_thousand_installs_beside_a_user_who_swaps_links_change_no_file_of_root() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let world = World::new();
    let (home, victim, release) = (world.path("home"), world.path("victim"), world.path("release"));
    for folder in [&home, &victim, &home.join("www"), &home.join("www/sub"), &release.join("app/sub")] {
        fs::create_dir_all(folder).unwrap();
    }
    for name in ["secret", "0", "1", "sub"] {
        fs::write(victim.join(name), "root's own").unwrap();
    }
    for n in 0..FILES {
        fs::write(release.join(if n % 2 == 0 { format!("app/{n}") } else { format!("app/sub/{n}") }), "installed").unwrap();
    }
    for folder in [&home, &home.join("www"), &home.join("www/sub")] {
        lchown(folder, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let before = photograph(&victim);
    let mut swapper = Command::new("setpriv");
    swapper.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "perl", "-e", SWAPS]).arg(&home).arg(&victim);
    let mut swapper = swapper.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let everything = Permission {
        object: "/".into(),
        pattern: "**".into(),
        except: Vec::new(),
        of_files: true,
        of_folders: true,
        mode: Some(0o4777),
        owner: Some("nobody".into()),
        group: Some("nogroup".into()),
        acls: Some(vec!["user:nobody:rwx".into()]),
        context: None,
    };
    let spec = Spec {
        files: vec![Files { source: "app".into(), destination: home.join("www").display().to_string(), glob: None }],
        exists: Exists::Overwrite,
        permissions: vec![everything],
    };
    let (originals, state, foreign) = (Originals::new(), world.path("state"), world.path("state/private/foreign/web"));
    let source = Source { release: &release, originals: &originals, state: &state, foreign: &foreign, selinux: false };
    let (mut done, mut refused) = (0, 0);
    for round in 0..ROUNDS {
        let (run, app) = (world.path("state/private/runs").join(round.to_string()), world.path("state/apps/web"));
        fs::create_dir(&run).unwrap();
        let install = || -> Result<(), InstallError> {
            keep::keep(&run, &app, Installed::default(), &plan(&source, &spec, &mut Vec::new())?, None)?;
            ready::prepare(&run, &source, &spec, &[], false, Default::default())?;
            let switched = switch::switch(&run, &app, &source, &spec, &Links::default());
            unswitch::unswitch(&run, &app)?;
            switched
        };
        match install() {
            Ok(()) => done += 1,
            Err(_) => refused += 1,
        }
        stage::remove(&run).unwrap();
        fs::remove_dir_all(&run).unwrap();
        assert_eq!(photograph(&victim), before, "after round {round}");
    }
    let _ = swapper.kill();
    swapper.wait().unwrap();
    assert!(done > 0 && refused > 0, "{done} done, {refused} met a swap");
    assert_eq!(done + refused, ROUNDS);
}
