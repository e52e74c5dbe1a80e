//! The folder of segments: `<number>-<begin, ms since 1970>.rec`, and `.rec.zst` when it is whole and compressed.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use pilotage_coordinator_core::replay::codec::{HEAD, Head, MAGIC};
use pilotage_shared::time::Time;

use super::Limits;

const RAW: &str = ".rec";
const PACKED: &str = ".rec.zst";
const UNFINISHED: &str = ".unfinished";
/// Of zstd.
const LEVEL: i32 = 3;

/// One file of the recording.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Segment {
    /// Counted from 1.
    pub number: u64,
    /// When it began.
    pub since: Time,
    /// Where it lies.
    pub path: PathBuf,
    /// Compressed.
    pub packed: bool,
    /// So many bytes of it are whole.
    pub bytes: u64,
}

/// The name of a segment that is written.
pub fn name(number: u64, since: Time) -> String {
    format!("{number:010}-{}{RAW}", since.0)
}

fn segment(path: PathBuf, bytes: u64) -> Option<Segment> {
    let name = path.file_name()?.to_str()?;
    let (stem, packed) = match name.strip_suffix(PACKED) {
        Some(stem) => (stem, true),
        None => (name.strip_suffix(RAW)?, false),
    };
    let (number, since) = stem.split_once('-')?;
    Some(Segment { number: number.parse().ok()?, since: Time(since.parse().ok()?), packed, bytes, path: path.clone() })
}

/// All segments, oldest first; of one that is there twice the compressed one, which is whole.
pub fn all(folder: &Path) -> io::Result<Vec<Segment>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // One that has just been removed is none.
        let Ok(data) = entry.metadata() else { continue };
        found.extend(segment(entry.path(), data.len()));
    }
    found.sort_by_key(|s| (s.number, !s.packed));
    found.dedup_by_key(|s| s.number);
    Ok(found)
}

/// Those that hold what happened between two moments.
pub fn between(folder: &Path, from: Time, until: Time) -> io::Result<Vec<Segment>> {
    let all = all(folder)?;
    let ends: Vec<Time> = all.iter().skip(1).map(|s| s.since).chain([Time(u64::MAX)]).collect();
    let within = |(s, end): &(Segment, Time)| s.since <= until && *end >= from;
    Ok(all.into_iter().zip(ends).filter(within).map(|(s, _)| s).collect())
}

/// Makes the folder ready for a new life; gives the number of its first segment. What a crash has left half-written, and what
/// lies beyond the store's newest entry (it was never committed), is cut off.
pub fn prepare(folder: &Path, position: u64) -> io::Result<u64> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.to_str().is_some_and(|p| p.ends_with(UNFINISHED)) {
            fs::remove_file(path)?;
        }
    }
    let all = all(folder)?;
    let Some(last) = all.last() else { return Ok(1) };
    if !last.packed {
        let whole = committed(&last.path, position)?;
        if whole < last.bytes {
            OpenOptions::new().write(true).open(&last.path)?.set_len(whole)?;
        }
    }
    Ok(last.number + 1)
}

/// How many bytes of a segment are whole and committed.
fn committed(path: &Path, position: u64) -> io::Result<u64> {
    let mut file = BufReader::new(File::open(path)?);
    let mut whole = 0;
    let mut magic = [0; MAGIC.len()];
    if file.read_exact(&mut magic).is_err() || magic != MAGIC {
        return Ok(whole);
    }
    whole = MAGIC.len() as u64;
    let mut head = [0; HEAD];
    while file.read_exact(&mut head).is_ok() {
        let Ok(head) = Head::read(&head) else { break };
        let mut body = vec![0; head.length];
        if head.position > position || file.read_exact(&mut body).is_err() || !head.checks(&body) {
            break;
        }
        whole += (HEAD + head.length) as u64;
    }
    Ok(whole)
}

/// Compresses every segment below `whole`, then removes the oldest beyond the limits.
pub fn tidy(folder: &Path, limits: Limits, whole: u64, now: Time) -> io::Result<()> {
    for segment in all(folder)?.iter().filter(|s| s.number < whole && !s.packed) {
        pack(segment)?;
    }
    let all = all(folder)?;
    let mut bytes: u64 = all.iter().map(|s| s.bytes).sum();
    for (segment, next) in all.iter().zip(all.iter().skip(1)) {
        if bytes <= limits.bytes && now - next.since <= limits.keep {
            break;
        }
        fs::remove_file(&segment.path)?;
        bytes -= segment.bytes;
    }
    Ok(())
}

