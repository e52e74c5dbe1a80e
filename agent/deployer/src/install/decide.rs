//! What a switch will do: from the plan, from what was kept, and from what stands at the destinations now. Made twice, before
//! anything is disturbed and again after BeforeInstall; only the second one is done.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufRead as _};
use std::path::{Path, PathBuf};

use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstatat};
use nix::unistd::{getegid, geteuid};
use pilotage_disk::Together;
use serde::{Deserialize, Serialize};

use super::InstallError;
use super::installed::Installed;
use super::keep::{self, Record};
use super::kept::{Copies, Kept, open_file};
use super::meta::{LABEL, Meta};
use super::plan::{InstallPlan, Item, Origin, Source, plan};
use super::spec::{Exists, Spec};
use super::stage::Content;
use super::{context, foreign, permissions};
use crate::place::{self, Place, PlaceError, Places, kind};

/// What was there before: the run directory, and what Keep has written down.
pub struct From<'a> {
    /// The run directory.
    pub run: &'a Path,
    /// Of Keep.
    pub record: &'a Record,
}

/// What a switch does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// What is installed.
    pub plan: InstallPlan,
    /// Files of others that come back: the running release stands in their places, the new one does not.
    pub returned: BTreeMap<PathBuf, Item>,
    /// Kept now: what the plan found that Keep had not seen.
    pub kept: Vec<Kept>,
    /// Files of the running release that the new one does not have.
    pub stale: BTreeSet<PathBuf>,
    /// Its folders, likewise; they go if they are empty.
    pub stale_folders: BTreeSet<PathBuf>,
    /// What the new release will have installed.
    pub installed: Installed,
}

impl Decision {
    /// All that is put somewhere, in order.
    pub fn items(&self) -> impl Iterator<Item = (&PathBuf, &Item)> {
        self.plan.items.iter().chain(&self.returned)
    }

    /// What a folder gets when it is made.
    pub fn folder_meta(&self, path: &Path) -> Meta {
        self.plan.dressed.get(path).cloned().unwrap_or_else(fresh)
    }
}

/// Folders are made with the default umask, as ours (B7).
pub fn fresh() -> Meta {
    Meta { mode: 0o755, uid: geteuid().as_raw(), gid: getegid().as_raw(), mtime: (0, 0), attributes: Vec::new() }
}

/// Decides. `doubts` are reasons not to, as things are now, which hooks may still take away; what is kept now is durable with all
/// else that is `together`.
pub fn decide(from: &From, source: &Source, spec: &Spec, doubts: &mut Vec<InstallError>, together: &mut Together) -> Result<Decision, InstallError> {
    let record = from.record;
    for permission in &spec.permissions {
        permission.context.iter().try_for_each(|c| context::check(c, source.selinux))?;
    }
    let mut plan = plan(source, spec, doubts)?;
    let standing = leave_what_stays(&mut plan, record, source, spec.exists, doubts)?;
    let made = made(&plan, record, doubts)?;
    if source.selinux {
        label(&mut plan, &made)?;
    }
    let rules = permissions::apply(spec, &mut plan, &made, &fresh(), doubts)?;
    let kept = keep_more(from, &plan, &made, together)?;
    let files: BTreeSet<PathBuf> = plan.items.keys().cloned().collect();
    let gone = |path: &&PathBuf| !files.contains(*path);
    let (mut overwritten, mut returned) = (BTreeMap::new(), BTreeMap::new());
    for (path, was) in &record.installed.overwritten {
        if files.contains(path) {
            overwritten.insert(path.clone(), was.clone());
        } else if !plan.folders.contains(path) {
            returned.insert(path.clone(), foreign::item(was));
        }
    }
    let taken = record.kept.iter().chain(&kept).filter(|k| files.contains(&k.path) && standing.contains(&k.path));
    overwritten.extend(taken.filter_map(|k| Some((k.path.clone(), foreign::overwritten(k, record.stamp)?))));
    let stale = record.installed.files.iter().filter(gone).filter(|p| !returned.contains_key(*p)).cloned().collect();
    let stale_folders = record.installed.folders.iter().filter(|f| !plan.folders.contains(*f)).cloned().collect();
    Ok(Decision { plan, returned, kept, stale, stale_folders, installed: Installed { files, folders: made, overwritten, rules } })
}

/// Takes out of the plan what is not installed because something else stands there and stays. Says where something stands.
fn leave_what_stays(
    plan: &mut InstallPlan,
    record: &Record,
    source: &Source,
    exists: Exists,
    doubts: &mut Vec<InstallError>,
) -> Result<BTreeSet<PathBuf>, InstallError> {
    let (mut retained, mut standing, mut places) = (Vec::new(), BTreeSet::new(), Places::default());
    for (to, item) in &plan.items {
        let Some(place) = places.reachable(to)? else { continue };
        let Some(stat) = place.stat()? else { continue };
        match may_stand(&place, &stat, record, source, item, exists)? {
            Stand::Yes => drop(standing.insert(to.clone())),
            Stand::No => retained.push(to.clone()),
            Stand::Doubt(doubt) => doubts.push(doubt),
        }
    }
    for path in retained {
        plan.items.remove(&path);
    }
    Ok(standing)
}

enum Stand {
    /// Ours is installed.
    Yes,
    /// What is there stays.
    No,
    /// The deployment fails, if it is still so at Install.
    Doubt(InstallError),
}

