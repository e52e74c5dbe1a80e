//! What hooks print: complete up to a cap, any bytes, and cheap.

use std::fs;
use std::time::{Duration, Instant};

use pilotage_shared::limits::HOOK_LOG_MAX;
use serde_json::Value;

use crate::world::{World, log};

fn diagnostics(run: &std::path::Path, name: &str) -> Value {
    serde_json::from_slice(&fs::read(run.join("logs").join(name)).unwrap()).unwrap()
}

#[test]
fn diagnostics_have_codedeploys_form() {
    // I1, I2.
    let world = World::new();
    let (_, run) =
        world.deploy(None, &world.package("1", &[], "", &[("AfterInstall", "echo good"), ("ApplicationStart", "echo one; echo two >&2; exit 3")]));
    let good = diagnostics(&run, "001-AfterInstall.json");
    assert_eq!(good, serde_json::json!({ "error_code": 0, "script_name": "hooks/0.sh", "message": "Succeeded: ", "log": "[stdout]good\n" }));
    let bad = diagnostics(&run, "002-ApplicationStart.json");
    assert_eq!(
        (bad["error_code"].as_u64(), bad["message"].as_str()),
        (Some(4), Some("Script at specified location: hooks/1.sh failed with exit code 3"))
    );
    assert!(bad["log"].as_str().unwrap().contains("[stderr]two\n"), "{bad}");
    let (_, run) = world.deploy(None, &world.package("2", &[], "", &[("AfterInstall location=gone.sh", "")]));
    assert_eq!(diagnostics(&run, "001-AfterInstall.json")["error_code"], 1);
}

#[test]
fn neither_a_long_line_nor_bytes_that_are_no_text_empty_the_log() {
    // I3, I4 mended.
    let world = World::new();
    let script = "echo before; printf '\\377\\376\\n'; head -c 300000 /dev/zero | tr '\\0' x; echo; printf 'no end'; exit 1";
    let (report, run) = world.deploy(None, &world.package("1", &[], "", &[("ApplicationStart", script)]));
    let found = diagnostics(&run, "001-ApplicationStart.json");
    let text = found["log"].as_str().unwrap();
    assert!(found["error_code"] == 4 && text.ends_with("x\n[stdout]no end\n") && (1000..2048).contains(&text.len()), "{found}");
    assert_eq!(report.events.iter().find(|e| e.script.is_some()).unwrap().last_line.as_str(), "no end");
    let bytes = fs::read(run.join("logs/scripts.log")).unwrap();
    assert!(bytes.windows(3).any(|w| w == b"\xff\xfe\n"), "as they came");
    assert!(bytes.iter().filter(|b| **b == b'x').count() >= 300_000, "complete below the cap");
}

#[test]
fn two_and_a_half_million_lines_cost_seconds() {
    // H14: CodeDeploy's agent takes a minute for them. Debug builds are slow, machines are shared: the bound is a wide one.
    let world = World::new();
    let one = world.package("1", &[], "", &[("ApplicationStart", "seq 2500000")]);
    let began = Instant::now();
    let run = world.commit(None, &one);
    let took = began.elapsed();
    assert!(took < Duration::from_secs(30), "{took:?}");
    let text = fs::read_to_string(run.join("logs/001-ApplicationStart.log")).unwrap();
    assert!(text.len() as u64 <= HOOK_LOG_MAX + 200);
    assert!(text.contains("[stdout]1\n") && text.ends_with("[stdout]2500000\n") && text.contains("left out here"), "{}", log(&run));
}
