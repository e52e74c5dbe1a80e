//! `pilotage-agent`: makes this host run what the coordinator wants, and tells it how the host stands. Without a subcommand it
//! is the service; the subcommands are hands of a person at this host and talk to the running service, but for `local`, which
//! needs none.

mod adopt;
mod arguments;
mod clock;
mod config;
mod fetch;
mod follow;
mod hands;
mod launch;
mod layout;
mod ledger;
mod link;
mod local;
mod logging;
mod metrics;
mod output;
mod recovery;
mod report;
mod rundir;
mod secrets;
mod serve;
mod slots;
mod watch;

use std::process::ExitCode;

use arguments::{Arguments, Command};
use config::Service;

fn main() -> ExitCode {
    let arguments = match Arguments::given() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let result = match arguments.command {
        Some(Command::Local(flags)) => return local::run(&flags, &arguments.service),
        Some(command) => hands::ask(&arguments.service, command),
        None => serve_host(arguments.service),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            hands::complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn serve_host(service: Service) -> anyhow::Result<()> {
    let config = service.load()?;
    logging::start(&config.log)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(slots::run(config))
}
