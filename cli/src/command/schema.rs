//! `pilotage schema`: what our files may say, as JSON Schema for editors and linters. Asks nobody.

use crate::exit::Exit;
use crate::output;

/// Print the JSON Schema of a file
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Of which file
    #[arg(value_enum)]
    of: Of,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Of {
    /// appspec.yml of a package
    Appspec,
}

/// Prints it; JSON whatever form was asked for.
pub fn run(args: &Args) -> Exit {
    match args.of {
        Of::Appspec => output::json(&pilotage_bundle::appspec::schema()),
    }
    Exit::Reached
}
