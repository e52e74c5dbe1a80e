//! `pilotage import codedeploy`: asks nobody; the fleet file goes to stdout, what was taken and what is left to do to stderr.

use std::path::{Path, PathBuf};

use crate::codedeploy;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Form, safe};

/// Come from another tool
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make a fleet file of a CodeDeploy deployment group, and say what must be done by hand
    Codedeploy {
        /// What `aws deploy get-deployment-group …` printed
        group: PathBuf,
        /// What `aws deploy get-deployment-config …` printed, for a deployment configuration of your own
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

/// Does it.
pub fn run(command: &Command, form: Form) -> Result<Exit, Failure> {
    let Command::Codedeploy { group, config } = command;
    let configuration = config.as_deref().map(read).transpose()?;
    let imported = codedeploy::import(&read(group)?, configuration.as_deref()).map_err(|e| Failure::Usage(format!("{}: {e}", group.display())))?;
    match form {
        Form::Json => output::json(&serde_json::json!({ "fleet_file": imported.file, "taken": imported.taken, "by_hand": imported.by_hand })),
        Form::Text => {
            imported.file.lines().for_each(output::whole_line);
            output::complain(&format!("taken    {}", safe(&imported.taken.join(" · "))));
            for (n, text) in imported.by_hand.iter().enumerate() {
                output::complain(&format!("{}{}", if n == 0 { "by hand  " } else { "         " }, safe(text)));
            }
            output::complain("next     read the file, then: pilotage fleet apply FILE");
        }
    }
    Ok(Exit::Reached)
}

fn read(path: impl AsRef<Path>) -> Result<String, Failure> {
    let path = path.as_ref();
    std::fs::read_to_string(path).map_err(|source| Failure::Read { path: path.to_owned(), source })
}
