//! Tar, header by header: ustar, GNU long names, POSIX (pax) attributes.
//!
//! Not the `tar` crate's own loop, which reads long names and attributes into memory whatever size they claim, and takes the
//! end of the input for the end of the archive. Only its parsing of a header is used.

use std::io::{self, Read};

use ::tar::{EntryType, Header};
use pilotage_shared::limits::PATH_MAX;

use super::{damaged, hostile, text};
use crate::build::{BuildError, Builder};

/// Headers and padding come in blocks of so many bytes.
const BLOCK: usize = 512;
/// Bytes of one entry's attributes; real ones have some hundred.
const ATTRIBUTES_MAX: u64 = 1 << 20;

/// Gives every entry to the builder; reads the input to its end, so that a checksum behind it is checked.
pub fn read(mut input: impl Read, builder: &mut Builder) -> Result<(), BuildError> {
    let mut ahead = Ahead::default();
    let mut first = true;
    while let Some(header) = header(&mut input, first)? {
        first = false;
        member(&mut input, &header, &mut ahead, builder)?;
    }
    if ahead.any() {
        return Err(BuildError::Archive("it ends after a name that no entry has".into()));
    }
    io::copy(&mut input, &mut io::sink()).map_err(damaged)?;
    Ok(())
}

/// The next header; none at the mark of the end. An input that ends without the mark was cut.
fn header(input: &mut impl Read, first: bool) -> Result<Option<Header>, BuildError> {
    let mut header = Header::new_old();
    let block = header.as_mut_bytes();
    let mut filled = 0;
    while filled < BLOCK {
        match input.read(&mut block[filled..]) {
            Ok(0) if first => return no_tar(),
            Ok(0) => return Err(BuildError::Archive("it is cut: the mark of its end is missing".into())),
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(damaged(e)),
        }
    }
    if block.iter().all(|b| *b == 0) {
        return if first { no_tar() } else { Ok(None) };
    }
    // The sum counts its own field (148..156) as blanks.
    let sum: u32 = block.iter().enumerate().map(|(i, b)| if (148..156).contains(&i) { 32 } else { u32::from(*b) }).sum();
    match header.cksum() {
        Ok(stated) if stated == sum => Ok(Some(header)),
        _ if first => no_tar(),
        _ => Err(BuildError::Archive("it is damaged: a header has another checksum".into())),
    }
}

fn no_tar<T>() -> Result<T, BuildError> {
    Err(BuildError::Archive("it is no tar, tar.gz, tar.zst or zip, or it is empty".into()))
}

/// What stands before an entry and describes it.
#[derive(Default)]
struct Ahead {
    path: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    size: Option<u64>,
    mtime: Option<u64>,
    sparse: bool,
}

impl Ahead {
    fn any(&self) -> bool {
        self.path.is_some() || self.target.is_some() || self.size.is_some() || self.mtime.is_some() || self.sparse
    }

    /// POSIX attributes: of them, those that change what the entry is.
    fn attributes(&mut self, bytes: &[u8]) -> Result<(), BuildError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let Some((key, value, behind)) = attribute(rest) else {
                return Err(BuildError::Archive("it has attributes of an entry that cannot be read".into()));
            };
            rest = behind;
            match key {
                b"path" => self.path = Some(value.to_vec()),
                b"linkpath" => self.target = Some(value.to_vec()),
                b"size" => self.size = Some(number(value).ok_or_else(|| BuildError::Archive("it has an entry of no readable size".into()))?),
                // Seconds with a fraction; the header has them rounded, we want them cut, as a folder has them.
                b"mtime" => self.mtime = Some(value.split(|b| *b == b'.').next().and_then(number).unwrap_or(0)),
                key => self.sparse |= key.starts_with(b"GNU.sparse."),
            }
        }
        Ok(())
    }
}

