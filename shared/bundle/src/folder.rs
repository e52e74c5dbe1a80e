//! A folder as a package. It belongs to whoever builds; still, links are data, and devices and the like are refused.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use pilotage_shared::limits::UNPACKED_MAX;

use crate::build::{BuildError, Builder, Built};
use crate::objects::Objects;

/// Makes a package of a folder; its contents go to `objects`.
pub fn build(path: &Path, objects: &Objects, appspec: Option<&str>) -> Result<Built, BuildError> {
    let mut builder = Builder::new(objects, UNPACKED_MAX);
    walk(path, "", &mut builder)?;
    builder.finish(appspec)
}

fn walk(folder: &Path, below: &str, builder: &mut Builder) -> Result<(), BuildError> {
    let read = |path: &Path| {
        let path = path.to_owned();
        move |source| BuildError::Read { path, source }
    };
    let mut entries: Vec<_> = fs::read_dir(folder).map_err(read(folder))?.collect::<Result<_, _>>().map_err(read(folder))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let not_utf8 = || BuildError::Hostile { entry: path.display().to_string(), why: "its name is not UTF-8".into() };
        let name = entry.file_name().into_string().map_err(|_| not_utf8())?;
        let inner = if below.is_empty() { name } else { format!("{below}/{name}") };
        let metadata = path.symlink_metadata().map_err(read(&path))?;
        let kind = metadata.file_type();
        if kind.is_symlink() {
            let target = fs::read_link(&path).map_err(read(&path))?;
            builder.link(&inner, target.to_str().ok_or_else(not_utf8)?)?;
        } else if kind.is_dir() {
            builder.directory(&inner, metadata.mode())?;
            walk(&path, &inner, builder)?;
        } else if kind.is_file() {
            file(&path, &inner, builder)?;
        } else {
            return Err(neither(inner));
        }
    }
    Ok(())
}

fn neither(entry: String) -> BuildError {
    BuildError::Hostile { entry, why: "it is neither a file, a folder nor a link".into() }
}

/// Judged by what was opened: what the name holds may have changed since it was listed.
fn file(path: &Path, inner: &str, builder: &mut Builder) -> Result<(), BuildError> {
    let read = |source| BuildError::Read { path: path.to_owned(), source };
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
    let file = File::options().read(true).custom_flags(flags).open(path).map_err(read)?;
    let metadata = file.metadata().map_err(read)?;
    if !metadata.is_file() {
        return Err(neither(inner.to_owned()));
    }
    match builder.file(inner, metadata.mode(), metadata.mtime().max(0) as u64, file) {
        Err(BuildError::Content { source, .. }) => Err(read(source)),
        other => other,
    }
}
