//! The switch: decided once and written down durably, then done; done again from its start after a crash.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use nix::fcntl::AtFlags;
use nix::sys::stat::{SFlag, fstatat};
use nix::unistd::{getegid, geteuid};
use serde::{Deserialize, Serialize};

use super::InstallError;
use super::installed::{self, Installed};
use super::keep::{self, Record};
use super::kept::{Copies, Kept, Meta};
use super::links::{self, Links};
use super::plan::{InstallPlan, Item, Source, plan};
use super::put::{Content, Putter, dress, open_folder};
use super::spec::{Exists, Spec};
use super::{permissions, unswitch};
use crate::place::{self, Place, PlaceError, kind};

/// What a switch does: `undo/switch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// What is installed.
    pub plan: InstallPlan,
    /// Kept now: what the plan found that Keep had not seen.
    pub kept: Vec<Kept>,
    /// Files of the running release that the new one does not have.
    pub stale: BTreeSet<PathBuf>,
    /// Its folders, likewise; they go if they are empty.
    pub stale_folders: BTreeSet<PathBuf>,
    /// What the new release will have installed.
    pub installed: Installed,
}

/// The decision's file.
pub fn decision_path(run: &Path) -> PathBuf {
    keep::folder(run).join("switch")
}

/// Decides and does it. `links`: where the app's links shall point.
pub fn switch(run: &Path, app: &Path, source: &Source, spec: &Spec, links: &Links) -> Result<(), InstallError> {
    let decision = match installed::load(&decision_path(run))? {
        Some(decision) => decision,
        None => {
            let record = unswitch::record(run)?;
            let decision = decide(run, &record, source, spec)?;
            installed::save(&decision_path(run), &decision)?;
            decision
        }
    };
    perform(run, source, &decision)?;
    links::write(app, links)
}

fn decide(run: &Path, record: &Record, source: &Source, spec: &Spec) -> Result<Decision, InstallError> {
    let mut plan = plan(source, spec)?;
    let mut retained = Vec::new();
    for to in plan.items.keys() {
        if !may_stand(to, record, spec.exists)? {
            retained.push(to.clone());
        }
    }
    for path in retained {
        plan.items.remove(&path);
    }
    let mut made = record.installed.folders.clone();
    made.retain(|f| plan.folders.contains(f));
    for folder in &plan.folders {
        match place::folder(folder) {
            Ok(_) => {}
            Err(PlaceError::Missing(_)) => {
                made.insert(folder.clone());
            }
            // A file of the running release may stand where the new one has a folder.
            Err(PlaceError::NotAFolder(_)) if folder.ancestors().any(|a| record.installed.files.contains(a)) => {
                made.insert(folder.clone());
            }
            Err(error) => return Err(error.into()),
        }
    }
    let fresh = Meta { mode: 0o755, uid: geteuid().as_raw(), gid: getegid().as_raw(), mtime: (0, 0) };
    permissions::apply(spec, &mut plan, &made, fresh)?;
    let known: BTreeSet<&PathBuf> = record.kept.iter().map(|k| &k.path).collect();
    let copies_path = keep::copies_path(run);
    let mut copies = Copies::new(&copies_path, record.copies);
    let mut kept = Vec::new();
    for path in plan.items.keys().chain(&made).filter(|p| !known.contains(p)) {
        kept.push(Kept { path: path.clone(), was: copies.keep(path)?, foreign: true });
    }
    place::sync_files(&copies_path, record.copies..copies.next()).map_err(InstallError::io("sync", &copies_path))?;
    let files: BTreeSet<PathBuf> = plan.items.keys().cloned().collect();
    let stale = record.installed.files.difference(&files).cloned().collect();
    let stale_folders = record.installed.folders.iter().filter(|f| !plan.folders.contains(*f)).cloned().collect();
    Ok(Decision { plan, kept, stale, stale_folders, installed: Installed { files, folders: made } })
}

/// C1–C4: false means that what is there stays and ours is not installed.
fn may_stand(to: &Path, record: &Record, exists: Exists) -> Result<bool, InstallError> {
    let place = match Place::of(to) {
        Ok(place) => place,
        Err(PlaceError::Missing(_) | PlaceError::NotAFolder(_)) => return Ok(true),
        Err(error) => return Err(error.into()),
    };
    let Some(stat) = place.stat()? else { return Ok(true) };
    if record.installed.files.contains(to) && kind(&stat) != SFlag::S_IFDIR {
        return Ok(true);
    }
    match kind(&stat) {
        SFlag::S_IFREG => {}
        // A dangling link counts as absent (C4); it is replaced, never written through.
        SFlag::S_IFLNK if fstatat(&place.folder, place.name.as_os_str(), AtFlags::empty()).is_err() => return Ok(true),
        SFlag::S_IFLNK => {}
        // A folder of the running release gives way to a file when it is empty by then.
        SFlag::S_IFDIR if record.installed.folders.contains(to) => return Ok(true),
        _ => return Err(InstallError::NotAFile(to.to_owned())),
    }
    match exists {
        Exists::Disallow => Err(InstallError::Exists(to.to_owned())),
        Exists::Overwrite => Ok(true),
        Exists::Retain => Ok(false),
    }
}

fn perform(run: &Path, source: &Source, decision: &Decision) -> Result<(), InstallError> {
    let mut putter = Putter::new(&run.join("stage"))?;
    let mut staged = Vec::new();
    for (to, item) in &decision.plan.items {
        staged.push(with_content(source, item, |content| putter.stage(to, content, &item.meta))?);
    }
    putter.sync_stage()?;
    for path in &decision.stale {
        if let Some(place) = reachable(path)? {
            putter.remove(&place)?;
        }
    }
    for path in decision.stale_folders.iter().rev() {
        if let Some(place) = reachable(path)? {
            putter.remove_folder(&place)?;
        }
    }
    for path in &decision.plan.folders {
        make_folder(path)?;
    }
    for ((to, item), staged) in decision.plan.items.iter().zip(staged) {
        let place = Place::of(to)?;
        with_content(source, item, |content| putter.put(staged, &place, content, &item.meta))?;
    }
    for (path, meta) in decision.plan.dressed.iter().rev() {
        let place = Place::of(path)?;
        let now = place.stat()?.map(|s| Meta::of(&s).mtime).unwrap_or(meta.mtime);
        dress(open_folder(&place)?, &Meta { mtime: now, ..*meta }).map_err(InstallError::io("dress", path))?;
    }
    putter.sync()
}

/// Opens the content for one use.
fn with_content<T>(source: &Source, item: &Item, done: impl FnOnce(Content) -> Result<T, InstallError>) -> Result<T, InstallError> {
    match &item.link {
        Some(target) => done(Content::Link(target)),
        None => {
            let path = source.release.join(&item.source);
            let mut file: File = place::open_beneath(source.release, &item.source).map_err(InstallError::io("open", path))?;
            done(Content::File(&mut file))
        }
    }
}

fn make_folder(path: &Path) -> Result<(), InstallError> {
    match place::folder(path) {
        Ok(_) => Ok(()),
        Err(PlaceError::Missing(_)) => place::make_folder(&Place::of(path)?).map(|_| ()).map_err(InstallError::from),
        Err(error) => Err(error.into()),
    }
}

/// The place of a path whose folder is still there.
pub fn reachable(path: &Path) -> Result<Option<Place>, InstallError> {
    match Place::of(path) {
        Ok(place) => Ok(Some(place)),
        Err(PlaceError::Missing(_) | PlaceError::NotAFolder(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
