//! CodeDeploy's contract for hooks (sections G and H of its recorded behaviour, and bundles in the wild), item by item.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use pilotage_shared::run::Outcome;

use crate::world::{World, alive, log, until};

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// A folder of the world that every account can write.
fn open_folder(world: &World) {
    fs::create_dir(world.path("open")).unwrap();
    fs::set_permissions(world.path("open"), fs::Permissions::from_mode(0o777)).unwrap();
}

#[test]
fn stop_scripts_are_those_of_the_last_deployment_that_succeeded_as_a_whole() {
    // G2, G4 mended: version 2 failed at ValidateService, so version 1 is what is stopped; its environment is the new deployment's (G8).
    let world = World::new();
    let package = |version: &str, validate: &'static str| {
        let stop = format!("echo {version} $DEPLOYMENT_ID said; echo {version} $DEPLOYMENT_ID >> @/trace");
        world.package(
            version,
            &[],
            "",
            &[("BeforeBlockTraffic", &stop), ("AfterBlockTraffic", &stop), ("ApplicationStop", &stop), ("ValidateService", validate)],
        )
    };
    let (one, two, three) = (package("1", "true"), package("2", "exit 1"), package("3", "true"));
    world.commit(None, &one);
    assert!(!world.path("trace").exists(), "G3: nothing succeeded before");
    assert!(matches!(world.deploy(Some(&one), &two).0.outcome, Outcome::RolledBack { .. }));
    let _ = fs::remove_file(world.path("trace"));
    let run = world.commit(Some(&one), &three);
    assert_eq!(world.read("trace"), "1 web-prod.3\n".repeat(3));
    let log = fs::read_to_string(run.join("logs/scripts.log")).unwrap();
    assert_eq!(log.matches("[stdout]1 web-prod.3 said").count(), 3, "G8: in the log of the present deployment");
}

#[test]
fn scripts_of_an_event_run_in_order_and_the_first_failure_ends_it() {
    // G1, h05.
    let world = World::new();
    let one = world.package(
        "1",
        &[],
        "",
        &[
            ("AfterInstall", "echo a >> @/trace"),
            ("AfterInstall", "echo b >> @/trace; exit 1"),
            ("AfterInstall", "echo c >> @/trace"),
            ("ApplicationStart", "echo d >> @/trace"),
        ],
    );
    assert!(matches!(world.deploy(None, &one).0.outcome, Outcome::RolledBack { .. }));
    assert_eq!(world.read("trace"), "a\nb\n");
}

#[test]
fn a_path_is_executed_as_it_stands_whatever_is_in_it() {
    // H5, p37–p39: blanks and what a shell would read are letters; a command line is no path.
    let world = World::new();
    let name = "my scripts/a b; touch never & $(id) 'x'.sh";
    let spec = format!("hooks:\n  ApplicationStart:\n    - location: \"{name}\"\n");
    let one = world.package("1", &[(name, "#!/bin/sh\necho \"$0\" > @/name\n")], &spec, &[]);
    world.commit(None, &one);
    assert!(world.read("name").ends_with(&format!("/{name}\n")));
    let line = world.package("2", &[("run.sh", "#!/bin/sh\n")], "hooks:\n  ApplicationStart:\n    - location: run.sh --now && true\n", &[]);
    let (report, _) = world.deploy(None, &line);
    let event = report.events.iter().find(|e| e.script.is_some()).unwrap();
    assert!(event.code == 1 && event.message.as_str().ends_with("/run.sh --now && true"), "{event:?}");
}

#[test]
fn scripts_need_no_mode_and_no_shebang_and_may_be_links_but_no_folders() {
    // H6, h01, h02, h18, h19; wild 11.
    let world = World::new();
    let built = world.path("linked");
    fs::create_dir_all(built.join("hooks/folder")).unwrap();
    let root = world.path("").display().to_string();
    let hooks = |names: &[&str]| names.iter().map(|n| format!("    - location: hooks/{n}\n")).collect::<String>();
    let spec =
        |names: &[&str]| fs::write(built.join("appspec.yml"), format!("version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n{}", hooks(names))).unwrap();
    fs::write(built.join("hooks/bare"), format!("echo bare $0 >> {root}trace\n")).unwrap();
    fs::write(built.join("hooks/blank"), format!("\n#!/bin/nothing\necho blank >> {root}trace\n")).unwrap();
    fs::set_permissions(built.join("hooks/bare"), fs::Permissions::from_mode(0o644)).unwrap();
    symlink("bare", built.join("hooks/link")).unwrap();
    spec(&["bare", "blank", "link"]);
    world.commit(None, &world.take("1", &built));
    let trace = world.read("trace");
    let ends: Vec<&str> = trace.lines().map(|l| l.rsplit('/').next().unwrap()).collect();
    assert_eq!(ends, ["bare", "blank", "link"]);
    spec(&["folder"]);
    let (report, _) = world.deploy(None, &world.take("2", &built));
    assert_eq!(report.events.iter().find(|e| e.script.is_some()).unwrap().code, 1);
}

