//! Manifests of configurations, beside those of packages; their contents are objects like any other.

use std::fs;
use std::io;
use std::path::PathBuf;

use pilotage_disk::durable;
use pilotage_shared::configuration::Configuration;
use pilotage_shared::digest::Digest;

use super::{PackageError, Packages, failed};

impl Packages {
    /// Takes a configuration's manifest; gives its digest with the objects that are not here yet.
    pub fn add_configuration(&self, text: &[u8]) -> Result<(Digest, Vec<Digest>), PackageError> {
        let configuration = Configuration::decode(text)?;
        let digest = Digest::of(text);
        durable::replace(&self.configuration_path(&digest), text, 0o644)?;
        Ok((digest, self.objects_missing(&configuration)))
    }

    fn objects_missing(&self, configuration: &Configuration) -> Vec<Digest> {
        configuration.objects().into_keys().filter(|digest| !self.objects.has(digest)).collect()
    }

    /// The configuration, when all of its objects are here.
    pub fn complete_configuration(&self, digest: &Digest) -> Result<Configuration, PackageError> {
        let configuration = self.configuration(digest)?;
        let missing = self.objects_missing(&configuration);
        match missing.first() {
            None => Ok(configuration),
            Some(first) => Err(PackageError::Incomplete { digest: *digest, missing: missing.len(), first: *first }),
        }
    }

    /// A configuration whose manifest was sent.
    pub fn configuration(&self, digest: &Digest) -> Result<Configuration, PackageError> {
        Ok(Configuration::decode(&self.configuration_text(digest)?)?)
    }

    /// The manifest's canonical text.
    pub fn configuration_text(&self, digest: &Digest) -> Result<Vec<u8>, PackageError> {
        let path = self.configuration_path(digest);
        match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(PackageError::Unknown(*digest)),
            other => other.map_err(failed("read", &path)),
        }
    }

    fn configuration_path(&self, digest: &Digest) -> PathBuf {
        self.folder.join("configurations").join(digest.hex())
    }
}
