//! Many objects in one stream: `digest (32 bytes) · compressed length (u64, big endian) · compressed bytes`, again and again.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};

use pilotage_shared::digest::Digest;

use crate::objects::{Batch, ObjectError, Objects, compressed_max};

/// Bytes in front of each object.
pub const HEADER: usize = 40;

/// Why a pack could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// It ends in the middle, or the connection broke, on either side.
    #[error("failed to transfer the stream of objects")]
    Read(#[source] io::Error),
    /// An object that nobody asked for, or one that has come before.
    #[error("the stream has object {0}, which was not asked for, or twice")]
    Unasked(Digest),
    /// Wrong content, or the store.
    #[error(transparent)]
    Object(#[from] ObjectError),
}

/// The bytes in front of an object.
pub fn header(digest: &Digest, length: u64) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..32].copy_from_slice(&digest.0);
    header[32..].copy_from_slice(&length.to_be_bytes());
    header
}

/// Writes objects one after the other.
pub fn write(objects: &Objects, digests: impl IntoIterator<Item = Digest>, mut to: impl Write) -> Result<(), PackError> {
    for digest in digests {
        let (mut file, length) = objects.open_raw(&digest)?;
        to.write_all(&header(&digest, length)).map_err(PackError::Read)?;
        let sent = io::copy(&mut (&mut file).take(length), &mut to).map_err(PackError::Read)?;
        if sent != length {
            return Err(PackError::Read(io::ErrorKind::UnexpectedEof.into()));
        }
    }
    Ok(())
}

/// Takes objects into a store; `wanted` has the sizes that their manifest states. Gives how many were taken, all of them durable; also
/// of a stream that breaks off what came before is stored.
pub fn read(objects: &Objects, wanted: &BTreeMap<Digest, u64>, from: impl Read) -> Result<u64, PackError> {
    let mut batch = objects.batch();
    let read = read_into(&mut batch, wanted, from);
    batch.finish()?;
    read
}

fn read_into(batch: &mut Batch, wanted: &BTreeMap<Digest, u64>, mut from: impl Read) -> Result<u64, PackError> {
    let mut taken = BTreeSet::new();
    loop {
        let mut head = [0; HEADER];
        if !fill(&mut from, &mut head).map_err(PackError::Read)? {
            return Ok(taken.len() as u64);
        }
        let (name, length) = head.split_at(32);
        let digest = Digest(name.try_into().unwrap_or_default());
        let length = u64::from_be_bytes(length.try_into().unwrap_or_default());
        let size = *wanted.get(&digest).filter(|_| taken.insert(digest)).ok_or(PackError::Unasked(digest))?;
        let max = compressed_max(size);
        if length > max {
            return Err(PackError::Object(ObjectError::TooLong { limit: max }));
        }
        batch.import_raw(&digest, size, (&mut from).take(length))?;
    }
}

/// Fills the buffer; false when the input had ended before its first byte.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..]) {
            Ok(0) if filled == 0 => return Ok(false),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_travel_and_cut_or_unasked_ones_do_not() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (from, to) = (Objects::open(a.path()).unwrap(), Objects::open(b.path()).unwrap());
        let wanted: BTreeMap<Digest, u64> = ["one", "two", ""].iter().map(|t| from.put(t.as_bytes()).unwrap()).collect();
        let mut stream = Vec::new();
        write(&from, wanted.keys().copied(), &mut stream).unwrap();
        assert_eq!(read(&to, &wanted, &stream[..]).unwrap(), 3);
        assert_eq!(to.list().unwrap(), from.list().unwrap());
        assert!(matches!(read(&to, &wanted, &stream[..stream.len() - 1]), Err(PackError::Object(_) | PackError::Read(_))));
        assert!(matches!(read(&to, &wanted, &stream[..20]), Err(PackError::Read(_))));
        assert!(matches!(read(&to, &BTreeMap::new(), &stream[..]), Err(PackError::Unasked(_))));
        let twice = [&stream[..], &stream[..]].concat();
        assert!(matches!(read(&to, &wanted, &twice[..]), Err(PackError::Unasked(_))));
        let (first, size) = wanted.first_key_value().unwrap();
        let long = header(first, compressed_max(*size) + 1);
        assert!(matches!(read(&to, &wanted, &long[..]), Err(PackError::Object(ObjectError::TooLong { .. }))));
    }
}
