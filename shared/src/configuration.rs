//! The manifest of a configuration object: canonical text whose SHA-256 is its identity, as with packages
//! ([`crate::manifest`]). Files by digest, environment by value, secrets by name: no value of a secret ever stands here.
//!
//! ```text
//! pilotage-configuration 1
//! variables 1 files 1 bytes 97 secrets 2
//! environment 0400 "root"
//! e "LOG_LEVEL" "info"
//! f 0440 "deploy" 97 sha256:… "app.toml"
//! se "DB_PASSWORD" "db-password"
//! sf 0400 "web" "tls/key.pem" "web-tls-key"
//! ```
//!
//! The four kinds stand in this order, each sorted by the bytes of its names. The decoder refuses whatever the encoder would
//! not write byte for byte.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::digest::Digest;
use crate::limits::{CONFIGURATION_BYTES_MAX, CONFIGURATION_ENTRIES_MAX, CONFIGURATION_MAX, CONFIGURATION_VALUE_MAX};
use crate::manifest::{ManifestError, check_path, quote, unquote};
use crate::name::SecretName;

/// The rendered environment's name among the files.
pub const ENVIRONMENT: &str = "environment";
/// What hooks find the folder by.
pub const FOLDER_VARIABLE: &str = "PILOTAGE_CONFIG_DIR";
/// What a host keeps beside the rendered files, for itself.
pub const SEAL: &str = ".pilotage";
/// Lines before the first entry.
const HEAD: usize = 3;

/// Variables that a hook gets from elsewhere: they could never have the value that is declared.
const TAKEN: [&str; 11] = [
    "HOME",
    "LOGNAME",
    "SHELL",
    "USER",
    "PATH",
    "APPLICATION_NAME",
    "DEPLOYMENT_GROUP_ID",
    "DEPLOYMENT_GROUP_NAME",
    "DEPLOYMENT_ID",
    "LIFECYCLE_EVENT",
    "CREDENTIALS_DIRECTORY",
];

/// Who may read a rendered file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// A subset of 0555 with 0400.
    pub mode: u32,
    /// Its owner: a user's name.
    pub reader: String,
}

impl Access {
    /// 0400.
    pub fn of(reader: &str) -> Self {
        Self { mode: 0o400, reader: reader.to_owned() }
    }
}

/// A file with content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Who may read it.
    pub access: Access,
    /// Bytes.
    pub size: u64,
    /// Of its content.
    pub digest: Digest,
}

/// A file with a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretFile {
    /// Who may read it.
    pub access: Access,
    /// The secret's name on the host.
    pub secret: SecretName,
}

/// A configuration object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// Who may read the rendered environment.
    pub environment_access: Access,
    /// Variables and their values.
    pub environment: BTreeMap<String, String>,
    /// By path.
    pub files: BTreeMap<String, File>,
    /// Variables and the names of their secrets.
    pub secret_variables: BTreeMap<String, SecretName>,
    /// By path.
    pub secret_files: BTreeMap<String, SecretFile>,
}

/// Is this a name that a variable may have? Says what is wrong with it.
pub fn check_variable(name: &str) -> Result<(), String> {
    let mut bytes = name.bytes();
    let good = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_') && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !good || name.len() > 255 {
        return Err(format!("{name:?} is no name of a variable: letters, digits and '_', not beginning with a digit, at most 255"));
    }
    if TAKEN.contains(&name) || name.starts_with("PILOTAGE_") {
        return Err(format!("{name} is set by the agent itself and cannot be declared"));
    }
    Ok(())
}

/// Is this the path of a file that may be rendered?
pub fn check_file(path: &str) -> Result<(), String> {
    check_path(path)?;
    let top = path.split('/').next().unwrap_or(path);
    if top == ENVIRONMENT || top == SEAL {
        return Err(format!("{path:?}: the name {top:?} is ours"));
    }
    Ok(())
}

fn check_access(access: &Access, secret: bool) -> Result<(), String> {
    if access.mode & !0o555 != 0 || access.mode & 0o400 == 0 {
        return Err(format!("mode {:04o} cannot be: the reader reads, nobody writes", access.mode));
    }
    if secret && access.mode & 0o007 != 0 {
        return Err(format!("mode {:04o} cannot be: a secret is not for everyone", access.mode));
    }
    let name = &access.reader;
    if name.is_empty() || name.len() > 32 || name.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(format!("{name:?} is no name of a user"));
    }
    Ok(())
}

