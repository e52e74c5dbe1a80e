//! From entries, in whatever form they come, to a manifest and its objects. One function for all forms, so that the same tree
//! has the same digest as a folder, a tar or a zip.
//!
//! Normalised, because the forms do not carry it alike: owner and group are `root` (an AppSpec's `permissions` says others),
//! folders have no time, times of files are whole even seconds (zip knows no others), links have mode 0777.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

use pilotage_shared::digest::Digest;
use pilotage_shared::limits::{APPSPEC_MAX, ENTRIES_MAX, UNPACKED_MAX, UNPACKED_RATIO, UNPACKED_RATIO_FROM};
use pilotage_shared::manifest::{Entry, Kind, Manifest, ManifestError, check_path};

use crate::appspec::{self, AppSpec, Note};
use crate::objects::{ObjectError, Objects};

/// Why no package could be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The input could not be read.
    #[error("failed to read {path}")]
    Read {
        /// What.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The archive is damaged, cut, or of an unknown form.
    #[error("the archive cannot be read: {0}")]
    Archive(String),
    /// A content ended too early, or cannot be unpacked.
    #[error("the content of {entry:?} cannot be read")]
    Content {
        /// Of which entry.
        entry: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Something in it must not be.
    #[error("the package has {entry:?}: {why}")]
    Hostile {
        /// Its path.
        entry: String,
        /// What is wrong.
        why: String,
    },
    /// No AppSpec at its root.
    #[error("there is no appspec.yml (or appspec.yaml) at the root of the package{near}")]
    NoAppSpec {
        /// What looks like one.
        near: String,
    },
    /// No AppSpec of the name that was given.
    #[error("there is no file {name} in the package{near}")]
    NoSuchAppSpec {
        /// Which was wanted.
        name: String,
        /// What looks like one.
        near: String,
    },
    /// The AppSpec is wrong.
    #[error("{file} {note}")]
    AppSpec {
        /// Its name.
        file: String,
        /// Line and text.
        note: Note,
    },
    /// The manifest cannot be.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The store.
    #[error("failed to store a file of the package")]
    Object(#[from] ObjectError),
}

/// A package that was made.
#[derive(Debug)]
pub struct Built {
    /// Its content; `manifest.digest()` is its identity.
    pub manifest: Manifest,
    /// Its AppSpec.
    pub appspec: AppSpec,
}

/// Collects entries.
pub struct Builder<'a> {
    objects: &'a Objects,
    entries: BTreeMap<String, Entry>,
    bytes: u64,
    limit: u64,
}

fn hostile<T>(entry: &str, why: impl Into<String>) -> Result<T, BuildError> {
    Err(BuildError::Hostile { entry: entry.chars().take(200).collect(), why: why.into() })
}

impl<'a> Builder<'a> {
    /// For an input of that many bytes: unpacked it may have [`UNPACKED_RATIO`] times as many.
    pub fn new(objects: &'a Objects, input: u64) -> Self {
        let limit = input.saturating_mul(UNPACKED_RATIO).clamp(UNPACKED_RATIO_FROM, UNPACKED_MAX);
        Self { objects, entries: BTreeMap::new(), bytes: 0, limit }
    }

    /// Bytes that it may have unpacked.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// A regular file.
    pub fn file(&mut self, path: &str, mode: u32, mtime: u64, content: impl Read) -> Result<(), BuildError> {
        let path = self.admit(path)?;
        let left = self.limit - self.bytes;
        let (digest, size) = match self.objects.put_at_most(content, left) {
            Ok(stored) => stored,
            Err(ObjectError::TooLong { .. }) => {
                return hostile(&path, format!("unpacked it has more than {} bytes, which such an input may have", self.limit));
            }
            Err(ObjectError::Source(source)) => return Err(BuildError::Content { entry: path, source }),
            Err(error) => return Err(error.into()),
        };
        self.bytes += size;
        self.insert(path, Kind::File { digest }, mode & 0o7777, mtime & !1, size)
    }

    /// A second name of a file that came before: an independent file.
    pub fn copy(&mut self, path: &str, original: &str) -> Result<(), BuildError> {
        let path = self.admit(path)?;
        let original = clean(original);
        match self.entries.get(&original) {
            Some(Entry { kind: Kind::File { digest }, mode, mtime, size, .. }) => {
                let (kind, mode, mtime, size) = (Kind::File { digest: *digest }, *mode, *mtime, *size);
                if size > self.limit - self.bytes {
                    return hostile(&path, format!("unpacked the package has more than {} bytes", self.limit));
                }
                self.bytes += size;
                self.insert(path, kind, mode, mtime, size)
            }
            _ => hostile(&path, format!("it is a hard link to {original:?}, which is no file of the package before it")),
        }
    }

    /// A folder; saying it twice is fine.
    pub fn directory(&mut self, path: &str, mode: u32) -> Result<(), BuildError> {
        if clean(path).is_empty() {
            return Ok(());
        }
        if let Some(entry) = self.entries.get_mut(&clean(path))
            && entry.kind == Kind::Directory
        {
            entry.mode = mode & 0o7777;
            return Ok(());
        }
        let path = self.admit(path)?;
        self.insert(path, Kind::Directory, mode & 0o7777, 0, 0)
    }

    /// A symbolic link: data.
    pub fn link(&mut self, path: &str, target: &str) -> Result<(), BuildError> {
        let path = self.admit(path)?;
        let size = target.len() as u64;
        self.insert(path, Kind::Link { target: target.to_owned() }, 0o777, 0, size)
    }

    fn insert(&mut self, path: String, kind: Kind, mode: u32, mtime: u64, size: u64) -> Result<(), BuildError> {
        let entry = Entry { path: path.clone(), kind, mode, owner: "root".into(), group: "root".into(), mtime, size };
        self.entries.insert(path, entry);
        Ok(())
    }

    /// May there be an entry of this path? Makes the folders above it that were not named.
    fn admit(&mut self, path: &str) -> Result<String, BuildError> {
        if path.starts_with('/') {
            return hostile(path, "its path is absolute");
        }
        let path = clean(path);
        if let Err(why) = check_path(&path) {
            return hostile(&path, why);
        }
        if self.entries.len() >= ENTRIES_MAX {
            return hostile(&path, format!("it is one entry more than {ENTRIES_MAX}"));
        }
        if self.entries.contains_key(&path) {
            return hostile(&path, "it is there twice");
        }
        for (at, _) in path.match_indices('/') {
            let parent = &path[..at];
            match self.entries.get(parent).map(|e| &e.kind) {
                Some(Kind::Directory) => {}
                Some(Kind::Link { .. }) => return hostile(&path, format!("it lies below the link {parent:?}")),
                Some(Kind::File { .. }) => return hostile(&path, format!("it lies below the file {parent:?}")),
                None => self.insert(parent.to_owned(), Kind::Directory, 0o755, 0, 0)?,
            }
        }
        Ok(path)
    }

    /// Strips a single top folder that holds the AppSpec, finds and reads the AppSpec, makes the manifest.
    pub fn finish(mut self, appspec: Option<&str>) -> Result<Built, BuildError> {
        self.strip_single_folder();
        let wanted = appspec.map(clean);
        let names = wanted.as_deref().map_or_else(|| vec!["appspec.yml", "appspec.yaml"], |name| vec![name, "appspec.yaml", "appspec.yml"]);
        let is_file = |name: &&str| matches!(self.entries.get(*name), Some(Entry { kind: Kind::File { .. }, .. }));
        let Some(name) = names.into_iter().find(is_file) else { return Err(self.no_appspec(appspec)) };
        let manifest = Manifest::new(name, self.entries.values().cloned().collect())?;
        let text = self.read_appspec(&manifest)?;
        let wrong = |note| BuildError::AppSpec { file: name.to_owned(), note };
        let mut appspec = appspec::parse(&text).map_err(wrong)?;
        if let Some(wanted) = wanted.as_deref().filter(|wanted| *wanted != name) {
            appspec
                .warnings
                .insert(0, Note { line: 1, text: format!("there is no {wanted} in the package: this is {name} (CodeDeploy falls back to it)") });
        }
        // A link to the shared folder will stand there: what the package has would be hidden.
        for shared in appspec.ours.iter().flat_map(|ours| &ours.shared) {
            let below = |path: &str| path.strip_prefix(shared.path.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            if let Some(entry) = manifest.entries.iter().find(|entry| below(&entry.path)) {
                let text = format!("x-pilotage: shared: {:?} is in the package ({:?}): leave it out of it", shared.path, entry.path);
                return Err(wrong(Note { line: shared.line, text }));
            }
        }
        Ok(Built { manifest, appspec })
    }

    /// What is there instead: names are case-sensitive (A5), and one may lie deeper.
    fn no_appspec(&self, wanted: Option<&str>) -> BuildError {
        let like = |entry: &&Entry| {
            matches!(entry.kind, Kind::File { .. }) && entry.path.rsplit('/').next().is_some_and(|n| n.to_lowercase().starts_with("appspec."))
        };
        let near = self.entries.values().find(like).map_or_else(String::new, |e| format!("; there is {:?}: name it with --appspec", e.path));
        match wanted {
            Some(name) => BuildError::NoSuchAppSpec { name: name.to_owned(), near },
            None => BuildError::NoAppSpec { near },
        }
    }

    fn read_appspec(&self, manifest: &Manifest) -> Result<Vec<u8>, BuildError> {
        let Some(Kind::File { digest }) = manifest.get(&manifest.appspec).map(|e| &e.kind) else { return Err(self.no_appspec(None)) };
        let mut text = Vec::new();
        let content = self.objects.read(digest)?;
        content.take(APPSPEC_MAX + 1).read_to_end(&mut text).map_err(|e| BuildError::Object(ObjectError::Source(e)))?;
        Ok(text)
    }

    /// Exactly one entry at the top, a folder with something named like an AppSpec in it: its content is the package (J4).
    fn strip_single_folder(&mut self) {
        let mut top = self.entries.values().filter(|e| !e.path.contains('/'));
        let (Some(first), None) = (top.next(), top.next()) else { return };
        let prefix = format!("{}/", first.path);
        let named = |path: &str| path.strip_prefix(&prefix).is_some_and(|n| !n.contains('/') && n.to_lowercase().contains("appspec"));
        if first.kind != Kind::Directory || !self.entries.keys().any(|p| named(p)) {
            return;
        }
        let entries = std::mem::take(&mut self.entries);
        for (path, entry) in entries {
            if let Some(path) = path.strip_prefix(&prefix) {
                self.entries.insert(path.to_owned(), Entry { path: path.to_owned(), ..entry });
            }
        }
    }
}

/// Without `./`, empty names and a trailing `/`; `..` stays, to be refused.
fn clean(path: &str) -> String {
    path.split('/').filter(|n| !matches!(*n, "" | ".")).collect::<Vec<_>>().join("/")
}

/// Digest of a content that need not be stored; for comparisons.
pub fn digest_of(mut content: impl Read) -> std::io::Result<(Digest, u64)> {
    let mut hasher = pilotage_shared::digest::Hasher::default();
    let (mut size, mut buffer) = (0, vec![0; 128 << 10]);
    loop {
        match content.read(&mut buffer)? {
            0 => return Ok((hasher.finish(), size)),
            n => {
                hasher.update(&buffer[..n]);
                size += n as u64;
            }
        }
    }
}
