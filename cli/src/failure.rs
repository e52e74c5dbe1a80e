//! Why a command could not do what it was asked, and with which exit code it says so.

use std::path::PathBuf;

use pilotage_client::{ClientError, SecretError};
use pilotage_coordinator_core::Rejected;
use pilotage_shared::api::v1::Problem;

use crate::context::ContextError;
use crate::exit::Exit;
use crate::fleet_file::FleetFileError;
use crate::output::{self, safe};
use crate::recording::{PolicyError, RecordingError};

/// Everything that ends a command early.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// What was typed makes no sense.
    #[error("{0}")]
    Usage(String),
    /// No coordinator could be chosen.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// The token file is no good.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The fleet file is no good.
    #[error("{path}: {source}")]
    FleetFile {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        source: FleetFileError,
    },
    /// The folder or archive is no package.
    #[error("{0}")]
    Bundle(String),
    /// Between us and the coordinator.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The coordinator would refuse what is to be forecast.
    #[error("{0}")]
    Refused(Box<Rejected>),
    /// A file of the caller that cannot be written.
    #[error("failed to write {path}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file of the caller.
    #[error("failed to read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// This machine.
    #[error("failed to {what}")]
    System {
        /// What we were doing.
        what: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The recording is no good.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// The other policy is none.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// Nothing of that name.
    #[error("{0}")]
    NotFound(String),
    /// Ctrl-C where nothing goes on.
    #[error("interrupted")]
    Interrupted,
}

impl Failure {
    /// The exit code (UI.md d).
    pub fn exit(&self) -> Exit {
        match self {
            Failure::Usage(_)
            | Failure::Context(_)
            | Failure::Secret(_)
            | Failure::FleetFile { .. }
            | Failure::Bundle(_)
            | Failure::Read { .. }
            | Failure::Write { .. }
            | Failure::Recording(_)
            | Failure::Policy(_) => Exit::Usage,
            Failure::Refused(_) => Exit::Rejected,
            Failure::NotFound(_) => Exit::NotFound,
            Failure::Interrupted => Exit::Left,
            Failure::System { .. } => Exit::Unexpected,
            Failure::Client(error) => of_client(error),
        }
    }

    /// Says it on stderr: the stable code where there is one, the whole chain of causes, and what lifts it.
    pub fn report(&self) {
        let code = match self {
            Failure::Client(ClientError::Problem(problem)) => format!("[{}]", safe(&problem.code)),
            Failure::Refused(rejected) => format!("[{}]", rejected.code()),
            _ => String::new(),
        };
        let chain: Vec<String> =
            std::iter::successors(Some(self as &dyn std::error::Error), |error| error.source()).map(|error| safe(&error.to_string())).collect();
        let mut said: Vec<String> = Vec::new();
        for text in chain {
            if !said.iter().any(|before| before.contains(&text)) {
                said.push(text);
            }
        }
        output::complain(&format!("error{code}: {}", said.join(": ")));
        match self {
            Failure::Client(ClientError::Problem(problem)) => report_problem(problem),
            Failure::Client(ClientError::Unreachable { .. }) => output::complain(
                "next  is it running? pilotage --context NAME, or PILOTAGE_COORDINATOR=unix:/path or http://host:port, names another",
            ),
            _ => {}
        }
    }
}

fn report_problem(problem: &Problem) {
    if let Some(lift) = &problem.lift {
        output::complain(&format!("next  {}", safe(lift)));
    }
}

fn of_client(error: &ClientError) -> Exit {
    match error {
        ClientError::Unreachable { .. } => Exit::Unreachable,
        ClientError::Problem(problem) => match problem.status {
            401 | 403 => Exit::NotAllowed,
            404 => Exit::NotFound,
            503 => Exit::Unreachable,
            400..=499 => Exit::Rejected,
            _ => Exit::Unexpected,
        },
        ClientError::Answer { .. } | ClientError::Body(_) | ClientError::Request(_) => Exit::Unexpected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_have_their_exit_codes() {
        let check = |status, expected| {
            let problem = Problem { status, ..Problem::default() };
            assert_eq!(Failure::Client(ClientError::Problem(Box::new(problem))).exit(), expected, "{status}");
        };
        check(400, Exit::Rejected);
        check(401, Exit::NotAllowed);
        check(403, Exit::NotAllowed);
        check(404, Exit::NotFound);
        check(409, Exit::Rejected);
        check(422, Exit::Rejected);
        check(500, Exit::Unexpected);
        check(503, Exit::Unreachable);
        let unreachable = ClientError::Unreachable { address: "unix:/x".into(), source: "no".into() };
        assert_eq!(Failure::Client(unreachable).exit(), Exit::Unreachable);
        assert_eq!(Failure::Usage(String::new()).exit(), Exit::Usage);
        assert_eq!(Failure::Interrupted.exit(), Exit::Left);
    }
}
