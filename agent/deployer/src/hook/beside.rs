//! CodeDeploy's log of all deployments (H13): `[time] [deployment]` and each line without its own time, all that hooks write,
//! begun anew when it is full.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::order::DeploymentsLog;
use crate::clock;

/// So many files of so many bytes.
const KEPT: usize = 8;
const MAX: u64 = 64 << 20;
/// `YYYY-MM-DD HH:MM:SS `
const STAMP: usize = 20;

/// The log, and whose lines are written.
pub struct Beside {
    path: PathBuf,
    deployment: String,
    file: File,
    length: u64,
}

impl Beside {
    /// At its end.
    pub fn open(log: &DeploymentsLog) -> io::Result<Beside> {
        let file = open(&log.path)?;
        let length = file.metadata()?.len();
        Ok(Beside { path: log.path.clone(), deployment: log.deployment.clone(), file, length })
    }

    /// Whole lines. A full disk costs output, never the hook.
    pub fn write(&mut self, lines: &[u8]) {
        if self.length >= MAX {
            rotate(&self.path);
            let Ok(file) = open(&self.path) else { return };
            self.length = file.metadata().map_or(0, |m| m.len());
            self.file = file;
        }
        let now = jiff::Timestamp::now().to_zoned_datetime(clock::zone());
        let head = format!("[{}] [{}]", now.strftime("%Y-%m-%d %H:%M:%S%.3f"), self.deployment);
        let mut text = Vec::with_capacity(2 * lines.len());
        for line in lines.split_inclusive(|b| *b == b'\n') {
            text.extend_from_slice(head.as_bytes());
            text.extend_from_slice(line.get(STAMP..).unwrap_or(line));
        }
        let _ = self.file.write_all(&text);
        self.length += text.len() as u64;
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o644).custom_flags(nix::libc::O_NOFOLLOW).open(path)
}

/// The older ones stay behind it. Another hook may have done it already.
fn rotate(path: &Path) {
    if fs::symlink_metadata(path).map_or(0, |m| m.len()) < MAX {
        return;
    }
    let name = |n: usize| if n == 0 { path.to_owned() } else { path.with_added_extension(n.to_string()) };
    for n in (0..KEPT - 1).rev() {
        let _ = fs::rename(name(n), name(n + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_log_is_begun_anew_while_a_hook_writes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("codedeploy-agent-deployments.log");
        let name = |n: u32| path.with_added_extension(n.to_string());
        File::create(&path).unwrap().set_len(MAX - 1).unwrap();
        File::create(name(7)).unwrap();
        let mut log = Beside::open(&DeploymentsLog { path: path.clone(), deployment: "d-1".to_owned() }).unwrap();
        log.write(b"2026-01-01 00:00:00 [stdout]one\n");
        log.write(b"2026-01-01 00:00:00 [stdout]two\n2026-01-01 00:00:00 [stdout]three\n");
        assert!(fs::metadata(name(1)).unwrap().len() > MAX);
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().map(|line| line.split_once("] ").unwrap().1).collect();
        assert_eq!(lines, ["[d-1][stdout]two", "[d-1][stdout]three"]);
    }
}
