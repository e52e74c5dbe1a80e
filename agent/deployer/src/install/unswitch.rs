//! The way back: everything that was kept stands again as it was. Can be repeated after a crash, and after itself.
//!
//! Copies were dressed when they were kept: what lies in the mount of the run directory is only renamed back.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use nix::sys::stat::{FileStat, SFlag};
use pilotage_disk::Together;

use super::InstallError;
use super::installed;
use super::keep::{self, Record};
use super::kept::{Copies, Kept, Was, identity};
use super::links;
use super::meta::Meta;
use super::put::{Putter, open_folder};
use super::ready::Ready;
use super::stage::{Content, Staged, Stages};
use super::switch;
use crate::place::{self, Place, Places, kind};

/// What Keep has written down. That it is there is known from the journal.
pub fn record(run: &Path) -> Result<Record, InstallError> {
    let path = keep::record_path(run);
    let missing = || InstallError::io("find", &path)(io::Error::from(io::ErrorKind::NotFound));
    installed::load(&path)?.ok_or_else(missing)
}

/// Puts everything back.
pub fn unswitch(run: &Path, app: &Path) -> Result<(), InstallError> {
    let record = record(run)?;
    let ready = switch::decided(run)?;
    let mut putter = Putter::new(Stages::open(run, ready.as_ref().map_or(0, |r| r.next) + 1_000_000)?);
    let decision = ready.as_ref().map(|r| &r.decision);
    // What Keep saw is older, and counts.
    let mut all: BTreeMap<&PathBuf, &Kept> = decision.iter().flat_map(|d| &d.kept).map(|k| (&k.path, k)).collect();
    all.extend(record.kept.iter().map(|k| (&k.path, k)));
    let copies = Copies::open(&keep::copies_path(run), record.copies)?;
    if let Some(ready) = &ready {
        take_away(ready, &all, &mut putter)?;
    }
    for kept in all.values() {
        if let Was::Folder { meta, .. } = &kept.was {
            folder_back(kept, meta, &mut putter)?;
        }
    }
    let replaced = |kept: &Kept| decision.is_some_and(|d| d.plan.items.contains_key(&kept.path));
    files_back(all.values().map(|kept| (*kept, replaced(kept))), &copies, &mut putter)?;
    // Folders last, from the bottom up: putting things into them has changed their times.
    for kept in all.values().rev() {
        let Was::Folder { meta, inode } = &kept.was else { continue };
        let Some(place) = Places::default().reachable(&kept.path)? else { continue };
        // Somebody else's keeps what it has now, unless it was deleted and made anew.
        if place.stat()?.is_some_and(|s| kind(&s) == SFlag::S_IFDIR && (!kept.foreign || s.st_ino != *inode)) {
            meta.give(&open_folder(&place)?).map_err(InstallError::io("dress", &kept.path))?;
        }
    }
    links::write(app, &record.links)?;
    putter.sync(app)
}

/// Removes what the new release has put where nothing was.
fn take_away(ready: &Ready, all: &BTreeMap<&PathBuf, &Kept>, putter: &mut Putter) -> Result<(), InstallError> {
    let was = |path: &PathBuf| all.get(path).map(|kept| &kept.was);
    let mut places = Places::default();
    for path in ready.decision.plan.items.keys().filter(|p| matches!(was(p), Some(Was::Absent | Was::Folder { .. }))) {
        // Still aside: it was never put, and what stands there is somebody else's.
        if ready.staged.get(path).is_some_and(|staged| putter.stages().holds(*staged)) {
            continue;
        }
        if let Some(place) = places.reachable(path)? {
            putter.take(&place)?;
        }
    }
    let mut places = Places::default();
    for path in ready.decision.installed.folders.iter().rev().filter(|p| matches!(was(p), Some(Was::Absent | Was::File { .. } | Was::Link { .. }))) {
        if let Some(place) = places.reachable(path)? {
            putter.remove_folder(&place)?;
        }
    }
    Ok(())
}

fn folder_back(kept: &Kept, meta: &Meta, putter: &mut Putter) -> Result<(), InstallError> {
    let Some(place) = parent_of(kept, &mut Places::default(), putter)? else { return Ok(()) };
    match place.stat()?.map(|s| kind(&s)) {
        // A link to a folder stands for it (B9).
        Some(SFlag::S_IFDIR) => Ok(()),
        Some(SFlag::S_IFLNK) if place::folder(&kept.path).is_ok() => Ok(()),
        Some(_) if kept.foreign => Ok(()),
        Some(_) | None => {
            putter.remove(&place)?;
            putter.folder(&place, meta).map(|_| ())
        }
    }
}

