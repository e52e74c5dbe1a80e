//! Packages on this machine's disk: manifests by digest, the objects that they name, uploads while they arrive.
//!
//! A package exists when the engine has its record; what lies here without one is what an unfinished upload left, and goes
//! with the next sweep.

mod configurations;
mod sweep;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use pilotage_bundle::objects::ObjectError;
use pilotage_bundle::pack::{self, PackError};
use pilotage_bundle::{BuildError, Objects, archive};
use pilotage_disk::durable::{self, DurableError};
use pilotage_disk::space;
use pilotage_shared::digest::Digest;
use pilotage_shared::manifest::{Manifest, ManifestError};

pub use sweep::sweep_forever;

/// Uploads are refused while fewer bytes are free.
pub const GUARD: u64 = 128 << 20;

/// Why a package could not be taken or given.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The archive.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The manifest's text.
    #[error("the manifest is not valid: {0}")]
    Manifest(#[from] ManifestError),
    /// The stream of objects.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// No such manifest.
    #[error("there is no manifest {0}; send it first")]
    Unknown(Digest),
    /// Objects are missing.
    #[error("{missing} of the objects of {digest} are not in the store; the first is {first}")]
    Incomplete {
        /// The package.
        digest: Digest,
        /// How many.
        missing: usize,
        /// Which.
        first: Digest,
    },
    /// No room.
    #[error("the coordinator's disk is nearly full: {free} bytes are free")]
    NoSpace {
        /// Free now.
        free: u64,
    },
    /// An object.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The disk.
    #[error(transparent)]
    Durable(#[from] DurableError),
    /// The disk.
    #[error("failed to {doing} {path}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The folder of packages.
#[derive(Debug)]
pub struct Packages {
    folder: PathBuf,
    objects: Objects,
    uploads: AtomicU64,
    /// Held shared from the first byte of an upload until its record is on disk, and alone by a sweep.
    pub(crate) gate: tokio::sync::RwLock<()>,
    /// Something was deleted: sweep soon.
    pub(crate) deleted: tokio::sync::Notify,
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> PackageError {
    let path = path.to_owned();
    move |source| PackageError::Io { doing, path, source }
}

impl Packages {
    /// Opens or makes the folder; uploads that a crash cut are removed.
    pub fn open(folder: &Path) -> Result<Packages, PackageError> {
        let uploads = folder.join("uploads");
        if uploads.exists() {
            fs::remove_dir_all(&uploads).map_err(failed("clear", &uploads))?;
        }
        for part in [&uploads, &folder.join("manifests"), &folder.join("configurations"), &folder.join("objects")] {
            durable::create_dirs(part, 0o755)?;
        }
        let objects = Objects::open(&folder.join("objects"))?;
        let (gate, deleted) = (tokio::sync::RwLock::new(()), tokio::sync::Notify::new());
        Ok(Packages { folder: folder.to_owned(), objects, uploads: AtomicU64::new(0), gate, deleted })
    }

    /// Is there room for more bytes?
    pub fn room(&self) -> Result<(), PackageError> {
        let free = space::free_bytes(&self.folder).map_err(failed("measure the free space of", &self.folder))?;
        if free < GUARD { Err(PackageError::NoSpace { free }) } else { Ok(()) }
    }

    /// A file for an upload; the caller removes it.
    pub fn upload_path(&self) -> PathBuf {
        self.folder.join("uploads").join(self.uploads.fetch_add(1, Ordering::Relaxed).to_string())
    }

    /// Takes an archive that has arrived whole.
    pub fn add_archive(&self, path: &Path) -> Result<Manifest, PackageError> {
        let built = archive::build(path, &self.objects, None)?;
        self.write_manifest(&built.manifest)?;
        Ok(built.manifest)
    }

    /// Takes a manifest; gives it with the objects that are not here yet.
    pub fn add_manifest(&self, text: &[u8]) -> Result<(Digest, Vec<Digest>), PackageError> {
        let manifest = Manifest::decode(text)?;
        self.write_manifest(&manifest)?;
        Ok((Digest::of(text), self.missing(&manifest).keys().copied().collect()))
    }

    fn write_manifest(&self, manifest: &Manifest) -> Result<(), PackageError> {
        let text = manifest.encode();
        Ok(durable::replace(&self.manifest_path(&Digest::of(text.as_bytes())), text.as_bytes(), 0o644)?)
    }

    fn missing(&self, manifest: &Manifest) -> BTreeMap<Digest, u64> {
        manifest.objects().into_iter().filter(|(digest, _)| !self.objects.has(digest)).collect()
    }

    /// Takes objects of a manifest (of a package or a configuration) that was sent before; gives the bytes that they hold.
    pub fn add_objects(&self, of: &Digest, from: impl Read) -> Result<u64, PackageError> {
        self.room()?;
        let wanted = match self.configuration(of) {
            Err(PackageError::Unknown(_)) => self.manifest(of)?.objects(),
            configuration => configuration?.objects(),
        };
        let missing: BTreeMap<Digest, u64> = wanted.iter().filter(|(digest, _)| !self.objects.has(digest)).map(|(d, size)| (*d, *size)).collect();
        // What is here already may come again: the caller may have asked before another upload brought it.
        pack::read(&self.objects, &wanted, from)?;
        Ok(missing.iter().filter(|(d, _)| self.objects.has(d)).map(|(_, size)| size).sum())
    }

    /// The manifest, when all of its objects are here.
    pub fn complete(&self, package: &Digest) -> Result<Manifest, PackageError> {
        let manifest = self.manifest(package)?;
        let missing = self.missing(&manifest);
        match missing.first_key_value() {
            None => Ok(manifest),
            Some((first, _)) => Err(PackageError::Incomplete { digest: *package, missing: missing.len(), first: *first }),
        }
    }

    fn manifest(&self, package: &Digest) -> Result<Manifest, PackageError> {
        Ok(Manifest::decode(&self.manifest_text(package)?)?)
    }

    /// The manifest's canonical text.
    pub fn manifest_text(&self, package: &Digest) -> Result<Vec<u8>, PackageError> {
        let path = self.manifest_path(package);
        match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(PackageError::Unknown(*package)),
            other => other.map_err(failed("read", &path)),
        }
    }

    fn manifest_path(&self, package: &Digest) -> PathBuf {
        self.folder.join("manifests").join(package.hex())
    }

    /// The objects.
    pub fn objects(&self) -> &Objects {
        &self.objects
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tar(files: &[(&str, &str)]) -> Vec<u8> {
        // A tar by hand: header blocks of 512 bytes.
        let mut out = Vec::new();
        for (name, content) in files {
            let mut header = [0u8; 512];
            header[..name.len()].copy_from_slice(name.as_bytes());
            header[100..108].copy_from_slice(b"0000644\0");
            header[108..116].copy_from_slice(b"0000000\0");
            header[116..124].copy_from_slice(b"0000000\0");
            header[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
            header[136..148].copy_from_slice(b"00000000000\0");
            header[148..156].copy_from_slice(b"        ");
            header[156] = b'0';
            header[257..265].copy_from_slice(b"ustar\x0000");
            let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
            header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            out.extend_from_slice(&header);
            out.extend_from_slice(content.as_bytes());
            out.resize(out.len().div_ceil(512) * 512, 0);
        }
        out.resize(out.len() + 1024, 0);
        out
    }

    #[test]
    fn an_archive_and_the_parts_of_it_are_the_same_package() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (first, second) = (Packages::open(a.path()).unwrap(), Packages::open(b.path()).unwrap());
        let path = first.upload_path();
        fs::write(&path, tar(&[("appspec.yml", "version: 0.0\nos: linux\n"), ("app", "hello")])).unwrap();
        let manifest = first.add_archive(&path).unwrap();
        let (digest, missing) = second.add_manifest(manifest.encode().as_bytes()).unwrap();
        assert_eq!((digest, missing.len()), (manifest.digest(), 2));
        assert!(matches!(second.complete(&digest), Err(PackageError::Incomplete { missing: 2, .. })));
        let mut stream = Vec::new();
        pack::write(first.objects(), missing, &mut stream).unwrap();
        assert!(second.add_objects(&digest, &stream[..stream.len() - 1]).is_err());
        second.add_objects(&digest, &stream[..]).unwrap();
        assert_eq!(second.complete(&digest).unwrap(), manifest);
        assert!(second.add_manifest(b"pilotage-manifest 9\n").is_err());
        assert!(matches!(second.complete(&Digest::of(b"x")), Err(PackageError::Unknown(_))));
    }
}
