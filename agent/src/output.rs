//! Reads what the hooks of a run write, while they write it (`agent/core`, `run::live`).

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use pilotage_agent_core::run::live::{self, HELD_BACK, LIVE};
use pilotage_shared::text::Text;

/// Bytes at the end of the stream in which the last line is looked for.
const END: u64 = 4096;
/// Bytes of it that are shown.
pub const LAST_LINE: usize = 200;

/// A piece of the stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// Where it begins: later than asked for when that is not there any more.
    pub at: u64,
    /// What stands there.
    pub bytes: Vec<u8>,
    /// Nothing stands behind it.
    pub newest: bool,
}

/// What stands in the run's stream from `at` on, at most so many bytes.
pub fn read(run: &Path, at: u64, most: usize) -> io::Result<Piece> {
    let folder = run.join(LIVE);
    let there: BTreeSet<u64> = match fs::read_dir(&folder) {
        Ok(entries) => entries.flatten().filter_map(|entry| live::begins(&entry.file_name().to_string_lossy())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeSet::new(),
        Err(error) => return Err(error),
    };
    let mut piece = Piece { at, bytes: Vec::new(), newest: true };
    let Some(first) = live::holding(&there, at) else { return Ok(piece) };
    piece.at = at.max(first);
    for begins in there.range(first..) {
        let from = (piece.at + piece.bytes.len() as u64).saturating_sub(*begins);
        let mut file = match File::open(folder.join(live::name(*begins))) {
            Ok(file) => file,
            // It has gone since it was seen; the next look finds what is there then.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Piece { newest: false, ..piece }),
            Err(error) => return Err(error),
        };
        file.seek(SeekFrom::Start(from))?;
        file.take((most - piece.bytes.len()) as u64).read_to_end(&mut piece.bytes)?;
        if piece.bytes.len() == most {
            break;
        }
    }
    piece.newest = piece.bytes.len() < most;
    Ok(piece)
}

/// What a hook that runs now has written and its logs do not have yet: how much is gone of it, and what stands there.
pub fn held_back(run: &Path) -> Option<(u64, Vec<u8>)> {
    let mark = fs::read_to_string(run.join(LIVE).join(HELD_BACK)).ok()?;
    let (at, _) = live::held_back(&mark)?;
    let piece = read(run, at, usize::MAX).ok()?;
    Some((piece.at - at, piece.bytes))
}

/// The last line that a hook of the run has written, with its time; it may be one that runs now.
pub fn last_line(run: &Path) -> Option<Text<LAST_LINE>> {
    let folder = run.join(LIVE);
    let newest = fs::read_dir(&folder).ok()?.flatten().filter_map(|entry| live::begins(&entry.file_name().to_string_lossy())).max()?;
    let mut file = File::open(folder.join(live::name(newest))).ok()?;
    file.seek(SeekFrom::Start(file.metadata().ok()?.len().saturating_sub(END))).ok()?;
    let mut bytes = Vec::new();
    file.take(END).read_to_end(&mut bytes).ok()?;
    let line = bytes.rsplit(|b| *b == b'\n').find(|line| !line.is_empty())?;
    Some(Text::lossy(&String::from_utf8_lossy(line)))
}

/// Nobody follows a run that is over, once its last output was brought.
pub fn remove(run: &Path) -> io::Result<()> {
    match fs::remove_dir_all(run.join(LIVE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_read_across_its_segments_and_from_its_oldest_one_on() {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path();
        assert_eq!(read(run, 5, 10).unwrap(), Piece { at: 5, bytes: Vec::new(), newest: true });
        fs::create_dir(run.join(LIVE)).unwrap();
        let segment = |begins: u64, text: &str| fs::write(run.join(LIVE).join(live::name(begins)), text).unwrap();
        segment(100, "abcde\n");
        segment(106, "fgh\n");
        segment(110, "");
        let check = |at, most, expected: (u64, &str, bool)| {
            let piece = read(run, at, most).unwrap();
            assert_eq!((piece.at, String::from_utf8(piece.bytes).unwrap().as_str(), piece.newest), expected);
        };
        check(0, 100, (100, "abcde\nfgh\n", true));
        check(102, 5, (102, "cde\nf", false));
        check(102, 4, (102, "cde\n", false));
        check(107, 3, (107, "gh\n", false));
        check(107, 4, (107, "gh\n", true));
        check(110, 4, (110, "", true));
        segment(110, "i\n");
        check(110, 2, (110, "i\n", false));
        check(112, 2, (112, "", true));
        assert_eq!(held_back(run), None);
        fs::write(run.join(LIVE).join(HELD_BACK), "90 001-ApplicationStart.log\n").unwrap();
        assert_eq!(held_back(run), Some((10, b"abcde\nfgh\ni\n".to_vec())));
        assert_eq!(last_line(run).unwrap().as_str(), "i");
        segment(112, &format!("{}\x1bend\n\n", "x".repeat(5000)));
        assert_eq!(last_line(run).unwrap().as_str(), "x".repeat(LAST_LINE));
        remove(run).unwrap();
        remove(run).unwrap();
        assert_eq!(last_line(run), None);
        assert_eq!(held_back(run), None);
    }
}
