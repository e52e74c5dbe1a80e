//! AppSpecs as people write them: what is said about them, and in which line.

use pilotage_bundle::appspec::{self, AppSpec, FileExists};
use pilotage_bundle::{BuildError, check, folder};

use super::Bench;

const HEAD: &str = "version: 0.0\nos: linux\n";

fn read(rest: &str) -> AppSpec {
    appspec::parse(format!("{HEAD}{rest}").as_bytes()).unwrap()
}

/// Each warning as `line: text`.
fn warnings(rest: &str) -> Vec<String> {
    read(rest).warnings.iter().map(|w| format!("{}: {}", w.line, w.text)).collect()
}

fn error(rest: &str) -> String {
    appspec::parse(format!("{HEAD}{rest}").as_bytes()).unwrap_err().to_string()
}

#[test]
fn a_package_needs_an_appspec_and_its_errors_have_lines() {
    let bench = Bench::new();
    let root = bench.path("tree");
    std::fs::create_dir(&root).unwrap();
    assert!(matches!(folder::build(&root, &bench.objects, None), Err(BuildError::NoAppSpec { .. })));
    let error = |text: &str| {
        std::fs::write(root.join("appspec.yml"), text).unwrap();
        folder::build(&root, &bench.objects, None).unwrap_err().to_string()
    };
    assert_eq!(error("version: 0.0\nos: windows\n"), "appspec.yml line 2: os: \"windows\" must be linux, in small letters");
    assert!(error("version: 1.0\nos: linux\n").contains("line 1: version: \"1.0\" must be the number 0.0"));
    assert!(
        error("version: 0.0\nos: linux\nhooks:\n  ApplicationStart:\n    - start.sh\n")
            .contains("line 5: hooks: ApplicationStart: write `- location: start.sh`")
    );
    assert!(error("version: 0.0\nos: linux\nx-pilotage:\n  helth: x\n").contains("did you mean \"health\"?"));
    assert!(error("a: [\n").contains("not YAML"));
}

#[test]
fn what_real_bundles_carry_is_accepted_with_a_warning() {
    let bench = Bench::new();
    let root = bench.path("tree");
    std::fs::create_dir(&root).unwrap();
    let text = "\u{feff}version: 0.0\r\nos: linux\r\nbranch: main\r\nfiles:\r\n  - source: .\r\n    destination: srv/web\r\n    overwrite: true\r\npermissions:\r\n  - object: /\r\n    pattern: '**'\r\n    mode: 0644\r\nhooks:\r\n  Applicationstop:\r\n    - location: /a.sh\r\n  AfterInstall:\r\n  ApplicationStart:\r\n    - location: ./run.sh --now\r\n      timeout: 7200s\r\n";
    std::fs::write(root.join("appspec.yml"), text).unwrap();
    let report = check::check(&root, &bench.objects, None).unwrap();
    let spec = &report.built.appspec;
    assert_eq!((spec.files[0].source.as_str(), spec.files[0].destination.as_str()), ("", "/srv/web"));
    assert_eq!(spec.permissions[0].mode, Some(0o644));
    let warnings: Vec<usize> = report.warnings.iter().map(|w| w.line).collect();
    assert_eq!(warnings.len(), 8, "{:?}", report.warnings);
}

#[test]
fn all_spellings_of_one_document_are_read() {
    let script = "hooks:\n  AfterInstall:\n    - location: run.sh\n      timeout: 30\n";
    let plain = read(script);
    let json = r#"{"version": 0.0, "os": "linux", "hooks": {"AfterInstall": [{"location": "run.sh", "timeout": 30}]}}"#;
    for text in [
        json.to_owned(),
        format!("{HEAD}{script}").replace('\n', "\r\n"),
        format!("---\n{HEAD}{script}...\n---\nversion: 9\n"),
        format!("\u{feff}# straße\n{HEAD}{script}"),
        format!("{HEAD}hooks:\n  AfterInstall:\n  - location: run.sh\n    timeout: 30"),
        format!("{HEAD}since: 2024-01-01\ndefaults: &d\n  timeout: 30\nhooks:\n  AfterInstall:\n    - <<: *d\n      location: run.sh\n"),
    ] {
        let found = appspec::parse(text.as_bytes()).unwrap();
        let scripts = |spec: &AppSpec| spec.hooks["AfterInstall"].iter().map(|s| (s.location.clone(), s.timeout)).collect::<Vec<_>>();
        assert_eq!(scripts(&found), scripts(&plain), "{text}");
    }
    assert!(appspec::parse(b"# nothing\n").unwrap_err().text.contains("empty"));
    assert!(appspec::parse(b"version: 0.0\n\tos: linux\n").is_err(), "tabs do not indent");
    assert_eq!(read("file_exists_behavior: RETAIN\n").file_exists_behavior, Some(FileExists::Retain));
}

