//! The packages of a backup, behind its records: a first line that names the format; the number of manifests (8 bytes,
//! big-endian); each of them as its length (4 bytes) and text; then all their objects, as they are sent to hosts. Each object
//! and each manifest is what its digest says, or is refused.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read, Write};
use std::path::Path;

use pilotage_bundle::pack;
use pilotage_shared::digest::Digest;
use pilotage_shared::manifest::Manifest;

use super::BackupError;
use crate::packages::{PackageError, Packages};

/// The first line, with the format.
const MAGIC: &[u8] = b"pilotage-packages 1\n";
/// What every format begins with.
const ANY: &[u8] = b"pilotage-packages ";
/// The largest manifest that is read.
const MANIFEST_MAX: u32 = 256 << 20;

/// How many packages are in a backup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// In it.
    pub packages: u64,
    /// Known to the store, but their contents are not on this machine.
    pub left_out: u64,
}

/// What is to be copied.
pub(super) struct Plan {
    manifests: Vec<Manifest>,
    objects: BTreeMap<Digest, u64>,
    left_out: u64,
    /// That it takes.
    pub bytes: u64,
}

/// Looks which of these packages are whole here.
pub(super) fn plan(packages: &Packages, digests: &[Digest]) -> Result<Plan, BackupError> {
    let mut plan = Plan { manifests: Vec::new(), objects: BTreeMap::new(), left_out: 0, bytes: 0 };
    for digest in digests {
        match packages.complete(digest) {
            Ok(manifest) => {
                plan.objects.extend(manifest.objects());
                plan.manifests.push(manifest);
            }
            // After a restore without packages.
            Err(PackageError::Unknown(_) | PackageError::Incomplete { .. }) => plan.left_out += 1,
            Err(error) => return Err(error.into()),
        }
    }
    for digest in plan.objects.keys() {
        plan.bytes += packages.objects().open_raw(digest).map_err(PackageError::from)?.1;
    }
    Ok(plan)
}

/// Writes them behind the records.
pub(super) fn write(packages: &Packages, plan: Plan, path: &Path, to: &mut impl Write) -> Result<Taken, BackupError> {
    let failed = |source| BackupError::Folder { path: path.to_owned(), source };
    to.write_all(MAGIC).and_then(|()| to.write_all(&(plan.manifests.len() as u64).to_be_bytes())).map_err(failed)?;
    for manifest in &plan.manifests {
        let text = manifest.encode();
        to.write_all(&(text.len() as u32).to_be_bytes()).and_then(|()| to.write_all(text.as_bytes())).map_err(failed)?;
    }
    pack::write(packages.objects(), plan.objects.into_keys(), to).map_err(PackageError::from)?;
    Ok(Taken { packages: plan.manifests.len() as u64, left_out: plan.left_out })
}

/// Takes what follows the records: nothing, or packages. `known`: those that the records name.
pub(super) fn read(path: &Path, mut from: impl BufRead, open: impl FnOnce() -> Result<Packages, PackageError>) -> Result<u64, BackupError> {
    let damaged = |what: &str| BackupError::Damaged { path: path.to_owned(), what: what.to_owned() };
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::UnexpectedEof => damaged("it is cut"),
        _ => BackupError::Folder { path: path.to_owned(), source },
    };
    if from.fill_buf().map_err(failed)?.is_empty() {
        return Ok(0);
    }
    let mut magic = [0; MAGIC.len()];
    from.read_exact(&mut magic).map_err(failed)?;
    if magic != MAGIC {
        return Err(match magic.starts_with(ANY) {
            true => BackupError::Newer { path: path.to_owned(), what: "its packages have another format".into() },
            false => damaged("something follows its records that are no packages"),
        });
    }
    let packages = open()?;
    let mut number = [0; 8];
    from.read_exact(&mut number).map_err(failed)?;
    let (mut manifests, mut wanted) = (Vec::new(), BTreeMap::new());
    for _ in 0..u64::from_be_bytes(number) {
        let mut length = [0; 4];
        from.read_exact(&mut length).map_err(failed)?;
        let length = u32::from_be_bytes(length);
        if length > MANIFEST_MAX {
            return Err(damaged("a manifest is too large"));
        }
        let mut text = Vec::new();
        from.by_ref().take(length.into()).read_to_end(&mut text).map_err(failed)?;
        let (digest, _) = packages.add_manifest(&text)?;
        wanted.extend(Manifest::decode(&text).map_err(PackageError::from)?.objects());
        manifests.push(digest);
    }
    pack::read(packages.objects(), &wanted, from).map_err(PackageError::from)?;
    for digest in &manifests {
        packages.complete(digest)?;
    }
    Ok(manifests.len() as u64)
}
