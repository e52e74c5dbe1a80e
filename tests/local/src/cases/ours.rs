//! What CodeDeploy never had: the way back, a folder that nobody else can write, ordinary users, Ctrl-C, full disks.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use nix::sys::signal::Signal;

use super::cases;
use crate::programs::programs;
use crate::ran::Ran;
use crate::users::users;

cases! {
    "P1" Root "a root_dir below a folder that somebody else can write is refused by name" => |w| {
        let person = &users().person;
        w.sh(&format!("mkdir home && chown {person} home"));
        fs::write(w.path("c.yml"), w.fill(":root_dir: @/home/root\n")).unwrap();
        w.page("one").deploy().fails("root_dir ").says("/home belongs to user");
        w.gone("home/root").gone("out");
        w.sh("mkdir open && chmod 777 open");
        fs::write(w.path("c.yml"), w.fill(":root_dir: @/open/root\n")).unwrap();
        w.page("one").deploy().fails("/open can be written by others (mode 0777)");
    };
    "P1" Root "a group's folder that somebody else has made is refused" => |w| {
        let person = &users().person;
        w.sh(&format!("mkdir -p root/web && chown {person} root/web"));
        w.page("one").flags(&["-g", "web"]).deploy().fails("/root/web belongs to user");
        w.gone("out");
    };
    "P2" Root "an ordinary user has a folder of his own, and is told what is left out" => |w| {
        let person = &users().person;
        w.sh(&format!("mkdir state out && chown {person} state out"));
        let bundle = w.page("one").hook_with("AfterInstall", "runas: root", "id -un").more("permissions: [{object: /, owner: root, mode: 640, type: [file]}]\n");
        let folder = bundle.write();
        let mut command = Command::new("setpriv");
        command.args(["--reuid", person, "--regid", person, "--init-groups"]).arg(&programs().agent).arg("local").arg("--deployer").arg(&programs().deployer);
        command.arg("-l").arg(folder).env("XDG_STATE_HOME", w.path("state")).current_dir("/");
        let ran = Ran::of(&command.output().unwrap()).ok();
        assert!(ran.said.starts_with("You are not root: `runas`, owners and groups are left out"), "{}", ran.said);
        assert!(ran.folder.as_ref().unwrap().starts_with(w.path("state/pilotage/deployment-root")), "{:?}", ran.folder);
        ran.logs(&format!("[stdout]{person}"));
        w.mode("out/page", 0o640).owner("out/page", person, person);
    };
    "P3" "Ctrl-C turns back, and what ran before runs" => |w| {
        w.page("one").hook("ApplicationStart", "echo start-of-one").deploy().ok();
        let two = w.page("two").hook("AfterInstall", "touch @/there; while [ ! -e @/go ]; do sleep 0.01; done").hook("ApplicationStart", "echo start-of-two").start();
        w.until_there("there");
        two.signal(Signal::SIGINT);
        w.until("it is asked to turn back", || w.run().join("turn-back").exists());
        w.theirs("go", "");
        let ran = two.wait().fails("turning back at the next step").says("runs d-");
        ran.logs("start-of-one").does_not_log("start-of-two");
        w.has("out/page", "one");
    };
    "P3" "a second Ctrl-C leaves it alone, and it comes to its end" => |w| {
        let mut one = w.page("one").hook("AfterInstall", "touch @/there; while [ ! -e @/go ]; do sleep 0.01; done").start();
        one.until_says("AfterInstall");
        w.until_there("there");
        one.signal(Signal::SIGINT);
        w.until("it is asked to turn back", || w.run().join("turn-back").exists());
        one.signal(Signal::SIGINT);
        let folder = one.wait().fails("Left alone: d-").folder;
        assert!(folder.is_some());
        w.theirs("go", "");
        w.page("two").deploy().ok().says("has not ended: it goes on first");
        w.has("out/page", "two");
    };
    "P4" Root "a full disk is said with both numbers, and nothing was stopped" => |w| {
        if !w.small_disk("root", "40m") {
            return;
        }
        w.page("one").hook("ApplicationStop", "touch @/stopped").deploy().ok();
        let two = w.page("two");
        two.write();
        w.sh("truncate -s 30M bundle-2/app/big");
        two.deploy().fails("the disk is full: ").says(" kB are free at ").says("this bundle needs 645");
        w.has("out/page", "one").gone("stopped");
    };
    "P4" Root "a destination that fills up goes back, byte for byte" => |w| {
        if !w.small_disk("out", "1m") {
            return;
        }
        w.page("one").deploy().ok();
        w.bundle().bytes("app/big", &vec![7; 3 << 20]).file("app/page", "two").install("app", "@/out").deploy().code_is_1();
        w.has("out/page", "one").gone("out/big");
        w.page("three").deploy().ok();
        w.has("out/page", "three");
    };
    "P5" "what CodeDeploy deployed is taken over: nothing collides, its revision is stopped, and it is the way back" => |w| {
        let old = w.path("root/web/d-OLD123456");
        w.page("by codedeploy").hook("ApplicationStop", "echo stop-of-old").hook("ApplicationStart", "echo start-of-old").write();
        fs::create_dir_all(&old).unwrap();
        w.sh("cp -r bundle-1 root/web/d-OLD123456/deployment-archive; mkdir out; cp bundle-1/app/page out/; mkdir root/deployment-instructions");
        w.sh("printf '@/out\\n@/out/page\\n' > root/deployment-instructions/web-cleanup; printf @/root/web/d-OLD123456 > root/deployment-instructions/web_last_successful_install");
        let bad = w.page("two").flags(&["-g", "web"]).hook("AfterInstall", "exit 1").deploy().fails("exit code 1").says("web runs d-OLD123456 as before");
        bad.logs("stop-of-old").logs("start-of-old");
        w.has("out/page", "by codedeploy");
        w.page("three").flags(&["-g", "web"]).deploy().ok().logs("stop-of-old");
        w.has("out/page", "three");
    };
    "P5" Root "records that others can write are not believed" => |w| {
        w.theirs("root/deployment-instructions/web-cleanup", "/etc/passwd\n").sh("chmod 666 root/deployment-instructions/web-cleanup");
        w.page("one").flags(&["-g", "web"]).deploy().fails("others than root can write it");
    };
    "P6" "a package's own health check decides" => |w| {
        let more = "x-pilotage:\n  health: {command: ask.sh, every: 100ms, timeout: 1s, healthy_for: 100ms, unhealthy_for: 200ms, deadline: 1s}\n";
        w.page("one").file("ask.sh", "#!/bin/sh\ntest -e @/well\n").more(more).deploy().code_is_1();
        w.gone("out").theirs("well", "");
        w.page("one").file("ask.sh", "#!/bin/sh\ntest -e @/well\n").more(more).deploy().ok().says("HealthCheck");
    };
    "P7" "nothing of the application stands in the names or arguments of our processes" => |w| {
        let body = "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline 2>/dev/null | grep pilotage-deployer; done > @/ours; true";
        w.page("one").flags(&["-g", "java-node-web", "-a", "java-app"]).hook("AfterInstall", body).deploy().ok();
        let ours = w.read("ours");
        let own: Vec<&str> = ours.lines().filter(|l| l.starts_with("pilotage-deployer")).collect();
        assert!(!own.is_empty() && own.iter().all(|l| !l.contains("java")), "{ours}");
    };
    "P8" "the log's folder can be read by all, as CodeDeploy's can" => |w| {
        let ran = w.page("one").hook("AfterInstall", "echo x").deploy().ok();
        let folder = ran.folder.unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o755);
        assert_eq!(fs::metadata(folder.join("logs/scripts.log")).unwrap().permissions(), Permissions::from_mode(0o100_600), "but what hooks print is root's alone");
    };
}
