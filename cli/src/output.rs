//! The only module that prints. Everything a host, a package or another person wrote goes through [`safe`] first, so that
//! nothing of it ever acts on the terminal. A closed pipe is remembered, not complained about: who follows something asks
//! [`closed`] and ends.

pub mod progress;

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

/// The widest line we print, in columns (UI.md).
pub const WIDTH: usize = 120;

static CLOSED: AtomicBool = AtomicBool::new(false);

/// What the reader of our output is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// A person.
    #[default]
    Text,
    /// A program.
    Json,
}

/// True when the reader of stdout has gone.
pub fn closed() -> bool {
    CLOSED.load(Ordering::Relaxed)
}

/// One line on stdout, not wider than [`WIDTH`].
pub fn line(text: &str) {
    put(&mut anstream::stdout().lock(), &fit(text, WIDTH));
}

/// Lines on stdout.
pub fn lines<S: AsRef<str>>(texts: impl IntoIterator<Item = S>) {
    for text in texts {
        line(text.as_ref());
    }
}

/// One line on stdout as it is, however long: a command to copy, a log line.
pub fn whole_line(text: &str) {
    put(&mut anstream::stdout().lock(), text);
}

/// One value as JSON, one line, on stdout.
pub fn json<T: Serialize + ?Sized>(value: &T) {
    match serde_json::to_string(value) {
        Ok(text) => put(&mut anstream::stdout().lock(), &text),
        Err(error) => complain(&format!("failed to write JSON: {error}")),
    }
}

/// Bytes on stdout as they are: only for what the caller asked for as bytes, never to a terminal.
pub fn raw(bytes: &[u8]) {
    let mut out = std::io::stdout().lock();
    if out.write_all(bytes).and_then(|()| out.flush()).is_err() {
        CLOSED.store(true, Ordering::Relaxed);
    }
}

/// One line on stderr.
pub fn complain(text: &str) {
    put(&mut anstream::stderr().lock(), text);
}

fn put(out: &mut impl Write, text: &str) {
    if writeln!(out, "{text}").and_then(|()| out.flush()).is_err() {
        CLOSED.store(true, Ordering::Relaxed);
    }
}

/// Text of others, made harmless for a terminal and a page: control characters and what turns the direction of writing
/// are shown as escapes.
pub fn safe(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => out.push(' '),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            c if acts(c) => match u32::from(c) {
                code @ ..=0xff => out.push_str(&format!("\\x{code:02x}")),
                code => out.push_str(&format!("\\u{{{code:x}}}")),
            },
            c => out.push(c),
        }
    }
    out
}

/// Bytes of others, made harmless: as [`safe`], and what is not UTF-8 is shown as `\xNN`.
pub fn safe_bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(&safe(chunk.valid()));
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// Cuts a line that is too wide, showing that something is missing.
pub fn fit(text: &str, width: usize) -> String {
    match text.char_indices().nth(width) {
        None => text.to_owned(),
        Some(_) => text.chars().take(width.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// True when stdout is a terminal: then progress may move.
pub fn moves() -> bool {
    std::io::IsTerminal::is_terminal(&std::io::stdout())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_never_acts_on_the_terminal() {
        let check = |text: &str, expected: &str| assert_eq!(safe(text), expected);
        check("plain, ä and 漢", "plain, ä and 漢");
        check("\x1b[2Jgone", "\\x1b[2Jgone");
        check("a\rb\nc\td\x07", "a\\rb\\nc d\\x07");
        check("\u{9b}31m", "\\x9b31m");
        check("user\u{202e}txt.exe", "user\\u{202e}txt.exe");
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_as_numbers() {
        assert_eq!(safe_bytes(b"ok \xff\xfe \x1b]0;t\x07 end"), "ok \\xff\\xfe \\x1b]0;t\\x07 end");
    }

    #[test]
    fn a_wide_line_is_cut_visibly() {
        assert_eq!(fit("abcdef", 6), "abcdef");
        assert_eq!(fit("abcdefg", 6), "abcde…");
    }
}
