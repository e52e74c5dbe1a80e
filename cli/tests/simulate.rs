//! `pilotage simulate` as people and programs meet it, with the real program: the same text on every machine.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::PathBuf;
use std::process::{Command, Output};

const FLEET: &str = "fleet: web-prod\napp: web\nselect: env=prod\nfloor: 66%\nhealth: http://localhost:8080/healthz\n";

struct World {
    folder: tempfile::TempDir,
    file: PathBuf,
}

fn world(fleet: &str) -> World {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("web-prod.yml");
    std::fs::write(&file, fleet).unwrap();
    World { folder, file }
}

impl World {
    fn simulate(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_pilotage"))
            .arg("simulate")
            .arg(&self.file)
            .args(args)
            .env_clear()
            .env("HOME", self.folder.path())
            .output()
            .unwrap()
    }

    /// The text, or with `-o json` the object.
    fn text(&self, args: &[&str]) -> String {
        let output = self.simulate(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, args: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.text(&[args, &["-o", "json"]].concat())).unwrap()
    }
}

/// Fixed times, so that the numbers can be followed by hand.
const HOOKS: [&str; 10] = ["--hook", "stage=5s", "--hook", "stop=2s", "--hook", "install=1s", "--hook", "start=3s", "--hook", "validate=4s"];

fn golden(args: &[&str], expected: &str) {
    let text = world(FLEET).text(&[&["--hosts", "12", "--seeds", "10"], &HOOKS[..], args].concat());
    assert_eq!(text, expected, "{args:?} says:\n{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 120));
    assert!(text.lines().last().unwrap().starts_with("next  "));
}

#[test]
fn a_good_version() {
    golden(&[], include_str!("simulate/good.txt"));
}

#[test]
fn a_version_that_dies_later() {
    golden(&["--bad", "crashes after 1m"], include_str!("simulate/crashes.txt"));
}

#[test]
fn a_zone_that_is_lost() {
    golden(&["--lose-zone", "a@20s"], include_str!("simulate/lost.txt"));
}

#[test]
fn a_seed_means_the_same_forecast_and_the_file_says_the_policy() {
    let world = world(FLEET);
    let args = ["--hosts", "40", "--bad", "crashes after 45s on 20% of hosts", "--seed", "7"];
    assert_eq!(world.text(&args), world.text(&args));
    let slow = self::world(&format!("{FLEET}parallel: 1\n")).json(&["--hosts", "40"]);
    let fast = world.json(&["--hosts", "40"]);
    assert!(slow["duration_ms"]["p50"].as_u64() > fast["duration_ms"]["p50"].as_u64());
    assert_eq!((slow["batch"].as_u64(), fast["batch"].as_u64(), fast["floor"].as_u64()), (Some(1), None, Some(27)));
}

#[test]
fn a_drawing_is_written() {
    let world = world(FLEET);
    let path = world.folder.path().join("web.svg");
    world.text(&["--svg", path.to_str().unwrap()]);
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("<svg "));
    let nowhere = world.simulate(&["--svg", "/nonexistent/web.svg"]);
    assert_eq!(nowhere.status.code(), Some(2));
}

#[test]
fn what_makes_no_sense_is_said_with_what_would() {
    let check = |args: &[&str], code, says: &str| {
        let output = world(FLEET).simulate(args);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
        assert!(stderr.contains(says), "{args:?} says: {stderr}");
    };
    check(&["--bad", "explodes"], 2, "crashes after 20m\n");
    check(&["--lose-zone", "a"], 2, "as a@10m, rack=r1@10m");
    check(&["--hook", "start"], 2, "as start=20s..40s");
    check(&["--lose-zone", "z@10m"], 2, "no host has zone=z");
    check(&["--hosts", "1"], 7, "error[floor-too-high]");
    check(&["1.4.2"], 2, "a version is of a live fleet");
}

#[test]
fn a_plan_needs_the_live_fleet_and_is_not_watched() {
    let check = |args: &[&str], code, says: &str| {
        let home = tempfile::tempdir().unwrap();
        let socket = format!("unix:{}/no.sock", home.path().display());
        let output = Command::new(env!("CARGO_BIN_EXE_pilotage"))
            .args(args)
            .env_clear()
            .env("HOME", home.path())
            .env("PILOTAGE_COORDINATOR", socket)
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
        assert!(stderr.contains(says), "{args:?} says: {stderr}");
    };
    check(&["deploy", "web-prod", "1.4.2", "--plan"], 9, "failed to reach the coordinator");
    check(&["deploy", "web-prod", "1.4.2", "--plan", "--watch"], 2, "cannot be used with");
    check(&["simulate", "web-prod"], 9, "failed to reach the coordinator");
    check(&["simulate", "Web Prod"], 2, "is no file, and fleet name");
}
