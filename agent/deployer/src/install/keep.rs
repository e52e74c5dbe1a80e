//! Before anything is disturbed: copies aside of all that the run could take away.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use pilotage_disk::Together;
use serde::{Deserialize, Serialize};

use super::InstallError;
use super::installed::{self, Installed};
use super::kept::{Copies, Kept, Was};
use super::links::{self, Links};
use super::plan::InstallPlan;
use crate::clock;

/// What hooks have put into folders of the release (dependencies, generated configuration) is kept up to so many bytes.
const FOREIGN_BYTES: u64 = 256 << 20;
/// And up to so many things.
const FOREIGN_COUNT: usize = 50_000;

/// The record of a keep: `undo/record`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Everything looked at, by path.
    pub kept: Vec<Kept>,
    /// The app's links.
    pub links: Links,
    /// What the running release has installed.
    pub installed: Installed,
    /// The number of the next copy.
    pub copies: u64,
    /// When it was made, by wall time: part of the names of what outlives the run.
    #[serde(default)]
    pub stamp: u64,
    /// Foreign things that were over the budget and are not kept.
    pub foreign_left_out: u64,
}

/// Where a run keeps what was: below its own directory.
pub fn folder(run: &Path) -> PathBuf {
    run.join("undo")
}

/// The record's file.
pub fn record_path(run: &Path) -> PathBuf {
    folder(run).join("record")
}

/// The folder of copies.
pub fn copies_path(run: &Path) -> PathBuf {
    folder(run).join("copies")
}

/// Keeps everything; what an interrupted keep has left is thrown away. `plan`: what will be installed, as far as it is known.
/// `earlier`: what a run before has kept of the same, and was not begun.
pub fn keep(run: &Path, app: &Path, installed: Installed, plan: &InstallPlan, earlier: Option<&Path>) -> Result<(), InstallError> {
    let folder = folder(run);
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(InstallError::io("empty", &folder))?;
    }
    let copies_path = copies_path(run);
    // Their names too: what is disturbed after this must find the way back after a power cut.
    let mut together = Together::default();
    together.create_dirs(&copies_path, 0o700)?;
    let mut copies = Copies::open(&copies_path, 0)?;
    if let Some(folder) = earlier
        && let Some(record) = installed::load::<Record>(&folder.join("record"))?
    {
        copies.take_from(folder.join("copies"), &record.kept);
    }
    let mut kept = Vec::new();
    let ours: BTreeSet<&PathBuf> = installed.files.iter().chain(&installed.folders).collect();
    let planned = plan.items.keys().chain(&plan.folders);
    let all: BTreeSet<&PathBuf> = ours.iter().copied().chain(planned).collect();
    for path in &all {
        let was = copies.keep(path)?;
        kept.push(Kept { path: (*path).clone(), was, foreign: !ours.contains(*path) });
    }
    let mut budget = Budget { bytes: FOREIGN_BYTES, count: FOREIGN_COUNT, left_out: 0 };
    for top in tops(&installed.folders) {
        foreign(top, &all, &mut copies, &mut kept, &mut budget)?;
    }
    copies.durable(&mut together)?;
    let links = links::read(app)?;
    let record = Record { kept, links, installed, copies: copies.next(), stamp: clock::wall(), foreign_left_out: budget.left_out };
    installed::add(&mut together, &record_path(run), &record)?;
    Ok(together.finish()?)
}

struct Budget {
    bytes: u64,
    count: usize,
    left_out: u64,
}

/// Folders that lie in no other of the set.
fn tops(folders: &BTreeSet<PathBuf>) -> Vec<&PathBuf> {
    folders.iter().filter(|f| !f.ancestors().skip(1).any(|a| folders.contains(a))).collect()
}

/// Keeps what else lies in folders that the release has made. Links are not followed; other file systems not entered.
fn foreign(folder: &Path, known: &BTreeSet<&PathBuf>, copies: &mut Copies, kept: &mut Vec<Kept>, budget: &mut Budget) -> Result<(), InstallError> {
    let Ok(meta) = fs::symlink_metadata(folder) else { return Ok(()) };
    if !meta.is_dir() {
        return Ok(());
    }
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).map_err(InstallError::io("list", folder))?.flatten().map(|e| e.path()).collect();
    paths.sort();
    for path in paths {
        let Ok(inner) = fs::symlink_metadata(&path) else { continue };
        if inner.dev() != meta.dev() || path.to_str().is_none() {
            continue;
        }
        if !known.contains(&path) {
            let size = if inner.is_file() { inner.len() } else { 0 };
            if size > budget.bytes || budget.count == 0 {
                budget.left_out += 1;
                continue;
            }
            (budget.bytes, budget.count) = (budget.bytes - size, budget.count - 1);
            // Foreign things come and go while we look: what is gone now was not there.
            if let Ok(was) = copies.keep(&path)
                && was != Was::Absent
            {
                kept.push(Kept { path: path.clone(), was, foreign: true });
            }
        }
        if inner.is_dir() {
            foreign(&path, known, copies, kept, budget)?;
        }
    }
    Ok(())
}
