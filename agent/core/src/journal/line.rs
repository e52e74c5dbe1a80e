//! A journal as a file: one line per record, `<crc32 of the JSON, 8 hex digits> <JSON>\n`, each durable before what it says is
//! begun; what only tells what was done, or can be done again without a trace, with the next such one. A torn last line is one that was never acted upon, and is
//! dropped; damage anywhere else is an error.

use super::{Illegal, Journal, Record};

/// Why a journal's file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A line in the middle is not what was written.
    #[error("line {line} of the journal is damaged")]
    Damaged {
        /// From 1.
        line: usize,
    },
    /// It reads well but makes no sense.
    #[error("line {line} of the journal is illegal")]
    Illegal {
        /// From 1.
        line: usize,
        /// Why.
        #[source]
        source: Illegal,
    },
}

/// The line of a record, as it stands in the file.
pub fn line(record: &Record) -> Vec<u8> {
    let json = serde_json::to_string(record).expect("a record has no maps with keys that are not text");
    format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes())).into_bytes()
}

/// Reads a journal's file. The second number is how many bytes of it are good: what is behind was torn, and is to be cut off.
pub fn parse(bytes: &[u8]) -> Result<(Journal, usize), JournalError> {
    let (mut journal, mut good) = (Journal::default(), 0);
    for (n, text) in bytes.split_inclusive(|b| *b == b'\n').enumerate() {
        let line = n + 1;
        match decode(text) {
            Some(record) => journal.record(record).map_err(|source| JournalError::Illegal { line, source })?,
            None if good + text.len() == bytes.len() => break,
            None => return Err(JournalError::Damaged { line }),
        }
        good += text.len();
    }
    Ok((journal, good))
}

fn decode(line: &[u8]) -> Option<Record> {
    let line = line.strip_suffix(b"\n")?;
    let (sum, json) = (line.get(..8)?, line.get(8..)?.strip_prefix(b" ")?);
    let sum = u32::from_str_radix(std::str::from_utf8(sum).ok()?, 16).ok()?;
    if sum != crc32fast::hash(json) {
        return None;
    }
    serde_json::from_slice(json).ok()
}

#[cfg(test)]
mod tests {
    use pilotage_shared::ids::BootId;
    use pilotage_shared::run::{Event, Outcome};
    use pilotage_shared::time::Uptime;

    use super::*;
    use crate::journal::{End, Entry, Turn};
    use crate::lifecycle::{Side, Task};

    fn record(entry: Entry) -> Record {
        Record { at: Uptime(7), wall: 9, entry }
    }

    fn opened() -> Entry {
        Entry::Opened { boot: BootId([1; 16]) }
    }

    #[test]
    fn a_torn_last_line_is_dropped_and_damage_elsewhere_is_an_error() {
        let lines: Vec<Vec<u8>> = [opened(), Entry::Disturbed, Entry::Closed(Outcome::Committed)].map(|e| line(&record(e))).to_vec();
        let whole = lines.concat();
        for cut in 0..whole.len() {
            let (journal, good) = parse(&whole[..cut]).unwrap();
            let ends = lines
                .iter()
                .scan(0, |at, l| {
                    *at += l.len();
                    Some(*at)
                })
                .filter(|end| *end <= cut);
            assert_eq!((journal.records().len(), good), (ends.clone().count(), ends.last().unwrap_or(0)));
        }
        // The last line swallows what is before it when the end between them is damaged; then it is torn.
        for at in 0..lines[0].len() + lines[1].len() - 1 {
            let mut bad = whole.clone();
            bad[at] ^= 4;
            assert!(parse(&bad).is_err(), "byte {at}");
        }
    }

    #[test]
    fn illegal_entries_are_errors() {
        let hook = Task::Hook { side: Side::To, event: Event::ApplicationStart, script: 0 };
        let began = |task| Entry::Began { task, process: None };
        let ended = |task| Entry::Ended { task, end: End::good() };
        let turned = || Entry::Turned(Turn::Asked(pilotage_shared::name::Why::lossy("x")));
        let closed = || Entry::Closed(Outcome::Committed);
        let check = |entries: Vec<Entry>, expected: Illegal| {
            let bytes: Vec<u8> = entries.into_iter().flat_map(|e| line(&record(e))).collect();
            match parse(&bytes) {
                Err(JournalError::Illegal { source, .. }) => assert_eq!(source, expected),
                other => panic!("{other:?}"),
            }
        };
        check(vec![Entry::Disturbed], Illegal::Opening);
        check(vec![opened(), opened()], Illegal::Opening);
        check(vec![opened(), closed(), Entry::Disturbed], Illegal::AfterClosed);
        check(vec![opened(), began(Task::Switch)], Illegal::Permission);
        check(vec![opened(), Entry::Disturbed, Entry::Disturbed], Illegal::Permission);
        check(vec![opened(), began(Task::Verify), began(Task::Keep)], Illegal::Began(Task::Keep));
        check(vec![opened(), Entry::Disturbed, began(hook), began(hook)], Illegal::Began(hook));
        check(vec![opened(), Entry::Disturbed, began(hook), ended(hook), began(hook)], Illegal::Began(hook));
        check(vec![opened(), began(Task::Verify), ended(Task::Keep)], Illegal::Ended(Task::Keep));
        check(vec![opened(), ended(Task::Keep)], Illegal::Ended(Task::Keep));
        check(vec![opened(), turned()], Illegal::Turned);
        check(vec![opened(), Entry::Disturbed, turned(), turned()], Illegal::Turned);
        check(vec![opened(), began(Task::Verify), closed()], Illegal::Closed);
    }
}