/// C1–C4.
fn may_stand(place: &Place, stat: &FileStat, record: &Record, source: &Source, item: &Item, exists: Exists) -> Result<Stand, InstallError> {
    let (to, what) = (&place.path, kind(stat));
    if record.installed.files.contains(to) && what != SFlag::S_IFDIR {
        return Ok(Stand::Yes);
    }
    match what {
        SFlag::S_IFREG => {}
        // A dangling link counts as absent (C4); it is replaced, never written through.
        SFlag::S_IFLNK if fstatat(&place.folder, place.name.as_os_str(), AtFlags::empty()).is_err() => return Ok(Stand::Yes),
        SFlag::S_IFLNK => {}
        // A folder of the running release gives way to a file when it is empty by then.
        SFlag::S_IFDIR if record.installed.folders.contains(to) => return Ok(Stand::Yes),
        _ => return Ok(Stand::Doubt(InstallError::NotAFile(to.to_owned()))),
    }
    match exists {
        Exists::Overwrite => Ok(Stand::Yes),
        Exists::Retain => Ok(Stand::No),
        // The same content is no conflict: it may be what a lost record of ours has left (D5). It is kept as somebody else's.
        Exists::Disallow if same(place, source, item, stat.st_size)? => Ok(Stand::Yes),
        Exists::Disallow => Ok(Stand::Doubt(InstallError::Exists(to.to_owned()))),
    }
}

/// Is what stands there what would be installed?
fn same(place: &Place, source: &Source, item: &Item, size: i64) -> Result<bool, InstallError> {
    if let Origin::Link(target) = &item.origin {
        return Ok(readlinkat(&place.folder, place.name.as_os_str()).is_ok_and(|there| there == target.as_os_str()));
    }
    let Ok(there) = open_file(place) else { return Ok(false) };
    source.content(item, |content| match content {
        Content::File(ours) if ours.metadata().is_ok_and(|m| i64::try_from(m.len()) == Ok(size)) => {
            equal(there, ours).map_err(InstallError::io("compare", &place.path))
        }
        Content::File(_) | Content::Bytes(_) | Content::Link(_) | Content::Pipe | Content::Folder => Ok(false),
    })
}

fn equal(one: File, two: &mut File) -> io::Result<bool> {
    let (mut one, mut two) = (io::BufReader::with_capacity(128 << 10, one), io::BufReader::with_capacity(128 << 10, two));
    loop {
        let (a, b) = (one.fill_buf()?, two.fill_buf()?);
        let n = a.len().min(b.len());
        if n == 0 || a[..n] != b[..n] {
            return Ok(a.is_empty() && b.is_empty());
        }
        one.consume(n);
        two.consume(n);
    }
}

/// The folders that this release has made, or will have: only they are dressed, and go with it.
fn made(plan: &InstallPlan, record: &Record, doubts: &mut Vec<InstallError>) -> Result<BTreeSet<PathBuf>, InstallError> {
    let mut made: BTreeSet<PathBuf> = record.installed.folders.iter().filter(|f| plan.folders.contains(*f)).cloned().collect();
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
            Err(error @ PlaceError::NotAFolder(_)) => doubts.push(error.into()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(made)
}

/// On a host with SELinux what is made aside gets the label that it would have had in its folder.
fn label(plan: &mut InstallPlan, made: &BTreeSet<PathBuf>) -> Result<(), InstallError> {
    let mut last: Option<(PathBuf, Option<Vec<u8>>)> = None;
    for to in made.iter().filter(|to| place::folder(to).is_err()) {
        let mut meta = fresh();
        if let Some(label) = label_near(to, &mut last)? {
            meta.set(LABEL, label);
        }
        plan.dressed.insert(to.clone(), meta);
    }
    for (to, item) in &mut plan.items {
        let label = label_near(to, &mut last)?;
        if let (Some(label), false) = (label, matches!(item.origin, Origin::Link(_))) {
            item.meta.set(LABEL, label);
        }
    }
    Ok(())
}

/// The label of the nearest folder that is there; neighbours have the same.
fn label_near(to: &Path, last: &mut Option<(PathBuf, Option<Vec<u8>>)>) -> Result<Option<Vec<u8>>, InstallError> {
    let parent = to.parent().unwrap_or(to);
    if let Some((_, label)) = last.as_ref().filter(|(folder, _)| folder == parent) {
        return Ok(label.clone());
    }
    let (near, open) = place::nearest(parent)?;
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let open: File = openat(&open, ".", flags, Mode::empty()).map_err(InstallError::io("open", near))?.into();
    let label = context::inherited(&open);
    *last = Some((parent.to_owned(), label.clone()));
    Ok(label)
}

/// Copies aside what Keep had not seen.
fn keep_more(from: &From, plan: &InstallPlan, made: &BTreeSet<PathBuf>, together: &mut Together) -> Result<Vec<Kept>, InstallError> {
    let From { run, record } = *from;
    let known: BTreeSet<&PathBuf> = record.kept.iter().map(|k| &k.path).collect();
    let mut copies = Copies::open(&keep::copies_path(run), record.copies)?;
    let mut kept = Vec::new();
    for path in plan.items.keys().chain(made).filter(|p| !known.contains(p)) {
        kept.push(Kept { path: path.clone(), was: copies.keep(path)?, foreign: true });
    }
    copies.durable(together)?;
    Ok(kept)
}
