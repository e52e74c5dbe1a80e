//! Values of secrets are never written into a log: what a hook says is masked on its way, before it is cut into lines.
//!
//! One automaton for all values (Aho and Corasick's): each byte costs the same however many values there are and whatever the
//! output is. A byte is given on as soon as no value can begin before it and still match, so at most [`PIECE`] bytes are held
//! back. What any match covers is masked, also where matches overlap. Only the values as they are: what is encoded is not found.

use std::collections::VecDeque;
use std::io::{self, Read};

use pilotage_bundle::configuration::render::Mask;

/// Shorter values would hide half of any output; the agent says so when it reads one.
pub const SHORTEST: usize = 4;
/// Shorter lines of a value with several lines are not looked for alone.
const SHORTEST_LINE: usize = 8;
/// A longer value is looked for in pieces, so that never more than this is held back.
const PIECE: usize = 4096;
/// Bytes of one read.
const CHUNK: usize = 64 << 10;

/// A place in the automaton.
#[derive(Clone, Copy, Default)]
struct State {
    byte: u8,
    child: u32,
    sibling: u32,
    /// The longest proper suffix of this place that is a place too.
    suffix: u32,
    depth: u32,
    /// The longest piece that ends here; 0: none.
    ends: u32,
    /// Of which secret.
    secret: u32,
}

/// What is not to be shown.
pub struct Masks {
    states: Vec<State>,
    /// The first state of each byte.
    first: Box<[u32; 256]>,
    names: Vec<Vec<u8>>,
}

impl Masks {
    /// Of these values.
    pub fn new(masks: &[Mask]) -> Masks {
        let mut all = Masks { states: vec![State::default()], first: Box::new([0; 256]), names: Vec::new() };
        for mask in masks {
            let value = mask.value();
            let value = value.trim_ascii_end();
            if value.len() < SHORTEST {
                continue;
            }
            let secret = all.names.len() as u32;
            all.names.push(format!("[secret {}]", mask.name).into_bytes());
            pieces(value).for_each(|piece| all.add(piece, secret));
            let lines: Vec<&[u8]> = value.split(|b| *b == b'\n').collect();
            for line in lines.iter().filter(|line| lines.len() > 1 && line.len() >= SHORTEST_LINE) {
                pieces(line).for_each(|piece| all.add(piece, secret));
            }
        }
        all.link();
        all
    }

    fn add(&mut self, piece: &[u8], secret: u32) {
        let mut at = 0;
        for byte in piece {
            at = match self.child(at, *byte) {
                Some(next) => next,
                None => self.grow(at, *byte),
            };
        }
        let end = &mut self.states[at as usize];
        (end.ends, end.secret) = (piece.len() as u32, secret);
    }

    fn child(&self, at: u32, byte: u8) -> Option<u32> {
        if at == 0 {
            return Some(self.first[usize::from(byte)]).filter(|next| *next != 0);
        }
        let mut next = self.states[at as usize].child;
        while next != 0 && self.states[next as usize].byte != byte {
            next = self.states[next as usize].sibling;
        }
        Some(next).filter(|next| *next != 0)
    }

    fn grow(&mut self, at: u32, byte: u8) -> u32 {
        let new = self.states.len() as u32;
        let parent = self.states[at as usize];
        self.states.push(State { byte, sibling: parent.child, depth: parent.depth + 1, ..State::default() });
        self.states[at as usize].child = new;
        if at == 0 {
            self.first[usize::from(byte)] = new;
        }
        new
    }

    /// Suffixes, level by level; an end of a suffix is an end here too.
    fn link(&mut self) {
        let mut waiting = VecDeque::from([0u32]);
        while let Some(at) = waiting.pop_front() {
            let mut next = self.states[at as usize].child;
            while next != 0 {
                let suffix = if at == 0 { 0 } else { self.step(self.states[at as usize].suffix, self.states[next as usize].byte) };
                let ending = self.states[suffix as usize];
                let state = &mut self.states[next as usize];
                state.suffix = suffix;
                if state.ends == 0 {
                    (state.ends, state.secret) = (ending.ends, ending.secret);
                }
                waiting.push_back(next);
                next = state.sibling;
            }
        }
    }