#[test]
fn runas_gives_the_session_that_su_gives() {
    // H4; wild 12, 26, 27: HOME and friends, MAIL, the host's files, supplementary groups, no terminal, no shell of its own needed.
    if !is_root() {
        return;
    }
    let world = World::new();
    open_folder(&world);
    let script = "env > @/open/env; id -G > @/open/groups; (: < /dev/tty) 2>/dev/null && echo a terminal > @/open/tty; grep -E 'Sig(Ign|Blk)' /proc/self/status > @/open/signals; cut -d' ' -f6 /proc/$$/stat > @/open/sid; echo $$ > @/open/pid; true";
    world.commit(None, &world.package("1", &[], "", &[("ApplicationStart runas=www-data", script)]));
    let user = nix::unistd::User::from_name("www-data").unwrap().unwrap();
    let env = world.read("open/env");
    for expected in [
        format!("HOME={}", user.dir.display()),
        format!("SHELL={}", user.shell.display()),
        "USER=www-data".into(),
        "LOGNAME=www-data".into(),
        "MAIL=/var/mail/www-data".into(),
        "LIFECYCLE_EVENT=ApplicationStart".into(),
        "PORT=8080".into(),
    ] {
        assert!(env.lines().any(|l| l == expected), "{expected} is not in {env}");
    }
    for (name, value) in pilotage_deployer::hook::environment::of_host().into_iter().filter(|(name, _)| name != "PATH" && name != "PORT") {
        assert!(env.contains(&format!("{name}={value}\n")), "{name} of this host's files is not in {env}");
    }
    let name = std::ffi::CString::new("www-data").unwrap();
    let mut groups: Vec<u32> = nix::unistd::getgrouplist(&name, user.gid).unwrap().into_iter().map(|g| g.as_raw()).collect();
    let mut found: Vec<u32> = world.read("open/groups").split_whitespace().map(|g| g.parse().unwrap()).collect();
    groups.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, groups);
    assert!(!world.path("open/tty").exists(), "no terminal can be opened");
    assert_eq!(world.read("open/sid"), world.read("open/pid"), "a session of its own");
    let signals = world.read("open/signals");
    // Signals 32 and 33 are the C library's own.
    let of_programs = |line: &str| u64::from_str_radix(line.rsplit('\t').next().unwrap(), 16).unwrap() & 0x7fff_ffff;
    assert!(signals.lines().all(|l| of_programs(l) == 0), "nothing of ours is ignored or blocked: {signals}");
}

#[test]
fn whatever_the_agents_umask_is_other_accounts_reach_their_scripts_and_shared_folders() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let one = world.package(
        "1",
        &[],
        "x-pilotage:\n  shared:\n    - {path: data, owner: nobody}\n",
        &[("AfterInstall runas=nobody", "echo x > @/state/shared/web/data/file")],
    );
    let run = world.run_directory(&world.request(None, &one));
    let mut command = std::process::Command::new("/bin/sh");
    command.args(["-c", "umask 077; exec \"$0\" .", env!("CARGO_BIN_EXE_pilotage-deployer")]).current_dir(&run);
    assert!(command.status().unwrap().success());
    assert_eq!(crate::world::report(&run).outcome, Outcome::Committed, "{}", log(&run));
    assert_eq!(fs::metadata(run.join("results")).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn an_accounts_limits_are_set_before_it_is_taken() {
    // Wild 27; which these are is asked of limits.conf (hook::limits).
    let order = r#"{"path":"/bin/sh","args":["-c","ulimit -Sn; ulimit -Hn; ulimit -c"],"shell":null,"environment":{},"become_":null,"limits":[{"item":"nofile","soft":60,"hard":70},{"item":"core","soft":null,"hard":0},{"item":"nosuch","soft":1,"hard":1}]}"#;
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_pilotage-deployer"));
    let mut child = command.arg("--exec").stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), format!("{order}\n").as_bytes()).unwrap();
    assert_eq!(String::from_utf8_lossy(&child.wait_with_output().unwrap().stdout), "60\n70\n0\n");
}

