//! A folder of our own below TMPDIR (mode 0700), removed when it is dropped.

use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::output;

/// The folder.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    removed: bool,
}

impl Scratch {
    /// Makes `<TMPDIR>/<prefix>-<random>`.
    pub fn new(prefix: &str) -> io::Result<Self> {
        let mut random = [0; 4];
        getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
        let path = std::env::temp_dir().join(format!("{prefix}-{:08x}", u32::from_be_bytes(random)));
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        // What is below is named in configurations of other processes: no name that depends on their working directory.
        Ok(Self { path: path.canonicalize()?, removed: false })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it now.
    pub fn remove(mut self) -> io::Result<()> {
        self.removed = true;
        std::fs::remove_dir_all(&self.path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.removed
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            output::complain(&format!("failed to remove {}: {error}", self.path.display()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn nobody_else_may_look_and_nothing_stays() {
        let scratch = Scratch::new("pilotage-test").unwrap();
        let path = scratch.path().to_owned();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        std::fs::create_dir_all(path.join("a/b")).unwrap();
        drop(scratch);
        assert!(!path.exists());
    }
}
