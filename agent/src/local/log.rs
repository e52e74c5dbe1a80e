//! The command's own log, where CodeDeploy's configuration wants it (`:log_dir:`): when what was deployed, and how it ended.
//! What the hooks print is elsewhere (`root`). A log that cannot be written is said, and holds up nothing.

use std::fs::{DirBuilder, File};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::root::not_shared;
use super::words;

/// As CodeDeploy's command names it.
const NAME: &str = "codedeploy-local.log";

/// Where lines go; nowhere, when the configuration names no folder.
pub struct Log(Option<PathBuf>);

impl Log {
    /// Makes the folder when it is missing.
    pub fn open(folder: Option<&Path>) -> Log {
        let ready = |folder: &Path| -> anyhow::Result<()> {
            DirBuilder::new().recursive(true).mode(0o755).create(folder).context("failed to make it")?;
            not_shared(folder)
        };
        let folder = folder.filter(|folder| match ready(folder) {
            Ok(()) => true,
            Err(error) => {
                words::complain(&format!("log_dir {} is not used: {error:#}", folder.display()));
                false
            }
        });
        Log(folder.map(|folder| folder.join(NAME)))
    }

    /// One line, in the form of CodeDeploy's logs.
    pub fn line(&self, level: &str, text: &str) {
        let Some(path) = &self.0 else { return };
        let now = jiff::Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::system());
        let stamp = now.strftime("%Y-%m-%d %H:%M:%S");
        let line = format!("{stamp} {level:<5} [codedeploy-local({})]: {}\n", std::process::id(), text.replace('\n', " "));
        let open = File::options().append(true).create(true).mode(0o644).custom_flags(nix::libc::O_NOFOLLOW).open(path);
        if let Err(error) = open.and_then(|mut log| log.write_all(line.as_bytes())) {
            words::complain(&format!("failed to write {}: {error}", path.display()));
        }
    }
}
