//! A configuration made into a folder of a host, and such a folder compared with its seal.
//!
//! The folder is made aside and takes its name in one step, also where another stands under it. Folders are 0711 and belong to
//! us; each file belongs to its reader and has exactly the mode that the configuration says. The *seal* lies in the folder,
//! 0600: what the files are, the whole environment, and the values to mask. It and the files are the only places of ours where
//! a value of a secret is written.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use nix::unistd::{Gid, Uid, User, fchown};
use pilotage_shared::configuration::{Access, Configuration, ENVIRONMENT, FOLDER_VARIABLE, SEAL};
use pilotage_shared::digest::Digest;
use pilotage_shared::name::SecretName;
use serde::{Deserialize, Serialize};

use crate::build::digest_of;
use crate::objects::{ObjectError, Objects};

/// Longest seal that is read.
const SEAL_MAX: u64 = 64 << 20;

/// Why a configuration could not be rendered, or is not what was rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The disk.
    #[error("failed to {doing} {path}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A content.
    #[error("failed to read an object of the configuration")]
    Object(#[from] ObjectError),
    /// The account database does not know him.
    #[error("there is no user {user:?} on this host, who reads {path:?} of the configuration")]
    NoReader {
        /// Who.
        user: String,
        /// What.
        path: String,
    },
    /// We are somebody else, and not root.
    #[error("only root can give {path:?} of the configuration to {user:?}")]
    NotRoot {
        /// Who.
        user: String,
        /// What.
        path: String,
    },
    /// It has a zero byte or is not UTF-8.
    #[error("secret {0} goes into the environment and is not text")]
    NotText(SecretName),
    /// The seal.
    #[error("the configuration in {path} cannot be used: {why}; deploy again, it is rendered anew")]
    Seal {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RenderError {
    let path = path.to_owned();
    move |source| RenderError::Io { doing, path, source }
}

/// A value that is never to be shown, with its name. Not `Debug`.
#[derive(Clone, Serialize, Deserialize)]
pub struct Mask {
    /// The secret's name.
    pub name: SecretName,
    /// Its bytes, in hexadecimal digits.
    hex: String,
}

impl Mask {
    /// Of a value.
    pub fn new(name: &SecretName, value: &[u8]) -> Self {
        Self { name: name.clone(), hex: value.iter().map(|b| format!("{b:02x}")).collect() }
    }

    /// The value.
    pub fn value(&self) -> Vec<u8> {
        self.hex.as_bytes().chunks(2).filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
    }
}

/// One file as it was rendered.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Sealed {
    mode: u32,
    uid: u32,
    digest: Digest,
}

/// What stands beside the files, for the host itself. Not `Debug`: it has values of secrets.
#[derive(Clone, Serialize, Deserialize)]
pub struct Seal {
    /// The configuration.
    pub config: Digest,
    /// All variables, secret ones too.
    pub environment: BTreeMap<String, String>,
    /// What is not to be shown.
    pub masks: Vec<Mask>,
    files: BTreeMap<String, Sealed>,
}

impl Seal {
    /// What a hook of this release gets: the environment, and where the folder is.
    pub fn variables(&self, folder: &Path) -> BTreeMap<String, String> {
        let mut all = self.environment.clone();
        all.insert(FOLDER_VARIABLE.to_owned(), folder.display().to_string());
        all
    }
}

/// Values of secrets by name, as the host has read them.
pub trait Values {
    /// The bytes; none: there is no such value.
    fn value(&self, name: &SecretName) -> Option<&[u8]>;
}

/// Makes the folder, in the place of one that is there. On disk when it returns; on failure nothing is changed.
pub fn render(configuration: &Configuration, objects: &Objects, values: &impl Values, folder: &Path, aside: &Path) -> Result<(), RenderError> {
    let readers = readers(configuration)?;
    let result = fill(configuration, objects, values, &readers, aside).and_then(|()| take_name(aside, folder));
    if result.is_err() {
        let _ = fs::remove_dir_all(aside); // never named; cleared by the next sweep as well
    }
    result
}

/// Every reader's numbers; also where only the name is wrong nothing is begun.
fn readers(configuration: &Configuration) -> Result<BTreeMap<String, (Uid, Gid)>, RenderError> {
    let us = Uid::effective();
    let own = (us, Gid::effective());
    let mut found = BTreeMap::new();
    for (name, path) in configuration.readers() {
        if name == "root" {
            // Who is not root renders for himself.
            found.insert(name.to_owned(), if us.is_root() { (Uid::from_raw(0), Gid::from_raw(0)) } else { own });
            continue;
        }
        let (user, path) = (name.to_owned(), path.to_owned());
        match User::from_name(name) {
            Ok(Some(account)) if us.is_root() || account.uid == us => found.insert(user, (account.uid, account.gid)),
            Ok(Some(_)) => return Err(RenderError::NotRoot { user, path }),
            Ok(None) => return Err(RenderError::NoReader { user, path }),
            Err(errno) => return Err(failed("look up the user", Path::new(name))(errno.into())),
        };
    }
    Ok(found)
}

type Readers = BTreeMap<String, (Uid, Gid)>;

fn fill(configuration: &Configuration, objects: &Objects, values: &impl Values, readers: &Readers, aside: &Path) -> Result<(), RenderError> {
    match fs::remove_dir_all(aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("clear", aside)(error)),
        Ok(()) | Err(_) => {}
    }
    DirBuilder::new().mode(0o700).create(aside).map_err(failed("make", aside))?;
    let mut seal = Seal { config: configuration.digest(), environment: configuration.environment.clone(), masks: Vec::new(), files: BTreeMap::new() };
    let value = |name: &SecretName| {
        values.value(name).ok_or_else(|| RenderError::Seal { path: aside.to_owned(), why: format!("secret {name} was not read") })
    };
    for name in configuration.secrets() {
        seal.masks.push(Mask::new(name, value(name)?));
    }
    for (variable, name) in &configuration.secret_variables {
        seal.environment.insert(variable.clone(), text(name, value(name)?)?);
    }
    for (path, file) in &configuration.files {
        let mut content = Vec::new();
        objects
            .read(&file.digest)?
            .take(file.size.saturating_add(1))
            .read_to_end(&mut content)
            .map_err(|e| RenderError::Object(ObjectError::Source(e)))?;
        put(aside, path, &file.access, &content, readers, &mut seal)?;
    }
    for (path, file) in &configuration.secret_files {
        put(aside, path, &file.access, value(&file.secret)?, readers, &mut seal)?;
    }
    put(aside, ENVIRONMENT, &configuration.environment_access, environment_file(&seal.environment).as_bytes(), readers, &mut seal)?;
    let path = aside.join(SEAL);
    let bytes = serde_json::to_vec(&seal).map_err(|e| failed("write", &path)(e.into()))?;
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&path).map_err(failed("make", &path))?;
    file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(failed("write", &path))?;
    fs::set_permissions(aside, Permissions::from_mode(0o711)).map_err(failed("set the mode of", aside))?;
    sync(aside)
}

