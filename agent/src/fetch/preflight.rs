//! Our own look at an unpacked release, before anything is stopped: the AppSpec is read, its users exist (unless
//! BeforeInstall may make them), and its destinations do not lie below files.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use pilotage_bundle::appspec::{self, AppSpec};
use pilotage_shared::limits::APPSPEC_MAX;
use pilotage_shared::run::Event;

/// Why a release would fail here.
#[derive(Debug, thiserror::Error)]
pub enum PreflightError {
    /// The file.
    #[error("preflight: failed to read {0}")]
    Read(PathBuf, #[source] io::Error),
    /// Its length.
    #[error("preflight: the AppSpec is longer than {APPSPEC_MAX} bytes")]
    TooLong,
    /// Its text.
    #[error("preflight: {0}")]
    AppSpec(String),
    /// The account database.
    #[error("preflight: failed to look up the user {user:?}")]
    Users {
        /// Whom.
        user: String,
        /// Why.
        #[source]
        source: nix::Error,
    },
    /// Nobody could run this script.
    #[error("preflight: line {line}: there is no user {user:?} on this host")]
    NoUser {
        /// Of the AppSpec.
        line: usize,
        /// Who.
        user: String,
    },
    /// Nothing can be put there.
    #[error("preflight: line {line}: the destination {destination} lies below a file")]
    BelowFile {
        /// Of the AppSpec.
        line: usize,
        /// Where.
        destination: String,
    },
}

/// Looks at the release of this AppSpec, and gives it as it was read.
pub fn check(path: &Path) -> Result<AppSpec, PreflightError> {
    let read = |e| PreflightError::Read(path.to_owned(), e);
    let mut text = Vec::new();
    File::open(path).and_then(|f| f.take(APPSPEC_MAX + 1).read_to_end(&mut text)).map_err(read)?;
    if text.len() as u64 > APPSPEC_MAX {
        return Err(PreflightError::TooLong);
    }
    let spec = appspec::parse(&text).map_err(|e| PreflightError::AppSpec(e.to_string()))?;
    users(&spec)?;
    destinations(&spec)?;
    Ok(spec)
}

fn users(spec: &AppSpec) -> Result<(), PreflightError> {
    let made_later = !spec.scripts(Event::BeforeInstall).is_empty();
    for (event, script) in spec.all_scripts() {
        // These run before anything could have made their accounts.
        let early = event == Event::Preflight.as_str() || event == Event::BeforeInstall.as_str();
        // Scripts of events that do not exist are never run.
        let runs = Event::named(event).is_some() && (early || !made_later);
        let Some(user) = script.runas.clone().filter(|_| runs) else { continue };
        // An account may be named by its number too.
        if user.parse::<u32>().is_ok_and(|uid| matches!(nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(uid)), Ok(Some(_)))) {
            continue;
        }
        match nix::unistd::User::from_name(&user) {
            Ok(Some(_)) => {}
            Ok(None) => return Err(PreflightError::NoUser { line: script.line, user }),
            Err(source) => return Err(PreflightError::Users { user, source }),
        }
    }
    Ok(())
}

fn destinations(spec: &AppSpec) -> Result<(), PreflightError> {
    for rule in &spec.files {
        // Relative destinations count from `/` (B8).
        let destination = Path::new("/").join(&rule.destination);
        let nearest = destination.ancestors().find(|p| p.exists());
        if nearest.is_some_and(|p| !p.is_dir()) {
            return Err(PreflightError::BelowFile { line: rule.line, destination: rule.destination.clone() });
        }
    }
    Ok(())
}
