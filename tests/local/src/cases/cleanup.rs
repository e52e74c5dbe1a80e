//! D: what the previous revision installed goes; the records of it. L: stops and crashes.

use super::cases;

const CLEANUP: &str = "root/deployment-instructions/default-local-deployment-group-cleanup";

cases! {
    "D1" "the cleanup list has one absolute path a line, folders before what lies in them" => |w| {
        w.page("one").file("app/sub/x", "x").deploy().ok();
        w.has(CLEANUP, &w.fill("@/out\n@/out/page\n@/out/sub\n@/out/sub/x\n"));
    };
    "D1" "what was there before is not on the list" => |w| {
        w.theirs("out/", "");
        w.page("one").deploy().ok();
        w.has(CLEANUP, &w.fill("@/out/page\n"));
    };
    "D2" "what the next revision does not have goes, with its empty folders" => |w| {
        w.page("one").file("app/sub/x", "x").link("app/to", "page").deploy().ok();
        w.bundle().file("other", "o").install("other", "@/out").deploy().ok();
        w.gone("out/page").gone("out/sub").gone("out/to").has("out/other", "o");
    };
    "D2" "files that others added survive, with their folders" => |w| {
        w.page("one").file("app/sub/x", "x").deploy().ok();
        w.theirs("out/sub/theirs", "t");
        w.bundle().deploy().ok();
        w.gone("out/page").gone("out/sub/x").has("out/sub/theirs", "t");
    };
    "D2" "what is gone already is no error" => |w| {
        w.page("one").file("app/sub/x", "x").deploy().ok();
        w.sh("rm -r @/out");
        w.page("two").deploy().ok();
        w.has("out/page", "two");
    };
    "D3" "CodeDeploy's own list is taken over; a last line that was not written whole is dropped" => |w| {
        w.theirs("out/page", "by codedeploy").theirs("out/torn", "t").theirs("root/deployment-instructions/web-cleanup", "");
        w.sh("printf '@/out\\n@/out/page\\n@/out/torn' > root/deployment-instructions/web-cleanup");
        w.page("one").flags(&["-g", "web"]).deploy().ok().says("its 1 files are taken over");
        w.has("out/page", "one").has("out/torn", "t");
    };
    "D4" "of a deployment that fails in the middle nothing stays behind" => |w| {
        w.theirs("blocked/page/", "");
        w.page("one").file("z/page", "z").install("z", "@/blocked").deploy().fails("is there already and is no file");
        w.gone("out").is("blocked/page");
    };
    "D5" "killed after files were installed: the next deployment sees to its end, and works" => |w| {
        w.page("one").deploy().ok();
        let two = w.page("two").hook("AfterInstall", "touch @/there; sleep 60").start();
        w.until_there("there");
        w.has("out/page", "two");
        two.kill(w);
        w.page("three").deploy().ok().says("has not ended: it goes on first").says("it went back");
        w.has("out/page", "three");
    };
    "D5" "killed in BeforeInstall: nothing is orphaned" => |w| {
        let one = w.page("one").hook("BeforeInstall", "touch @/there; sleep 60").start();
        w.until_there("there");
        one.kill(w);
        w.page("two").deploy().ok();
        w.has("out/page", "two");
    };
    "D6" "a name with a newline is refused by name before anything is touched" => |w| {
        w.page("one").file("app/a\nb", "x").deploy().fails("\"app/a\\nb\" has a control character");
        w.gone("out");
    };
    "D6" "names with blanks, quotes and letters of any language go and come" => |w| {
        for name in ["with blank", "quo'te\"", "back\\slash", "grüße-文"] {
            w.bundle().file(&format!("app/{name}"), "x").install("app", "@/out").deploy().ok();
            w.has(&format!("out/{name}"), "x");
        }
        w.bundle().deploy().ok();
        w.gone("out");
    };
    "D7" "install.json says what was made and copied" => |w| {
        let ran = w.page("one").deploy().ok();
        let text = w.read("root/deployment-instructions/default-local-deployment-group-install.json");
        let found: serde_json::Value = serde_json::from_str(&text).unwrap();
        let source = ran.folder.unwrap().join("deployment-archive/app/page");
        let expected = serde_json::json!({"instructions": [
            {"type": "mkdir", "directory": w.path("out")}, {"type": "copy", "source": source, "destination": w.path("out/page")}]});
        assert_eq!(found, expected);
        assert!(source.is_file());
    };
    "D8" "most recent and last successful are recorded, and differ after a failure" => |w| {
        let record = |name: &str| w.read(&format!("root/deployment-instructions/default-local-deployment-group_{name}_install"));
        let one = w.page("one").deploy().ok().folder.unwrap();
        assert_eq!((record("most_recent"), record("last_successful")), (one.display().to_string(), one.display().to_string()));
        let two = w.page("two").hook("AfterInstall", "exit 1").deploy().fails("exit code 1").folder.unwrap();
        assert_eq!((record("most_recent"), record("last_successful")), (two.display().to_string(), one.display().to_string()));
    };
    "L7" "two commands for one group wait for each other, and say so" => |w| {
        let one = w.page("one").hook("BeforeInstall", "touch @/there; while [ ! -e @/go ]; do sleep 0.01; done").start();
        w.until_there("there");
        let mut two = w.page("two").start();
        two.until_says("Waiting for another local deployment");
        w.theirs("go", "");
        one.wait().ok();
        two.wait().ok();
        w.has("out/page", "two");
    };
    "L7" "a hook that deploys below the same root_dir is refused instead of waiting for itself" => |w| {
        let inner = w.page("inner");
        inner.write();
        let programs = crate::programs::programs();
        let call = format!("{} local --deployer {} --launch plain -c @/c.yml -l @/bundle-1 -g other", programs.agent.display(), programs.deployer.display());
        w.bundle().hook("AfterInstall", &call).deploy().fails("exit code 1").logs("it would wait for itself");
    };
    "L8" "killed in AfterInstall: last successful is still the one before" => |w| {
        let first = w.page("one").deploy().ok().folder.unwrap();
        let two = w.page("two").hook("AfterInstall", "touch @/there; sleep 60").start();
        w.until_there("there");
        two.kill(w);
        let record = w.read("root/deployment-instructions/default-local-deployment-group_last_successful_install");
        assert_eq!(record, first.display().to_string());
        w.page("two").deploy().ok();
        w.has("out/page", "two");
    };
    "L9" "a failure goes back to the previous revision by itself, and starts it" => |w| {
        w.page("one").hook("ApplicationStart", "echo start-of-one").deploy().ok();
        let ran = w.page("two").hook("ApplicationStop", "echo stop-of-two").hook("ValidateService", "exit 3").deploy();
        ran.fails("exit code 3").says("Going back").says("Went back: default-local-deployment-group runs d-").logs("stop-of-two").logs("start-of-one");
        w.has("out/page", "one");
    };
    "L9" "a first deployment that fails leaves nothing" => |w| {
        w.page("one").hook("ValidateService", "exit 3").deploy().fails("had nothing before, and what was installed is removed again");
        w.gone("out");
    };
}
