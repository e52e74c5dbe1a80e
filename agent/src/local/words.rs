//! What the command says. To a closed output nothing can be said: the deployment goes on.

use std::io::Write as _;
use std::path::PathBuf;

use pilotage_shared::run::{Outcome, RunReport};

use super::group::Deployed;
use super::root::Root;

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

/// For the end of a deployment.
pub struct Told<'a> {
    /// Where.
    pub root: &'a Root,
    /// Which group.
    pub group: &'a str,
    /// What was to be deployed.
    pub deployed: &'a Deployed,
    /// What ran before.
    pub before: Option<&'a Deployed>,
}

impl Told<'_> {
    /// The hooks' log.
    pub fn log(&self) -> PathBuf {
        self.root.scripts_log(self.group, &self.deployed.deployment)
    }

    /// Why it failed (N5), and what this host runs now.
    pub fn failure(&self, outcome: &Outcome, report: Option<&RunReport>) -> String {
        let (why, now) = match outcome {
            Outcome::Committed => return String::new(),
            Outcome::RolledBack { why } => (why, self.as_before()),
            Outcome::NotBegun { why } => (why, "Nothing was changed.".to_owned()),
            Outcome::NeedsHands { why } => (why, "This host needs hands: what it runs now is neither the old nor the new revision for certain.".to_owned()),
        };
        // Scripts that stop the old revision are passed over when they fail: the one that counts is the last.
        let failed = report.and_then(|r| r.events.iter().rfind(|e| !e.back && e.code != 0));
        let script = failed.and_then(|e| Some((e, e.script.as_ref()?)));
        match script {
            Some((event, script)) => {
                let archive = self.root.deployment(self.group, &self.deployed.deployment).join("deployment-archive");
                format!(
                    "Your local deployment failed while trying to execute your script at {}\nSee the deployment log at {} for more details\n{}: {}\n{now}",
                    archive.join(script.as_str()).display(),
                    self.log().display(),
                    event.event.as_str(),
                    event.message,
                )
            }
            None => format!("ERROR: {}\n{now}", failed.map_or(why.as_str(), |e| e.message.as_str())),
        }
    }

    fn as_before(&self) -> String {
        match self.before {
            Some(before) => format!("Went back: {} runs {} as before.", self.group, before.deployment),
            None => format!("Went back: {} had nothing before, and what was installed is removed again.", self.group),
        }
    }
}
