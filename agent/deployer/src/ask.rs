//! `--ask`: one question of a health check by command, for the time between runs. The agent runs nothing of a package itself;
//! it gives the order of what runs on stdin and reads the exit code, and why on stderr.

use std::io::Read;
use std::time::Duration;

use pilotage_agent_core::run::Request;

use crate::configured;
use crate::hook::run::{Setting, program};
use crate::layout::Layout;
use crate::probe;

/// The longest order that is read.
const ORDER_MAX: u64 = 1 << 20;

/// Asks once about the release that the order goes to. `Err`: the answer was bad, or there was none.
pub fn ask(order: impl Read) -> Result<(), String> {
    let request: Request = serde_json::from_reader(order.take(ORDER_MAX)).map_err(|e| format!("the order cannot be understood: {e}"))?;
    let Some(check) = &request.to.health else { return Err("the order names no health check".into()) };
    let layout = Layout::new(&request, std::path::Path::new("."));
    let package = &request.to.release.package;
    let (release, bundle) = (layout.release(package), layout.bundles().join(package.hex()));
    let configured = configured::of(&layout, &request, &request.to.release).map_err(|e| e.to_string())?;
    let (variables, masks) = (&configured.variables, configured.masks.as_slice());
    let setting =
        Setting { run: &layout.run, release: &release, bundle: &bundle, contract: &request.contract, variables, masks, deployments_log: None };
    probe::once(&check.probe, Duration::from_millis(check.timeout.0), &|location: &str| program(&setting, location))
}
