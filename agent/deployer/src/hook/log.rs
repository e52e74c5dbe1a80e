//! A hook's output on disk, in CodeDeploy's line format (H12): `YYYY-MM-DD HH:MM:SS [stdout]line`, local time. Any bytes
//! are taken as they come. Head and tail are kept up to a cap; what was left out in between is counted in a line.
//!
//! The head is written as it comes. What comes behind it is written too, into the stream that people follow ([`super::live`]);
//! the tail is taken from there when the hook has ended, also when its supervisor did not live to see that ([`complete`]).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use pilotage_agent_core::run::live::{HELD_BACK, LIVE, held_back};
use pilotage_agent_core::run::{LOGS, SCRIPTS_LOG};
use pilotage_shared::limits::HOOK_LOG_MAX;

use super::beside::Beside;
use super::diagnostics::Tail;
use super::live::{self, Live};
use super::order::DeploymentsLog;
use crate::clock;

/// Half of the cap for the head, half for the tail.
const HALF: u64 = HOOK_LOG_MAX / 2;
/// A longer line is cut into pieces.
const LINE_MAX: usize = 64 << 10;
/// Lines are written together up to so many bytes.
const TOGETHER: usize = 64 << 10;
/// Bytes at the end of what was read at once in which the last lines are looked for.
const WINDOW: usize = 8 << 10;

/// The log of one hook: its own file, its part of the file of all hooks, and the stream of what is written now.
pub struct HookLog {
    run: PathBuf,
    name: String,
    files: [File; 2],
    live: Live,
    beside: Option<Beside>,
    head: u64,
    /// Behind the head: lines so far.
    held: Option<u64>,
    together: Vec<u8>,
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
    /// Opens the logs of a run for appending, its own by `name`; 0600, like the folder.
    pub fn open(run: &Path, name: &str) -> io::Result<Self> {
        Ok(Self {
            run: run.to_owned(),
            name: name.to_owned(),
            files: files(run, name)?,
            live: Live::open(&run.join(LIVE))?,
            beside: None,
            head: 0,
            held: None,
            together: Vec::new(),
            last_line: String::new(),
            last_lines: Tail::default(),
            stamp: (i64::MIN, String::new()),
        })
    }

    /// Writes to the log of all deployments too, all of it; that it cannot be opened costs nothing else.
    pub fn beside(&mut self, log: &DeploymentsLog) {
        self.beside = Beside::open(log).ok();
    }

    /// The lines that CodeDeploy writes before a script; the file of all hooks names an event once, before its `first`.
    pub fn header(&mut self, event: &str, location: &str, first: bool) {
        let line = format!("{}LifecycleEvent - {event}\n", self.stamp());
        let files = if first { self.files.as_mut_slice() } else { &mut self.files[..1] };
        for file in files {
            let _ = file.write_all(line.as_bytes());
        }
        if first {
            self.tell(line.as_bytes());
        }
        self.push(b"Script - ", location.as_bytes());
        self.write();
    }

