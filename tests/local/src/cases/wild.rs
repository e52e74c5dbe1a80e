//! W: bundles as they are really written (the numbered facts of the survey).

use super::cases;
use crate::users::users;

cases! {
    "W2" "ownership inside files, misspelt keys and events are accepted" => |w| {
        let text = "version: 0.0\nos: linux\nfile_exist_behavior: OVERWRITE\nphases: {build: {commands: [x]}}\nfiles:\n  - source: app\n    destination: @/out\n    owner: www\n    mode: 755\n\
                    hooks:\n  Before Install:\n    - location: x.sh\n  afterinstall:\n    - location: x.sh\n";
        w.page("one").text(text).deploy().ok().says("did you mean \"file_exists_behavior\"").says("\"Before Install\" is no lifecycle event");
        w.has("out/page", "one");
    };
    "W3" "no newline at the end, comments in any language, items at column 0" => |w| {
        let text = "# größe 文\nversion: 0.0 # here\nos: linux\nfiles:\n- source: app\n  destination: @/out\nhooks:\n  AfterInstall:\n  - location: s.sh\n    timeout: \"10\"";
        w.page("one").file("s.sh", "echo here\n").text(text).deploy().ok().logs("[stdout]here");
    };
    "W4" "wrong indentation is refused with its line" => |w| {
        w.bundle().text("version: 0.0\nos: linux\nfiles:\n  - source: app\n   destination: /x\n").deploy().fails("appspec.yml line ");
        w.bundle().text("version:0.0\nos: linux\n").deploy().fails("appspec.yml line ");
        w.bundle().more("permissions: x\n").deploy().fails("permissions must be a list");
    };
    "W5" "a command line as location is never seen by a shell" => |w| {
        w.bundle().file("s.sh", "#!/bin/sh\n").entry("AfterInstall", "{location: 's.sh && touch @/x > @/y'}").deploy().fails("Script does not exist");
        w.gone("x").gone("y");
    };
    "W5" "the host path of an installed script is missing" => |w| {
        w.bundle().file("app/s.sh", "#!/bin/sh\necho here\n").install("app", "@/out").entry("AfterInstall", "{location: @/out/s.sh}").deploy().fails("Script does not exist").does_not_log("here");
    };
    "W7" Root "object / reaches all that was installed, wherever it lies, and nothing else" => |w| {
        w.theirs("units/theirs", "t").theirs("out/theirs", "t");
        let more = "permissions:\n  - {object: /, pattern: '**', owner: daemon, group: daemon}\n";
        w.page("one").file("units/a.service", "u").install("units", "@/units").more(more).deploy().ok();
        w.owner("out/page", "daemon", "daemon").owner("units/a.service", "daemon", "daemon").owner("units/theirs", "root", "root").owner("out", "root", "root");
    };
    "W9" "destinations lie within each other" => |w| {
        let bundle = |text: &str| w.bundle().file("a/x", text).file("b/y", text).install("a", "@/out").install("b", "@/out/sub/b").install("a/x", "@/out/sub");
        bundle("one").deploy().ok();
        bundle("two").deploy().ok();
        w.has("out/x", "two").has("out/sub/b/y", "two").has("out/sub/x", "two");
        w.bundle().deploy().ok();
        w.gone("out");
    };
    "W11" Root "without a shebang a runas script is read by the user's shell" => |w| {
        let person = &users().person;
        w.bundle().file("s.sh", "\n[[ 1 == 1 ]] && echo bash\n").entry("AfterInstall", &format!("{{location: s.sh, runas: {person}}}")).deploy().ok().logs("[stdout]bash");
    };
    "W12" Root "supplementary groups are those of the user" => |w| {
        let person = &users().person;
        w.sh(&format!("usermod -aG daemon {person}"));
        w.bundle().hook_with("AfterInstall", &format!("runas: {person}"), "id -Gn").deploy().ok().logs("daemon");
    };
    "W14" "BASH_SOURCE and $0 lead to the unpacked bundle" => |w| {
        let script = "#!/bin/bash\ncat \"$(cd \"$(dirname \"${BASH_SOURCE[0]}\")/..\" && pwd)/app/page\"; echo\n";
        w.page("one").file("scripts/s.sh", script).entry("AfterInstall", "{location: scripts/s.sh}").deploy().ok().logs("[stdout]one");
    };
    "W15" "one script for five events switches on LIFECYCLE_EVENT" => |w| {
        let mut bundle = w.page("one").file("all.sh", "#!/bin/sh\ncase $LIFECYCLE_EVENT in ApplicationStart) echo starting;; *) echo $LIFECYCLE_EVENT;; esac\n");
        for event in ["ApplicationStop", "BeforeInstall", "AfterInstall", "ApplicationStart", "ValidateService"] {
            bundle = bundle.entry(event, "{location: all.sh}");
        }
        bundle.deploy().ok().logs("[stdout]BeforeInstall").logs("[stdout]AfterInstall").logs("[stdout]starting").logs("[stdout]ValidateService");
    };
    "W17" "an application that nohup leaves lives on after the command, and the next stop ends it" => |w| {
        let start = "nohup sleep 300 > /dev/null 2>&1 & echo $! > @/pid";
        w.page("one").hook("ApplicationStart", start).hook("ApplicationStop", "kill $(cat @/pid)").deploy().ok();
        assert!(w.alive("pid"));
        w.sh("cp pid old");
        w.page("two").hook("ApplicationStart", start).hook("ApplicationStop", "kill $(cat @/pid)").deploy().ok();
        assert!(w.alive("pid"));
        w.until("the old one is gone", || !w.alive("old"));
        w.end("pid");
    };
    "W17" "a double fork with a session of its own lives on" => |w| {
        w.page("one").hook("ApplicationStart", "(setsid sh -c 'echo $$ > @/pid; exec sleep 300' > /dev/null 2>&1 < /dev/null &)").deploy().ok();
        w.until_there("pid");
        w.until("it has its number", || !w.read("pid").is_empty());
        assert!(w.alive("pid"));
        w.end("pid");
    };
    "W18" "an application may start in any hook" => |w| {
        w.page("one").hook("BeforeInstall", "echo a").hook("AfterInstall", "echo b").hook("ValidateService", "echo c").deploy().ok();
    };
    "W19" "BeforeInstall deletes the destination: the deployment works, and a failing one goes back all the same" => |w| {
        w.page("one").file("app/sub/x", "x").hook("BeforeInstall", "rm -rf @/out").deploy().ok();
        w.page("two").file("app/sub/x", "y").hook("BeforeInstall", "rm -rf @/out").deploy().ok();
        w.has("out/page", "two").has("out/sub/x", "y");
        w.page("three").hook("BeforeInstall", "rm -rf @/out").hook("ValidateService", "exit 1").deploy().fails("exit code 1");
        w.has("out/page", "two").has("out/sub/x", "y");
    };
    "W20" "what hooks install into the tree survives the next deployment" => |w| {
        let body = "mkdir -p @/out/node_modules/a; echo $DEPLOYMENT_ID > @/out/node_modules/a/index.js; test -e @/out/.env || echo SECRET=1 > @/out/.env";
        w.page("one").hook("AfterInstall", body).deploy().ok();
        w.page("two").deploy().ok();
        w.has("out/.env", "SECRET=1\n").is("out/node_modules/a/index.js").has("out/page", "two");
        w.page("three").hook("ValidateService", "exit 1").deploy().fails("exit code 1");
        w.has("out/.env", "SECRET=1\n").has("out/page", "two");
    };
    "W22" "colours, terminal codes and other languages in output harm nobody" => |w| {
        w.page("one").hook("AfterInstall", "printf '\\033[31mrot\\033[0m größe 文\\r\\n'").deploy().ok().logs("größe 文");
    };
    "W23" "programs of sbin and /usr/local are found by bare name" => |w| {
        w.page("one").env("PATH", "/bin:/usr/bin").hook("AfterInstall", "echo $PATH").deploy().ok().logs("/usr/local/bin").logs("/usr/sbin");
    };
    "W24" "the same revision again is a deployment as any other" => |w| {
        w.page("one").hook("ApplicationStart", "echo started").deploy().ok();
        w.page("one").hook("ApplicationStart", "echo started").deploy().ok().logs("started");
        w.has("out/page", "one");
    };
    "W24" "an empty bundle takes away what was installed" => |w| {
        w.page("one").deploy().ok();
        w.bundle().deploy().ok();
        w.gone("out");
    };
    "W26" Root "of a runas script that runs too long everything is ended" => |w| {
        let person = &users().person;
        w.sh("touch child; chmod 666 child");
        w.page("one").hook_with("AfterInstall", &format!("runas: {person}, timeout: 1"), "sleep 60 & echo $! > @/child; sleep 60").deploy().fails("failed to complete in 1 seconds");
        assert!(!w.alive("child"));
    };
    "W30" "twice in a row, then another commit, then back" => |w| {
        for content in ["one", "one", "two", "one"] {
            w.page(content).file(&format!("app/{content}"), "x").deploy().ok();
            w.has("out/page", content).is(&format!("out/{content}"));
        }
        w.gone("out/two");
    };
}
