//! CodeDeploy's diagnostics of one script (I2): `{"error_code":n,"script_name":s,"message":m,"log":l}`, beside its log. The log
//! is the last lines that fit; one that is too long keeps its end, and bytes that are no text are replaced, so that it is
//! never empty because of them (I3, I4).

use std::collections::VecDeque;
use std::path::PathBuf;

use pilotage_agent_core::journal::End;
use pilotage_agent_core::run::LOGS;
use serde_json::json;

/// Characters of the log.
const LOG_MAX: usize = 2048;

/// The last lines of a script's output.
#[derive(Default)]
pub struct Tail {
    lines: VecDeque<String>,
    bytes: usize,
}

impl Tail {
    /// One line, with the tag of its stream.
    pub fn push(&mut self, tag: &str, line: &[u8]) {
        let end = &line[line.len().saturating_sub(LOG_MAX)..];
        let text = format!("{tag}{}\n", String::from_utf8_lossy(end));
        self.bytes += text.len();
        self.lines.push_back(text);
        while let Some(first) = self.lines.front().map(String::len).filter(|first| self.bytes - first >= LOG_MAX) {
            self.lines.pop_front();
            self.bytes -= first;
        }
    }

    /// All of it.
    pub fn text(&self) -> String {
        let all: String = self.lines.iter().map(String::as_str).collect();
        let cut = all.char_indices().map(|(at, _)| at).find(|at| all.len() - at < LOG_MAX).unwrap_or(0);
        // Whole lines; of one that would not fit by itself its end.
        let first = self.lines.front().map_or(0, String::len);
        if cut > 0 && first < LOG_MAX { all[first..].to_owned() } else { all[cut..].to_owned() }
    }
}

/// The diagnostics as text.
pub fn diagnostics(script: &str, end: &End, log: &str) -> String {
    let (code, message) = match end {
        End::Good { .. } => (0, "Succeeded: ".to_owned()),
        End::Failed(failure) => (failure.cause.code(), failure.message.to_string()),
    };
    json!({ "error_code": code, "script_name": script, "message": message, "log": log }).to_string()
}

/// Their file in the run directory.
pub fn name(number: usize, event: &str) -> PathBuf {
    PathBuf::from(LOGS).join(format!("{number:03}-{event}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_keeps_its_end_and_empties_nothing() {
        let mut tail = Tail::default();
        tail.push("[stdout]", b"first");
        tail.push("[stdout]", b"\xff\xfe no text");
        assert_eq!(tail.text(), "[stdout]first\n[stdout]\u{fffd}\u{fffd} no text\n");
        tail.push("[stderr]", &[&[b'x'; 100_000], &b"the end"[..]].concat());
        assert!(tail.text().ends_with("xthe end\n") && (2000..LOG_MAX).contains(&tail.text().len()), "{}", tail.text().len());
        tail.push("[stdout]", b"after");
        assert!(tail.text().ends_with("xthe end\n[stdout]after\n") && tail.text().len() < LOG_MAX, "{}", tail.text().len());
        for n in 0..1000 {
            tail.push("[stdout]", format!("line {n}").as_bytes());
        }
        let text = tail.text();
        assert!(text.len() < LOG_MAX && text.ends_with("[stdout]line 999\n") && text.lines().count() > 100, "{}", text.len());
    }
}
