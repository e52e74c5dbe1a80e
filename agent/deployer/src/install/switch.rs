//! The switch: decided once and written down durably, then done; done again from its start after a crash. Between the stop of
//! the old release and the start of the new one lie only renames: everything was made aside by Prepare. When it has ended, the
//! new names are durable: a power cut before that may undo some renames, and what is then still aside is put again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use nix::sys::stat::SFlag;
use pilotage_disk::Together;
use serde::{Deserialize, Serialize};

use super::InstallError;
use super::decide::{Decision, From};
use super::installed;
use super::keep::{self, Record};
use super::kept::Was;
use super::links::{self, Links};
use super::plan::Source;
use super::put::{Putter, dress_folder};
use super::ready::{self, Ready};
use super::spec::Spec;
use super::stage::Stages;
use super::unswitch;
use crate::place::{self, PlaceError, Places};

/// What is being done: `undo/switch`. There as soon as something may have been renamed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Decided {
    /// All is as it was when it was prepared.
    AsPrepared,
    /// Something has changed since.
    Anew(Box<Ready>),
}

fn decided_path(run: &Path) -> PathBuf {
    keep::folder(run).join("switch")
}

/// What the switch of a run does, once that is decided.
pub fn decided(run: &Path) -> Result<Option<Ready>, InstallError> {
    Ok(match installed::load(&decided_path(run))? {
        Some(Decided::AsPrepared) => Some(ready::load(run)?),
        Some(Decided::Anew(ready)) => Some(*ready),
        None => None,
    })
}

/// Decides and does it. `links`: where the app's links shall point.
pub fn switch(run: &Path, app: &Path, source: &Source, spec: &Spec, links: &Links) -> Result<(), InstallError> {
    let record = unswitch::record(run)?;
    let ready = match decided(run)? {
        Some(ready) => ready,
        None => {
            let before = ready::load(run)?;
            let mut together = Together::default();
            let (decided, ready) = match ready::again(&From { run, record: &record }, source, spec, &before, &mut together)? {
                None => (Decided::AsPrepared, before),
                Some(ready) => (Decided::Anew(Box::new(ready.clone())), ready),
            };
            installed::add(&mut together, &decided_path(run), &decided)?;
            together.finish()?;
            ready
        }
    };
    perform(run, source, &record, &ready)?;
    links::write(app, links)?;
    // Before any hook can change what is installed: after a power cut nobody could tell what was lost from what a hook took away.
    sync(&ready.decision, app)
}

fn perform(run: &Path, source: &Source, record: &Record, ready: &Ready) -> Result<(), InstallError> {
    let decision = &ready.decision;
    let mut putter = Putter::new(Stages::open(run, ready.next)?);
    let mut places = Places::default();
    for path in &decision.stale {
        if let Some(place) = places.reachable(path)? {
            putter.take(&place)?;
        }
    }
    for path in decision.stale_folders.iter().rev() {
        if let Some(place) = places.reachable(path)? {
            putter.remove_folder(&place)?;
        }
    }
    folders(decision, &mut putter)?;
    let mut places = Places::default();
    for (to, item) in decision.items() {
        let place = places.of(to)?;
        match ready.staged.get(to) {
            Some(staged) if putter.put(*staged, &place)? || place.stat()?.is_some_and(|stat| staged.is(&stat)) => {}
            // It was put before a power cut, which has undone it; or it was never aside.
            Some(_) | None => source.content(item, |content| putter.put_beside(&place, content, &item.meta))?,
        }
    }
    dress(decision, record)?;
    dress_undone(decision, record)
}

/// Makes the folders that are missing, from the top down.
fn folders(decision: &Decision, putter: &mut Putter) -> Result<(), InstallError> {
    let mut places = Places::default();
    for path in &decision.plan.folders {
        match place::folder(path) {
            Ok(_) => continue,
            Err(PlaceError::Missing(_)) => {}
            Err(error) => return Err(error.into()),
        }
        putter.folder(&places.of(path)?, &decision.folder_meta(path))?;
    }
    Ok(())
}

/// Folders that this app has made before get what the new release says of them.
fn dress(decision: &Decision, record: &Record) -> Result<(), InstallError> {
    for kept in record.kept.iter().filter(|k| !k.foreign) {
        let (Some(meta), Was::Folder { inode, .. }) = (decision.plan.dressed.get(&kept.path), &kept.was) else { continue };
        let Some(place) = Places::default().reachable(&kept.path)? else { continue };
        let Some(stat) = place.stat()? else { continue };
        let now = (stat.st_mtime, stat.st_mtime_nsec);
        dress_folder(&place, *inode, &super::meta::Meta { mtime: now, ..meta.clone() })?;
    }
    Ok(())
}

/// A folder of ours that has its name, but has lost its outside in a power cut: only root could have made one that looks so.
fn dress_undone(decision: &Decision, record: &Record) -> Result<(), InstallError> {
    for kept in record.kept.iter().filter(|k| k.was == Was::Absent && decision.plan.folders.contains(&k.path)) {
        let Some(place) = Places::default().reachable(&kept.path)? else { continue };
        let Some(stat) = place.stat()?.filter(|s| place::kind(s) == SFlag::S_IFDIR) else { continue };
        if place::ours(stat.st_uid) && stat.st_mode & 0o7777 == 0o700 {
            let now = (stat.st_mtime, stat.st_mtime_nsec);
            dress_folder(&place, stat.st_ino, &super::meta::Meta { mtime: now, ..decision.folder_meta(&kept.path) })?;
        }
    }
    Ok(())
}

/// Makes all names durable that the switch has changed.
fn sync(decision: &Decision, app: &Path) -> Result<(), InstallError> {
    let parents = |path: &PathBuf| path.parent().map(Path::to_owned);
    let all = decision.items().map(|(to, _)| to).chain(&decision.stale).chain(&decision.stale_folders).chain(&decision.installed.folders);
    let folders: BTreeSet<PathBuf> = all.filter_map(parents).chain([app.to_owned()]).collect();
    Ok(place::sync_folders(&folders.into_iter().collect::<Vec<_>>())?)
}
