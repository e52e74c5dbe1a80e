//! How hooks run: account, environment, time, and what they leave behind.

use std::fs;

use pilotage_shared::run::Outcome;

use crate::world::{World, alive, log, until};

/// Runs one ApplicationStart script; gives (code, exit, message, last line), and the world.
fn start_script(world: &World, event: &str, script: &str) -> (u8, Option<i32>, String, String) {
    let one = world.package("1", &[], "", &[(event, script)]);
    let (report, run) = world.deploy(None, &one);
    let found = report.events.iter().find(|e| e.script.is_some()).unwrap_or_else(|| panic!("{}", log(&run)));
    (found.code, found.exit, found.message.to_string(), found.last_line.to_string())
}

#[test]
fn environment_descriptors_umask_and_session_are_built_from_nothing() {
    let world = World::new();
    let script = "env > @/env; umask > @/umask; pwd > @/pwd; ls -l /proc/self/fd > @/fds; echo $0 > @/name; cat; ps -o sid= -p $$ > @/sid 2>/dev/null || cut -d' ' -f6 /proc/$$/stat > @/sid; echo $$ > @/pid; tr '\\0' ' ' < /proc/$PPID/cmdline > @/parent; id -G > @/groups";
    let found = start_script(&world, "ApplicationStart", script);
    assert_eq!(found.0, 0, "{found:?}");
    let mut env: Vec<String> = world
        .read("env")
        .lines()
        .map(str::to_owned)
        .filter(|l| !l.starts_with("PWD=") && !l.starts_with("_=") && !l.starts_with("SHLVL=") && !l.starts_with("OLDPWD="))
        .collect();
    env.sort();
    let own = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap();
    let golden = format!(
        "APPLICATION_NAME=web\nDEPLOYMENT_GROUP_ID=web-prod\nDEPLOYMENT_GROUP_NAME=web-prod\nDEPLOYMENT_ID=web-prod.1\nHOME={home}\nLANG=C.UTF-8\n\
         LIFECYCLE_EVENT=ApplicationStart\nLOGNAME={name}\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nPORT=8080\nSHELL={shell}\nUSER={name}",
        home = own.dir.display(),
        name = own.name,
        shell = own.shell.display()
    );
    assert_eq!(env.join("\n"), golden);
    assert_eq!((world.read("umask").trim(), world.read("pwd").trim()), ("0022", "/"));
    let fds = world.read("fds");
    let open = fds.lines().filter_map(|l| l.split_once(" -> ")).filter(|(_, target)| !target.starts_with("/proc/"));
    assert_eq!(open.count(), 3, "only 0, 1, 2 and the listing itself: {fds}");
    assert!(fds.contains("0 -> /dev/null"));
    assert_eq!(world.read("sid").trim(), world.read("pid").trim(), "a session of its own");
    assert!(!world.read("parent").contains("web") && !world.read("parent").contains("hooks"), "{}", world.read("parent"));
    let name = world.read("name");
    assert!(name.ends_with("/hooks/0.sh\n") && name.contains("/bundles/") && !name.contains("/apps/web/"), "{name}");
}

#[test]
fn a_script_runs_as_its_account_with_nothing_of_ours_in_reach() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let world = World::new();
    fs::create_dir(world.path("open")).unwrap();
    fs::set_permissions(world.path("open"), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    // No shebang, and bash's own syntax: read by the account's shell, which is none.
    let script = "\n[[ -n x ]] && id -un > @/open/who; id -G > @/open/groups; env > @/open/env; ls -l /proc/self/fd > @/open/fds; ls @/state/private > @/open/private 2>&1; touch \"$0.x\" 2>/dev/null && touch @/open/wrote; true";
    let found = start_script(&world, "ApplicationStart runas=nobody", script);
    assert_eq!(found.0, 0, "{found:?}");
    assert_eq!((world.read("open/who").trim(), world.read("open/groups").trim()), ("nobody", "65534"));
    let fds = world.read("open/fds");
    assert_eq!(fds.lines().filter_map(|l| l.split_once(" -> ")).filter(|(_, target)| !target.starts_with("/proc/")).count(), 3, "{fds}");
    assert!(world.read("open/env").contains("USER=nobody\n") && !world.path("open/wrote").exists());
}

