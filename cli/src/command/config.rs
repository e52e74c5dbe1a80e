//! `pilotage config push`, `check`, `list`, `show` and `release`.

use std::path::{Path, PathBuf};

use pilotage_shared::name::{AppName, FleetName};

use super::deploy::{Watching, said};
use super::{Caller, Why};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Form};
use crate::push::{self, CreateConfigurationOf};
use crate::render::configurations as render;
use crate::render::words::Clock;

/// Configurations: files, environment and names of secrets, outside the package
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make a configuration of a folder, and deploy the fleet's settled package with it
    Push {
        /// Folder with a config.yml and files/
        path: PathBuf,
        /// For which fleet
        #[arg(long)]
        fleet: FleetName,
        /// Only give it a number
        #[arg(long, conflicts_with_all = ["watch", "until", "timeout"])]
        no_deploy: bool,
        #[command(flatten)]
        watching: Watching,
        #[command(flatten)]
        why: Why,
    },
    /// Would this be accepted? Asks nobody
    Check {
        /// Folder with a config.yml and files/
        path: PathBuf,
    },
    /// List configurations, newest first
    List {
        #[command(flatten)]
        of: Option<Of>,
    },
    /// Show what is in a configuration; of secrets the names
    Show(One),
    /// Release a configuration from hold: it may be deployed again
    Release {
        #[command(flatten)]
        one: One,
        #[command(flatten)]
        why: Why,
    },
}

/// Whose.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub struct Of {
    /// Of this app
    #[arg(long)]
    app: Option<AppName>,
    /// Of this fleet's app
    #[arg(long)]
    fleet: Option<FleetName>,
}

/// Which.
#[derive(Debug, clap::Args)]
pub struct One {
    /// Its number, as c17
    number: String,
    #[command(flatten)]
    of: Of,
}

impl Of {
    async fn app(&self, caller: &Caller) -> Result<AppName, Failure> {
        match (&self.app, &self.fleet) {
            (Some(app), _) => Ok(app.clone()),
            (None, Some(fleet)) => Ok(caller.session.fleet(fleet).await?.spec.app),
            (None, None) => Err(Failure::Usage("say --app or --fleet".to_owned())),
        }
    }
}

/// Does it.
pub async fn run(command: &Command, caller: &Caller) -> Result<Exit, Failure> {
    let session = &caller.session;
    match command {
        Command::Push { path, fleet, no_deploy, watching, why } => {
            let wish = CreateConfigurationOf { fleet: fleet.clone(), deploy: !no_deploy, reason: why.reason.clone() };
            let (pushed, warnings) = push::push_configuration(session, path, wish).await?;
            warned(&warnings);
            match caller.form {
                Form::Json => output::json(&pushed),
                Form::Text => output::lines(render::pushed(&session.context, &pushed, *no_deploy)),
            }
            if let Some(deployment) = &pushed.deployment {
                return said(deployment, *watching, caller).await;
            }
        }
        Command::Check { path } => return check(path, caller.form),
        Command::List { of } => {
            let app = match of {
                Some(of) => Some(of.app(caller).await?),
                None => None,
            };
            let list = session.configurations(app.as_ref()).await?;
            match caller.form {
                Form::Json => output::json(&list),
                Form::Text => output::lines(render::all(&list, &Clock::here())),
            }
        }
        Command::Show(one) => {
            let view = session.configuration(&one.of.app(caller).await?, &one.number).await?;
            match caller.form {
                Form::Json => output::json(&view),
                Form::Text => output::lines(render::one(&view, &Clock::here())),
            }
        }
        Command::Release { one, why } => {
            let view = session.release_configuration(&one.of.app(caller).await?, &one.number, &why.reason).await?;
            match caller.form {
                Form::Json => output::json(&view),
                Form::Text => output::lines([
                    format!("{}: c{} of {} is released: it may be deployed again", session.context, view.number, view.app),
                    format!("next  pilotage deploy {} --config c{}", view.fleet, view.number),
                ]),
            }
        }
    }
    Ok(Exit::Reached)
}

/// `config check`
pub fn check(path: &Path, form: Form) -> Result<Exit, Failure> {
    let built = push::check_configuration(path)?;
    let configuration = &built.configuration;
    match form {
        Form::Json => output::json(&serde_json::json!({
            "digest": configuration.digest(),
            "files": configuration.files.len(),
            "bytes": configuration.bytes(),
            "variables": configuration.environment.len() + configuration.secret_variables.len(),
            "secrets": configuration.secrets(),
            "warnings": built.warnings,
        })),
        Form::Text => {
            warned(&built.warnings);
            output::lines(render::checked(configuration));
        }
    }
    Ok(Exit::Reached)
}

fn warned(warnings: &[String]) {
    for warning in warnings {
        output::complain(&format!("warning: {}", output::safe(warning)));
    }
}
