//! H: how hooks are run. I: how their ends are told.

use std::fs;
use std::time::{Duration, Instant};

use super::cases;
use crate::users::users;

cases! {
    "H1" "a hook is told of the deployment" => |w| {
        let flags = ["-g", "the-id", "-d", "the-name", "-a", "the-app"];
        let ran = w.bundle().flags(&flags).hook("AfterInstall", "echo $LIFECYCLE_EVENT $DEPLOYMENT_ID $APPLICATION_NAME $DEPLOYMENT_GROUP_NAME $DEPLOYMENT_GROUP_ID").deploy().ok();
        let id = ran.id();
        ran.logs(&format!("[stdout]AfterInstall {id} the-app the-name the-id"));
    };
    "H1" "the caller's environment reaches hooks, but for what the account says" => |w| {
        let ran = w.bundle().env("FOO", "bar baz").env("HOME", "/nowhere").hook("AfterInstall", "echo FOO=$FOO HOME=$HOME").deploy().ok();
        ran.logs("FOO=bar baz").does_not_log("HOME=/nowhere");
    };
    "H2" "no credentials are in a hook's environment that the caller's has not" => |w| {
        w.bundle().hook("AfterInstall", "env | grep -c AWS_ || true").deploy().ok().logs("[stdout]0");
    };
    "H3" "it runs in /, with a closed input, no arguments, and its path as $0" => |w| {
        let ran = w.bundle().hook("AfterInstall", "echo $PWD $#; read x && echo input; echo self=$0; test -f $0 && umask").deploy().ok();
        let archive = fs::canonicalize(ran.folder.as_ref().unwrap().join("deployment-archive")).unwrap();
        let log = ran.logs("[stdout]/ 0").logs("[stdout]0022").does_not_log("input").log();
        let own = log.iter().find_map(|l| l.strip_prefix("[stdout]self=")).unwrap();
        assert_eq!(fs::canonicalize(own).unwrap(), archive.join("scripts/1.sh"));
    };
    "H3" "it has a session of its own, without a terminal" => |w| {
        w.bundle().hook("AfterInstall", "set -- $(cat /proc/self/stat); echo session $6; echo self $$; (: > /dev/tty) 2>/dev/null && echo tty || echo none").deploy().ok().logs("[stdout]none");
    };
    "H4" Root "runas is that user, with home, name, shell and groups" => |w| {
        let person = &users().person;
        let ran = w.bundle().hook_with("AfterInstall", &format!("runas: {person}"), "id -un; echo $HOME $USER $LOGNAME $SHELL; echo FOO=$FOO").env("FOO", "kept").deploy().ok();
        ran.logs(&format!("[stdout]{person}")).logs(&format!("[stdout]/home/{person} {person} {person} /bin/bash")).logs("FOO=kept");
    };
    "H4" Root "an account without a login shell works" => |w| {
        let service = &users().service;
        w.bundle().hook_with("AfterInstall", &format!("runas: {service}"), "id -un").deploy().ok().logs(&format!("[stdout]{service}"));
    };
    "H4" Root "an unknown user fails before anything is stopped" => |w| {
        w.page("one").hook("ApplicationStop", "echo stopped").deploy().ok();
        w.page("two").hook_with("AfterInstall", "runas: nosuchuser", "true").deploy().fails("there is no user \"nosuchuser\"");
        w.has("out/page", "one");
    };
    "H4" Root "a script that the user cannot read is a failure, and says so" => |w| {
        let person = &users().person;
        let bundle = w.bundle().hook_with("AfterInstall", &format!("runas: {person}"), "true").mode("scripts/1.sh", 0o600);
        bundle.deploy().fails("run as user").logs("ermission denied");
    };
    "H5" "blanks and what a shell would read in a path are harmless" => |w| {
        for name in ["with blank.sh", "a;b&c.sh", "$(touch x).sh", "quo'te.sh"] {
            w.bundle().file(name, "#!/bin/sh\necho here\n").entry("AfterInstall", &format!("{{location: \"{name}\"}}")).deploy().ok().logs("[stdout]here");
        }
    };
    "H5" "a location with arguments is a script that is missing" => |w| {
        w.bundle().file("s.sh", "#!/bin/sh\n").entry("AfterInstall", "{location: s.sh arg}").deploy().fails("Script does not exist at specified location: ").says("s.sh arg");
    };
    "H6" "a missing script is named with its path" => |w| {
        w.bundle().entry("AfterInstall", "{location: scripts/none.sh}").deploy().fails("Script does not exist at specified location: /").says("scripts/none.sh");
    };
    "H6" "a script that is not executable is made so" => |w| {
        w.bundle().hook("AfterInstall", "echo here").mode("scripts/1.sh", 0o644).deploy().ok().logs("[stdout]here");
    };
    "H6" "without a shebang sh reads it" => |w| {
        w.bundle().file("s.sh", "echo here $0\n").entry("AfterInstall", "{location: s.sh}").deploy().ok().logs("[stdout]here /");
    };
    "H6" "a script may be a link inside the bundle" => |w| {
        w.bundle().file("real.sh", "#!/bin/sh\necho here\n").link("s.sh", "real.sh").entry("AfterInstall", "{location: s.sh}").deploy().ok().logs("[stdout]here");
    };
    "H6" "a script that is a link out of the bundle is missing" => |w| {
        w.theirs("outside.sh", "#!/bin/sh\necho here\n");
        w.bundle().link("s.sh", w.path("outside.sh").to_str().unwrap()).entry("AfterInstall", "{location: s.sh}").deploy().fails("does not exist").does_not_log("here");
    };
    "H6" "a folder is no script" => |w| {
        w.bundle().dir("scripts/x").entry("AfterInstall", "{location: scripts/x}").deploy().fails("Script does not exist");
    };
    "H6" "a shebang with a carriage return fails, and the reason is in the log" => |w| {
        w.bundle().file("s.sh", "#!/bin/sh\r\necho here\r\n").entry("AfterInstall", "{location: s.sh}").deploy().fails("failed").logs("carriage return");
    };
    "H7" "an exit code is told in CodeDeploy's words" => |w| {
        w.bundle().hook("AfterInstall", "exit 42").deploy().fails("Script at specified location: scripts/1.sh failed with exit code 42");
    };
    "H7" Root "with the user, when there is one" => |w| {
        let person = &users().person;
        w.bundle().hook_with("AfterInstall", &format!("runas: {person}"), "exit 42").deploy().fails(&format!("scripts/1.sh run as user {person} failed with exit code 42"));
    };
    "H7" "a signal is told as 128 and its number" => |w| {
        w.bundle().hook("AfterInstall", "kill -9 $$").deploy().fails("failed with exit code 137 (signal 9)");
    };
    "H8" "a timeout ends the script with all that it started in its session" => |w| {
        let body = "sleep 60 & echo $! > @/child; sleep 60";
        w.bundle().hook_with("AfterInstall", "timeout: 2", body).deploy().fails("scripts/1.sh failed to complete in 2 seconds");
        assert!(!w.alive("child"));
    };
    "H9" "a script that ignores TERM is killed" => |w| {
        let at = Instant::now();
        w.bundle().hook_with("AfterInstall", "timeout: 2", "trap '' TERM; echo $$ > @/pid; while :; do sleep 0.1; done").deploy().fails("failed to complete in 2 seconds");
        assert!(!w.alive("pid") && at.elapsed() < Duration::from_secs(30));
    };
    "H10" "a child that keeps the output is told as such, and lives on" => |w| {
        w.bundle().hook_with("AfterInstall", "timeout: 3", "sleep 60 & echo $! > @/child").deploy().fails("scripts/1.sh failed to close STDOUT");
        assert!(w.alive("child"));
        w.end("child");
    };
    "H10" "a child in the background with other outputs is fine, and lives on" => |w| {
        w.bundle().hook_with("AfterInstall", "timeout: 20", "sleep 60 > /dev/null 2>&1 & echo $! > @/child").deploy().ok();
        assert!(w.alive("child"));
        w.end("child");
    };
    "H11" "the time is each script's own" => |w| {
        w.bundle().hook_with("AfterInstall", "timeout: 3", "sleep 1.6").hook_with("AfterInstall", "timeout: 3", "sleep 1.6").deploy().ok();
    };
    "H12" "scripts.log has CodeDeploy's form" => |w| {
        let ran = w.bundle().hook("AfterInstall", "echo one; sleep 0.1; echo two >&2").hook("AfterInstall", "true").deploy().ok();
        let expected = ["LifecycleEvent - AfterInstall", "Script - scripts/1.sh", "[stdout]one", "[stderr]two", "Script - scripts/2.sh"];
        assert_eq!(ran.log(), expected);
        let first = fs::read_to_string(ran.folder.unwrap().join("logs/scripts.log")).unwrap();
        let shape: String = first[..20].chars().map(|c| if c.is_ascii_digit() { 'd' } else { c }).collect();
        assert_eq!(shape, "dddd-dd-dd dd:dd:dd ");
    };
    "H12" "an event without scripts has no line" => |w| {
        let ran = w.bundle().more("hooks:\n  AfterInstall: []\n").deploy().ok();
        assert!(ran.log().is_empty());
    };
    "H12" "output of any bytes is kept" => |w| {
        let ran = w.bundle().hook("AfterInstall", "printf 'a\\377b\\n'").deploy().ok();
        let bytes = fs::read(ran.folder.unwrap().join("logs/scripts.log")).unwrap();
        assert!(bytes.windows(3).any(|w| w == b"a\xffb"));
    };
    "H13" "the log of all deployments has each line with its deployment" => |w| {
        let ran = w.bundle().hook("AfterInstall", "echo 'one  '").deploy().ok();
        let text = w.read("root/deployment-logs/codedeploy-agent-deployments.log");
        let line = text.lines().find(|l| l.contains("one")).unwrap();
        assert!(line.ends_with(&format!("] [{}][stdout]one", ran.id())), "{line}");
        let shape: String = line[..26].chars().map(|c| if c.is_ascii_digit() { 'd' } else { c }).collect();
        assert_eq!(shape, "[dddd-dd-dd dd:dd:dd.ddd] ");
        assert!(text.contains("LifecycleEvent - AfterInstall") && text.contains("Script - scripts/1.sh"));
    };
    "H13" "it can be switched off" => |w| {
        w.configure(":enable_deployments_log: false\n");
        w.bundle().hook("AfterInstall", "echo one").deploy().ok();
        w.gone("root/deployment-logs/codedeploy-agent-deployments.log");
    };
    "H14" "a hundred thousand lines of output cost seconds, and head and tail are kept" => |w| {
        let at = Instant::now();
        w.bundle().hook("AfterInstall", "seq 1 100000").deploy().ok().logs("[stdout]1").logs("[stdout]100000").logs("left out here");
        assert!(at.elapsed() < Duration::from_secs(30), "{:?}", at.elapsed());
    };
    "I1" "each way to fail has its words" => |w| {
        w.bundle().entry("AfterInstall", "{location: none}").deploy().fails("does not exist");
        w.bundle().hook_with("AfterInstall", "timeout: 1", "sleep 9").deploy().fails("failed to complete");
        w.bundle().hook("AfterInstall", "exit 1").deploy().fails("failed with exit code 1");
    };
    "I3" "a long line empties no log" => |w| {
        w.bundle().hook("AfterInstall", "echo before; head -c 5000 /dev/zero | tr '\\0' x; echo; echo after; exit 1").deploy().fails("exit code 1").logs("[stdout]before").logs("[stdout]after");
    };
    "I4" "output that is no text hides no exit code" => |w| {
        w.bundle().hook("AfterInstall", "printf '\\377\\376\\n'; exit 5").deploy().fails("exit code 5");
    };
}