impl Configuration {
    /// Nothing at all, for this reader.
    pub fn empty() -> Self {
        Self {
            environment_access: Access::of("root"),
            environment: BTreeMap::new(),
            files: BTreeMap::new(),
            secret_variables: BTreeMap::new(),
            secret_files: BTreeMap::new(),
        }
    }

    /// Could this be? Names the first thing that cannot.
    pub fn check(&self) -> Result<(), String> {
        let entries = self.environment.len() + self.files.len() + self.secret_variables.len() + self.secret_files.len();
        if entries > CONFIGURATION_ENTRIES_MAX {
            return Err(format!("{entries} entries, {CONFIGURATION_ENTRIES_MAX} are allowed"));
        }
        if self.bytes() > CONFIGURATION_BYTES_MAX {
            return Err(format!("{} bytes in files, {CONFIGURATION_BYTES_MAX} are allowed", self.bytes()));
        }
        check_access(&self.environment_access, !self.secret_variables.is_empty()).map_err(|why| format!("{ENVIRONMENT}: {why}"))?;
        for (name, value) in &self.environment {
            check_variable(name)?;
            if value.len() > CONFIGURATION_VALUE_MAX || value.chars().any(char::is_control) {
                return Err(format!("the value of {name} has a control character or more than {CONFIGURATION_VALUE_MAX} bytes: make it a file"));
            }
        }
        for name in self.secret_variables.keys() {
            check_variable(name)?;
            if self.environment.contains_key(name) {
                return Err(format!("{name} is both a value and a secret"));
            }
        }
        let mut sizes = BTreeMap::new();
        for (path, file) in &self.files {
            check_file(path)?;
            check_access(&file.access, false).map_err(|why| format!("{path:?}: {why}"))?;
            if *sizes.entry(file.digest).or_insert(file.size) != file.size {
                return Err(format!("{path:?} has the content of another file, but not its size"));
            }
        }
        for (path, file) in &self.secret_files {
            check_file(path)?;
            check_access(&file.access, true).map_err(|why| format!("{path:?}: {why}"))?;
            if self.files.contains_key(path) {
                return Err(format!("{path:?} is both content and a secret"));
            }
        }
        let paths: BTreeSet<&str> = self.files.keys().chain(self.secret_files.keys()).map(String::as_str).collect();
        let below = |path: &&str| path.match_indices('/').any(|(at, _)| paths.contains(&path[..at]));
        match paths.iter().find(|path| below(path)) {
            Some(path) => Err(format!("{path:?} lies below another file")),
            None => Ok(()),
        }
    }

    /// Bytes of content.
    pub fn bytes(&self) -> u64 {
        self.files.values().fold(0, |sum, file| sum.saturating_add(file.size))
    }

    /// The distinct contents, with their sizes, sorted.
    pub fn objects(&self) -> BTreeMap<Digest, u64> {
        self.files.values().map(|file| (file.digest, file.size)).collect()
    }

    /// The names of all secrets.
    pub fn secrets(&self) -> BTreeSet<&SecretName> {
        self.secret_variables.values().chain(self.secret_files.values().map(|file| &file.secret)).collect()
    }

    /// Every user who reads something, with what.
    pub fn readers(&self) -> BTreeMap<&str, &str> {
        let files = self.files.iter().map(|(path, file)| (file.access.reader.as_str(), path.as_str()));
        let secrets = self.secret_files.iter().map(|(path, file)| (file.access.reader.as_str(), path.as_str()));
        files.chain(secrets).chain([(self.environment_access.reader.as_str(), ENVIRONMENT)]).collect()
    }