#[test]
fn duplicates_are_named_with_their_line_and_the_last_wins() {
    let text = "hooks:\n  AfterInstall:\n    - location: a.sh\n      location: b.sh\n  AfterInstall:\n    - location: c.sh\n      timeout: 1\n      timeout: 2\n";
    let found = warnings(text);
    assert_eq!(
        found,
        [
            "7: hooks: \"AfterInstall\" stands twice; the last one wins, the first is lost with its scripts".to_owned(),
            "10: hooks: AfterInstall: \"timeout\" stands twice; the last one wins, the first is lost".to_owned(),
        ]
    );
    let spec = read(text);
    assert_eq!((spec.hooks["AfterInstall"][0].location.as_str(), spec.hooks["AfterInstall"][0].timeout.as_secs()), ("c.sh", 2));
}

#[test]
fn unknown_keys_are_named_in_the_line_where_they_stand() {
    assert_eq!(warnings("branches:\n  - main\n"), ["3: \"branches\" is not known and ignored"]);
    assert_eq!(
        warnings("file_exist_behaviour: OVERWRITE\n"),
        ["3: \"file_exist_behaviour\" is not known and ignored (did you mean \"file_exists_behavior\"?)"]
    );
    assert_eq!(
        warnings("hooks:\n  AfterInstal:\n    - location: a.sh\n"),
        ["4: hooks: \"AfterInstal\" is no lifecycle event, its scripts never run (did you mean \"AfterInstall\"?)"]
    );
    assert_eq!(error("x-pilotage:\n  healht:\n    tcp: localhost:1\n"), "line 4: x-pilotage: \"healht\" is not known (did you mean \"health\"?)");
}

#[test]
fn paths_stay_in_the_bundle_and_destinations_are_absolute() {
    let spec = read("files:\n  - source: ./a/../b/\n    destination: opt/x/../web\n  - source: /\n    destination: /\n");
    let rules: Vec<(&str, &str)> = spec.files.iter().map(|f| (f.source.as_str(), f.destination.as_str())).collect();
    assert_eq!(rules, [("b", "/opt/web"), ("", "/")]);
    assert_eq!(spec.warnings[0].to_string(), "line 4: files: destination \"opt/x/../web\" is read as \"/opt/web\"");
    assert!(error("files:\n  - source: a/../../b\n    destination: /x\n").contains("leads out of the bundle"));
    assert!(error("files:\n  - source: a\n    destination: ~/x\n").contains("write the whole path"));
    assert!(error("hooks:\n  AfterInstall:\n    - location: /\n").contains("the bundle itself"));
    assert!(error("hooks:\n  AfterInstall:\n    - location: ../x.sh\n").contains("leads out of the bundle"));
}