#[test]
fn a_runas_script_that_ignores_term_is_killed_with_all_it_started_even_in_other_sessions() {
    // H9, wild 13: where su would leave the grandchildren.
    if !is_root() {
        return;
    }
    let world = World::new();
    open_folder(&world);
    let script = "trap '' TERM; setsid sh -c 'trap \"\" TERM; echo $$ > @/open/away; while true; do sleep 0.1; done' > /dev/null 2>&1 & echo $$ > @/open/own; while true; do sleep 0.1; done";
    let (report, run) = world.deploy(None, &world.package("1", &[], "", &[("ApplicationStart runas=nobody timeout=1", script)]));
    assert_eq!(report.events.iter().find(|e| e.script.is_some()).unwrap().code, 3, "{}", log(&run));
    until("all of it is gone", || !alive(&world.read("open/own")) && !alive(&world.read("open/away")));
}

#[test]
fn a_runas_script_that_a_signal_ended_says_which() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let (report, _) = world.deploy(None, &world.package("1", &[], "", &[("ApplicationStart runas=nobody", "kill -TERM $$")]));
    let event = report.events.iter().find(|e| e.script.is_some()).unwrap();
    assert_eq!((event.code, event.exit), (4, Some(143)));
    assert_eq!(event.message.as_str(), "Script at specified location: hooks/0.sh run as user nobody failed with exit code 143 (signal 15)");
}

#[test]
fn who_may_not_read_a_script_does_not_run_it() {
    // h34, and h14: an empty runas is nobody else.
    if !is_root() {
        return;
    }
    let world = World::new();
    let built = world.path("closed");
    fs::create_dir_all(&built).unwrap();
    let spec = |runas: &str| {
        fs::write(
            built.join("appspec.yml"),
            format!("version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n    - location: run.sh\n      runas: {runas}\n"),
        )
        .unwrap()
    };
    fs::write(built.join("run.sh"), "#!/bin/sh\nid -un\n").unwrap();
    fs::set_permissions(built.join("run.sh"), fs::Permissions::from_mode(0o700)).unwrap();
    spec("nobody");
    let (report, _) = world.deploy(None, &world.take("1", &built));
    let event = report.events.iter().find(|e| e.script.is_some()).unwrap();
    assert!(event.code == 4 && event.last_line.as_str().contains("Permission denied"), "{event:?}");
    spec("''");
    let (report, _) = world.deploy(None, &world.take("2", &built));
    assert_eq!(report.events.iter().find(|e| e.script.is_some()).unwrap().last_line.as_str(), "root");
}

#[test]
fn the_time_is_each_scripts_own_and_counts_for_the_exit_and_both_outputs() {
    // H8, H10, H11: two of 1 s under 2 s each pass; a child that holds an output is told and left alone.
    let world = World::new();
    world.commit(None, &world.package("1", &[], "", &[("AfterInstall timeout=2", "sleep 1.2"), ("AfterInstall timeout=2", "sleep 1.2")]));
    for (hold, stream) in [("2>/dev/null", "STDOUT"), (">/dev/null", "STDERR")] {
        let script = format!("setsid sleep 600 {hold} & echo $! > @/child");
        let (report, run) = world.deploy(None, &world.package(stream, &[], "", &[("ApplicationStart timeout=1", &script)]));
        let event = report.events.iter().find(|e| e.script.is_some()).unwrap();
        assert_eq!(
            (event.code, event.message.as_str()),
            (6, format!("Script at specified location: hooks/0.sh failed to close {stream}").as_str()),
            "{}",
            log(&run)
        );
        let child = world.read("child");
        assert!(alive(&child), "left alone");
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.trim().parse().unwrap()), nix::sys::signal::Signal::SIGKILL).unwrap();
    }
}

#[test]
fn what_left_its_session_by_double_fork_lives_on() {
    // Wild 17: as pm2 and forever do it.
    let world = World::new();
    let script = "(setsid sh -c '(sleep 600 & echo $! > @/daemon) > /dev/null 2>&1 < /dev/null' &) ; until test -s @/daemon; do sleep 0.01; done";
    world.commit(None, &world.package("1", &[], "", &[("ApplicationStart", script)]));
    let daemon = world.read("daemon");
    assert!(alive(&daemon));
    let parent = fs::read_to_string(format!("/proc/{}/stat", daemon.trim())).unwrap();
    let parent: i32 = parent.rsplit_once(')').unwrap().1.split_whitespace().nth(1).unwrap().parse().unwrap();
    let name = fs::read_to_string(format!("/proc/{parent}/comm")).unwrap_or_default();
    assert!(!name.contains("pilotage"), "nothing of ours stays above it: {name}");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(daemon.trim().parse().unwrap()), nix::sys::signal::Signal::SIGKILL).unwrap();
}

