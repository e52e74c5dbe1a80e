//! Output of a run as it comes, for people who watch it at the coordinator (`pilotage logs --follow`). That somebody watches is
//! a level in the intent; the coordinator says where to go on, and when to stop.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pilotage_client::agent::{Coordinator, Piece};
use pilotage_shared::limits::LOG_TAIL;
use pilotage_shared::name::AppName;
use pilotage_shared::run::RunId;
use tokio::task::JoinHandle;
use tracing::debug;

use crate::link::said;
use crate::{output, rundir};

/// How often a log is looked at for more.
const LOOK: Duration = Duration::from_millis(200);
/// After a piece that did not arrive, or that nobody watched.
const AGAIN: Duration = Duration::from_secs(1);

/// A run that may be watched.
#[derive(Clone, Debug)]
pub struct Watched {
    /// Of which app.
    pub app: AppName,
    /// Which; it has a deployment.
    pub run: RunId,
    /// Its directory.
    pub folder: PathBuf,
}

/// What is sent of one app: at most one run at a time.
#[derive(Debug, Default)]
pub struct Following(Option<(u32, JoinHandle<()>)>);

impl Following {
    /// `wanted` is the newest intent's word; none: there is no intent now, which says nothing.
    pub fn see(&mut self, wanted: Option<bool>, run: Option<Watched>, coordinator: &Arc<Coordinator>) {
        match (wanted, run) {
            (Some(false), _) => {
                if let Some((_, task)) = self.0.take() {
                    task.abort();
                }
            }
            (Some(true), Some(watched)) if self.0.as_ref().is_none_or(|(attempt, _)| *attempt != watched.run.attempt) => {
                let attempt = watched.run.attempt;
                self.0 = Some((attempt, tokio::spawn(send(coordinator.clone(), watched))));
            }
            (Some(true) | None, _) => {}
        }
    }
}

/// Sends all that the run writes, until it has ended or nobody watches.
async fn send(coordinator: Arc<Coordinator>, of: Watched) {
    let mut offset = 0;
    loop {
        // Looked at first: what is written before the report stands there by then.
        let ended = rundir::report(&of.folder).is_some();
        let found = output::read(&of.folder, offset, LOG_TAIL).unwrap_or_default();
        let last = ended && found.newest;
        if found.bytes.is_empty() && !last {
            tokio::time::sleep(LOOK).await;
            continue;
        }
        // What was written faster than it could be sent is not there any more.
        let gap = found.at > offset;
        let (begin, end) = (found.at, found.at + found.bytes.len() as u64);
        match coordinator.put_output(&Piece { app: &of.app, run: &of.run, offset: begin, gap, last, bytes: found.bytes.into() }).await {
            Ok(Some(next)) if last && next == end => return,
            Ok(Some(next)) => offset = next,
            // What came too late for the run is in its report.
            Ok(None) | Err(_) if ended => return,
            // Nobody watches just now; when nobody does for longer, the intent says so.
            Ok(None) => tokio::time::sleep(AGAIN).await,
            Err(error) => {
                debug!(run = %of.run, why = said(&error), "a piece of output did not arrive");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}