#[test]
fn failures_have_codedeploys_codes_and_words() {
    let check = |event: &str, script: &str, code: u8, exit: Option<i32>, message: &str, last: &str| {
        let found = start_script(&World::new(), event, script);
        assert_eq!((found.0, found.1, found.2.as_str(), found.3.as_str()), (code, exit, message, last), "{script}");
    };
    let at = "Script at specified location: hooks/0.sh";
    check("ApplicationStart", "echo one >&2; echo two >&2; exit 3", 4, Some(3), &format!("{at} failed with exit code 3"), "two");
    check("ApplicationStart", "kill -9 $$", 4, Some(137), &format!("{at} failed with exit code 137 (signal 9)"), "");
    check("ApplicationStart timeout=1", "echo x; sleep 1000", 3, None, &format!("{at} failed to complete in 1 seconds"), "x");
    check("ApplicationStart timeout=1", "sleep 5 & echo started", 6, None, &format!("{at} failed to close STDOUT"), "started");
    check(
        "ApplicationStart runas=nosuchuser",
        "true",
        4,
        Some(1),
        &format!("{at} run as user nosuchuser failed with exit code 1"),
        "user nosuchuser does not exist",
    );
    let crlf = start_script(&World::new(), "ApplicationStart", "#!/bin/sh\r\ntrue\r\n");
    assert_eq!((crlf.0, crlf.1), (4, Some(126)));
    assert!(crlf.3.contains("carriage return"), "{}", crlf.3);
    let missing = start_script(&World::new(), "ApplicationStart location=gone.sh", "true");
    assert_eq!(missing.0, 1);
    assert!(missing.2.starts_with("Script does not exist at specified location: /") && missing.2.ends_with("/gone.sh"), "{}", missing.2);
}

#[test]
fn a_script_that_ignores_term_is_killed_with_all_it_started() {
    let world = World::new();
    let script = "trap '' TERM; (trap '' TERM; echo $$ > @/child; sleep 1000) & echo $$ > @/own; while true; do sleep 0.1; done";
    let found = start_script(&world, "ApplicationStart timeout=1", script);
    assert_eq!(found.0, 3, "{found:?}");
    until("the script is gone", || !alive(&world.read("own")) && !alive(&world.read("child")));
}

#[test]
fn what_a_hook_starts_with_its_output_redirected_survives() {
    let world = World::new();
    let script = "nohup sleep 1000 > /dev/null 2>&1 & echo $! > @/daemon; setsid sleep 1000 > @/log 2>&1 < /dev/null & echo $! > @/daemon2";
    let one = world.package("1", &[], "", &[("ApplicationStart", script), ("ApplicationStop", "kill $(cat @/daemon) $(cat @/daemon2)")]);
    world.commit(None, &one);
    assert!(alive(&world.read("daemon")) && alive(&world.read("daemon2")));
    world.commit(Some(&one), &world.package("2", &[], "", &[]));
    until("the stop script has ended it", || !alive(&world.read("daemon")) && !alive(&world.read("daemon2")));
}

#[test]
fn logs_stand_by_event_and_together() {
    let world = World::new();
    let one = world.package("1", &[], "", &[("ApplicationStart", "echo a"), ("ApplicationStart", "echo b"), ("ValidateService", "echo c >&2")]);
    let run = world.commit(None, &one);
    let bare = |name: &str| fs::read_to_string(run.join("logs").join(name)).unwrap().lines().map(|l| l[20..].to_owned()).collect::<Vec<_>>();
    assert_eq!(bare("001-ApplicationStart.log"), ["LifecycleEvent - ApplicationStart", "Script - hooks/0.sh", "[stdout]a"]);
    assert_eq!(bare("003-ValidateService.log"), ["LifecycleEvent - ValidateService", "Script - hooks/2.sh", "[stderr]c"]);
    assert_eq!(
        bare("scripts.log"),
        [
            "LifecycleEvent - ApplicationStart",
            "Script - hooks/0.sh",
            "[stdout]a",
            "Script - hooks/1.sh",
            "[stdout]b",
            "LifecycleEvent - ValidateService",
            "Script - hooks/2.sh",
            "[stderr]c"
        ]
    );
}

#[test]
fn the_fleets_cap_bounds_every_hook() {
    let world = World::new();
    let one = world.package("1", &[], "", &[("ApplicationStart", "sleep 1000")]);
    let mut request = world.request(None, &one);
    request.hook_timeout = pilotage_shared::time::Millis(300);
    let run = world.run_directory(&request);
    assert!(crate::world::start(&run).wait().unwrap().success());
    assert!(matches!(crate::world::report(&run).outcome, Outcome::RolledBack { .. }));
}
