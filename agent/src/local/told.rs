//! What is told at the end of a deployment that failed.

use std::path::PathBuf;

use pilotage_shared::run::{Outcome, RunReport};

use super::group::Deployed;
use super::root::Root;

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
            Outcome::NeedsHands { why } => {
                (why, "This host needs hands: what it runs now is neither the old nor the new revision for certain.".to_owned())
            }
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
