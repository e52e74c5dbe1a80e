//! The recorder and the rebuilder, on programs whose syncs are known.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use pilotage_crash::{Crash, Fate, kill_before, record, victim};

/// A file that is replaced well, and one that is replaced without any sync; `old` stands in both before.
fn replace(folder: &Path, sync: bool) {
    let (new, name) = (folder.join("new"), folder.join("file"));
    let mut file = File::create(&new).unwrap();
    file.write_all(&[b'n'; 10_000]).unwrap();
    if sync {
        file.sync_all().unwrap();
    }
    fs::rename(&new, &name).unwrap();
    if sync {
        File::open(folder).unwrap().sync_all().unwrap();
    }
    victim::acknowledge(1);
}

fn prepared() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "old").unwrap();
    dir
}

/// What a reader finds in all the worlds that a power cut may leave: before the acknowledgement, and after it.
fn found(test: &str, draws: u64) -> (BTreeSet<String>, BTreeSet<String>) {
    let dir = prepared();
    let recording = record(&victim::again(test, dir.path()), dir.path()).unwrap();
    assert!(recording.status.success(), "{}", recording.said);
    let mut found = (BTreeSet::new(), BTreeSet::new());
    for crash in recording.crashes(draws) {
        let after = tempfile::tempdir().unwrap();
        recording.rebuild(crash, after.path()).unwrap();
        let content = fs::read_to_string(after.path().join("file"));
        let text = match content.as_deref() {
            Ok("old") => "old",
            Ok(text) if text.len() == 10_000 && text.bytes().all(|b| b == b'n') => "new",
            Ok(_) => "torn",
            Err(_) => "none",
        };
        let when = if recording.acknowledged(crash.after).is_some() { &mut found.1 } else { &mut found.0 };
        when.insert(text.to_owned());
    }
    found
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}

#[test]
fn what_was_synced_is_old_or_new_and_new_once_it_was_acknowledged() {
    if let Some(folder) = victim::folder() {
        return replace(&folder, true);
    }
    let (before, after) = found("what_was_synced_is_old_or_new_and_new_once_it_was_acknowledged", 20);
    assert_eq!((before, after), (set(&["old", "new"]), set(&["new"])));
}

#[test]
fn what_was_not_synced_may_be_torn_or_old_for_ever() {
    if let Some(folder) = victim::folder() {
        return replace(&folder, false);
    }
    let (_, after) = found("what_was_not_synced_may_be_torn_or_old_for_ever", 20);
    assert_eq!(after, set(&["old", "new", "torn"]));
}

#[test]
fn a_program_is_killed_before_each_of_its_changes() {
    if let Some(folder) = victim::folder() {
        return replace(&folder, true);
    }
    let test = "a_program_is_killed_before_each_of_its_changes";
    let names = |dir: &Path| fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect::<BTreeSet<_>>();
    let mut seen = Vec::new();
    for n in 1.. {
        let dir = prepared();
        let killed = kill_before(&victim::again(test, dir.path()), dir.path(), n).unwrap();
        let length = fs::metadata(dir.path().join("file")).unwrap().len();
        seen.push((names(dir.path()).len(), length, killed.acknowledged(killed.end()).is_some()));
        if killed.status.success() {
            break;
        }
    }
    // Before: create, write, sync, rename, sync of the folder; and not killed.
    assert_eq!(seen, [(1, 3, false), (2, 3, false), (2, 3, false), (2, 3, false), (1, 10_000, false), (1, 10_000, true)]);
}

#[test]
fn what_everything_leaves_is_what_there_is() {
    let dir = prepared();
    let script = "mkdir a; echo x >a/b; ln -s b a/c; ln a/b d; mv a e; chmod 600 e/b; cp file copy; echo more >>copy; : >file; rm d; rmdir e 2>/dev/null; true";
    let mut command = std::process::Command::new("sh");
    command.args(["-c", script]).current_dir(dir.path());
    let recording = record(&command, dir.path()).unwrap();
    let after = tempfile::tempdir().unwrap();
    recording.rebuild(Crash { after: recording.end(), fate: Fate::Kept }, after.path()).unwrap();
    let list = |dir: &Path| {
        let out = std::process::Command::new("sh")
            .args(["-c", "find . | sort; ls -l e | cut -c 1-10; cat e/b copy file; readlink e/c"])
            .current_dir(dir)
            .output()
            .unwrap();
        String::from_utf8(out.stdout).unwrap()
    };
    assert_eq!(list(after.path()), list(dir.path()));
    assert!(list(dir.path()).contains("more"));
}
