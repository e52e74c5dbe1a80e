//! A value that is never shown: no Debug, no Display, no Serialize.

use std::path::{Path, PathBuf};

/// A secret; only [`Secret::expose`] gives it, so that every use can be found by name.
#[derive(Clone)]
pub struct Secret<T>(T);

/// Why a token file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Not readable.
    #[error("failed to read the token file {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Not a token.
    #[error("failed to use the token file {0}: it must hold one line of visible characters")]
    Form(PathBuf),
}

impl<T> Secret<T> {
    /// Takes a value.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, for the one place that sends it.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl Secret<String> {
    /// A bearer token from a file: its only line.
    pub fn from_file(path: &Path) -> Result<Self, SecretError> {
        let text = std::fs::read_to_string(path).map_err(|source| SecretError::Read { path: path.into(), source })?;
        let token = text.trim();
        if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(SecretError::Form(path.into()));
        }
        Ok(Self(token.to_owned()))
    }
}
