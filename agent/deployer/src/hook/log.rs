//! A hook's output on disk, in CodeDeploy's line format (H12): `YYYY-MM-DD HH:MM:SS [stdout]line`, local time. Any bytes
//! are taken as they come. Head and tail are kept up to a cap; what was left out in between is counted in a line.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use pilotage_shared::limits::HOOK_LOG_MAX;

use super::diagnostics::Tail;
use super::order::DeploymentsLog;
use crate::clock;

/// Half of the cap for the head, half for the tail.
const HALF: u64 = HOOK_LOG_MAX / 2;
/// A longer line is cut into pieces.
const LINE_MAX: usize = 64 << 10;
/// Bytes at the end of what was read at once in which the last lines are looked for.
const WINDOW: usize = 8 << 10;
/// `YYYY-MM-DD HH:MM:SS `
const STAMP: usize = 20;
/// The log of all deployments: so many files of so many bytes (H13).
const BESIDE_KEPT: usize = 8;
const BESIDE_MAX: u64 = 64 << 20;

/// The log of one hook: its own file, and its part of the file of all hooks.
pub struct HookLog {
    files: Vec<File>,
    all_deployments: Option<(File, String)>,
    head: u64,
    tail: VecDeque<Vec<u8>>,
    tail_bytes: u64,
    left_out: (u64, u64),
    last_line: String,
    last_lines: Tail,
    stamp: (i64, String),
}

/// Which output a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

impl Stream {
    fn tag(self) -> &'static str {
        match self {
            Stream::Out => "[stdout]",
            Stream::Err => "[stderr]",
        }
    }
}

impl HookLog {
    /// Opens both files for appending; 0600, like the folder.
    pub fn open(own: &Path, all: &Path) -> io::Result<Self> {
        let open = |path| OpenOptions::new().append(true).create(true).mode(0o600).open(path);
        Ok(Self {
            files: vec![open(own)?, open(all)?],
            all_deployments: None,
            head: 0,
            tail: VecDeque::new(),
            tail_bytes: 0,
            left_out: (0, 0),
            last_line: String::new(),
            last_lines: Tail::default(),
            stamp: (i64::MIN, String::new()),
        })
    }

    /// Writes to the log of all deployments too; that it cannot be opened costs nothing else.
    pub fn beside(&mut self, log: &DeploymentsLog) {
        rotate(&log.path);
        let open = OpenOptions::new().append(true).create(true).mode(0o644).custom_flags(nix::libc::O_NOFOLLOW).open(&log.path);
        self.all_deployments = open.ok().map(|file| (file, log.deployment.clone()));
    }

    /// The lines that CodeDeploy writes before a script; the file of all hooks names an event once, before its `first`.
    pub fn header(&mut self, event: &str, location: &str, first: bool) {
        let line = format!("{}LifecycleEvent - {event}\n", self.stamp());
        let files = if first { self.files.as_mut_slice() } else { &mut self.files[..1] };
        for file in files {
            let _ = file.write_all(line.as_bytes());
        }
        if first {
            self.put_beside(line.as_bytes());
        }
        self.write(b"Script - ", location.as_bytes());
    }

    /// One line of output.
    pub fn line(&mut self, stream: Stream, bytes: &[u8]) {
        self.write(stream.tag().as_bytes(), bytes);
    }

    /// Looks at the end of what was read at once: only the last lines are told, and there may be millions.
    fn look(&mut self, stream: Stream, chunk: &[u8]) {
        let mut lines = chunk.rsplit(|b| *b == b'\n');
        if let Some(last) = lines.find(|line| !line.trim_ascii().is_empty()) {
            self.last_line = String::from_utf8_lossy(&last[..last.len().min(1024)]).trim().to_owned();
        }
        let window = chunk.len().saturating_sub(WINDOW);
        // From where a line begins in it; of one that fills it the end.
        let begins = chunk[window..].iter().position(|b| *b == b'\n').map(|at| window + at + 1).filter(|at| window > 0 && *at < chunk.len());
        for line in chunk[begins.unwrap_or(window)..].split_inclusive(|b| *b == b'\n') {
            self.last_lines.push(stream.tag(), line.strip_suffix(b"\n").unwrap_or(line));
        }
    }

    /// The last line that was not blank, as far as it was looked at.
    pub fn last_line(&self) -> &str {
        &self.last_line
    }

    /// The last lines, for the diagnostics.
    pub fn last_lines(&self) -> &Tail {
        &self.last_lines
    }

    /// Writes what was held back for the tail.
    pub fn finish(&mut self) {
        if self.left_out.0 > 0 {
            let (lines, bytes) = self.left_out;
            let note = format!("{}({lines} lines, {bytes} bytes left out here)\n", self.stamp());
            self.put(note.as_bytes());
        }
        for line in std::mem::take(&mut self.tail) {
            self.put(&line);
        }
        self.tail_bytes = 0;
    }

