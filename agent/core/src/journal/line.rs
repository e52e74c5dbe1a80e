//! A journal as a file: one line per record, `<crc32 of the JSON, 8 hex digits> <JSON>\n`, each durable before the next step.
//! A torn last line is one that was never acted upon, and is dropped; damage anywhere else is an error.

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
    let (sum, json) = (line.get(..8)?, line.get(9..)?);
    let sum = u32::from_str_radix(std::str::from_utf8(sum).ok()?, 16).ok()?;
    if sum != crc32fast::hash(json) {
        return None;
    }
    serde_json::from_slice(json).ok()
}
