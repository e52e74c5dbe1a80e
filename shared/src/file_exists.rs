//! What a deployment does with files that are there already and are not ours: CodeDeploy's words, in any case.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// When a file is there that is not ours. An AppSpec that says it itself outranks a deployment (C1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum FileExists {
    /// The deployment fails.
    Disallow,
    /// Ours takes its place.
    Overwrite,
    /// It stays.
    Retain,
}

impl FileExists {
    const ALL: [FileExists; 3] = [FileExists::Disallow, FileExists::Overwrite, FileExists::Retain];

    /// As CodeDeploy writes it.
    pub fn word(self) -> &'static str {
        match self {
            FileExists::Disallow => "DISALLOW",
            FileExists::Overwrite => "OVERWRITE",
            FileExists::Retain => "RETAIN",
        }
    }
}

/// It is none of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not one of DISALLOW, OVERWRITE, RETAIN")]
pub struct FileExistsError(pub String);

impl FromStr for FileExists {
    type Err = FileExistsError;
    fn from_str(text: &str) -> Result<Self, FileExistsError> {
        let found = Self::ALL.into_iter().find(|word| word.word().eq_ignore_ascii_case(text));
        found.ok_or_else(|| FileExistsError(text.chars().take(40).collect()))
    }
}

impl fmt::Display for FileExists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codedeploys_words_are_read_in_any_case() {
        for word in FileExists::ALL {
            assert_eq!(word.to_string().to_lowercase().parse(), Ok(word));
            assert_eq!(serde_json::to_string(&word).unwrap(), format!("\"{word}\""));
        }
        assert_eq!("replace".parse::<FileExists>().unwrap_err().to_string(), "\"replace\" is not one of DISALLOW, OVERWRITE, RETAIN");
    }
}
