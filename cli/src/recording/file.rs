//! A recording as bytes, read part by part: compressed or not, one file or several behind each other.

use std::collections::VecDeque;
use std::io::{BufReader, ErrorKind, Read};

use pilotage_coordinator_core::replay::Piece;
use pilotage_coordinator_core::replay::codec::{CodecError, HEAD, Head, MAGIC, Reader};

/// With it zstd's own files begin.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Why a recording cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// Its bytes.
    #[error("failed to understand the recording")]
    Form(#[from] CodecError),
    /// It cannot be read.
    #[error("failed to read the recording")]
    Read(#[from] std::io::Error),
}

/// One part, and the position of the history behind it.
pub struct Part {
    /// Behind it.
    pub position: u64,
    /// What it is.
    pub piece: Piece,
}

/// Reads it from the beginning.
pub struct Parts<'a> {
    input: Box<dyn Read + 'a>,
    reader: Reader,
    ready: VecDeque<Part>,
    begun: bool,
    over: bool,
}

impl<'a> Parts<'a> {
    /// Of these bytes.
    pub fn new(bytes: &'a [u8]) -> Result<Parts<'a>, RecordingError> {
        let input: Box<dyn Read + 'a> = match bytes.starts_with(&ZSTD) {
            true => Box::new(zstd::stream::read::Decoder::with_buffer(bytes)?),
            false => Box::new(bytes),
        };
        Ok(Parts { input: Box::new(BufReader::new(input)), reader: Reader::default(), ready: VecDeque::new(), begun: false, over: false })
    }

    /// False at the end.
    fn fill(&mut self) -> Result<bool, RecordingError> {
        let mut head = [0; HEAD];
        let found = self.some(&mut head)?;
        if found == 0 && self.begun {
            return Ok(false);
        }
        if head == MAGIC[..HEAD] {
            let mut rest = [0; MAGIC.len() - HEAD];
            if self.some(&mut rest)? < rest.len() || rest != MAGIC[HEAD..] {
                return Err(CodecError::Magic.into());
            }
            self.begun = true;
            return Ok(true);
        }
        match (self.begun, found) {
            (false, _) => return Err(CodecError::Magic.into()),
            (true, HEAD) => {}
            (true, _) => return Err(CodecError::Cut.into()),
        }
        let head = Head::read(&head)?;
        let mut body = vec![0; head.length];
        if self.some(&mut body)? < body.len() {
            return Err(CodecError::Cut.into());
        }
        let pieces = self.reader.body(&head, &body)?;
        self.ready.extend(pieces.into_iter().map(|piece| Part { position: head.position, piece }));
        Ok(true)
    }

    /// As many bytes as there are.
    fn some(&mut self, into: &mut [u8]) -> Result<usize, RecordingError> {
        let mut found = 0;
        while found < into.len() {
            match self.input.read(&mut into[found..]) {
                Ok(0) => break,
                Ok(n) => found += n,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Err(CodecError::Cut.into()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(found)
    }
}

impl Iterator for Parts<'_> {
    type Item = Result<Part, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.is_empty() && !self.over {
            match self.fill() {
                Ok(more) => self.over = !more,
                Err(error) => {
                    self.over = true;
                    return Some(Err(error));
                }
            }
        }
        self.ready.pop_front().map(Ok)
    }
}
