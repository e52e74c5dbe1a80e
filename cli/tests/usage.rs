//! What scripts rely on: exit codes and where things are said, with the real program.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::process::{Command, Output};

fn pilotage(args: &[&str]) -> Output {
    let home = tempfile::tempdir().unwrap();
    Command::new(env!("CARGO_BIN_EXE_pilotage"))
        .args(args)
        .env_clear()
        .env("HOME", home.path())
        .env("PILOTAGE_COORDINATOR", format!("unix:{}/no.sock", home.path().display()))
        .env("TMPDIR", home.path())
        .output()
        .unwrap()
}

fn check(args: &[&str], code: i32, says: &str) {
    let output = pilotage(args);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
    assert!(stderr.contains(says), "{args:?} says: {stderr}");
}

#[test]
fn a_coordinator_that_is_not_there_is_exit_9() {
    check(&["status"], 9, "failed to reach the coordinator at unix:");
}

#[test]
fn bad_usage_and_bad_files_are_exit_2() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fleet.yml");
    std::fs::write(&file, "fleet: web-prod\napp: web\nselect: env=prod\nfloor: 66%\nalarms: []\n").unwrap();
    check(&["deploy", "web-prod"], 2, "VERSION");
    check(&["deploy", "Web Prod", "1"], 2, "fleet name");
    check(&["fleet", "apply", file.to_str().unwrap()], 2, "\"alarms\" is not there yet");
    check(&["fleet", "apply", "/nonexistent.yml"], 2, "failed to read /nonexistent.yml");
    check(&["--context", "prod", "status"], 2, "failed to find the context \"prod\"");
    check(&["host", "add", "h1", "zone"], 2, "is no label");
    check(&["package", "check", folder.path().to_str().unwrap()], 2, "there is no appspec.yml");
    check(&["demo", "--hosts", "2"], 2, "3..=60");
}

#[test]
fn a_package_is_checked_without_a_coordinator() {
    let folder = tempfile::tempdir().unwrap();
    let spec = "version: 0.0\nos: linux\nhooks:\n  ApplicationStart:\n    - location: start.sh\n    - location: gone.sh\n";
    std::fs::write(folder.path().join("appspec.yml"), spec).unwrap();
    std::fs::write(folder.path().join("start.sh"), "#!/bin/sh\n").unwrap();
    let output = pilotage(&["package", "check", folder.path().to_str().unwrap()]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.starts_with("appspec.yml ok: 2 hooks, 2 files, 0 permissions · 1 thing to look at:"), "{text}");
    assert!(text.contains("\"gone.sh\" is not in the package"), "{text}");
    assert!(text.lines().last().unwrap().starts_with("next  pilotage package push"), "{text}");
}

#[test]
fn completions_need_no_coordinator() {
    let output = pilotage(&["completions", "bash"]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("_pilotage"));
}