/// The first `length key=value\n`, and what stands behind it; the value may hold anything.
fn attribute(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let blank = bytes.iter().take(20).position(|b| *b == b' ')?;
    let length = usize::try_from(number(&bytes[..blank])?).ok()?;
    let (record, behind) = bytes.split_at_checked(length)?;
    let record = record.get(blank + 1..)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|b| *b == b'=')?;
    Some((&record[..equals], &record[equals + 1..], behind))
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn member(input: &mut impl Read, header: &Header, ahead: &mut Ahead, builder: &mut Builder) -> Result<(), BuildError> {
    let kind = header.entry_type();
    let stated = header.entry_size().map_err(damaged)?;
    match kind {
        EntryType::GNULongName => return small(input, header, PATH_MAX as u64 + 1).map(|name| ahead.path = Some(until_zero(name))),
        EntryType::GNULongLink => return small(input, header, PATH_MAX as u64 + 1).map(|name| ahead.target = Some(until_zero(name))),
        EntryType::XHeader => return ahead.attributes(&small(input, header, ATTRIBUTES_MAX)?),
        // Of the whole archive: a commit's number, a volume's label.
        EntryType::XGlobalHeader => return small(input, header, ATTRIBUTES_MAX).map(drop),
        other if other.as_byte() == b'V' => return small(input, header, ATTRIBUTES_MAX).map(drop),
        _ => {}
    }
    let ahead = std::mem::take(ahead);
    let path = ahead.path.unwrap_or_else(|| header.path_bytes().into_owned());
    let target = ahead.target.or_else(|| header.link_name_bytes().map(|t| t.into_owned())).unwrap_or_default();
    let mode = header.mode().map_err(damaged)?;
    match kind {
        _ if ahead.sparse => hostile(&path, SPARSE),
        EntryType::GNUSparse => hostile(&path, SPARSE),
        EntryType::Directory => builder.directory(text(&path)?, mode),
        // As old tars write folders.
        EntryType::Regular if path.ends_with(b"/") && stated == 0 => builder.directory(text(&path)?, mode),
        EntryType::Symlink => builder.link(text(&path)?, text(&target)?),
        EntryType::Link => builder.copy(text(&path)?, text(&target)?),
        EntryType::Regular | EntryType::Continuous => {
            let size = ahead.size.unwrap_or(stated);
            let mtime = ahead.mtime.map_or_else(|| header.mtime().map_err(damaged), Ok)?;
            builder.file(text(&path)?, mode, since_1970(mtime), &mut Exactly { from: &mut *input, left: size })?;
            padding(input, size)
        }
        other => hostile(&path, format!("it is neither a file, a folder nor a link (tar type {:?})", other.as_byte() as char)),
    }
}

const SPARSE: &str = "it is a file with holes; make the archive without them (tar without -S)";

/// A time before 1970 is a number with its highest bit set.
fn since_1970(seconds: u64) -> u64 {
    if i64::try_from(seconds).is_ok() { seconds } else { 0 }
}

/// All of a part that must be small.
fn small(input: &mut impl Read, header: &Header, max: u64) -> Result<Vec<u8>, BuildError> {
    let size = header.entry_size().map_err(damaged)?;
    if size > max {
        return Err(BuildError::Archive(format!("it has a name, or attributes of an entry, of {size} bytes, at most {max} are allowed")));
    }
    let mut bytes = Vec::new();
    Exactly { from: &mut *input, left: size }.read_to_end(&mut bytes).map_err(damaged)?;
    padding(input, size)?;
    Ok(bytes)
}

fn until_zero(mut name: Vec<u8>) -> Vec<u8> {
    if let Some(end) = name.iter().position(|b| *b == 0) {
        name.truncate(end);
    }
    name
}

/// What fills the last block of an entry.
fn padding(input: &mut impl Read, size: u64) -> Result<(), BuildError> {
    let mut rest = [0; BLOCK];
    let length = (BLOCK - (size % BLOCK as u64) as usize) % BLOCK;
    input.read_exact(&mut rest[..length]).map_err(|e| if e.kind() == io::ErrorKind::UnexpectedEof { damaged(cut()) } else { damaged(e) })
}

fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the archive is cut")
}

/// So many bytes of an input; fails when it ends before.
struct Exactly<R> {
    from: R,
    left: u64,
}

impl<R: Read> Read for Exactly<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let n = self.from.read(&mut buffer[..most])?;
        if n == 0 && most > 0 {
            return Err(cut());
        }
        self.left -= n as u64;
        Ok(n)
    }
}