#[test]
fn nothing_of_the_application_stands_in_our_processes_names_or_arguments() {
    // Wild 21: `pkill -f web`, of a script's name, of a language. (The folder that the tests were built in is not ours to name.)
    let world = World::new();
    let script = "for p in /proc/[0-9]*; do case $(readlink $p/exe) in *pilotage-deployer) tr '\\0' ' ' < $p/cmdline | sed 's,^[^ ]*/,,'; cat $p/comm;; esac; done > @/ours";
    world.commit(None, &world.package("1", &[], "", &[("ApplicationStart", script)]));
    let ours = world.read("ours");
    assert!(ours.contains("pilotage-deployer --supervise") && ours.contains("pilotage-deployer"), "{ours}");
    for word in ["web", "hooks", "0.sh", "bundles", "java", "node", "server", "python", "main"] {
        assert!(!ours.contains(word), "{word} is in {ours}");
    }
}

#[test]
fn one_script_for_all_events_finds_itself_and_its_neighbours() {
    // Wild 14, 15.
    let world = World::new();
    let script = "#!/bin/bash\nhere=$(cd \"$(dirname \"${BASH_SOURCE[0]}\")\" && pwd)\ncase $LIFECYCLE_EVENT in *) echo $LIFECYCLE_EVENT $(cat \"$here/name\") >> @/trace;; esac\n";
    let events = ["BeforeInstall", "AfterInstall", "ApplicationStart", "ValidateService"];
    let spec = events.iter().fold("hooks:\n".to_owned(), |all, e| all + &format!("  {e}:\n    - location: deploy/all.sh\n"));
    world.commit(None, &world.package("1", &[("deploy/all.sh", script), ("deploy/name", "mine")], &spec, &[]));
    assert_eq!(world.read("trace"), events.map(|e| format!("{e} mine\n")).concat());
}

#[test]
fn codedeploys_paths_are_offered_where_the_host_says_so() {
    // Wild 14.
    let world = World::new();
    let script = "d=@/cd/root/$DEPLOYMENT_GROUP_ID/$DEPLOYMENT_ID/deployment-archive; cat $d/note > @/note; ls $(dirname $d) > @/names; echo seen";
    let one = world.package("1", &[("note", "from the bundle")], "", &[("BeforeInstall", script), ("AfterInstall", "echo again")]);
    let mut request = world.request(None, &one);
    fs::create_dir(world.path("cd")).unwrap();
    request.host.codedeploy_root = Some(world.path("cd/root").display().to_string());
    let run = world.run_directory(&request);
    assert!(crate::world::start(&run).wait().unwrap().success());
    assert_eq!(crate::world::report(&run).outcome, Outcome::Committed, "{}", log(&run));
    assert_eq!((world.read("note").as_str(), world.read("names").as_str()), ("from the bundle", "deployment-archive\nlogs\n"));
    // H13.
    let text = world.read("cd/root/deployment-logs/codedeploy-agent-deployments.log");
    let bare: Vec<&str> = text.lines().map(|l| &l[26..]).collect();
    assert_eq!(
        bare,
        [
            "[web-prod.1]LifecycleEvent - BeforeInstall",
            "[web-prod.1]Script - hooks/0.sh",
            "[web-prod.1][stdout]seen",
            "[web-prod.1]LifecycleEvent - AfterInstall",
            "[web-prod.1]Script - hooks/1.sh",
            "[web-prod.1][stdout]again",
        ]
    );
    let shape: String = text[..26].chars().map(|c| if c.is_ascii_digit() { 'd' } else { c }).collect();
    assert_eq!(shape, "[dddd-dd-dd dd:dd:dd.ddd] ");
}

#[test]
fn sudo_in_a_hook_needs_no_terminal() {
    // Wild 16; `sudo: true` of an AppSpec needs no sudo at all (H4).
    let world = World::new();
    world.commit(None, &world.package("1", &[], "", &[("ApplicationStart sudo=true", "test $(id -u) = 0 || test $(id -u) = $(stat -c %u @/state)")]));
    if std::path::Path::new("/usr/bin/sudo").exists() && is_root() {
        world.commit(None, &world.package("2", &[], "", &[("ApplicationStart", "test $(sudo id -u) = 0")]));
    }
}
