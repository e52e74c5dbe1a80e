//! Is the release directory what its manifest says? Asked first in every run: what root executes and installs must be what
//! was asked for by digest.

use std::fs;
use std::io;
use std::path::Path;

use pilotage_agent_core::lifecycle::Hooks;
use pilotage_bundle::unpack::{self, UnpackError};
use pilotage_disk::Together;
use pilotage_shared::digest::Digest;
use pilotage_shared::manifest::Manifest;

use crate::install::spec::Spec;
use crate::layout::Layout;
use crate::prepare::{self, PrepareError, Prepared};
use crate::seal::{self, Seal, SealError};

/// Why a release is not used.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Its manifest.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// Reading it.
    #[error("failed to verify the release")]
    Read(#[from] UnpackError),
    /// Something in it that is not of the package.
    #[error("failed to remove {path:?} from the release")]
    Extra {
        /// What.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Its seal.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// It is something else.
    #[error("the release differs from its manifest in {count} places, first {path:?}: {what}")]
    Differs {
        /// How many.
        count: usize,
        /// The first.
        path: String,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// Compares every entry. A release that has been committed here before may have been worked in by its own application (which
/// runs from `current/`): it is compared with its seal and mended, and then only what we would execute or install must be as
/// the package, or a hook before that commit, has made it.
pub fn verify(layout: &Layout, package: &Digest, prepared: &Prepared) -> Result<(), VerifyError> {
    let manifest = prepare::manifest(layout, package)?;
    let release = layout.release(package);
    if seal::sealed(layout, package) {
        return Ok(seal::mend(layout, package, &manifest, &|path| is_used(path, &manifest, &prepared.plan.to, &prepared.install))?);
    }
    let mut found = unpack::verify(&manifest, &release)?;
    if found.iter().any(|d| manifest.get(&d.path).is_none()) {
        // Hooks of a run that failed may have left things here (B15); the release begins again as it came.
        for extra in found.iter().filter(|d| manifest.get(&d.path).is_none()) {
            remove(&release.join(&extra.path)).map_err(|source| VerifyError::Extra { path: extra.path.clone(), source })?;
        }
        found = unpack::verify(&manifest, &release)?;
    }
    match found.first() {
        None => Ok(()),
        Some(first) => Err(VerifyError::Differs { count: found.len(), path: first.path.clone(), what: first.what }),
    }
}

/// Before the old release is started again: it is compared with its seal, and mended.
pub fn mend(layout: &Layout, package: &Digest, hooks: &Hooks) -> Result<(), VerifyError> {
    let manifest = prepare::manifest(layout, package)?;
    Ok(seal::mend(layout, package, &manifest, &|path| is_used(path, &manifest, hooks, &Spec::default()))?)
}

/// Seals a release that is committed, durable with all else that is `together`. `since`: when it was verified, seconds since 1970.
pub fn seal(layout: &Layout, package: &Digest, since: i64, together: &mut Together) -> Result<Seal, VerifyError> {
    let manifest = prepare::manifest(layout, package)?;
    Ok(seal::seal(layout, package, &manifest, since, together)?)
}

/// Below a release directory only root can write: nothing is swapped under our hands.
fn remove(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

fn is_used(path: &str, manifest: &Manifest, hooks: &Hooks, install: &Spec) -> bool {
    let script = || hooks.values().flatten().any(|s| Path::new(path) == Path::new(s.location.trim_start_matches('/')));
    let installs = |source: &str| Path::new(path).starts_with(source.trim_matches('/')) || source.trim_matches(['/', '.']).is_empty();
    path == manifest.appspec || script() || install.files.iter().any(|f| installs(&f.source))
}
