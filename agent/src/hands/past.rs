//! What a person reads of runs at this host: straight from the run directories, so that it works with the agent stopped too.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context as _, bail};
use pilotage_agent_core::run::{LOGS, SCRIPTS_LOG};
use pilotage_agent_core::slot::RunSight;
use pilotage_shared::name::AppName;
use pilotage_shared::run::{Outcome, RunId};
use pilotage_shared::text::Text;

use crate::layout::Layout;
use crate::{output, rundir};

/// Bytes of one line of output that are shown.
const LINE: usize = 4096;

/// A run directory by its order.
struct Run {
    app: AppName,
    id: RunId,
    folder: std::path::PathBuf,
}

/// All runs that are kept, by app, oldest first.
fn runs(layout: &Layout) -> anyhow::Result<Vec<Run>> {
    let folder = layout.runs();
    let entries = fs::read_dir(&folder).with_context(|| format!("failed to read {}; are you root?", folder.display()))?;
    let mut found = Vec::new();
    for entry in entries {
        let folder = entry?.path();
        if let Some(request) = rundir::request(&folder) {
            found.push(Run { app: request.app, id: request.run, folder });
        }
    }
    found.sort_by(|a, b| (&a.app, a.id.attempt).cmp(&(&b.app, b.id.attempt)));
    Ok(found)
}

/// A line for each run.
pub fn list(layout: &Layout) -> anyhow::Result<String> {
    let mut text = String::new();
    for run in runs(layout)? {
        let how = match rundir::look(&run.folder) {
            RunSight::Alive(phase) => format!("alive, {phase:?}"),
            RunSight::None | RunSight::Lost => "not ended, no deployer is alive: the agent goes on with it".to_owned(),
            RunSight::Ended(Outcome::Committed) => "committed".to_owned(),
            RunSight::Ended(Outcome::RolledBack { why }) => format!("rolled back: {why}"),
            RunSight::Ended(Outcome::NotBegun { why }) => format!("not begun: {why}"),
            RunSight::Ended(Outcome::NeedsHands { why }) => format!("needs hands: {why}"),
            RunSight::TurnedBack(why) => format!("turned back: {why}"),
        };
        let took = rundir::report(&run.folder).map_or_else(String::new, |r| {
            let out = r.out_of_service_ms.map_or_else(String::new, |ms| format!(", out of service {}", seconds(ms)));
            format!("  {}{out}", seconds(r.took_ms))
        });
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}  {}  {}{took}  {how}", run.app, run.id.attempt, run.id);
    }
    if text.is_empty() {
        text.push_str("no run is kept on this host\n");
    }
    text.pop();
    Ok(text)
}

/// The output of the hooks of one run: the newest, unless its number is given.
pub fn logs(layout: &Layout, app: &AppName, attempt: Option<u32>) -> anyhow::Result<String> {
    let of_app: Vec<Run> = runs(layout)?.into_iter().filter(|r| r.app == *app).collect();
    let run = match attempt {
        None => of_app.last().with_context(|| format!("no run of {app} is kept on this host"))?,
        Some(n) => of_app.iter().find(|r| r.id.attempt == n).with_context(|| format!("run {n} of {app} is not kept on this host"))?,
    };
    let path = run.folder.join(LOGS).join(SCRIPTS_LOG);
    match fs::read(&path) {
        Ok(mut bytes) => {
            if let Some((gone, now)) = output::held_back(&run.folder) {
                if gone > 0 {
                    bytes.extend_from_slice(format!("({gone} bytes left out here)\n").as_bytes());
                }
                bytes.extend_from_slice(&now);
            }
            Ok(shown(&bytes))
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => bail!("no hook has run in {}", run.id),
        Err(e) => Err(e).with_context(|| format!("failed to read {}", path.display())),
    }
}

/// Bytes of a hook are no friend of terminals: line by line, without control characters.
fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<String> = text.lines().map(|line| Text::<LINE>::lossy(line).as_str().to_owned()).collect();
    lines.join("\n")
}

fn seconds(ms: u64) -> String {
    format!("{}.{}s", ms / 1000, ms % 1000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_of_hooks_cannot_move_the_terminal() {
        assert_eq!(shown(b"a\x1b[2Jb\nc\xff\r\n"), "a [2Jb\nc\u{fffd}");
        assert_eq!(shown(&vec![b'x'; LINE + 1]).len(), LINE);
        assert_eq!(seconds(2190), "2.1s");
    }

    #[test]
    fn a_host_without_runs_says_so_and_an_unknown_app_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::open(&dir.path().join("state")).unwrap();
        assert_eq!(list(&layout).unwrap(), "no run is kept on this host");
        let why = logs(&layout, &AppName::new("web").unwrap(), None).unwrap_err().to_string();
        assert_eq!(why, "no run of web is kept on this host");
    }
}
