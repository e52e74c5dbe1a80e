//! Files of others that the app's installed files have taken the place of: kept from run to run, for as long as the app installs
//! at their paths, and given back then. Each is a copy of its own; the record that names it is `private/installed/<app>`.

use std::fs;
use std::os::fd::AsFd;
use std::path::Path;

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use pilotage_disk::Together;

use super::InstallError;
use super::decide::Decision;
use super::installed::{self, Installed, Overwritten, What};
use super::keep::Record;
use super::kept::{Copies, Kept, Was};
use super::plan::{Item, Origin};
use super::stage::{Content, make};
use crate::layout::Layout;

/// What a kept thing is once ours stands in its place; none when there is nothing to give back.
pub fn overwritten(kept: &Kept, stamp: u64) -> Option<Overwritten> {
    if !kept.foreign {
        return None;
    }
    match &kept.was {
        Was::File { meta, copy, .. } => Some(Overwritten { meta: meta.clone(), what: What::File(format!("{stamp}-{copy}")) }),
        Was::Link { meta, target } => Some(Overwritten { meta: meta.clone(), what: What::Link(target.clone()) }),
        Was::Absent | Was::Folder { .. } | Was::Pipe { .. } | Was::Other => None,
    }
}

/// What is installed to give it back.
pub fn item(overwritten: &Overwritten) -> Item {
    let origin = match &overwritten.what {
        What::File(name) => Origin::Foreign(name.clone()),
        What::Link(target) => Origin::Link(target.clone()),
    };
    Item { origin, meta: overwritten.meta.clone() }
}

/// Copies what this run has overwritten to where it outlives the run, durable with all else that is `together`. Can be done again.
pub fn take(folder: &Path, record: &Record, decision: &Decision, copies: &Copies, together: &mut Together) -> Result<(), InstallError> {
    for kept in record.kept.iter().chain(&decision.kept) {
        let (Was::File { meta, copy, .. }, Some(Overwritten { what: What::File(name), .. })) =
            (&kept.was, decision.installed.overwritten.get(&kept.path))
        else {
            continue;
        };
        if *name != format!("{}-{copy}", record.stamp) {
            continue;
        }
        let Some(mut content) = copies.read(*copy)? else { continue };
        together.create_dirs(folder, 0o755)?;
        let open = nix::fcntl::open(folder, OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
            .map_err(InstallError::io("open", folder))?;
        make(open.as_fd(), name, Content::File(&mut content), meta, &folder.join(name))?;
        let path = folder.join(name);
        together.content(fs::File::open(&path).map_err(InstallError::io("open", &path))?, &path);
        together.names(folder);
    }
    Ok(())
}

/// Removes what no record names any more. What cannot be removed now is removed after the next run.
pub fn sweep(layout: &Layout) {
    let Ok(known) = installed::load::<Installed>(&layout.installed()) else { return };
    let known = known.unwrap_or_default();
    let named = |name: &str| known.overwritten.values().any(|o| matches!(&o.what, What::File(n) if n == name));
    for entry in fs::read_dir(layout.foreign()).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_none_or(|name| !named(name)) {
            let _ = fs::remove_file(entry.path());
        }
    }
}
