//! Seals: what a release was when it was committed here. Hooks may have changed it by then, and its application may work in it
//! afterwards; so the seal says what of it is not as in the manifest, with the contents, up to a budget.
//!
//! Before a release is gone back to, it is compared with manifest and seal. What is missing, and what we or the system would
//! execute or install and is another, is mended: from the package's objects, or from what the seal has kept. What else has
//! changed since the commit is the application's own data, and stays.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use pilotage_bundle::Objects;
use pilotage_bundle::beneath::Root;
use pilotage_bundle::unpack::{self, UnpackError};
use pilotage_disk::{Together, durable};
use pilotage_shared::digest::{Digest, Hasher};
use pilotage_shared::manifest::{Kind, Manifest};
use serde::{Deserialize, Serialize};

use crate::install::InstallError;
use crate::install::installed;
use crate::layout::Layout;

/// Contents that one seal keeps, in bytes.
const BYTES: u64 = 256 << 20;
/// And in number of entries.
const ENTRIES: usize = 50_000;

/// What is not as the manifest says.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// By path inside the release.
    pub entries: BTreeMap<String, Sealed>,
    /// What was over the budget: it is not kept, and not mended.
    pub left_out: u64,
}

/// One thing as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sealed {
    /// It was not there any more.
    Gone,
    /// A folder.
    Folder,
    /// A link to this.
    Link(PathBuf),
    /// A file.
    File {
        /// Of its content, which lies beside the seal.
        digest: Digest,
        /// Permission bits.
        mode: u32,
    },
}

/// Why a release cannot be sealed, or gone back to.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Reading the release.
    #[error("failed to compare the release with its manifest")]
    Compare(#[from] UnpackError),
    /// Reading or writing it.
    #[error("failed to {doing} {path:?} of the release")]
    Io {
        /// What.
        doing: &'static str,
        /// Inside the release.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Nothing has its content any more.
    #[error(
        "the release is damaged and cannot be mended: {path:?} is not as it was committed, and its content is nowhere on this host; fetch the package again or deploy another"
    )]
    Lost {
        /// Which.
        path: String,
    },
    /// Our own records.
    #[error(transparent)]
    Record(#[from] InstallError),
    /// Our own files.
    #[error("failed to keep the seal")]
    Durable(#[from] durable::DurableError),
}

fn failed<'a>(doing: &'static str, path: &'a str) -> impl FnOnce(io::Error) -> SealError + use<'a> {
    move |source| SealError::Io { doing, path: path.to_owned(), source }
}

fn record(folder: &Path) -> PathBuf {
    folder.join("seal")
}

fn contents(folder: &Path) -> PathBuf {
    folder.join("contents")
}

/// Has the release been committed here before?
pub fn sealed(layout: &Layout, package: &Digest) -> bool {
    record(&layout.seal(package)).exists()
}

/// Seals a release as it is now; durable with all else that is `together`. `since`: when it was last compared with its manifest,
/// seconds since 1970.
pub fn seal(layout: &Layout, package: &Digest, manifest: &Manifest, since: i64, together: &mut Together) -> Result<Seal, SealError> {
    let (release, folder) = (layout.release(package), layout.seal(package));
    together.create_dirs(&contents(&folder), 0o700)?;
    let root = Root::open(&release).map_err(failed("open", ""))?;
    let mut sealing = Sealing { root: &root, contents: contents(&folder), seal: Seal::default(), bytes: BYTES, together };
    for difference in unpack::verify_since(manifest, &release, since)? {
        sealing.take(&difference.path)?;
    }
    let seal = sealing.seal;
    installed::add(together, &record(&folder), &seal)?;
    Ok(seal)
}

/// Removes the contents that an earlier seal of the release had, and this one has not.
pub fn tidy(layout: &Layout, package: &Digest, seal: &Seal) {
    let folder = layout.seal(package);
    let named = |name: &str| seal.entries.values().any(|s| matches!(s, Sealed::File { digest, .. } if digest.hex() == name));
    for entry in fs::read_dir(contents(&folder)).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_none_or(|name| !named(name)) {
            let _ = fs::remove_file(entry.path()); // no seal names it: the next one tries again
        }
    }
}

