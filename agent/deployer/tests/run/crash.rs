//! The real deployer killed with -9 before each change of its files, and the machine's power cut after any of them: the next
//! deployer ends in the new release or in the one before as it was, and what was committed stays committed.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use pilotage_agent_core::journal::{Entry, line};
use pilotage_agent_core::run::Target;
use pilotage_crash::{Crash, Fate, Recording, kill_before, record};
use pilotage_shared::ids::BootId;
use pilotage_shared::run::Outcome;

use crate::world::{World, log, report, start};

const SPEC: &str = "files:\n  - source: /app\n    destination: @/out/app\n";

/// Two releases, of which the first one runs.
struct Stage {
    world: World,
    one: Target,
    two: Target,
    before: BTreeSet<String>,
    /// The whole world as it was before, to be put back.
    saved: tempfile::TempDir,
    run: PathBuf,
    after: RefCell<Option<BTreeSet<String>>>,
}

impl Stage {
    fn new(validation: &str) -> Stage {
        let world = World::new();
        let one = world.package("1", &[("app/page", "one"), ("app/old", "x"), ("app/same", "same")], SPEC, &[("ApplicationStop", "true")]);
        let two = world.package("2", &[("app/page", "two"), ("app/new/er", "y"), ("app/same", "same")], SPEC, &[("ValidateService", validation)]);
        world.commit(None, &one);
        let before = world.photograph_without_folder_times();
        let run = world.run_directory(&world.request(Some(&one), &two));
        // What was there before is on the disk.
        assert!(Command::new("sync").status().unwrap().success());
        let saved = tempfile::tempdir().unwrap();
        copy(&world.path(""), saved.path());
        Stage { world, one, two, before, saved, run, after: RefCell::default() }
    }

    fn root(&self) -> PathBuf {
        self.world.path("")
    }

    fn deployer(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pilotage-deployer"));
        command.arg(".").current_dir(&self.run);
        command
    }

    fn back(&self) {
        empty(&self.root());
        copy(self.saved.path(), &self.root());
    }

    /// The next deployer ends the run, well or as before; and nothing of what it says is a lie.
    fn verdict(&self, over: Option<&Outcome>) -> Result<(), String> {
        let status = start(&self.run).wait().unwrap();
        if !status.success() {
            return Err(format!("the next deployer: {status}"));
        }
        let outcome = report(&self.run).outcome;
        if over.is_some_and(|over| *over != outcome) {
            return Err(format!("it had ended as {over:?}, and now says {outcome:?}: {}", log(&self.run)));
        }
        let now = self.world.photograph_without_folder_times();
        let installed = fs::read_to_string(self.world.path("state/private/installed/web")).unwrap_or_default();
        match outcome {
            Outcome::RolledBack { .. } | Outcome::NotBegun { .. } if now == self.before && installed.contains("app/old") => Ok(()),
            Outcome::RolledBack { .. } | Outcome::NotBegun { .. } => {
                Err(format!("not as before: {:#?}\n{installed}", now.symmetric_difference(&self.before)))
            }
            Outcome::Committed => {
                let committed = self.world.path("state/private/seals/web").join(self.two.release.package.hex()).exists();
                let mut after = self.after.borrow_mut();
                let good = after.get_or_insert_with(|| now.clone());
                match now == *good && installed.contains("app/new/er") && committed {
                    true => Ok(()),
                    false => Err(format!("not the new release: {:#?}\n{installed}\n{committed}", now.symmetric_difference(good))),
                }
            }
            Outcome::NeedsHands { why } => Err(format!("needs hands: {why}: {}", log(&self.run))),
        }
    }

    #[expect(clippy::print_stdout, reason = "figures, for who asks for the output")]
    fn killed_before_each_change(&self) {
        let mut changes = 0;
        for n in 1.. {
            self.back();
            let killed = kill_before(&self.deployer(), &self.root(), n).unwrap();
            let over = killed.status.success().then(|| report(&self.run).outcome);
            self.verdict(over.as_ref()).unwrap_or_else(|why| panic!("killed before change {n}: {why}"));
            if over.is_some() {
                break;
            }
            changes = n;
        }
        println!("deployer: killed before each of {changes} changes");
        assert!(changes > 40, "it did little: {changes}");
    }

    #[expect(clippy::print_stdout, reason = "figures, for who asks for the output")]
    fn power_cut_at_any_moment(&self, draws: u64) {
        let recording = record(&self.deployer(), &self.root()).unwrap();
        assert!(recording.status.success(), "{}", recording.said);
        let (mut tried, mut failures) = (0, Vec::new());
        // The whole run, as it is remembered when its report was written.
        let over = report(&self.run).outcome;
        for crash in recording.crashes(draws).filter(|c| c.fate != Fate::Kept) {
            self.power_cut(&recording, crash);
            tried += 1;
            let reported = (crash.after == recording.end()).then_some(&over);
            failures.extend(self.verdict(reported).err().map(|why| format!("{crash:?}: {why}")));
            if failures.len() > 5 {
                break;
            }
        }
        println!("deployer: {tried} states after a power cut within {} events", recording.end());
        assert!(failures.is_empty(), "{} of {tried} failed: {}", failures.len(), failures.join("\n\n"));
    }

    /// The machine comes up again: another boot, and none of the processes.
    fn power_cut(&self, recording: &Recording, crash: Crash) {
        empty(&self.root());
        recording.rebuild(crash, &self.root()).unwrap();
        let path = self.run.join("journal");
        let Ok(text) = fs::read(&path) else { return };
        let (journal, good) = line::parse(&text).unwrap();
        let mut records = journal.records().to_vec();
        for record in &mut records {
            if let Entry::Opened { boot } | Entry::Resumed { boot } = &mut record.entry {
                *boot = BootId([7; 16]);
            }
        }
        let lines: Vec<u8> = records.iter().flat_map(line::line).chain(text[good..].iter().copied()).collect();
        fs::write(path, lines).unwrap();
        self.tell_inodes("undo/ready");
        self.tell_inodes("undo/switch");
    }

    /// A disk that comes up again has the inodes that it had; a rebuilt one has others, and the record of what is aside is told.
    fn tell_inodes(&self, record: &str) {
        let path = self.run.join(record);
        let Ok(text) = fs::read(&path) else { return };
        let mut told: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let ready = if told.get("Anew").is_some() { &mut told["Anew"] } else { &mut told };
        let Some(staged) = ready.get_mut("staged").and_then(|s| s.as_object_mut()) else { return };
        for one in staged.values_mut() {
            assert_eq!(one["folder"], 0, "all is in one file system here");
            if let Ok(aside) = fs::symlink_metadata(self.run.join("stage").join(one["number"].to_string())) {
                one["inode"] = aside.ino().into();
            }
        }
        fs::write(path, told.to_string()).unwrap();
    }
}

fn empty(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status().unwrap().success());
}

#[test]
fn a_run_killed_before_any_change_of_its_files_is_finished() {
    let stage = Stage::new("true");
    stage.killed_before_each_change();
    assert_ne!(stage.one.release, stage.two.release);
}

#[test]
fn a_failing_run_killed_before_any_change_of_its_files_goes_back() {
    Stage::new("exit 1").killed_before_each_change();
}

#[test]
fn a_run_is_all_or_before_after_a_power_cut() {
    Stage::new("true").power_cut_at_any_moment(1);
}

#[test]
fn a_failing_run_is_as_before_after_a_power_cut() {
    Stage::new("exit 1").power_cut_at_any_moment(1);
}
