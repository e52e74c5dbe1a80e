//! What a command did, and what is expected of it.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

/// One `pilotage-agent local`, ended.
pub struct Ran {
    pub code: Option<i32>,
    /// Both outputs.
    pub said: String,
    /// `<root_dir>/<group>/<deployment>`, when it came so far.
    pub folder: Option<PathBuf>,
}

impl Ran {
    pub fn of(output: &Output) -> Ran {
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let folder = said.lines().find_map(|l| l.strip_prefix("Starting to execute deployment from within folder ")).map(PathBuf::from);
        Ran { code: output.status.code(), said, folder }
    }

    /// It succeeded (N5).
    #[track_caller]
    pub fn ok(self) -> Self {
        let good = self.code == Some(0) && self.said.contains("AppSpec file valid. Local deployment successful");
        assert!(good, "it failed ({:?}):\n{}\n{}", self.code, self.said, self.log().join("\n"));
        self
    }

    /// It failed, and says this.
    #[track_caller]
    pub fn fails(self, part: &str) -> Self {
        assert_eq!(self.code, Some(1), "{}", self.said);
        self.says(part)
    }

    /// It failed; how it says so is not ours to prescribe.
    #[track_caller]
    pub fn code_is_1(self) {
        assert_eq!(self.code, Some(1), "{}", self.said);
    }

    #[track_caller]
    pub fn says(self, part: &str) -> Self {
        assert!(self.said.contains(part), "it does not say {part:?}:\n{}", self.said);
        self
    }

    #[track_caller]
    pub fn does_not_say(self, part: &str) -> Self {
        assert!(!self.said.contains(part), "it says {part:?}:\n{}", self.said);
        self
    }

    /// Lines of `scripts.log` without their time.
    pub fn log(&self) -> Vec<String> {
        let Some(folder) = &self.folder else { return Vec::new() };
        let text = fs::read(folder.join("logs/scripts.log")).unwrap_or_default();
        String::from_utf8_lossy(&text).lines().map(|line| line.get(20..).unwrap_or(line).to_owned()).collect()
    }

    /// A hook has printed this.
    #[track_caller]
    pub fn logs(self, part: &str) -> Self {
        let log = self.log();
        assert!(log.iter().any(|line| line.contains(part)), "the log has no {part:?}:\n{}\n{}", log.join("\n"), self.said);
        self
    }

    /// No hook has printed this.
    #[track_caller]
    pub fn does_not_log(self, part: &str) -> Self {
        let log = self.log();
        assert!(!log.iter().any(|line| line.contains(part)), "the log has {part:?}:\n{}", log.join("\n"));
        self
    }

    /// The deployment's id.
    pub fn id(&self) -> String {
        self.folder.as_ref().and_then(|f| f.file_name()).expect("a deployment").to_string_lossy().into_owned()
    }
}
