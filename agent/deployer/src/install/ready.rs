//! Prepare: everything that will be installed is made aside before anything is disturbed, so that the switch only renames.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pilotage_disk::Together;
use serde::{Deserialize, Serialize};

use super::InstallError;
use super::decide::{Decision, From, decide};
use super::installed::{self, Installed};
use super::keep;
use super::plan::{Item, Source};
use super::spec::Spec;
use super::stage::{Staged, Stages};
use super::unswitch;

/// A decision, and what was made for it: `undo/ready`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// What the switch would do.
    pub decision: Decision,
    /// What is aside, by its place. What is not here is made beside its place.
    pub staged: BTreeMap<PathBuf, Staged>,
    /// The number of the next thing aside.
    pub next: u64,
}

/// The record's file.
pub fn ready_path(run: &Path) -> PathBuf {
    keep::folder(run).join("ready")
}

/// Decides and makes; `before` is what is aside already, of an earlier run. `firm`: no hook runs before Install, so what stands
/// in the way now will stand there then, and is refused while nothing is stopped.
pub fn prepare(run: &Path, source: &Source, spec: &Spec, others: &[(String, PathBuf)], firm: bool, before: Ready) -> Result<(), InstallError> {
    let record = unswitch::record(run)?;
    let mut doubts = Vec::new();
    let mut together = Together::default();
    let decision = decide(&From { run, record: &record }, source, spec, &mut doubts, &mut together)?;
    if let Some(doubt) = doubts.into_iter().next().filter(|_| firm) {
        return Err(doubt);
    }
    not_taken(&decision, others)?;
    let ready = make(Stages::open(run, before.next)?, source, decision, before, &mut together)?;
    installed::add(&mut together, &ready_path(run), &ready)?;
    Ok(together.finish()?)
}

/// No two apps install one file: each would undo the other.
fn not_taken(decision: &Decision, others: &[(String, PathBuf)]) -> Result<(), InstallError> {
    for (app, path) in others {
        let theirs: Installed = installed::load(path)?.unwrap_or_default();
        if let Some(path) = decision.plan.items.keys().find(|to| theirs.files.contains(*to)) {
            return Err(InstallError::Taken { path: path.clone(), app: app.clone() });
        }
    }
    Ok(())
}

/// What was made aside for the decision that was made before.
pub fn load(run: &Path) -> Result<Ready, InstallError> {
    Ok(installed::load(&ready_path(run))?.unwrap_or_default())
}

/// The decision as things are now, with all that it needs aside, durable with all else that is `together`. None: nothing has
/// changed since Prepare.
pub fn again(from: &From, source: &Source, spec: &Spec, before: &Ready, together: &mut Together) -> Result<Option<Ready>, InstallError> {
    let mut doubts = Vec::new();
    let decision = decide(from, source, spec, &mut doubts, together)?;
    if let Some(doubt) = doubts.into_iter().next() {
        return Err(doubt);
    }
    let stages = Stages::open(from.run, before.next)?;
    if decision == before.decision && before.staged.values().all(|staged| stages.holds(*staged)) {
        return Ok(None);
    }
    make(stages, source, decision, before.clone(), together).map(Some)
}

/// Makes what is not aside yet, and dresses anew what has another outside now.
fn make(mut stages: Stages, source: &Source, decision: Decision, before: Ready, together: &mut Together) -> Result<Ready, InstallError> {
    let mut staged = BTreeMap::new();
    for (to, item) in decision.items() {
        let known = before.staged.get(to).copied().filter(|s| stages.holds(*s));
        let made = match (known, item_of(&before.decision, to)) {
            (Some(known), Some(old)) if old == item => Some(known),
            (Some(known), Some(old)) if old.origin == item.origin => {
                stages.dress(known, &item.meta)?;
                Some(known)
            }
            (Some(_) | None, Some(_) | None) => source.content(item, |content| stages.make(to, content, &item.meta))?,
        };
        if let Some(made) = made {
            staged.insert(to.clone(), made);
        }
    }
    stages.durable(together)?;
    let next = stages.next();
    Ok(Ready { decision, staged, next })
}

fn item_of<'a>(decision: &'a Decision, to: &Path) -> Option<&'a Item> {
    decision.plan.items.get(to).or_else(|| decision.returned.get(to))
}