    /// The canonical text.
    pub fn encode(&self) -> String {
        let variables = self.environment.len() + self.secret_variables.len();
        let files = self.files.len() + self.secret_files.len();
        let access = &self.environment_access;
        let mut text = format!(
            "pilotage-configuration 1\nvariables {variables} files {files} bytes {} secrets {}\nenvironment {:04o} {}\n",
            self.bytes(),
            self.secrets().len(),
            access.mode,
            quote(&access.reader)
        );
        // Writing to a String cannot fail.
        for (name, value) in &self.environment {
            let _ = writeln!(text, "e {} {}", quote(name), quote(value));
        }
        for (path, File { access, size, digest }) in &self.files {
            let _ = writeln!(text, "f {:04o} {} {size} {digest} {}", access.mode, quote(&access.reader), quote(path));
        }
        for (name, secret) in &self.secret_variables {
            let _ = writeln!(text, "se {} {}", quote(name), quote(secret.as_str()));
        }
        for (path, SecretFile { access, secret }) in &self.secret_files {
            let _ = writeln!(text, "sf {:04o} {} {} {}", access.mode, quote(&access.reader), quote(path), quote(secret.as_str()));
        }
        text
    }

    /// Its identity.
    pub fn digest(&self) -> Digest {
        Digest::of(self.encode().as_bytes())
    }

    /// Reads the canonical text; anything else is refused.
    pub fn decode(text: &[u8]) -> Result<Configuration, ManifestError> {
        let fail = |line: usize, why: &str| ManifestError { line, why: why.to_owned() };
        if text.len() > CONFIGURATION_MAX {
            return Err(fail(1, "the configuration's manifest is too long"));
        }
        let text = std::str::from_utf8(text).map_err(|_| fail(1, "the manifest is not UTF-8"))?;
        let mut lines = text.lines();
        if lines.next() != Some("pilotage-configuration 1") {
            return Err(fail(1, "it does not begin with `pilotage-configuration 1`"));
        }
        lines.next().ok_or_else(|| fail(2, "the totals are missing"))?;
        let head = lines.next().and_then(|l| l.strip_prefix("environment ")).and_then(access).filter(|(_, rest)| rest.is_empty());
        let (environment_access, _) = head.ok_or_else(|| fail(HEAD, "who reads the environment is missing"))?;
        let mut configuration = Configuration { environment_access, ..Configuration::empty() };
        for (i, line) in lines.enumerate() {
            if i >= CONFIGURATION_ENTRIES_MAX {
                return Err(fail(i + HEAD + 1, "too many entries"));
            }
            configuration.take(line).ok_or_else(|| fail(i + HEAD + 1, "it is not an entry"))?;
        }
        configuration.check().map_err(|why| ManifestError { line: HEAD + 1, why })?;
        let canonical = configuration.encode();
        if canonical != text {
            let same = canonical.split('\n').zip(text.split('\n')).take_while(|(a, b)| a == b).count();
            return Err(fail(same + 1, "it is not written in the one way that is allowed"));
        }
        Ok(configuration)
    }

    fn take(&mut self, line: &str) -> Option<()> {
        let (kind, rest) = line.split_once(' ')?;
        let pair = |text| {
            let (first, rest) = unquote(text)?;
            let (second, rest) = unquote(rest.strip_prefix(' ')?)?;
            rest.is_empty().then_some((first, second))
        };
        // What stands twice, or in another order, is found by comparing with the canonical text.
        match kind {
            "e" => {
                let (name, value) = pair(rest)?;
                self.environment.insert(name, value);
            }
            "se" => {
                let (name, secret) = pair(rest)?;
                self.secret_variables.insert(name, SecretName::new(&secret).ok()?);
            }
            "f" => {
                let (access, rest) = access(rest)?;
                let mut words = rest.strip_prefix(' ')?.splitn(3, ' ');
                let (size, digest) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
                let (path, "") = unquote(words.next()?)? else { return None };
                self.files.insert(path, File { access, size, digest });
            }
            "sf" => {
                let (access, rest) = access(rest)?;
                let (path, secret) = pair(rest.strip_prefix(' ')?)?;
                self.secret_files.insert(path, SecretFile { access, secret: SecretName::new(&secret).ok()? });
            }
            _ => return None,
        }
        Some(())
    }
}

/// Mode and reader at the beginning, and what stands behind them.
fn access(text: &str) -> Option<(Access, &str)> {
    let (mode, rest) = text.split_once(' ')?;
    let (reader, rest) = unquote(rest)?;
    Some((Access { mode: u32::from_str_radix(mode, 8).ok()?, reader }, rest))
}

#[cfg(test)]
mod tests;