    fn step(&self, mut at: u32, byte: u8) -> u32 {
        loop {
            match self.child(at, byte) {
                Some(next) => return next,
                None if at == 0 => return 0,
                None => at = self.states[at as usize].suffix,
            }
        }
    }

    /// A reader that gives what `from` gives, masked.
    pub fn reader<'a, R: Read>(&'a self, from: R) -> Masked<'a, R> {
        Masked {
            from,
            masks: self,
            at: 0,
            held: VecDeque::new(),
            begin: 0,
            found: VecDeque::new(),
            last: None,
            ready: Vec::new(),
            given: 0,
            chunk: vec![0; CHUNK],
        }
    }
}

/// All of a value; the last piece overlaps the one before it, so that none is short.
fn pieces(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.chunks_exact(PIECE).chain([&value[value.len().saturating_sub(PIECE)..]])
}

/// Bytes from `from` to `to` (counted over the whole stream) are of a secret.
#[derive(Clone, Copy)]
struct Found {
    from: u64,
    to: u64,
    secret: u32,
}

/// See [`Masks::reader`].
pub struct Masked<'a, R> {
    from: R,
    masks: &'a Masks,
    at: u32,
    held: VecDeque<u8>,
    /// The position of the first byte that is held.
    begin: u64,
    found: VecDeque<Found>,
    /// Where what was masked last has ended: the next piece of the same value is not named again.
    last: Option<(u64, u32)>,
    ready: Vec<u8>,
    given: usize,
    chunk: Vec<u8>,
}

impl<R> Masked<'_, R> {
    fn feed(&mut self, byte: u8) {
        self.at = self.masks.step(self.at, byte);
        let state = self.masks.states[self.at as usize];
        if state.depth == 0 && self.held.is_empty() {
            self.ready.push(byte);
            self.begin += 1;
            return;
        }
        self.held.push_back(byte);
        if state.ends > 0 {
            let to = self.begin + self.held.len() as u64;
            self.cover(Found { from: to - u64::from(state.ends), to, secret: state.secret });
        }
        self.give(state.depth as usize);
    }

    /// One place in the output for what overlaps, under the name of what begins first, or else is longest.
    fn cover(&mut self, mut new: Found) {
        while let Some(last) = self.found.back() {
            if last.to <= new.from {
                break;
            }
            if last.from < new.from {
                (new.from, new.secret) = (last.from, last.secret);
            }
            self.found.pop_back();
        }
        self.found.push_back(new);
    }

    /// Gives on what no later match can cover any more: all but the last bytes.
    fn give(&mut self, keep: usize) {
        while self.held.len() > keep {
            let Some(byte) = self.held.pop_front() else { return };
            match self.found.front().copied() {
                Some(found) if found.from <= self.begin => {
                    let goes_on = self.last == Some((found.from, found.secret));
                    if found.from == self.begin && !goes_on {
                        self.ready.extend_from_slice(&self.masks.names[found.secret as usize]);
                    }
                    if found.to == self.begin + 1 {
                        self.last = Some((found.to, found.secret));
                        self.found.pop_front();
                    }
                }
                Some(_) | None => self.ready.push(byte),
            }
            self.begin += 1;
        }
    }
}