#[test]
fn mistakes_that_people_make_are_explained() {
    for (rest, expected) in [
        ("files:\n  source: /\n  destination: /srv\n", "line 4: files must be a list, not a map"),
        ("files:\n  - source: /\n    destination:\n", "line 4: files: an entry has no `destination`"),
        (
            "hooks:\n  AfterInstall:\n    master:\n      - location: a.sh\n",
            "line 5: hooks: AfterInstall must be a list of scripts (`- location: …`), not a map",
        ),
        ("hooks:\n  AfterInstall:\n    - runas: root\n", "line 5: hooks: AfterInstall: a script has no `location`"),
        (
            "hooks:\n  AfterInstall:\n    - location: a.sh\n      timeout: soon\n",
            "line 6: hooks: AfterInstall: timeout \"soon\" must be a number of seconds above 0",
        ),
        ("file_exists_behavior: overwrite\n", "line 3: file_exists_behavior: \"overwrite\" must be DISALLOW, OVERWRITE or RETAIN, in capitals"),
        ("permissions:\n  - object: /\n    mode: 0888\n", "line 5: permissions: mode \"0888\" must be at most four digits 0 to 7"),
        ("permissions:\n  - object: /\n    owner: ''\n", "line 4: permissions: owner is empty"),
        ("x-pilotage:\n  health:\n    every: 5s\n", "line 5: x-pilotage: health: exactly one of http, tcp, unit, command must be said"),
    ] {
        assert_eq!(error(rest), expected, "{rest}");
    }
}

#[test]
fn the_appspec_may_have_another_name_and_lie_below_a_folder() {
    let bench = Bench::new();
    let root = bench.path("tree");
    std::fs::create_dir_all(root.join("deploy")).unwrap();
    std::fs::create_dir_all(root.join("app")).unwrap();
    let build = |name: Option<&str>| folder::build(&root, &bench.objects, name).map(|built| built.manifest.appspec).map_err(|e| e.to_string());
    std::fs::write(root.join("AppSpec.yml"), HEAD).unwrap();
    // A5, t17: names are case-sensitive; A1: another may be given.
    assert_eq!(
        build(None).unwrap_err(),
        "there is no appspec.yml (or appspec.yaml) at the root of the package; there is \"AppSpec.yml\": name it with --appspec"
    );
    assert_eq!(build(Some("AppSpec.yml")).unwrap(), "AppSpec.yml");
    std::fs::rename(root.join("AppSpec.yml"), root.join("deploy/prod.yml")).unwrap();
    assert_eq!(build(Some("./deploy/prod.yml")).unwrap(), "deploy/prod.yml");
    assert_eq!(build(Some("deploy/test.yml")).unwrap_err(), "there is no file deploy/test.yml in the package");
    // A2: the given name, then appspec.yaml, then appspec.yml.
    std::fs::write(root.join("appspec.yaml"), HEAD).unwrap();
    assert_eq!((build(None).unwrap().as_str(), build(Some("deploy/test.yml")).unwrap().as_str()), ("appspec.yaml", "appspec.yaml"));
    let fell_back = folder::build(&root, &bench.objects, Some("deploy/test.yml")).unwrap().appspec.warnings;
    assert_eq!(fell_back[0].text, "there is no deploy/test.yml in the package: this is appspec.yaml (CodeDeploy falls back to it)");
    std::fs::write(root.join("appspec.yml"), HEAD).unwrap();
    assert_eq!((build(None).unwrap().as_str(), build(Some("deploy/test.yml")).unwrap().as_str()), ("appspec.yml", "appspec.yaml"));
}

#[test]
fn what_is_rejected_is_rejected_with_the_first_error_in_codedeploys_order() {
    // A13: version, os, hooks, files, permissions, file_exists_behavior.
    let parts = ["version: 1.0\n", "os: plan9\n", "hooks: 7\n", "files: 7\n", "permissions: 7\n", "file_exists_behavior: x\n"];
    let good = ["version: 0.0\n", "os: linux\n", "", "", "", ""];
    let keys = ["version", "os", "hooks", "files", "permissions", "file_exists_behavior"];
    for n in 0..parts.len() {
        let text: String = good[..n].iter().chain(&parts[n..]).copied().collect();
        let found = appspec::parse(text.as_bytes()).unwrap_err().text;
        assert!(found.starts_with(keys[n]), "{text}: {found}");
    }
    // Wild 25: a scalar document is no empty one.
    assert!(appspec::parse(b"hello\n").unwrap_err().text.contains("must be a map"));
    assert!(appspec::parse(b"~\n").unwrap_err().text.contains("empty"));
}

