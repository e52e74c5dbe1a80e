//! A story's file: commands and what they print, in one text that a person reads from top to bottom.
//!
//! A line that begins with `> ` is a command; the lines under it, up to the next command, comment or blank line, are what
//! it must print. Lines that begin with `#` and blank lines are for readers.

/// One part of a story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// A comment or a blank line.
    Words(String),
    /// A command and its golden output.
    Command {
        /// Where it stands, counted from 1.
        line: usize,
        /// Without the mark.
        command: String,
        /// Line by line.
        expected: Vec<String>,
    },
}

/// Splits a file into its parts.
pub fn parse(text: &str) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if let Some(command) = line.strip_prefix("> ") {
            parts.push(Part::Command { line: at + 1, command: command.trim().to_owned(), expected: Vec::new() });
        } else if let (Some(Part::Command { expected, .. }), false) = (parts.last_mut(), line.is_empty() || line.starts_with('#')) {
            expected.push(line.to_owned());
        } else {
            parts.push(Part::Words(line.to_owned()));
        }
    }
    parts
}

/// Writes a file with other output.
pub fn render(parts: &[Part]) -> String {
    let mut out = String::new();
    for part in parts {
        match part {
            Part::Words(words) => out.push_str(words),
            Part::Command { command, expected, .. } => {
                out.push_str("> ");
                out.push_str(command);
                for line in expected {
                    out.push('\n');
                    out.push_str(line);
                }
            }
        }
        out.push('\n');
    }
    out
}

/// What is different, for people; none when nothing is.
pub fn difference(expected: &[String], found: &[String]) -> Option<String> {
    if expected == found {
        return None;
    }
    let mut out = String::new();
    for at in 0..expected.len().max(found.len()) {
        match (expected.get(at), found.get(at)) {
            (Some(e), Some(f)) if e == f => out.push_str(&format!("    {e}\n")),
            (e, f) => {
                out.extend(e.map(|e| format!("  - {e}\n")));
                out.extend(f.map(|f| format!("  + {f}\n")));
            }
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_survives_parsing_and_rendering() {
        let text = "# title\n\n> hosts 2\n> status\nweb 2 of 2\n  h1\n\n# end\n";
        let parts = parse(text);
        assert_eq!(render(&parts), text);
        let commands: Vec<_> = parts.iter().filter(|p| matches!(p, Part::Command { .. })).collect();
        let expected = vec!["web 2 of 2".to_owned(), "  h1".to_owned()];
        assert_eq!(commands[1], &Part::Command { line: 4, command: "status".into(), expected });
    }

    #[test]
    fn differences_show_both_sides() {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(difference(&lines("a\nb"), &lines("a\nb")), None);
        assert_eq!(difference(&lines("a\nb"), &lines("a\nc")).unwrap(), "    a\n  - b\n  + c\n");
    }
}