fn pack(segment: &Segment) -> io::Result<()> {
    let packed = PathBuf::from(format!("{}.zst", segment.path.display()));
    let unfinished = PathBuf::from(format!("{}{UNFINISHED}", packed.display()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    zstd::stream::copy_encode(File::open(&segment.path)?, &mut file, LEVEL)?;
    file.flush()?;
    file.sync_all()?;
    fs::rename(&unfinished, &packed)?;
    fs::remove_file(&segment.path)
}

/// Sends segments one behind the other, compressed, each up to what was whole of it.
pub fn send(segments: &[Segment], mut out: impl Write) -> io::Result<()> {
    for segment in segments {
        let named = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", segment.path.display()));
        // It may have been compressed since.
        let packed = PathBuf::from(format!("{}.zst", segment.path.display()));
        match (segment.packed, File::open(&segment.path)) {
            (true, file) => drop(io::copy(&mut file.map_err(named)?, &mut out)?),
            (false, Ok(file)) => zstd::stream::copy_encode(file.take(segment.bytes), &mut out, LEVEL)?,
            (false, Err(_)) => drop(io::copy(&mut File::open(&packed).map_err(named)?, &mut out)?),
        }
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilotage_coordinator_core::change::Change;
    use pilotage_coordinator_core::replay::codec::{Writer, pieces};
    use pilotage_coordinator_core::replay::{Planned, Turn};
    use pilotage_coordinator_core::world::{Settings, World};
    use pilotage_shared::time::Millis;

    /// A segment with a frame for each of these positions.
    fn segment(folder: &Path, number: u64, since: u64, positions: &[u64]) -> PathBuf {
        let mut writer = Writer::default();
        let world = World::new(Settings { heartbeat: Millis::seconds(5) });
        let mut bytes = [MAGIC, &writer.checkpoint(&world, &Default::default(), Time(since), 0)].concat();
        for position in positions {
            writer.turn(Turn { plan: Some(Planned { at: Time(since), changes: vec![Change::StartupOver] }), ..Turn::default() });
            bytes.extend(writer.frame(*position).unwrap());
        }
        let path = folder.join(name(number, Time(since)));
        fs::write(&path, bytes).unwrap();
        path
    }

    #[test]
    fn what_was_not_committed_and_what_is_half_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = segment(folder.path(), 7, 1000, &[1, 2, 3]);
        let check = |position, turns: usize| {
            assert_eq!(prepare(folder.path(), position).unwrap(), 8);
            assert_eq!(pieces(&fs::read(&path).unwrap()).unwrap().len(), 1 + turns, "committed up to {position}");
        };
        check(9, 3);
        check(2, 2);
        let whole = fs::metadata(&path).unwrap().len();
        OpenOptions::new().write(true).open(&path).unwrap().set_len(whole - 1).unwrap();
        check(9, 1);
        fs::write(folder.path().join("0000000009-1.rec.zst.unfinished"), "half").unwrap();
        check(9, 1);
        assert!(!folder.path().join("0000000009-1.rec.zst.unfinished").exists());
    }

    #[test]
    fn whole_segments_are_compressed_and_the_oldest_removed() {
        let folder = tempfile::tempdir().unwrap();
        for number in 1..=4 {
            segment(folder.path(), number, number * 1000, &[1; 50]);
        }
        let numbers = |from, until| between(folder.path(), Time(from), Time(until)).unwrap().iter().map(|s| (s.number, s.packed)).collect::<Vec<_>>();
        let limits = |keep, bytes| Limits { keep: Millis(keep), bytes };
        tidy(folder.path(), limits(60_000, 1 << 20), 4, Time(5000)).unwrap();
        assert_eq!(numbers(0, u64::MAX), [(1, true), (2, true), (3, true), (4, false)]);
        assert_eq!(numbers(2500, 3500), [(2, true), (3, true)]);
        let mut out = Vec::new();
        send(&all(folder.path()).unwrap(), &mut out).unwrap();
        let mut bytes = Vec::new();
        zstd::stream::read::Decoder::new(&out[..]).unwrap().read_to_end(&mut bytes).unwrap();
        assert_eq!(pieces(&bytes).unwrap().len(), 4 * 51, "one behind the other they are a recording");
        tidy(folder.path(), limits(2500, 1 << 20), 4, Time(5000)).unwrap();
        assert_eq!(numbers(0, u64::MAX).len(), 3, "what ended longer ago than is kept is gone");
        tidy(folder.path(), limits(60_000, 1), 4, Time(5000)).unwrap();
        assert_eq!(numbers(0, u64::MAX), [(4, false)], "the one that is written stays");
    }
}