#[test]
fn what_people_mistype_is_named_with_what_was_meant() {
    // Wild 4: people fix these at once when the message says what to write.
    let meant = |text: &str, expected: &str| {
        let found = appspec::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(found.contains(expected), "{text:?}: {found}");
    };
    meant("version: 0.0\nos:linux\nfiles:\n  - source: /\n    destination: /srv\n", "a blank is missing behind the colon, write `os: linux`");
    meant(
        &format!("{HEAD}files:\n  - source:/\n"),
        "line 4: an entry of files must be a map (`key: value`), not a text (a blank is missing behind the colon, write `source: /`)",
    );
    meant(&format!("{HEAD}permissions:\n  - object: /\n    pattern: **\n"), "quote what begins with *, write \"**\"");
    meant("version: 0.0\n\tos: linux\n", "tabs do not indent, blanks do");
    meant(&format!("{HEAD}files:\n  - sources: /\n    destination: /srv\n"), "line 4: files: an entry has no `source`, but \"sources\"");
    meant(
        &format!("{HEAD}hooks:\n  AfterInstall:\n    - location: a.sh\n  permissions:\n    - object: /\n"),
        "line 6: hooks: `permissions` stands inside of hooks",
    );
    meant("version: 0.0\nos: ubuntu\n", "line 2: os: \"ubuntu\" must be linux, in small letters");
    meant("#!/bin/bash\necho hello\n", "must be a map");
}

#[test]
fn events_that_never_run_are_named_with_what_was_meant() {
    let check = |event: &str, expected: &str| {
        let found = warnings(&format!("hooks:\n  {event}:\n    - location: a.sh\n"));
        assert_eq!(found, [format!("4: hooks: {event:?} {expected}")]);
    };
    check("applicationStart", "is no lifecycle event, its scripts never run (did you mean \"ApplicationStart\"?)");
    check("Validate Service", "is no lifecycle event, its scripts never run (did you mean \"ValidateService\"?)");
    check("Install", "is the agent's own event, its scripts never run");
    check("OnFailure", "is not CodeDeploy's, its scripts never run; write it under x-pilotage: hooks:");
    let spec = read("hooks:\n  OnFailure:\n    - location: a.sh\n");
    assert!(spec.scripts(pilotage_shared::run::Event::OnFailure).is_empty(), "a bundle of CodeDeploy's never runs it");
    assert_eq!(warnings("retain: 3\n"), ["3: \"retain\" is not known and ignored (write it as x-pilotage: retain:)"]);
    let args = "hooks:\n  AfterInstall:\n    - location: a.sh\n      args: [x]\n";
    assert_eq!(warnings(args), ["6: hooks: AfterInstall: \"args\" is not known and ignored (write it as x-pilotage: args:)"]);
}

#[test]
fn a_check_looks_at_the_scripts() {
    let bench = Bench::new();
    let root = bench.path("tree");
    std::fs::create_dir_all(root.join("dir")).unwrap();
    std::fs::write(root.join("crlf.sh"), "#!/bin/sh\r\necho\r\n").unwrap();
    std::fs::write(root.join("good.sh"), "#!/bin/sh\n").unwrap();
    let scripts: String =
        ["good.sh", "crlf.sh", "dir", "/srv/web/run.sh", "a.sh && b.sh", "gone.sh"].map(|s| format!("    - location: {s}\n")).concat();
    std::fs::write(root.join("appspec.yml"), format!("{HEAD}files:\n  - source: /\n    destination: /srv/web\nhooks:\n  AfterInstall:\n{scripts}"))
        .unwrap();
    let report = check::check(&root, &bench.objects, None).unwrap();
    let found: Vec<String> = report.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(report.scripts, 6);
    assert_eq!(
        found,
        [
            "line 9: hooks: AfterInstall: \"crlf.sh\" has Windows line ends: its interpreter will not be found",
            "line 10: hooks: AfterInstall: \"dir\" is a folder, not a script",
            "line 11: hooks: AfterInstall: \"srv/web/run.sh\" is not in the package; a location is a path in the package, not where \"/srv/web\" installs it",
            "line 12: hooks: AfterInstall: \"a.sh && b.sh\" is not in the package; a location is a path, not a command line (arguments stand in x-pilotage: args)",
            "line 13: hooks: AfterInstall: \"gone.sh\" is not in the package",
        ]
    );
}
