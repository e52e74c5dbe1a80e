//! Every story in `tests/stories` prints what stands in it. `UPDATE_STORIES=1` writes what is found into the files.

use std::path::PathBuf;
use std::process::Command;

use pilotage_simulator::story;

#[test]
fn a_file_without_a_command_is_no_story() {
    let file = std::env::temp_dir().join(format!("pilotage-no-story-{}.txt", std::process::id()));
    for text in ["", "# hosts 3\n\nhosts 3\n"] {
        std::fs::write(&file, text).unwrap();
        let told = Command::new(env!("CARGO_BIN_EXE_simulate")).arg("--story").arg(&file).output().unwrap();
        let said = String::from_utf8_lossy(&told.stderr).into_owned();
        assert!(!told.status.success() && said.contains("holds no command") && said.contains("pilotage-no-story"), "{text:?}: {said}");
    }
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn every_story_prints_what_it_says() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../stories");
    #[expect(clippy::disallowed_methods, reason = "the switch of this one test, for the person who runs it")]
    let update = std::env::var("UPDATE_STORIES").is_ok();
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "txt")).collect();
    files.sort();
    let count = files.len();
    let mut failed = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let told = story::tell(&text);
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        if told.broken {
            failed.push(format!("{name}: a promise is broken"));
        }
        match told.difference {
            Some(_) if update => std::fs::write(&file, &told.text).unwrap(),
            Some(difference) => failed.push(format!("{name}\n{difference}")),
            None => {}
        }
    }
    assert!(count >= 16, "only {count} stories in {}", folder.display());
    assert!(failed.is_empty(), "UPDATE_STORIES=1 takes the new output\n{}", failed.join("\n"));
}
