//! G: which hooks run, in which order, and of which revision.

use std::fs;

use super::cases;
use crate::bundle::Bundle;

/// Every event that can have a script says its name.
fn telling<'a>(mut bundle: Bundle<'a>, who: &str) -> Bundle<'a> {
    for event in [
        "AfterAllowTraffic",
        "BeforeAllowTraffic",
        "ValidateService",
        "ApplicationStart",
        "AfterInstall",
        "BeforeInstall",
        "ApplicationStop",
        "AfterBlockTraffic",
        "BeforeBlockTraffic",
    ] {
        bundle = bundle.hook(event, &format!("echo {who} $LIFECYCLE_EVENT >> @/told"));
    }
    bundle
}

cases! {
    "G1" "events run in CodeDeploy's order, whatever the AppSpec's" => |w| {
        telling(w.bundle(), "one").deploy().ok();
        w.has("told", "one BeforeInstall\none AfterInstall\none ApplicationStart\none ValidateService\none BeforeAllowTraffic\none AfterAllowTraffic\n");
    };
    "G1" "scripts of an event run in list order, and the first failure ends it" => |w| {
        let bundle = w.bundle().hook("AfterInstall", "echo 1").hook("AfterInstall", "echo 2; exit 7").hook("AfterInstall", "echo 3").hook("ApplicationStart", "echo 4");
        let ran = bundle.deploy().fails("exit code 7");
        assert_eq!(ran.log().iter().filter(|l| l.starts_with("[stdout]")).count(), 2);
    };
    "G2" "stop events come from the last successful revision, with its scripts" => |w| {
        telling(w.bundle(), "one").deploy().ok();
        w.sh("rm told");
        telling(w.bundle(), "two").deploy().ok();
        let expected = "one BeforeBlockTraffic\none AfterBlockTraffic\none ApplicationStop\ntwo BeforeInstall\ntwo AfterInstall\ntwo ApplicationStart\n\
                        two ValidateService\ntwo BeforeAllowTraffic\ntwo AfterAllowTraffic\n";
        w.has("told", expected);
    };
    "G3" "a first deployment stops nothing" => |w| {
        w.bundle().hook("ApplicationStop", "echo stopped").deploy().ok().does_not_log("stopped");
    };
    "G4" "after v2 failed in ValidateService, v3 stops v1" => |w| {
        w.bundle().hook("ApplicationStop", "echo stop-of-1").deploy().ok();
        w.bundle().hook("ApplicationStop", "echo stop-of-2").hook("ValidateService", "exit 1").deploy().fails("exit code 1");
        w.bundle().hook("ApplicationStop", "echo stop-of-3").deploy().ok().logs("stop-of-1").does_not_log("stop-of-2");
    };
    "G4" "after v2 failed in BeforeInstall, v3 stops v1" => |w| {
        w.bundle().hook("ApplicationStop", "echo stop-of-1").deploy().ok();
        w.bundle().hook("ApplicationStop", "echo stop-of-2").hook("BeforeInstall", "exit 1").deploy().fails("exit code 1");
        w.bundle().deploy().ok().logs("stop-of-1");
    };
    "G6" "a last successful revision that is gone stops no deployment" => |w| {
        w.page("one").hook("ApplicationStop", "echo stop-of-1").deploy().ok();
        w.sh("rm -rf @/root/.pilotage/apps/*/releases/*");
        w.page("two").deploy().ok();
        w.has("out/page", "two");
    };
    "G7" "a failing ApplicationStop of the old revision is passed over, and said" => |w| {
        w.page("one").hook("ApplicationStop", "exit 9").hook("ApplicationStop", "echo never").deploy().ok();
        w.page("two").deploy().ok().says("exit code 9 (passed over").does_not_log("never");
        w.has("out/page", "two");
    };
    "G8" "hooks of the old revision are told of the current deployment, and log there" => |w| {
        let one = w.bundle().hook("ApplicationStop", "echo id=$DEPLOYMENT_ID").deploy().ok();
        let two = w.bundle().deploy().ok();
        assert_ne!(one.id(), two.id());
        let id = two.id();
        two.logs(&format!("[stdout]id={id}"));
        assert!(!fs::read_to_string(one.folder.unwrap().join("logs/scripts.log")).unwrap_or_default().contains("id="));
    };
}
