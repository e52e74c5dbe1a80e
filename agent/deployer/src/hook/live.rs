//! Writes the stream that people follow while a hook runs, and finds the end of it again (`agent/core`, `run::live`).

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use pilotage_agent_core::run::live::{self, SEGMENT, SEGMENTS};

/// The stream of one run, at its end.
pub struct Live {
    folder: PathBuf,
    segments: BTreeSet<u64>,
    begins: u64,
    length: u64,
    file: File,
}

impl Live {
    /// Goes on where the hook before stopped.
    pub fn open(folder: &Path) -> io::Result<Live> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut segments = segments(folder)?;
        let begins = segments.last().copied().unwrap_or(0);
        segments.insert(begins);
        let file = open(folder, begins)?;
        let length = file.metadata()?.len();
        Ok(Live { folder: folder.to_owned(), segments, begins, length, file })
    }

    /// How long the stream is.
    pub fn end(&self) -> u64 {
        self.begins + self.length
    }

    /// Whole lines. A full disk costs output, never the hook: what stands of them counts.
    pub fn write(&mut self, lines: &[u8]) {
        if self.length >= SEGMENT {
            self.next();
        }
        match self.file.write_all(lines) {
            Ok(()) => self.length += lines.len() as u64,
            Err(_) => self.length = self.file.metadata().map_or(self.length, |m| m.len()),
        }
    }

    fn next(&mut self) {
        let begins = self.end();
        // Without a new one the old one grows.
        let Ok(file) = open(&self.folder, begins) else { return };
        (self.file, self.begins, self.length) = (file, begins, 0);
        self.segments.insert(begins);
        while self.segments.len() > SEGMENTS
            && let Some(oldest) = self.segments.pop_first()
        {
            let _ = fs::remove_file(self.folder.join(live::name(oldest)));
        }
    }
}

fn open(folder: &Path, begins: u64) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(folder.join(live::name(begins)))
}

fn segments(folder: &Path) -> io::Result<BTreeSet<u64>> {
    let entries = fs::read_dir(folder)?;
    Ok(entries.flatten().filter_map(|entry| live::begins(&entry.file_name().to_string_lossy())).collect())
}

/// The last whole lines of the stream from `from` on, at most so many bytes; and how many bytes from there on do not fit.
pub fn tail(folder: &Path, from: u64, most: u64) -> io::Result<(Vec<u8>, u64)> {
    let there = segments(folder)?;
    let length = |begins: u64| fs::metadata(folder.join(live::name(begins))).map_or(0, |m| m.len());
    let end = there.last().map_or(0, |last| last + length(*last));
    let at = from.max(end.saturating_sub(most)).max(there.first().copied().unwrap_or(0));
    let mut found = Vec::new();
    if let Some(first) = live::holding(&there, at) {
        for begins in there.range(first..) {
            let mut file = File::open(folder.join(live::name(*begins)))?;
            file.seek(SeekFrom::Start(at.saturating_sub(*begins)))?;
            file.read_to_end(&mut found)?;
        }
    }
    if at > from {
        // Somewhere in a line: the next one is the first.
        let whole = found.iter().position(|b| *b == b'\n').map_or(found.len(), |newline| newline + 1);
        found.drain(..whole);
    }
    let left_out = end.saturating_sub(from).saturating_sub(found.len() as u64);
    Ok((found, left_out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_any_amount_stands_there_and_the_next_hook_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("live");
        let line = |n: u64| format!("{n:099}\n");
        for hook in 0..2 {
            let mut live = Live::open(&folder).unwrap();
            assert_eq!(live.end(), hook * 2_000_000);
            (0..20_000).for_each(|n| live.write(line(hook * 20_000 + n).as_bytes()));
        }
        let kept: u64 = fs::read_dir(&folder).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).sum();
        assert!((SEGMENT * 4..=SEGMENT * 5 + 100).contains(&kept), "{kept}");
        let (bytes, left) = tail(&folder, 1_000_000, 250).unwrap();
        assert_eq!((String::from_utf8(bytes).unwrap(), left), (line(39_998) + &line(39_999), 4_000_000 - 1_000_000 - 200));
        let (bytes, left) = tail(&folder, 3_999_700, 1000).unwrap();
        assert_eq!((bytes.len(), left), (300, 0));
        let (bytes, left) = tail(&folder, 0, 1 << 30).unwrap();
        assert_eq!(bytes.len() as u64 + left, 4_000_000);
        assert!(bytes.len() as u64 >= SEGMENT * 4);
    }
}
