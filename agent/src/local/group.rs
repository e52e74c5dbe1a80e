//! What a deployment group runs here, and what is under way for it: one durable record (`private/local/<app>`), as the ledger
//! is for the service. G4: *last successful* is what was committed, never what was only installed.

use std::fs;
use std::io;
use std::path::PathBuf;

use anyhow::Context as _;
use pilotage_disk::durable;
use pilotage_shared::digest::Digest;
use pilotage_shared::name::AppName;
use pilotage_shared::run::{Outcome, RunReport};
use serde::{Deserialize, Serialize};

use crate::layout::Layout;

/// Letters of a deployment's id (N5).
const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// One deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployed {
    /// As `d-1A2B3C4D5-local`.
    pub deployment: String,
    /// Counted by the group, from 1; 0 was CodeDeploy's.
    pub attempt: u32,
    /// The bundle's digest.
    pub package: Digest,
}

#[derive(Serialize, Deserialize)]
struct Record {
    format: u32,
    group: String,
    attempts: u32,
    committed: Option<Deployed>,
    unfinished: Option<Deployed>,
}

/// The format that this program writes.
const FORMAT: u32 = 1;

/// A deployment group.
pub struct Group {
    /// As people named it.
    pub name: String,
    /// The same in the form of an app's name: the deployer's word for what is deployed.
    pub app: AppName,
    /// Runs so far.
    attempts: u32,
    /// What it runs: the last successful deployment.
    pub committed: Option<Deployed>,
    /// A run that was begun, and whose end was not seen yet.
    pub unfinished: Option<Deployed>,
    /// Of the run that ended last in this command.
    pub last_report: Option<RunReport>,
}

impl Group {
    /// As it was left.
    pub fn load(state: &Layout, name: &str) -> anyhow::Result<Group> {
        let app = app_name(name)?;
        let path = path(state, &app);
        let record: Option<Record> = match fs::read(&path) {
            Ok(text) => Some(serde_json::from_slice(&text).with_context(|| format!("the record {} is damaged", path.display()))?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(|| format!("failed to read {}", path.display())),
        };
        let (attempts, committed, unfinished) = record.map_or((0, None, None), |r| (r.attempts, r.committed, r.unfinished));
        Ok(Group { name: name.to_owned(), app, attempts, committed, unfinished, last_report: None })
    }

    /// Nothing was ever deployed to it by us.
    pub fn is_new(&self) -> bool {
        self.attempts == 0 && self.committed.is_none()
    }

    /// The next deployment's names.
    pub fn next(&self, package: Digest) -> Deployed {
        Deployed { deployment: deployment_id(), attempt: self.attempts + 1, package }
    }

    /// It begins as soon as this is durable.
    pub fn begin(&mut self, state: &Layout, deployed: Deployed) -> anyhow::Result<()> {
        self.attempts = deployed.attempt;
        self.unfinished = Some(deployed);
        self.save(state)
    }

    /// It has ended.
    pub fn end(&mut self, state: &Layout, outcome: &Outcome) -> anyhow::Result<()> {
        let ended = self.unfinished.take();
        if *outcome == Outcome::Committed {
            self.committed = ended;
        }
        self.save(state)
    }

    /// It was never begun with.
    pub fn forget_unfinished(&mut self, state: &Layout) -> anyhow::Result<()> {
        self.unfinished = None;
        self.save(state)
    }

    /// Somebody else has deployed it before us.
    pub fn take_over(&mut self, state: &Layout, deployed: Deployed) -> anyhow::Result<()> {
        self.committed = Some(deployed);
        self.save(state)
    }

    fn save(&self, state: &Layout) -> anyhow::Result<()> {
        let Group { name, attempts, committed, unfinished, .. } = self;
        let record =
            Record { format: FORMAT, group: name.clone(), attempts: *attempts, committed: committed.clone(), unfinished: unfinished.clone() };
        let path = path(state, &self.app);
        durable::create_dirs(&state.private().join("local"), 0o700)?;
        durable::replace(&path, &serde_json::to_vec(&record)?, 0o600).with_context(|| format!("failed to write {}", path.display()))
    }
}

fn path(state: &Layout, app: &AppName) -> PathBuf {
    state.private().join("local").join(app.as_str())
}

/// A group may be named as no app may be: then it gets a name that says what it is, and a digest that tells it from others.
fn app_name(group: &str) -> anyhow::Result<AppName> {
    if let Ok(name) = AppName::new(group) {
        return Ok(name);
    }
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let readable: String = group.chars().take(40).map(plain).collect();
    Ok(AppName::new(&format!("g{readable}-{}", &Digest::of(group.as_bytes()).hex()[..12]))?)
}

fn deployment_id() -> String {
    let mut bytes = [0; 9];
    // Without randomness the id is still one that no other command of this moment has.
    if getrandom::fill(&mut bytes).is_err() {
        bytes[..8].copy_from_slice(&crate::clock::uptime().0.to_le_bytes());
    }
    let letters: String = bytes.iter().map(|b| char::from(LETTERS[usize::from(*b) % LETTERS.len()])).collect();
    format!("d-{letters}-local")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_has_a_name_that_an_app_can_have() {
        let check = |group: &str, expected: &str| {
            let name = app_name(group).unwrap();
            assert!(name.as_str().starts_with(expected), "{group}: {name}");
        };
        check("web-prod", "web-prod");
        check("217ba5c8-5dd1-4774", "217ba5c8-5dd1-4774");
        check("Web Prod", "gweb-prod-");
        check("Ünï", "g-n--");
        check(&"x".repeat(200), "gxxxxx");
        assert_ne!(app_name("Web").unwrap(), app_name("WEB").unwrap());
    }

    #[test]
    fn deployments_are_named_as_codedeploy_local_names_them() {
        let (a, b) = (deployment_id(), deployment_id());
        assert!(a.len() == 17 && a.starts_with("d-") && a.ends_with("-local") && a != b, "{a} {b}");
    }
}