    fn write(&mut self, tag: &[u8], text: &[u8]) {
        let line = [self.stamp().as_bytes(), tag, text, b"\n"].concat();
        if self.head + line.len() as u64 <= HALF && self.tail.is_empty() {
            self.head += line.len() as u64;
            return self.put(&line);
        }
        self.tail_bytes += line.len() as u64;
        self.tail.push_back(line);
        while self.tail_bytes > HALF {
            let Some(first) = self.tail.pop_front() else { break };
            self.tail_bytes -= first.len() as u64;
            self.left_out = (self.left_out.0 + 1, self.left_out.1 + first.len() as u64);
        }
    }

    /// A full disk costs output, never the hook.
    fn put(&mut self, bytes: &[u8]) {
        for file in &mut self.files {
            let _ = file.write_all(bytes);
        }
        self.put_beside(bytes);
    }

    /// `[time] [deployment]` and the line without its own time.
    fn put_beside(&mut self, line: &[u8]) {
        let Some((file, deployment)) = &mut self.all_deployments else { return };
        let now = jiff::Timestamp::now().to_zoned_datetime(clock::zone());
        let head = format!("[{}] [{deployment}]", now.strftime("%Y-%m-%d %H:%M:%S%.3f"));
        let _ = file.write_all(&[head.as_bytes(), line.get(STAMP..).unwrap_or(line)].concat());
    }

    fn stamp(&mut self) -> &str {
        let now = jiff::Timestamp::now();
        if now.as_second() != self.stamp.0 {
            let local = now.to_zoned_datetime(clock::zone());
            self.stamp = (now.as_second(), local.strftime("%Y-%m-%d %H:%M:%S ").to_string());
        }
        &self.stamp.1
    }
}

/// Begins the file anew when it is full; the older ones stay behind it.
fn rotate(path: &Path) {
    if fs::symlink_metadata(path).map_or(0, |m| m.len()) < BESIDE_MAX {
        return;
    }
    let name = |n: usize| if n == 0 { path.to_owned() } else { path.with_added_extension(n.to_string()) };
    for n in (0..BESIDE_KEPT - 1).rev() {
        let _ = fs::rename(name(n), name(n + 1));
    }
}

/// Reads one pipe to its end into the log.
pub fn drain(mut pipe: impl Read, stream: Stream, log: &Mutex<HookLog>) {
    let (mut rest, mut chunk) = (Vec::new(), vec![0; LINE_MAX]);
    loop {
        let read = match pipe.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        rest.extend_from_slice(&chunk[..read]);
        let whole = rest.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let ready = if whole == 0 && rest.len() >= LINE_MAX { rest.len() } else { whole };
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        for line in rest[..ready].split_inclusive(|b| *b == b'\n') {
            log.line(stream, line.strip_suffix(b"\n").unwrap_or(line));
        }
        log.look(stream, &rest[..ready]);
        rest.drain(..ready);
    }
    if !rest.is_empty() {
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        log.line(stream, &rest);
        log.look(stream, &rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(output: &[u8], test: impl Fn(&str, &HookLog)) {
        let dir = tempfile::tempdir().unwrap();
        let (own, all) = (dir.path().join("own"), dir.path().join("all"));
        let log = Mutex::new(HookLog::open(&own, &all).unwrap());
        log.lock().unwrap().header("ApplicationStart", "scripts/start.sh", true);
        drain(output, Stream::Out, &log);
        let mut log = log.into_inner().unwrap();
        log.finish();
        let text = String::from_utf8_lossy(&fs::read(&own).unwrap()).into_owned();
        assert_eq!(fs::read(&own).unwrap(), fs::read(&all).unwrap());
        test(&text, &log);
    }

    #[test]
    fn lines_have_codedeploys_form() {
        check(b"one\n\xff two\n\nlast without end", |text, log| {
            let lines: Vec<&str> = text.lines().collect();
            let behind: Vec<&str> = lines.iter().map(|l| &l[20..]).collect();
            assert_eq!(behind, ["LifecycleEvent - ApplicationStart", "Script - scripts/start.sh", "[stdout]one", "[stdout]\u{fffd} two", "[stdout]", "[stdout]last without end"]);
            let shape: String = lines[0][..20].chars().map(|c| if c.is_ascii_digit() { 'd' } else { c }).collect();
            assert_eq!(shape, "dddd-dd-dd dd:dd:dd ");
            assert_eq!(log.last_line(), "last without end");
        });
    }

    #[test]
    fn head_and_tail_are_kept_and_the_rest_is_counted() {
        let output: Vec<u8> = (0..200_000).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
        check(&output, |text, _| {
            assert!(text.len() as u64 <= HOOK_LOG_MAX + 200, "{}", text.len());
            assert!(text.contains("[stdout]line 0\n") && text.ends_with("[stdout]line 199999\n"));
            let counted = text.lines().find(|l| l.contains("left out here")).unwrap();
            let left: u64 = counted.split(['(', ' ']).filter_map(|w| w.parse().ok()).next().unwrap();
            assert_eq!(left + text.lines().count() as u64 - 3, 200_000);
        });
    }

    #[test]
    fn a_line_without_end_is_cut_not_kept_in_memory() {
        check(&vec![b'x'; 300 << 10], |text, _| assert!(text.lines().count() > 4));
    }
}
