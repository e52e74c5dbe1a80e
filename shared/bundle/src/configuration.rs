//! A folder as a configuration object: `config.yml` at its root, and the content of everything below `files/`
//! (docs/configuration.md says what may stand there).

pub mod render;
mod spec;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use pilotage_shared::configuration::{self, Access, Configuration, ENVIRONMENT, SecretFile};
use pilotage_shared::limits::{CONFIGURATION_BYTES_MAX, CONFIGURATION_ENTRIES_MAX, CONFIGURATION_MAX};

use crate::objects::{ObjectError, Objects};
use spec::Spec;

/// The file that says what the folder is.
pub const SPEC: &str = "config.yml";
/// The folder of content.
pub const FILES: &str = "files";

/// Why a folder is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// The disk.
    #[error("failed to read {path}")]
    Read {
        /// What.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// There is nothing in it.
    #[error("there is neither {SPEC} nor {FILES}/ in the folder")]
    Nothing,
    /// The file.
    #[error("{SPEC} line {line}: {why}")]
    Spec {
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// Something below `files/`.
    #[error("{FILES}/{path}: {why}")]
    File {
        /// Which.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// The whole.
    #[error("the configuration cannot be: {0}")]
    Whole(String),
    /// The store.
    #[error("failed to store a file of the configuration")]
    Object(#[from] ObjectError),
}

/// A configuration that was made.
#[derive(Debug)]
pub struct Built {
    /// Its `digest()` is its identity.
    pub configuration: Configuration,
    /// What its author may not have meant.
    pub warnings: Vec<String>,
}

/// Makes a configuration of a folder; its contents go to `objects`.
pub fn build(folder: &Path, objects: &Objects) -> Result<Built, ConfigurationError> {
    let (path, files) = (folder.join(SPEC), folder.join(FILES));
    let spec = match read(&path) {
        Ok(text) => spec::parse(&text)?,
        Err(ConfigurationError::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound && files.is_dir() => Spec::default(),
        Err(ConfigurationError::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound && folder.is_dir() => {
            return Err(ConfigurationError::Nothing);
        }
        Err(error) => return Err(error),
    };
    let mut content = BTreeMap::new();
    if files.is_dir() {
        walk(&files, "", objects, &mut content)?;
    }
    let warnings = warnings(folder, &spec)?;
    let configuration = join(spec, content)?;
    configuration.check().map_err(ConfigurationError::Whole)?;
    if configuration.encode().len() > CONFIGURATION_MAX {
        return Err(ConfigurationError::Whole(format!("its manifest has more than {CONFIGURATION_MAX} bytes")));
    }
    Ok(Built { configuration, warnings })
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> ConfigurationError {
    let path = path.to_owned();
    move |source| ConfigurationError::Read { path, source }
}

fn read(path: &Path) -> Result<String, ConfigurationError> {
    let mut bytes = Vec::new();
    let opened = File::open(path).and_then(|f| f.take(CONFIGURATION_MAX as u64 + 1).read_to_end(&mut bytes));
    opened.map_err(failed(path))?;
    if bytes.len() > CONFIGURATION_MAX {
        return Err(ConfigurationError::Spec { line: 1, why: format!("it has more than {CONFIGURATION_MAX} bytes") });
    }
    String::from_utf8(bytes).map_err(|_| ConfigurationError::Spec { line: 1, why: "it is not UTF-8".into() })
}

type Content = BTreeMap<String, (u64, pilotage_shared::digest::Digest)>;

fn walk(folder: &Path, below: &str, objects: &Objects, content: &mut Content) -> Result<(), ConfigurationError> {
    let entries: Vec<_> = fs::read_dir(folder).and_then(Iterator::collect).map_err(failed(folder))?;
    for entry in entries {
        let path = entry.path();
        let wrong = |why: &str| ConfigurationError::File { path: path.display().to_string(), why: why.to_owned() };
        let name = entry.file_name().into_string().map_err(|_| wrong("its name is not UTF-8"))?;
        let inner = if below.is_empty() { name } else { format!("{below}/{name}") };
        let wrong = |why: &str| ConfigurationError::File { path: inner.clone(), why: why.to_owned() };
        let kind = entry.file_type().map_err(failed(&path))?;
        if kind.is_dir() {
            walk(&path, &inner, objects, content)?;
            continue;
        }
        if !kind.is_file() {
            return Err(wrong("it is neither a file nor a folder (a link is not followed)"));
        }
        if content.len() >= CONFIGURATION_ENTRIES_MAX {
            return Err(wrong(&format!("it is one file more than {CONFIGURATION_ENTRIES_MAX}")));
        }
        configuration::check_file(&inner).map_err(|why| wrong(&why))?;
        let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
        let file = File::options().read(true).custom_flags(flags).open(&path).map_err(failed(&path))?;
        let (digest, size) = match objects.put_at_most(file, CONFIGURATION_BYTES_MAX) {
            Err(ObjectError::TooLong { limit }) => return Err(wrong(&format!("it has more than {limit} bytes"))),
            stored => stored?,
        };
        content.insert(inner, (size, digest));
    }
    Ok(())
}

/// What the file says and what lies there.
fn join(spec: Spec, content: Content) -> Result<Configuration, ConfigurationError> {
    let Spec { reader, environment, secret_variables, secret_files, access } = spec;
    let root = "root".to_owned();
    let reader = reader.unwrap_or_else(|| root.clone());
    let of = |path: &str, default: &str| {
        let said = access.get(path).map(|(_, said)| said);
        Access { mode: said.and_then(|s| s.mode).unwrap_or(0o400), reader: said.and_then(|s| s.reader.clone()).unwrap_or_else(|| default.to_owned()) }
    };
    let known = |path: &str| path == ENVIRONMENT || content.contains_key(path) || secret_files.contains_key(path);
    if let Some((path, (line, _))) = access.iter().find(|(path, _)| !known(path)) {
        return Err(ConfigurationError::Spec { line: *line, why: format!("files: there is no {FILES}/{path}, and no secret goes there") });
    }
    if let Some(path) = secret_files.keys().find(|path| content.contains_key(*path)) {
        return Err(ConfigurationError::File { path: path.clone(), why: "a secret goes there: take the file away".into() });
    }
    Ok(Configuration {
        environment_access: of(ENVIRONMENT, &root),
        files: content
            .into_iter()
            .map(|(path, (size, digest))| (path.clone(), configuration::File { access: of(&path, &reader), size, digest }))
            .collect(),
        secret_files: secret_files.into_iter().map(|(path, secret)| (path.clone(), SecretFile { access: of(&path, &reader), secret })).collect(),
        environment,
        secret_variables,
    })
}

/// Words by which a variable is probably a secret.
const TELLTALE: [&str; 6] = ["PASSWORD", "PASSWD", "SECRET", "TOKEN", "PRIVATE_KEY", "API_KEY"];

fn warnings(folder: &Path, spec: &Spec) -> Result<Vec<String>, ConfigurationError> {
    let looks = |name: &&String| TELLTALE.iter().any(|word| name.to_ascii_uppercase().contains(word));
    let secret = |name: &String| format!("environment: {name} looks like a secret: its value is stored at the coordinator; put it under `secrets:`");
    let mut warnings: Vec<String> = spec.environment.keys().filter(looks).map(secret).collect();
    for entry in fs::read_dir(folder).map_err(failed(folder))? {
        let name = entry.map_err(failed(folder))?.file_name();
        if name != SPEC && name != FILES {
            warnings.push(format!("{} lies beside {SPEC} and is not taken: content lies in {FILES}/", name.to_string_lossy()));
        }
    }
    warnings.sort();
    Ok(warnings)
}

#[cfg(test)]
mod tests;