/// A variable's value: without the line end that a file has behind it.
fn text(name: &SecretName, value: &[u8]) -> Result<String, RenderError> {
    let value = value.strip_suffix(b"\n").unwrap_or(value);
    let text = std::str::from_utf8(value).ok().filter(|text| !text.contains('\0'));
    text.map(str::to_owned).ok_or_else(|| RenderError::NotText(name.clone()))
}

/// As systemd's `EnvironmentFile=` and shells read it: in double quotes, with the four characters escaped that mean something there.
fn environment_file(environment: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    for (name, value) in environment {
        out.push_str(name);
        out.push_str("=\"");
        for c in value.chars() {
            if matches!(c, '"' | '\\' | '`' | '$') {
                out.push('\\');
            }
            out.push(c);
        }
        out.push_str("\"\n");
    }
    out
}

fn put(aside: &Path, path: &str, access: &Access, content: &[u8], readers: &Readers, seal: &mut Seal) -> Result<(), RenderError> {
    let target = aside.join(path);
    for (at, _) in path.match_indices('/') {
        let folder = aside.join(&path[..at]);
        if !folder.is_dir() {
            DirBuilder::new().mode(0o711).create(&folder).map_err(failed("make", &folder))?;
            fs::set_permissions(&folder, Permissions::from_mode(0o711)).map_err(failed("set the mode of", &folder))?;
        }
    }
    let (uid, gid) = readers.get(&access.reader).copied().unwrap_or((Uid::effective(), Gid::effective()));
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&target).map_err(failed("make", &target))?;
    file.write_all(content).map_err(failed("write", &target))?;
    if Uid::effective().is_root() {
        fchown(&file, Some(uid), Some(gid)).map_err(|e| failed("set the owner of", &target)(e.into()))?;
    }
    file.set_permissions(Permissions::from_mode(access.mode)).and_then(|()| file.sync_all()).map_err(failed("set the mode of", &target))?;
    seal.files.insert(path.to_owned(), Sealed { mode: access.mode, uid: uid.as_raw(), digest: Digest::of(content) });
    Ok(())
}