/// Where a thing comes from on its way back.
enum Back {
    /// The copy itself is renamed.
    Copy(u64),
    /// It was made aside.
    Staged(Staged),
    /// It is made beside its place.
    Beside,
}

/// Files, links and pipes that are not as they were: what cannot be renamed is made aside and durable first, then all is put.
fn files_back<'a>(all: impl Iterator<Item = (&'a Kept, bool)>, copies: &Copies, putter: &mut Putter) -> Result<(), InstallError> {
    let (mut made, mut places) = (Vec::new(), Places::default());
    for (kept, replaced) in all {
        let Some(meta) = meta_of(&kept.was) else { continue };
        let Some(place) = parent_of(kept, &mut places, putter)? else { continue };
        if place.stat()?.is_some_and(|s| as_it_was(&kept.was, &place, &s) || spared(kept, replaced, s.st_mode)) {
            continue;
        }
        let back = match &kept.was {
            Was::File { copy, .. } if copies.near(&place)? => Back::Copy(*copy),
            was => match with_content(was, copies, |content| putter.stages().make(&kept.path, content, meta))? {
                None => continue,
                Some(Some(staged)) => Back::Staged(staged),
                Some(None) => Back::Beside,
            },
        };
        made.push((kept, meta, place, back));
    }
    let mut together = Together::default();
    putter.stages().durable(&mut together)?;
    together.finish()?;
    for (kept, meta, place, back) in made {
        match back {
            Back::Copy(copy) => {
                // A copy that is gone was put back before a crash.
                if copies.read(copy)?.is_some() {
                    putter.take(&place)?;
                    copies.put(copy, &place)?;
                }
            }
            Back::Staged(staged) => drop(putter.put(staged, &place)?),
            Back::Beside => drop(with_content(&kept.was, copies, |content| putter.put_beside(&place, content, meta))?),
        }
    }
    Ok(())
}

fn meta_of(was: &Was) -> Option<&Meta> {
    match was {
        Was::File { meta, .. } | Was::Link { meta, .. } | Was::Pipe { meta } => Some(meta),
        Was::Absent | Was::Folder { .. } | Was::Other => None,
    }
}

fn as_it_was(was: &Was, place: &Place, now: &FileStat) -> bool {
    match was {
        Was::File { identity: was, .. } => *was == identity(now),
        Was::Link { meta, target } => {
            let points = || nix::fcntl::readlinkat(&place.folder, place.name.as_os_str()).is_ok_and(|there| there == target.as_os_str());
            kind(now) == SFlag::S_IFLNK && Meta::of(now) == *meta && points()
        }
        Was::Pipe { meta } => kind(now) == SFlag::S_IFIFO && now.st_mode & 0o7777 == meta.mode && (now.st_uid, now.st_gid) == (meta.uid, meta.gid),
        Was::Absent | Was::Folder { .. } | Was::Other => true,
    }
}

/// None: its copy is in its place already.
fn with_content<T>(was: &Was, copies: &Copies, done: impl FnOnce(Content) -> Result<T, InstallError>) -> Result<Option<T>, InstallError> {
    match was {
        Was::Link { target, .. } => done(Content::Link(target)).map(Some),
        Was::Pipe { .. } => done(Content::Pipe).map(Some),
        Was::File { copy, .. } => match copies.read(*copy)? {
            Some(mut file) => done(Content::File(&mut file)).map(Some),
            None => Ok(None),
        },
        Was::Absent | Was::Folder { .. } | Was::Other => Ok(None),
    }
}

/// What nobody installed is put back when it is gone or we replaced it, not when somebody else has changed it: it may be
/// newer data.
fn spared(kept: &Kept, replaced: bool, mode: u32) -> bool {
    kept.foreign && !replaced && mode & SFlag::S_IFMT.bits() != SFlag::S_IFDIR.bits()
}

/// Kept folders stand again before what lies in them. Only what is foreign may lie in a folder that was not kept.
fn parent_of(kept: &Kept, places: &mut Places, putter: &mut Putter) -> Result<Option<Place>, InstallError> {
    match places.reachable(&kept.path)? {
        Some(place) => Ok(Some(place)),
        None if kept.foreign => Ok(None),
        None => {
            for folder in kept.path.ancestors().skip(1).collect::<Vec<_>>().into_iter().rev().filter(|f| f.parent().is_some()) {
                putter.folder(&Place::of(folder)?, &super::decide::fresh())?;
            }
            Ok(Some(places.of(&kept.path)?))
        }
    }
}
