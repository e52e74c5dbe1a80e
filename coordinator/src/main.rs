//! `pilotage-coordinator`: reads its settings, starts the service, stops it at SIGTERM or SIGINT.

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use futures_util::StreamExt;
use pilotage_coordinator::backup;
use pilotage_coordinator::config::{Command, Config, Flags};
use pilotage_coordinator::service::{Service, ServiceError};
use signal_hook_tokio::Signals;
use tracing::{error, info};
use tracing_subscriber::prelude::*;

fn main() -> ExitCode {
    let flags = Flags::parse();
    let command = flags.command.clone();
    let config = match Config::from_flags(flags) {
        Ok(config) => config,
        Err(error) => return complain(&anyhow::Error::from(error), 2),
    };
    log(&config);
    if let Some(Command::Restore { backup }) = command {
        return restore(&config, &backup);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&anyhow::Error::from(error).context("failed to start the runtime"), 1),
    };
    match runtime.block_on(run(&config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let code = complain(&error, 1);
            if let Some(ServiceError::Store(error)) = error.downcast_ref::<ServiceError>()
                && error.is_damage()
            {
                advise(&config);
            }
            code
        }
    }
}

/// What is damaged stays so: the way out is a backup.
#[expect(clippy::print_stderr, reason = "the last word of the process, also when nothing is logged")]
fn advise(config: &Config) {
    let (state, store) = (config.state.display(), config.state.join("store"));
    let newest = backup::newest_in(&config.backup_folder);
    let file = newest.as_ref().map_or_else(|| "BACKUP".to_owned(), |path| path.display().to_string());
    eprintln!("next  mv {0} {0}.broken && pilotage-coordinator restore {file} --state {state}", store.display());
    if newest.is_none() {
        eprintln!("      there is no backup in {}", config.backup_folder.display());
    }
}

async fn run(config: &Config) -> anyhow::Result<()> {
    let mut signals = Signals::new([signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT]).context("failed to listen for signals")?;
    let service = Service::start(config).await?;
    // Under systemd the unit is of Type=notify; elsewhere nobody listens.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    tokio::select! {
        signal = signals.next() => info!(?signal, "stopping"),
        () = service.failed() => error!("the engine has ended by itself"),
    }
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    service.stop().await?;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the output of a command")]
fn restore(config: &Config, backup: &Path) -> ExitCode {
    match backup::restore(backup, &config.state) {
        Ok(restored) => {
            println!(
                "restored {}: {} hosts, {} fleets, {} deployments",
                config.state.display(),
                restored.hosts,
                restored.fleets,
                restored.deployments
            );
            if restored.contents > 0 {
                println!("  with the contents of {} packages", restored.contents);
            }
            if restored.missing > 0 {
                println!("  without the contents of {} packages: copy packages/ beside the store, or push them again", restored.missing);
            }
            println!("  logs and the people's token are not in a backup: copy logs/ and token beside the store, if you have them");
            println!("next  start the coordinator; nobody is moved until a person has gone on: pilotage recover");
            ExitCode::SUCCESS
        }
        Err(error) => complain(&anyhow::Error::from(error), 1),
    }
}

fn log(config: &Config) {
    let terminal = std::io::stderr().is_terminal();
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let layer = if terminal { layer.boxed() } else { layer.json().flatten_event(true).boxed() };
    tracing_subscriber::registry().with(layer.with_filter(config.log.clone())).init();
}

#[expect(clippy::print_stderr, reason = "the last word of the process, also when nothing is logged")]
fn complain(error: &anyhow::Error, code: u8) -> ExitCode {
    let chain: Vec<String> = error.chain().map(ToString::to_string).collect();
    eprintln!("pilotage-coordinator: {}", chain.join(": "));
    ExitCode::from(code)
}