fn sync(folder: &Path) -> Result<(), RenderError> {
    for entry in fs::read_dir(folder).map_err(failed("list", folder))? {
        let entry = entry.map_err(failed("list", folder))?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            sync(&entry.path())?;
        }
    }
    File::open(folder).and_then(|f| f.sync_all()).map_err(failed("sync", folder))
}

/// In one step, whatever stands there.
fn take_name(aside: &Path, folder: &Path) -> Result<(), RenderError> {
    let rename = |flags| renameat2(AT_FDCWD, aside, AT_FDCWD, folder, flags).map_err(io::Error::from);
    match rename(RenameFlags::RENAME_NOREPLACE) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            rename(RenameFlags::RENAME_EXCHANGE).map_err(failed("replace", folder))?;
            fs::remove_dir_all(aside).map_err(failed("remove what was before", folder))?;
        }
        other => other.map_err(failed("name", folder))?,
    }
    let parent = folder.parent().unwrap_or(folder);
    File::open(parent).and_then(|f| f.sync_all()).map_err(failed("sync", parent))
}

/// The seal of a rendered folder.
pub fn seal(folder: &Path) -> Result<Seal, RenderError> {
    let path = folder.join(SEAL);
    let wrong = |why: String| RenderError::Seal { path: folder.to_owned(), why };
    let mut bytes = Vec::new();
    match File::open(&path).and_then(|f| f.take(SEAL_MAX).read_to_end(&mut bytes)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(wrong("it is not rendered".into())),
        Err(error) => return Err(failed("read", &path)(error)),
        Ok(_) => {}
    }
    // What does not parse may hold a value: nothing of it is said.
    serde_json::from_slice(&bytes).map_err(|_| wrong("its seal is damaged".into()))
}

/// Is the folder what was rendered for this configuration? Its readers own their files and could have changed them.
pub fn verify(config: &Digest, folder: &Path) -> Result<Seal, RenderError> {
    let seal = seal(folder)?;
    let wrong = |why: String| RenderError::Seal { path: folder.to_owned(), why };
    if seal.config != *config {
        return Err(wrong("it is of another configuration".into()));
    }
    for (path, sealed) in &seal.files {
        let target = folder.join(path);
        let found = fs::symlink_metadata(&target).map_err(|_| wrong(format!("{path:?} is missing")))?;
        let same = found.is_file() && found.mode() & 0o7777 == sealed.mode && found.uid() == sealed.uid;
        // A link that took the place of the file between the two is not followed.
        let open = || File::options().read(true).custom_flags(nix::libc::O_NOFOLLOW).open(&target).and_then(digest_of);
        if !same || !open().is_ok_and(|(digest, _)| digest == sealed.digest) {
            return Err(wrong(format!("{path:?} is not as it was rendered")));
        }
    }
    Ok(seal)
}

#[cfg(test)]
mod tests;
