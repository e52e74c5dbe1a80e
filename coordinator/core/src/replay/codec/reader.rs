//! Turns, read again.

use pilotage_shared::name::HostName;
use pilotage_shared::time::Time;

use super::{CodecError, HEAD, Head, HostRef, MAGIC, Short, read};
use crate::replay::{Checkpoint, Piece, Planned, Said, Taken, Turn};

/// Reads bodies of frames, in order from a checkpoint on.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    hosts: Vec<HostName>,
    last: Time,
}

impl Reader {
    /// What a body holds.
    pub fn body(&mut self, head: &Head, mut body: &[u8]) -> Result<Vec<Piece>, CodecError> {
        if !head.checks(body) {
            return Err(CodecError::Check);
        }
        if head.is_checkpoint {
            let checkpoint: Checkpoint = read(&mut body)?;
            *self = Reader { hosts: Vec::new(), last: checkpoint.at };
            return Ok(vec![Piece::Checkpoint(Box::new(checkpoint))]);
        }
        let mut turns = Vec::new();
        while !body.is_empty() {
            turns.push(Piece::Turn(self.turn(read(&mut body)?)?));
        }
        Ok(turns)
    }

    fn turn(&mut self, short: Short) -> Result<Turn, CodecError> {
        match short {
            Short::One(after, host) => self.beats(after, vec![host]),
            Short::Beats(after, hosts) => self.beats(after, hosts),
            Short::Turn { inputs, plan, echo } => {
                let mut taken = Vec::with_capacity(inputs.len());
                for (after, said, decided) in inputs {
                    let said = said.try_map(|host| self.host(host))?;
                    taken.push(Taken { at: self.at(after), said, decided });
                }
                let plan = plan.map(|(after, changes)| Planned { at: self.at(after), changes });
                Ok(Turn { inputs: taken, plan, echo })
            }
        }
    }

    fn beats(&mut self, after: u64, hosts: Vec<HostRef>) -> Result<Turn, CodecError> {
        let at = self.at(after);
        let beat = |host| Ok(Taken { at, said: Said::Beat(self.host(host)?), decided: None });
        let inputs = hosts.into_iter().map(beat).collect::<Result<_, CodecError>>()?;
        Ok(Turn { inputs, plan: Some(Planned { at, changes: Vec::new() }), echo: None })
    }

    fn at(&mut self, after: u64) -> Time {
        self.last = Time(self.last.0.saturating_add(after));
        self.last
    }

    fn host(&mut self, host: HostRef) -> Result<HostName, CodecError> {
        match host {
            HostRef::New(host) => {
                self.hosts.push(host.clone());
                Ok(host)
            }
            HostRef::Known(n) => {
                self.hosts.get(n as usize).cloned().ok_or_else(|| CodecError::Form(format!("it names host {n}, which was not named before")))
            }
        }
    }
}

/// All of a recording that fits into memory.
pub fn pieces(mut bytes: &[u8]) -> Result<Vec<Piece>, CodecError> {
    let (mut reader, mut pieces) = (Reader::default(), Vec::new());
    if !bytes.starts_with(MAGIC) {
        return Err(CodecError::Magic);
    }
    while !bytes.is_empty() {
        if let Some(rest) = bytes.strip_prefix(MAGIC) {
            bytes = rest;
            continue;
        }
        let (head, rest) = bytes.split_first_chunk::<HEAD>().ok_or(CodecError::Cut)?;
        let head = Head::read(head)?;
        let (body, rest) = rest.split_at_checked(head.length).ok_or(CodecError::Cut)?;
        pieces.extend(reader.body(&head, body)?);
        bytes = rest;
    }
    Ok(pieces)
}
