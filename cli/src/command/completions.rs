//! `pilotage completions SHELL`.

use clap_complete::Shell;

use crate::exit::Exit;
use crate::output;

/// Prints the completion script of a shell.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which shell
    shell: Shell,
}

/// Prints it.
pub fn run(args: &Args, mut command: clap::Command) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "pilotage", &mut script);
    output::raw(&script);
    Exit::Reached
}
