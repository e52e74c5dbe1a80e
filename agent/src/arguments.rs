//! The command line: nothing makes it the service; a subcommand is a hand of a person at this host.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use pilotage_shared::name::AppName;

use crate::config::Service;
use crate::local;

/// The agent of one host.
#[derive(Parser)]
#[command(name = "pilotage-agent", version)]
pub struct Arguments {
    /// What a person at this host wants; nothing: be the service.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The service.
    #[command(flatten)]
    pub service: Service,
}

/// The name by which users of CodeDeploy call `local`: a link to this program.
const PEER: &str = "codedeploy-local";

impl Arguments {
    /// What was given on the command line; else the exit code, when everything was said already.
    pub fn given() -> Result<Arguments, ExitCode> {
        let mut given: Vec<OsString> = std::env::args_os().collect();
        if given.first().is_some_and(|name| Path::new(name).file_name() == Some(OsStr::new(PEER))) {
            given.insert(1, "local".into());
        }
        let local = given.iter().any(|word| word == "local");
        Arguments::try_parse_from(given).map_err(|error| {
            // To a closed output nothing can be said.
            let _ = error.print();
            match (error.use_stderr(), local) {
                (false, _) => ExitCode::SUCCESS,
                // As codedeploy-local ends (N5).
                (true, true) => ExitCode::FAILURE,
                (true, false) => ExitCode::from(2),
            }
        })
    }
}

/// Hands on the host; they work without the coordinator.
#[derive(Subcommand)]
pub enum Command {
    /// What runs here, and what is wanted.
    Status,
    /// Why nothing moves here, app by app.
    Explain,
    /// Compare the releases on this disk with their manifests; exit 1 when one differs.
    Verify {
        /// Only this app.
        app: Option<AppName>,
    },
    /// Back to the previous release, and pin it.
    Rollback {
        /// Which app.
        app: AppName,
        /// Why.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Stay as it is, whatever is wanted.
    Pin {
        /// Which app.
        app: AppName,
        /// Why.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Follow the coordinator again.
    Unpin {
        /// Which app.
        app: AppName,
    },
    /// Take over what CodeDeploy's agent has installed, with a way back; restarts nothing.
    Adopt {
        /// As which app.
        app: AppName,
        /// From whom.
        #[arg(long, value_enum)]
        from: Peer,
        /// Its deployment group: the folder's name below its root_dir.
        #[arg(long)]
        group: String,
        /// CodeDeploy's configuration; else /etc/codedeploy-agent/conf/codedeployagent.yml, when it is there.
        #[arg(long, value_name = "FILE")]
        codedeploy_config: Option<PathBuf>,
    },
    /// Hand an adopted app back: its files stay, CodeDeploy's records are written again, and it is pinned.
    Release {
        /// Which app.
        app: AppName,
    },
    /// The runs that are kept here, and how each ended.
    Runs,
    /// What the hooks of a run have printed.
    Logs {
        /// Which app.
        app: AppName,
        /// Its number, as `runs` shows it; else the newest.
        #[arg(long)]
        run: Option<u32>,
    },
    /// Deploy a bundle on this host without a coordinator, as codedeploy-local does.
    Local(local::Flags),
}

/// Other deployers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Peer {
    /// AWS CodeDeploy's agent.
    Codedeploy,
}
