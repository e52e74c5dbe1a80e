//! `pilotage backup`.

use pilotage_shared::api::v1::{BackupView, MakeBackup};

use super::Caller;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Form};
use crate::render::words::{plural, size, thousands};

/// Copy the coordinator's store to one file on its machine
#[derive(Debug, clap::Args)]
pub struct Args {
    /// With the contents of all packages
    #[arg(long)]
    packages: bool,
}

/// `backup`
pub async fn run(args: &Args, caller: &Caller) -> Result<Exit, Failure> {
    let made = caller.session.make_backup(&MakeBackup { packages: args.packages }).await?;
    match caller.form {
        Form::Json => output::json(&made),
        Form::Text => output::lines(lines(&caller.session.context.to_string(), args.packages, &made)),
    }
    Ok(Exit::Reached)
}

fn lines(context: &str, packages: bool, made: &BackupView) -> Vec<String> {
    let contents = if packages { format!(", {}", plural(made.packages as usize, "package", "packages")) } else { String::new() };
    let (records, bytes, path) = (thousands(made.records), size(made.bytes), output::safe(&made.path));
    let mut lines = vec![format!("{context}: backup made, {records} records{contents}, {bytes}: {path}")];
    if made.packages_left_out > 0 {
        lines.push(format!("  left out {}: the coordinator has not their contents", plural(made.packages_left_out as usize, "package", "packages")));
    }
    if !packages {
        lines.push("  without the contents of packages: pilotage backup --packages takes them too".to_owned());
    }
    lines.push("next  copy it to another machine · to restore: pilotage-coordinator restore FILE --state NEW-FOLDER".to_owned());
    lines
}
