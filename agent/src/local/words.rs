//! What the command says. To a closed output nothing can be said: the deployment goes on.

use std::io::Write as _;

use pilotage_shared::run::Outcome;

/// Programs that hooks call by bare name, whatever the caller's own path is.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A line of progress or result.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// A line about what went wrong.
pub fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A path with every usual folder that it lacks behind it.
pub fn complete_path(path: &str) -> String {
    let mut folders: Vec<&str> = path.split(':').filter(|f| !f.is_empty()).collect();
    folders.extend(PATH.split(':').filter(|f| !path.split(':').any(|have| have == *f)));
    folders.join(":")
}

/// In a few words.
pub fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Committed => "it succeeded".into(),
        Outcome::RolledBack { why } => format!("it went back: {why}"),
        Outcome::NotBegun { why } => format!("it did not begin: {why}"),
        Outcome::NeedsHands { why } => format!("it needs hands: {why}"),
    }
}
