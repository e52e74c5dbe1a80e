//! Is the release directory what its manifest says? Asked first in every run: what root executes and installs must be what
//! was asked for by digest.

use std::fs;
use std::io;
use std::path::Path;

use pilotage_bundle::unpack::{self, Difference, UnpackError};
use pilotage_shared::digest::Digest;
use pilotage_shared::manifest::Manifest;
use pilotage_shared::run::Event;

use crate::install::InstallError;
use crate::install::installed;
use crate::layout::Layout;
use crate::prepare::{self, PrepareError, Prepared};

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

/// Compares every entry. A release that has been committed here before may have been worked in by its own application
/// (which runs from `current/`); then only what we would execute or install must be untouched.
pub fn verify(layout: &Layout, package: &Digest, prepared: &Prepared) -> Result<(), VerifyError> {
    let manifest = prepare::manifest(layout, package)?;
    let release = layout.release(package);
    let mut found = unpack::verify(&manifest, &release)?;
    if layout.committed(package).exists() {
        found.retain(|difference| is_used(difference, &manifest, prepared));
    } else if found.iter().any(|d| manifest.get(&d.path).is_none()) {
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

/// Below a release directory only root can write: nothing is swapped under our hands.
fn remove(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

/// Marks a release as one that was committed on this host.
pub fn mark_committed(layout: &Layout, package: &Digest) -> Result<(), InstallError> {
    installed::save(&layout.committed(package), &1)
}

fn is_used(difference: &Difference, manifest: &Manifest, prepared: &Prepared) -> bool {
    let path = Path::new(&difference.path);
    let script = |event: &Event| prepared.plan.to.get(event).is_some_and(|all| all.iter().any(|s| path == Path::new(s.location.trim_start_matches('/'))));
    let installs = |source: &str| path.starts_with(source.trim_matches('/')) || source.trim_matches(['/', '.']).is_empty();
    let known = manifest.get(&difference.path).is_some();
    difference.path == manifest.appspec || Event::ALL.iter().any(script) || (known && prepared.install.files.iter().any(|f| installs(&f.source)))
}