struct Sealing<'a> {
    root: &'a Root,
    contents: PathBuf,
    seal: Seal,
    bytes: u64,
    together: &'a mut Together,
}

impl Sealing<'_> {
    fn take(&mut self, path: &str) -> Result<(), SealError> {
        let stat = match self.root.stat(path) {
            Ok(stat) => stat,
            Err(error) if gone(&error) => {
                self.seal.entries.insert(path.to_owned(), Sealed::Gone);
                return Ok(());
            }
            Err(error) => return Err(failed("look at", path)(error)),
        };
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        if self.seal.entries.len() >= ENTRIES || (stat.st_mode & 0o170_000 == 0o100_000 && size > self.bytes) {
            self.seal.left_out += 1;
            return Ok(());
        }
        match stat.st_mode & 0o170_000 {
            0o040_000 => {
                self.seal.entries.insert(path.to_owned(), Sealed::Folder);
                for (name, _) in self.root.list(path).map_err(failed("list", path))? {
                    // A name that is no text is over what a record can say.
                    match name.to_str() {
                        Some(name) => self.take(&format!("{path}/{name}"))?,
                        None => self.seal.left_out += 1,
                    }
                }
            }
            0o120_000 => {
                let target = self.root.read_link(path).map_err(failed("read the link", path))?;
                self.seal.entries.insert(path.to_owned(), Sealed::Link(target.into()));
            }
            0o100_000 => {
                self.bytes -= size;
                let digest = self.content(path)?;
                self.seal.entries.insert(path.to_owned(), Sealed::File { digest, mode: stat.st_mode & 0o7777 });
            }
            _ => {}
        }
        Ok(())
    }

    /// Copies a content beside the seal, under its digest.
    fn content(&mut self, path: &str) -> Result<Digest, SealError> {
        let digest = digest_of(self.root, path)?;
        let kept = self.contents.join(digest.hex());
        let taken = |sealed: &Sealed| matches!(sealed, Sealed::File { digest: other, .. } if *other == digest);
        if !kept.exists() && !self.seal.entries.values().any(taken) {
            let mut from = self.root.open_file(path).map_err(failed("open", path))?;
            let mut to = durable::Replacement::begin(&kept, 0o600)?;
            io::copy(&mut from, &mut to).map_err(failed("copy", path))?;
            self.together.file(to)?;
        }
        Ok(digest)
    }
}

/// Compares a release with its seal, and mends it. `used`: what of it we would execute or install.
pub fn mend(layout: &Layout, package: &Digest, manifest: &Manifest, used: &dyn Fn(&str) -> bool) -> Result<(), SealError> {
    let (release, folder) = (layout.release(package), layout.seal(package));
    let Some(seal) = installed::load::<Seal>(&record(&folder))? else { return Ok(()) };
    let mut wrong: BTreeSet<String> = unpack::verify(manifest, &release)?.into_iter().map(|d| d.path).collect();
    // What is in no manifest and in no seal is the application's own.
    wrong.retain(|path| manifest.get(path).is_some());
    wrong.extend(seal.entries.keys().cloned());
    let root = Root::open(&release).map_err(failed("open", ""))?;
    let mut mended = false;
    for path in &wrong {
        let sealed = seal.entries.get(path).cloned().or_else(|| of_manifest(manifest, path));
        let Some(sealed) = sealed else { continue };
        match state(&root, path, &sealed)? {
            State::Same => continue,
            State::Missing => {}
            State::Other if used(path) || executable(&sealed) => {}
            State::Other => continue,
        }
        restore(layout, &folder, &root, path, &sealed)?;
        mended = true;
    }
    if mended { root.sync_all().map_err(failed("sync", "")) } else { Ok(()) }
}

fn of_manifest(manifest: &Manifest, path: &str) -> Option<Sealed> {
    let entry = manifest.get(path)?;
    Some(match &entry.kind {
        Kind::Directory => Sealed::Folder,
        Kind::Link { target } => Sealed::Link(target.into()),
        Kind::File { digest } => Sealed::File { digest: *digest, mode: unpack::release_mode(entry) },
    })
}

enum State {
    Same,
    Missing,
    Other,
}

