//! A: finding and reading the AppSpec. F: parsing of hooks.

use super::cases;

cases! {
    "A1" "the AppSpec is appspec.yml, or what -A names, also below a folder" => |w| {
        w.page("one").deploy().ok();
        w.page("two").named("deploy/prod.yml").flags(&["-A", "deploy/prod.yml"]).deploy().ok();
        w.has("out/page", "two");
    };
    "A2" "appspec.yaml is found without being named" => |w| {
        w.page("one").named("appspec.yaml").deploy().ok();
        w.has("out/page", "one");
    };
    "A2" "a named AppSpec that is not there falls back to the usual one, and that is said" => |w| {
        w.page("one").flags(&["-A", "other.yml"]).deploy().ok().says("no other.yml").says("appspec.yml");
    };
    "A2" "appspec.yml wins over appspec.yaml" => |w| {
        w.page("one").file("appspec.yaml", "version: nonsense\n").deploy().ok();
    };
    "A3" "a bundle with only appspec.yaml runs its hooks" => |w| {
        w.page("one").named("appspec.yaml").hook("BeforeInstall", "echo here").deploy().ok().logs("[stdout]here");
    };
    "A4" "the previous revision is stopped by its own AppSpec, whatever its name was" => |w| {
        w.page("one").named("one.yml").flags(&["-A", "one.yml"]).hook("ApplicationStop", "echo stop-of-one").deploy().ok();
        w.page("two").named("two.yml").flags(&["-A", "two.yml"]).deploy().ok().logs("[stdout]stop-of-one");
    };
    "A5" "names are case-sensitive: AppSpec.yml is none" => |w| {
        w.page("one").named("AppSpec.yml").deploy().fails("there is no appspec.yml (or appspec.yaml)");
        w.gone("out");
    };
    "A5" "no AppSpec at all fails before anything is touched" => |w| {
        w.page("one").named("").deploy().fails("there is no appspec.yml");
        w.gone("out").gone("root/default-local-deployment-group");
    };
    "A6" "only the first document counts, with its markers" => |w| {
        w.bundle().text("---\nversion: 0.0\nos: linux\n...\n---\nversion: 9\n").deploy().ok();
    };
    "A6" "lines may end as on Windows" => |w| {
        w.page("one").text("version: 0.0\r\nos: linux\r\nfiles:\r\n  - source: /app\r\n    destination: @/out\r\n").deploy().ok();
        w.has("out/page", "one");
    };
    "A6" "JSON is YAML" => |w| {
        w.page("one").text(r#"{"version": 0.0, "os": "linux", "files": [{"source": "app", "destination": "@/out"}]}"#).deploy().ok();
        w.has("out/page", "one");
    };
    "A6" "tabs as indentation are refused with their line" => |w| {
        w.bundle().text("version: 0.0\nos: linux\nhooks:\n\tAfterInstall:\n").deploy().fails("appspec.yml line 4: this is not YAML");
    };
    "A6" "of equal keys the last wins, and the loss is said" => |w| {
        w.page("one").file("app2/page", "two").more("files:\n  - {source: app2, destination: @/out}\n").deploy().ok().says("\"files\" stands twice; the last one wins");
        w.has("out/page", "two");
    };
    "A7" "a byte order mark is passed over" => |w| {
        w.bundle().text("\u{feff}version: 0.0\nos: linux\n").deploy().ok();
    };
    "A7" "anchors and dates are accepted" => |w| {
        let text = "version: 0.0\nos: linux\nbuilt: 2024-01-01\nfiles:\n  - &a {source: app, destination: @/out}\n  - {<<: *a, destination: @/out2}\n";
        w.page("one").text(text).deploy().ok();
        w.has("out/page", "one").has("out2/page", "one");
    };
    "A8" "an empty AppSpec, and one of comments, is called empty" => |w| {
        for text in ["", "# nothing\n", "---\n"] {
            w.bundle().text(text).deploy().fails("the application specification file was empty");
        }
    };
    "A9" "unknown keys are accepted with a warning" => |w| {
        let text = "version: 0.0\nos: linux\nbranch: main\nfiles:\n  - source: app\n    destination: @/out\n    overwrite: true\n";
        w.page("one").text(text).deploy().ok().says("line 3: \"branch\" is not known and ignored").says("line 7: files: \"overwrite\" is not known");
    };
    "A10" "0.0, 0 and 0.00 are the version" => |w| {
        for version in ["0.0", "0", "0.00"] {
            w.bundle().text(&format!("version: {version}\nos: linux\n")).deploy().ok();
        }
    };
    "A10" "another version, a quoted one and none are refused with what was meant" => |w| {
        for version in ["version: '0.0'\n", "version: 1.0\n", "version: 0.0.1\n"] {
            w.bundle().text(&format!("{version}os: linux\n")).deploy().fails("line 1: version: ").says("must be the number 0.0");
        }
        w.bundle().text("os: linux\n").deploy().fails("`version: 0.0` is missing");
    };
    "A11" "os must be linux, in small letters" => |w| {
        for os in ["Linux", "windows", "ubuntu"] {
            w.bundle().text(&format!("version: 0.0\nos: {os}\n")).deploy().fails("line 2: os: ").says("must be linux");
        }
        w.bundle().text("version: 0.0\n").deploy().fails("`os: linux` is missing");
    };
    "A12" "file_exists_behavior is written in capitals" => |w| {
        w.page("one").more("file_exists_behavior: overwrite\n").deploy().fails("must be DISALLOW, OVERWRITE or RETAIN");
        w.page("one").more("file_exists_behavior: RETAIN\n").deploy().ok();
    };
    "A13" "the first error wins: version before os before hooks" => |w| {
        w.bundle().text("version: 1\nos: windows\n").deploy().fails("version: ").does_not_say("os: ");
        w.bundle().text("version: 0.0\nos: windows\nhooks: x\n").deploy().fails("os: ").does_not_say("hooks: ");
    };
    "F1" "hooks of nothing, and an event of nothing, are accepted" => |w| {
        for hooks in ["hooks:\n", "hooks:\n  AfterInstall:\n", "hooks:\n  AfterInstall: []\n", "hooks: []\n"] {
            w.page("one").more(hooks).deploy().ok();
        }
    };
    "F1" "an event that holds a map or a bare command is refused with what was meant" => |w| {
        w.bundle().more("hooks:\n  AfterInstall:\n    location: x.sh\n").deploy().fails("AfterInstall must be a list of scripts");
        w.bundle().entry("AfterInstall", "scripts/x.sh").deploy().fails("write `- location: scripts/x.sh`");
        w.bundle().more("hooks: x\n").deploy().fails("hooks must be a map");
    };
    "F2" "a script needs a location" => |w| {
        w.bundle().entry("AfterInstall", "{timeout: 3}").deploy().fails("AfterInstall: a script has no `location`");
    };
    "F2" "a location may begin with a slash or ./, and is stripped" => |w| {
        for location in ["/x.sh", "./x.sh", "'  x.sh '"] {
            w.bundle().file("x.sh", "#!/bin/sh\necho here\n").entry("AfterInstall", &format!("{{location: {location}}}")).deploy().ok().logs("[stdout]here");
        }
    };
    "F2" "a location that leads out of the bundle is refused" => |w| {
        w.bundle().entry("AfterInstall", "{location: ../../x.sh}").deploy().fails("leads out of the bundle");
    };
    "F3" "timeouts are read as Ruby reads them" => |w| {
        for timeout in ["'30'", "10s", "1.9", "99999"] {
            w.bundle().hook_with("AfterInstall", &format!("timeout: {timeout}"), "echo here").deploy().ok().logs("[stdout]here");
        }
    };
    "F3" "a timeout of nothing, or of words, is refused" => |w| {
        for timeout in ["0", "-3", "soon"] {
            w.bundle().hook_with("AfterInstall", &format!("timeout: {timeout}"), "").deploy().fails("must be a number of seconds above 0");
        }
    };
    "F3" "a timeout over the documented hour is accepted and said" => |w| {
        w.bundle().hook_with("AfterInstall", "timeout: 7200", "").deploy().ok().says("timeout 7200 is over the documented 3600 seconds");
    };
    "F4" "runas is stripped; of nothing it is our own account" => |w| {
        w.bundle().hook_with("AfterInstall", "runas: ''", "id -u").deploy().ok().logs(&format!("[stdout]{}", nix::unistd::geteuid()));
    };
    "F4" Root "sudo: true is root" => |w| {
        w.bundle().hook_with("AfterInstall", "sudo: true", "id -un").deploy().ok().logs("[stdout]root");
    };
    "F5" "an unknown event is accepted with a suggestion, and never run" => |w| {
        w.bundle().hook("AfterInstal", "echo here").deploy().ok().says("\"AfterInstal\" is no lifecycle event").says("AfterInstall").does_not_log("here");
    };
    "F5" "Install and DownloadBundle as hooks are tolerated and never run" => |w| {
        w.bundle().hook("Install", "echo here").hook("DownloadBundle", "echo here").deploy().ok().does_not_log("here");
    };
    "F6" "all nine events that can have scripts are known" => |w| {
        let mut bundle = w.bundle();
        for event in EVENTS {
            bundle = bundle.hook(event, "echo $LIFECYCLE_EVENT");
        }
        bundle.deploy().ok().does_not_say("is no lifecycle event");
    };
}

const EVENTS: [&str; 9] = [
    "BeforeBlockTraffic",
    "AfterBlockTraffic",
    "ApplicationStop",
    "BeforeInstall",
    "AfterInstall",
    "ApplicationStart",
    "ValidateService",
    "BeforeAllowTraffic",
    "AfterAllowTraffic",
];
