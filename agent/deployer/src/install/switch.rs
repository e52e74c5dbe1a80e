//! The switch: decided once and written down durably, then done; done again from its start after a crash. Between the stop of
//! the old release and the start of the new one lie only renames: everything was made aside by Prepare, and what changes names
//! becomes durable with the commit. Until then a power cut may undo some renames: what is then still aside is put again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::InstallError;
use super::decide::Decision;
use super::installed;
use super::keep::{self, Record};
use super::kept::{Was, identity};
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
            match ready::again(run, &record, source, spec, &before)? {
                None => {
                    installed::save(&decided_path(run), &Decided::AsPrepared)?;
                    before
                }
                Some(ready) => {
                    installed::save(&decided_path(run), &Decided::Anew(Box::new(ready.clone())))?;
                    ready
                }
            }
        }
    };
    perform(run, source, &record, &ready)?;
    links::write(app, links)
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
            // Not aside any more: it was put before the crash.
            Some(staged) => drop(putter.put(*staged, &place)?),
            None => source.content(item, |content| putter.put_beside(&place, content, &item.meta))?,
        }
    }
    dress(decision, record)
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

/// After a reboot: what a power cut has undone of a switch that had ended is done again. What hooks have done since stays.
pub fn settle(run: &Path, app: &Path, links: &Links) -> Result<(), InstallError> {
    let (record, Some(ready)) = (unswitch::record(run)?, decided(run)?) else { return Ok(()) };
    let decision = &ready.decision;
    let mut putter = Putter::new(Stages::open(run, ready.next)?);
    let kept: BTreeMap<&PathBuf, &Was> = record.kept.iter().map(|k| (&k.path, &k.was)).collect();
    for path in &decision.stale {
        let was = kept.get(path);
        let Some(place) = Places::default().reachable(path)? else { continue };
        let untouched = match (was, place.stat()?) {
            (Some(Was::File { identity: was, .. }), Some(stat)) => *was == identity(&stat),
            (Some(Was::Link { .. }), Some(_)) => true,
            (Some(_) | None, Some(_) | None) => false,
        };
        if untouched {
            putter.remove(&place)?;
        }
    }
    folders(decision, &mut putter)?;
    for (to, staged) in &ready.staged {
        if putter.stages().holds(*staged) {
            putter.put(*staged, &Places::default().of(to)?)?;
        }
    }
    links::write(app, links)?;
    putter.sync()
}

/// Makes the switch durable: all names that it has changed. Done with the commit.
pub fn sync(decision: &Decision, app: &Path) -> Result<(), InstallError> {
    pilotage_disk::durable::sync_dir(app)?;
    let parents = |path: &PathBuf| path.parent().map(Path::to_owned);
    let all = decision.items().map(|(to, _)| to).chain(&decision.stale).chain(&decision.stale_folders).chain(&decision.installed.folders);
    let folders: BTreeSet<PathBuf> = all.filter_map(parents).collect();
    Ok(place::sync_folders(&folders)?)
}