fn state(root: &Root, path: &str, sealed: &Sealed) -> Result<State, SealError> {
    let stat = match root.stat(path) {
        Ok(stat) => stat,
        Err(error) if gone(&error) => return Ok(if *sealed == Sealed::Gone { State::Same } else { State::Missing }),
        Err(error) => return Err(failed("look at", path)(error)),
    };
    let same = match (sealed, stat.st_mode & 0o170_000) {
        // What came back since is the application's own.
        (Sealed::Gone, _) | (Sealed::Folder, 0o040_000) => true,
        (Sealed::Link(target), 0o120_000) => root.read_link(path).map_err(failed("read the link", path))? == target.as_os_str(),
        // A hook may have been made executable since.
        (Sealed::File { digest, mode }, 0o100_000) => stat.st_mode & 0o7666 == mode & 0o7666 && digest_of(root, path)? == *digest,
        (Sealed::Folder | Sealed::Link(_) | Sealed::File { .. }, _) => false,
    };
    Ok(if same { State::Same } else { State::Other })
}

fn executable(sealed: &Sealed) -> bool {
    matches!(sealed, Sealed::File { mode, .. } if mode & 0o111 != 0)
}

fn restore(layout: &Layout, folder: &Path, root: &Root, path: &str, sealed: &Sealed) -> Result<(), SealError> {
    let lost = |_| SealError::Lost { path: path.to_owned() };
    match sealed {
        Sealed::Gone => Ok(()),
        Sealed::Folder => {
            if let Ok(stat) = root.stat(path)
                && stat.st_mode & 0o170_000 != 0o040_000
            {
                root.remove_file(path).map_err(failed("replace", path))?;
            }
            root.make_folder(path, 0o755).map_err(failed("make the folder", path))
        }
        Sealed::Link(target) => {
            let target = target.to_str().ok_or_else(|| SealError::Lost { path: path.to_owned() })?;
            let aside = aside(path);
            let _ = root.remove_file(&aside); // of an interrupted mending
            root.make_link(&aside, target).map_err(failed("make the link", path))?;
            root.rename(&aside, path).map_err(failed("put back", path))
        }
        Sealed::File { digest, mode } => {
            let kept = contents(folder).join(digest.hex());
            let mut content: Box<dyn io::Read> = match File::open(&kept) {
                Ok(file) => Box::new(file),
                Err(_) => Box::new(Objects::at(&layout.objects()).read(digest).map_err(lost)?),
            };
            let aside = aside(path);
            let _ = root.remove_file(&aside); // of an interrupted mending
            let mut to = root.create_file(&aside).map_err(failed("write", path))?;
            io::copy(&mut content, &mut to).map_err(failed("write", path))?;
            to.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(*mode)).map_err(failed("set the mode of", path))?;
            root.rename(&aside, path).map_err(failed("put back", path))
        }
    }
}

/// A name beside.
fn aside(path: &str) -> String {
    let (parent, name) = path.rsplit_once('/').map_or(("", path), |(parent, name)| (parent, name));
    let name: String = format!(".pilotage-{name}").chars().take(60).collect();
    if parent.is_empty() { name } else { format!("{parent}/{name}") }
}

fn digest_of(root: &Root, path: &str) -> Result<Digest, SealError> {
    let mut file = root.open_file(path).map_err(failed("open", path))?;
    let (mut hasher, mut buffer) = (Hasher::default(), vec![0; 128 << 10]);
    loop {
        match io::Read::read(&mut file, &mut buffer).map_err(failed("read", path))? {
            0 => return Ok(hasher.finish()),
            n => hasher.update(&buffer[..n]),
        }
    }
}

fn gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(code) if [nix::errno::Errno::ENOENT, nix::errno::Errno::ENOTDIR, nix::errno::Errno::ELOOP].iter().any(|e| *e as i32 == code))
}

/// Removes the seals of releases that are gone.
pub fn sweep(layout: &Layout) {
    for entry in fs::read_dir(layout.seals()).into_iter().flatten().flatten() {
        if !layout.app().join("releases").join(entry.file_name()).exists() {
            let _ = fs::remove_dir_all(entry.path()); // the next sweep tries again
        }
    }
}
