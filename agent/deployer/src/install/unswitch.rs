//! The way back: everything that was kept stands again as it was. Can be repeated after a crash, and after itself.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use nix::sys::stat::{FileStat, SFlag};

use super::InstallError;
use super::installed;
use super::keep::{self, Record};
use super::kept::{Copies, Identity, Kept, Meta, Was, identity};
use super::links;
use super::put::{Content, Putter, dress, open_folder};
use super::switch::{self, Decision, reachable};
use crate::place::{self, Place, kind};

/// What Keep has written down. That it is there is known from the journal.
pub fn record(run: &Path) -> Result<Record, InstallError> {
    let path = keep::record_path(run);
    let missing = || InstallError::io("find", &path)(io::Error::from(io::ErrorKind::NotFound));
    installed::load(&path)?.ok_or_else(missing)
}

/// Puts everything back.
pub fn unswitch(run: &Path, app: &Path) -> Result<(), InstallError> {
    let record = record(run)?;
    let decision: Option<Decision> = installed::load(&switch::decision_path(run))?;
    // What Keep saw is older, and counts.
    let mut all: BTreeMap<&PathBuf, &Kept> = decision.iter().flat_map(|d| &d.kept).map(|k| (&k.path, k)).collect();
    all.extend(record.kept.iter().map(|k| (&k.path, k)));
    let mut putter = Putter::new(&run.join("stage"))?;
    let copies = Copies::new(&keep::copies_path(run), record.copies);

    if let Some(decision) = &decision {
        let new = |path: &PathBuf| matches!(all.get(path), Some(Kept { was: Was::Absent | Was::Folder { .. }, .. }));
        for path in decision.plan.items.keys().filter(|p| new(p)) {
            if let Some(place) = reachable(path)? {
                putter.remove(&place)?;
            }
        }
        let made = |path: &PathBuf| matches!(all.get(path), Some(Kept { was: Was::Absent | Was::File { .. } | Was::Link { .. }, .. }));
        for path in decision.installed.folders.iter().rev().filter(|p| made(p)) {
            if let Some(place) = reachable(path)? {
                putter.remove_folder(&place)?;
            }
        }
    }
    for kept in all.values() {
        if let Was::Folder { meta } = &kept.was {
            folder_back(kept, meta, &mut putter)?;
        }
    }
    let replaced = |kept: &Kept| decision.as_ref().is_some_and(|d| d.plan.items.contains_key(&kept.path));
    files_back(all.values().map(|kept| (*kept, replaced(kept))), &copies, &mut putter)?;
    // Folders last, from the bottom up: putting things into them has changed their times.
    for kept in all.values().rev() {
        if let (Was::Folder { meta }, false) = (&kept.was, kept.foreign) {
            let place = Place::of(&kept.path)?;
            if place.stat()?.is_none_or(|s| kind(&s) != SFlag::S_IFDIR) {
                continue;
            }
            dress(open_folder(&place)?, meta).map_err(InstallError::io("dress", &kept.path))?;
        }
    }
    links::write(app, &record.links)?;
    putter.sync()
}

fn folder_back(kept: &Kept, meta: &Meta, putter: &mut Putter) -> Result<(), InstallError> {
    let Some(place) = parent_of(kept)? else { return Ok(()) };
    match place.stat()?.map(|s| kind(&s)) {
        // A link to a folder stands for it (B9).
        Some(SFlag::S_IFDIR) => Ok(()),
        Some(SFlag::S_IFLNK) if place::folder(&kept.path).is_ok() => Ok(()),
        Some(_) if kept.foreign => Ok(()),
        Some(_) | None => {
            putter.remove(&place)?;
            place::make_folder(&place)?;
            dress(open_folder(&place)?, meta).map_err(InstallError::io("dress", &kept.path))
        }
    }
}

/// Files and links that are not as they were: all made aside and durable first, then put.
fn files_back<'a>(all: impl Iterator<Item = (&'a Kept, bool)>, copies: &Copies, putter: &mut Putter) -> Result<(), InstallError> {
    let mut made = Vec::new();
    for (kept, replaced) in all {
        let Some((meta, same)) = file_of(&kept.was) else { continue };
        let Some(place) = parent_of(kept)? else { continue };
        let as_it_was = |s: &FileStat| same == Some(identity(s)) || spared(kept, replaced, s.st_mode);
        if place.stat()?.is_some_and(|s| as_it_was(&s)) {
            continue;
        }
        made.push((kept, meta, place, with_copy(kept, copies, |content| putter.stage(&kept.path, content, meta))?));
    }
    putter.sync_stage()?;
    for (kept, meta, place, staged) in made {
        with_copy(kept, copies, |content| putter.put(staged, &place, content, meta))?;
    }
    Ok(())
}

fn file_of(was: &Was) -> Option<(&Meta, Option<Identity>)> {
    match was {
        Was::File { meta, identity, .. } => Some((meta, Some(*identity))),
        Was::Link { meta, .. } => Some((meta, None)),
        Was::Absent | Was::Folder { .. } | Was::Other => None,
    }
}

fn with_copy<T>(kept: &Kept, copies: &Copies, done: impl FnOnce(Content) -> Result<T, InstallError>) -> Result<T, InstallError> {
    match &kept.was {
        Was::Link { target, .. } => done(Content::Link(target)),
        Was::File { copy, .. } => {
            let path = copies.path(*copy);
            done(Content::File(&mut File::open(&path).map_err(InstallError::io("open", &path))?))
        }
        Was::Absent | Was::Folder { .. } | Was::Other => Err(InstallError::NotAFile(kept.path.clone())),
    }
}

/// What nobody installed is put back when it is gone or we replaced it, not when somebody else has changed it: it may be
/// newer data.
fn spared(kept: &Kept, replaced: bool, mode: u32) -> bool {
    kept.foreign && !replaced && mode & SFlag::S_IFMT.bits() != SFlag::S_IFDIR.bits()
}

/// Kept folders stand again before what lies in them. Only what is foreign may lie in a folder that was not kept.
fn parent_of(kept: &Kept) -> Result<Option<Place>, InstallError> {
    match reachable(&kept.path)? {
        Some(place) => Ok(Some(place)),
        None if kept.foreign => Ok(None),
        None => {
            for folder in kept.path.ancestors().skip(1).collect::<Vec<_>>().into_iter().rev().filter(|f| f.parent().is_some()) {
                place::make_folder(&Place::of(folder)?)?;
            }
            Ok(Some(Place::of(&kept.path)?))
        }
    }
}