    /// Whole lines of output.
    fn lines(&mut self, stream: Stream, lines: &[u8]) {
        for line in lines.split_inclusive(|b| *b == b'\n') {
            self.push(stream.tag().as_bytes(), line.strip_suffix(b"\n").unwrap_or(line));
            if self.together.len() >= TOGETHER {
                self.write();
            }
        }
        self.write();
        self.look(stream, lines);
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

    /// Writes the tail behind the head.
    pub fn finish(&mut self) {
        if let Some(lines) = self.held.take() {
            close(&self.run, Some(lines));
        }
    }

    fn push(&mut self, tag: &[u8], text: &[u8]) {
        let mut together = std::mem::take(&mut self.together);
        together.extend_from_slice(self.stamp().as_bytes());
        for part in [tag, text, b"\n"] {
            together.extend_from_slice(part);
        }
        self.together = together;
    }

    /// Writes what was put together. A full disk costs output, never the hook.
    fn write(&mut self) {
        let lines = std::mem::take(&mut self.together);
        let fits = if self.held.is_some() { 0 } else { fitting(&lines, HALF - self.head) };
        for file in &mut self.files {
            let _ = file.write_all(&lines[..fits]);
        }
        self.head += fits as u64;
        if fits < lines.len() {
            if self.held.is_none() {
                let mark = format!("{} {}\n", self.live.end() + fits as u64, self.name);
                let _ = fs::write(self.run.join(LIVE).join(HELD_BACK), mark);
            }
            *self.held.get_or_insert(0) += newlines(&lines[fits..]);
        }
        self.tell(&lines);
        self.together = lines;
        self.together.clear();
    }

    /// To whoever follows.
    fn tell(&mut self, lines: &[u8]) {
        self.live.write(lines);
        if let Some(beside) = &mut self.beside {
            beside.write(lines);
        }
    }

    fn stamp(&mut self) -> &str {
        let now = jiff::Timestamp::now();
        if now.as_second() != self.stamp.0 {
            self.stamp = (now.as_second(), stamp(now));
        }
        &self.stamp.1
    }
}

/// Completes the logs of a hook whose supervisor has ended before it could.
pub fn complete(run: &Path) {
    close(run, None);
}

/// Puts a hook's tail behind its head, and takes the mark away that says it is missing.
fn close(run: &Path, lines: Option<u64>) {
    let mark = run.join(LIVE).join(HELD_BACK);
    let Ok(text) = fs::read_to_string(&mark) else { return };
    if let Some((at, name)) = held_back(&text)
        && let Ok((tail, left_out)) = live::tail(&run.join(LIVE), at, HALF)
        && let Ok(mut files) = files(run, name)
    {
        let mut all = Vec::new();
        if left_out > 0 {
            let lines = lines.map_or_else(String::new, |lines| format!("{} lines, ", lines.saturating_sub(newlines(&tail))));
            all.extend_from_slice(format!("{}({lines}{left_out} bytes left out here)\n", stamp(jiff::Timestamp::now())).as_bytes());
        }
        all.extend_from_slice(&tail);
        for file in &mut files {
            let _ = file.write_all(&all);
        }
    }
    let _ = fs::remove_file(mark);
}

/// The hook's own log, and that of all.
fn files(run: &Path, name: &str) -> io::Result<[File; 2]> {
    let open = |name: &str| OpenOptions::new().append(true).create(true).mode(0o600).open(run.join(LOGS).join(name));
    Ok([open(name)?, open(SCRIPTS_LOG)?])
}

/// Bytes of whole lines that fit into so many.
fn fitting(lines: &[u8], room: u64) -> usize {
    match usize::try_from(room) {
        Ok(room) if room < lines.len() => lines[..room].iter().rposition(|b| *b == b'\n').map_or(0, |newline| newline + 1),
        Ok(_) | Err(_) => lines.len(),
    }
}

fn newlines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|b| **b == b'\n').count() as u64
}

fn stamp(now: jiff::Timestamp) -> String {
    now.to_zoned_datetime(clock::zone()).strftime("%Y-%m-%d %H:%M:%S ").to_string()
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
        log.lines(stream, &rest[..ready]);
        rest.drain(..ready);
    }
    if !rest.is_empty() {
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        log.lines(stream, &rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(output: &[u8], test: impl Fn(&str, &HookLog)) {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path();
        fs::create_dir(run.join(LOGS)).unwrap();
        let log = Mutex::new(HookLog::open(run, NAME).unwrap());
        log.lock().unwrap().header("ApplicationStart", "scripts/start.sh", true);
        drain(output, Stream::Out, &log);
        let mut log = log.into_inner().unwrap();
        log.finish();
        let own = fs::read(run.join(LOGS).join(NAME)).unwrap();
        assert_eq!(own, fs::read(run.join(LOGS).join(SCRIPTS_LOG)).unwrap());
        assert!(!run.join(LIVE).join(HELD_BACK).exists());
        test(&String::from_utf8_lossy(&own), &log);
    }

    const NAME: &str = "001-ApplicationStart.log";

    #[test]
    fn lines_have_codedeploys_form() {
        check(b"one\n\xff two\n\nlast without end", |text, log| {
            let lines: Vec<&str> = text.lines().collect();
            let behind: Vec<&str> = lines.iter().map(|l| &l[20..]).collect();
            assert_eq!(
                behind,
                [
                    "LifecycleEvent - ApplicationStart",
                    "Script - scripts/start.sh",
                    "[stdout]one",
                    "[stdout]\u{fffd} two",
                    "[stdout]",
                    "[stdout]last without end"
                ]
            );
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

    #[test]
    fn who_follows_sees_each_line_as_it_comes_also_behind_the_head() {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path();
        fs::create_dir(run.join(LOGS)).unwrap();
        let log = Mutex::new(HookLog::open(run, NAME).unwrap());
        let seen = || live::tail(&run.join(LIVE), 0, u64::MAX).unwrap().0;
        drain(vec![b'\n'; 30_000].as_slice(), Stream::Err, &log);
        drain(&b"and now"[..], Stream::Out, &log);
        assert!(seen().ends_with(b"[stdout]and now\n"));
        let log_of_all = || fs::read(run.join(LOGS).join(SCRIPTS_LOG)).unwrap();
        assert!(log_of_all().len() as u64 <= HALF && !log_of_all().ends_with(b"and now\n"));
        // The supervisor is killed here: whoever finds that completes its logs.
        drop(log);
        complete(run);
        assert!(log_of_all().ends_with(b"[stdout]and now\n") && newlines(&log_of_all()) == 30_001);
        complete(run);
        assert_eq!((newlines(&log_of_all()), newlines(&fs::read(run.join(LOGS).join(NAME)).unwrap())), (30_001, 30_001));
    }
}