impl<R: Read> Read for Masked<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.ready.len() {
            self.ready.clear();
            self.given = 0;
            let mut chunk = std::mem::take(&mut self.chunk);
            let read = self.from.read(&mut chunk);
            if let Ok(read) = &read {
                chunk[..*read].iter().for_each(|byte| self.feed(*byte));
            }
            self.chunk = chunk;
            if read? == 0 {
                self.give(0);
                if self.ready.is_empty() {
                    return Ok(0);
                }
            }
        }
        let take = buffer.len().min(self.ready.len() - self.given);
        buffer[..take].copy_from_slice(&self.ready[self.given..self.given + take]);
        self.given += take;
        Ok(take)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilotage_shared::name::SecretName;

    /// Gives its text in pieces of so many bytes.
    struct Pieces<'a>(&'a [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let take = self.1.min(self.0.len()).min(buffer.len());
            let (now, later) = self.0.split_at(take);
            buffer[..take].copy_from_slice(now);
            self.0 = later;
            Ok(take)
        }
    }

    fn masks(values: &[(&str, &[u8])]) -> Masks {
        let all: Vec<Mask> = values.iter().map(|(name, value)| Mask::new(&SecretName::new(name).unwrap(), value)).collect();
        Masks::new(&all)
    }

    fn masked(masks: &Masks, output: &[u8], size: usize) -> Vec<u8> {
        let mut out = Vec::new();
        masks.reader(Pieces(output, size)).read_to_end(&mut out).unwrap();
        out
    }

    fn check(values: &[(&str, &[u8])], output: &[u8], expected: &[u8]) {
        let masks = masks(values);
        for size in [1, 2, 3, 7, 1000] {
            let found = masked(&masks, output, size);
            assert_eq!(String::from_utf8_lossy(&found), String::from_utf8_lossy(expected), "in pieces of {size}");
        }
    }

    #[test]
    fn values_are_masked_wherever_the_output_is_cut() {
        let db: (&str, &[u8]) = ("db", b"hunter2\n");
        check(&[db], b"a hunter2, hunter2!\nhunter hunterhunter2", b"a [secret db], [secret db]!\nhunter hunter[secret db]");
        check(&[db], b"nothing here\n", b"nothing here\n");
        check(&[], b"hunter2", b"hunter2");
        check(&[("pin", b"123\n")], b"123", b"123");
        check(&[("raw", b"\x00\xff\x00\xff")], b"\x00\xff\x00\x00\xff\x00\xff.", b"\x00\xff\x00[secret raw].");
    }

    #[test]
    fn what_overlaps_is_covered_whole() {
        let both: [(&str, &[u8]); 2] = [("a", b"abcdef"), ("b", b"defghi")];
        check(&both, b"-abcdefghi-", b"-[secret a]-");
        check(&[("long", b"password-2"), ("short", b"password")], b"password password-2 password-", b"[secret short] [secret long] [secret short]-");
        check(&[("in", b"bcde"), ("out", b"abcdef")], b"abcdef abcde", b"[secret out] a[secret in]");
        check(&[("a", b"aaaa")], b"aaaaaaa b aaa", b"[secret a] b aaa");
        check(&both, b"abcdefdefghi", b"[secret a][secret b]");
    }

    #[test]
    fn a_key_of_many_lines_is_masked_whole_and_line_by_line() {
        let key: (&str, &[u8]) = ("key", b"-----BEGIN-----\nMIIEvQIBADAN\nab\n");
        check(&[key], b"-----BEGIN-----\nMIIEvQIBADAN\nab\n", b"[secret key]\n");
        check(&[key], b"> MIIEvQIBADAN\n> ab\n", b"> [secret key]\n> ab\n");
    }

    #[test]
    fn a_long_value_holds_back_no_more_than_a_piece_and_is_masked_whole() {
        let value: Vec<u8> = (0..20_000u32).flat_map(|n| n.to_be_bytes()).filter(|b| *b != b'\n').take(30_000).collect();
        let masks = masks(&[("blob", &value)]);
        let output = [b"<".as_slice(), &value, b">"].concat();
        assert_eq!(masked(&masks, &output, 100), b"<[secret blob]>");
        let mut reader = masks.reader(Pieces(&[], 1));
        for byte in &value {
            reader.feed(*byte);
            assert!(reader.held.len() <= PIECE);
        }
    }

    #[test]
    fn output_made_to_be_slow_costs_no_more_than_any_other() {
        let mut value = vec![b'a'; PIECE - 1];
        value.push(b'b');
        let masks = masks(&[("slow", &value), ("a", &[b'a'; 64])]);
        let output = vec![b'a'; 4 << 20];
        let begin = std::time::Instant::now();
        assert_eq!(masked(&masks, &output, 1 << 16), b"[secret a]");
        assert!(begin.elapsed() < std::time::Duration::from_secs(20), "linear, also unoptimised: {:?}", begin.elapsed());
    }
}
