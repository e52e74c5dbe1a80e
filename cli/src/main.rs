//! `pilotage`: what people type. Reads arguments, asks the coordinator over its API, prints what it found out, and says by its
//! exit code how it went (UI.md d).

mod codedeploy;
mod command;
mod context;
mod demo;
mod exit;
mod failure;
mod fleet_file;
mod interrupt;
mod output;
mod push;
mod recording;
mod render;
mod scratch;
mod session;

use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser, Subcommand};

use crate::command::turn::Turn;
use crate::command::{
    Caller, backup, completions, config, deploy, events, explain, fleet, host, import, package, recover, replay, runs, schema, simulate, status,
    turn, watch,
};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output::Form;
use crate::session::Session;

/// A coordinator that is being started again is waited for so long before exit code 9.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug, Parser)]
#[command(name = "pilotage", version, about = "Brings new versions of software safely onto fleets of hosts", max_term_width = 120)]
struct Cli {
    /// Which coordinator, by its name in ~/.config/pilotage/config.toml
    #[arg(long, global = true, value_name = "NAME")]
    context: Option<String>,
    /// For whom the output is
    #[arg(short, long, global = true, value_enum, default_value_t)]
    output: Form,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// See it work: a real fleet on this machine, good and bad versions, and a witness
    Demo(demo::Args),
    #[command(subcommand)]
    Package(package::Command),
    #[command(subcommand)]
    Config(config::Command),
    #[command(subcommand)]
    Fleet(fleet::Command),
    Deploy(deploy::Deploy),
    Restart(deploy::Restart),
    Simulate(Box<simulate::Args>),
    Status(status::Args),
    Deployments(status::Deployments),
    Watch(watch::Args),
    /// Wait for the end of a deployment, and say by the exit code how it went
    Wait(watch::Args),
    Explain(explain::Args),
    /// Begin nothing more; runs in course finish
    Pause(turn::Args),
    /// Go on
    Resume(turn::Args),
    /// Stop where it is; nobody is moved until the next deploy or rollback
    Cancel(turn::Args),
    Rollback(turn::Rollback),
    Hosts(host::List),
    #[command(subcommand)]
    Host(host::Command),
    Runs(runs::Runs),
    Logs(runs::Logs),
    Events(events::Args),
    Backup(backup::Args),
    Recover(recover::Args),
    Replay(Box<replay::Args>),
    #[command(subcommand)]
    Import(import::Command),
    Schema(schema::Args),
    /// Print the completion script of a shell
    Completions(completions::Args),
    /// The demo's web application, as its package's hooks call it
    #[command(hide = true, subcommand)]
    DemoApp(demo::app::Command),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let exit = match &cli.command {
        Command::DemoApp(command) => demo::app::run(command).unwrap_or_else(|error| {
            output::complain(&format!("{error:#}"));
            Exit::Unexpected
        }),
        Command::Completions(args) => completions::run(args, Cli::command()),
        Command::Simulate(args) if args.offline() => or_report(simulate::offline(args, cli.output)),
        Command::Replay(args) if args.offline() => or_report(replay::offline(args, cli.output)),
        Command::Package(package::Command::Check { path, appspec }) => or_report(package::check(path, appspec.as_deref(), cli.output)),
        Command::Config(config::Command::Check { path }) => or_report(config::check(path, cli.output)),
        Command::Schema(args) => schema::run(args),
        Command::Import(command) => or_report(import::run(command, cli.output)),
        _ => or_report(run(&cli)),
    };
    exit.into()
}

fn or_report(result: Result<Exit, Failure>) -> Exit {
    result.unwrap_or_else(|failure| {
        failure.report();
        failure.exit()
    })
}

fn run(cli: &Cli) -> Result<Exit, Failure> {
    let system = |what| move |source| Failure::System { what, source };
    let interrupt = Interrupt::listen().map_err(system("listen for signals"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(system("start the runtime"))?;
    if let Command::Demo(args) = &cli.command {
        return runtime.block_on(demo::run(args, cli.output, &interrupt));
    }
    let context = context::choose(cli.context.as_deref(), &context::Environment::read())?;
    let caller = Caller { session: Session::new(context, PATIENCE)?, form: cli.output, interrupt: interrupt.clone() };
    runtime.block_on(async {
        tokio::select! {
            biased;
            exit = dispatch(&cli.command, &caller) => exit,
            () = no_watch(&cli.command, &interrupt) => Err(Failure::Interrupted),
        }
    })
}

/// Commands that watch hear Ctrl-C themselves; all others just end.
async fn no_watch(command: &Command, interrupt: &Interrupt) {
    match command {
        Command::Watch(_) | Command::Wait(_) | Command::Deploy(_) | Command::Restart(_) | Command::Rollback(_) | Command::Events(_) => {
            std::future::pending().await
        }
        Command::Config(config::Command::Push { .. }) => std::future::pending().await,
        Command::Logs(logs) if logs.follows() => std::future::pending().await,
        _ => interrupt.wait().await,
    }
}

async fn dispatch(command: &Command, caller: &Caller) -> Result<Exit, Failure> {
    match command {
        Command::Package(command) => package::run(command, caller).await,
        Command::Config(command) => config::run(command, caller).await,
        Command::Fleet(command) => fleet::run(command, caller).await,
        Command::Deploy(args) => deploy::deploy(args, caller).await,
        Command::Restart(args) => deploy::restart(args, caller).await,
        Command::Simulate(args) => simulate::live(args, caller).await,
        Command::Status(args) => status::run(args, caller).await,
        Command::Deployments(args) => status::deployments(args, caller).await,
        Command::Watch(args) => watch::run(args, false, caller).await,
        Command::Wait(args) => watch::run(args, true, caller).await,
        Command::Explain(args) => explain::run(args, caller).await,
        Command::Pause(args) => turn::turn(args, Turn::Pause, caller).await,
        Command::Resume(args) => turn::turn(args, Turn::Resume, caller).await,
        Command::Cancel(args) => turn::turn(args, Turn::Cancel, caller).await,
        Command::Rollback(args) => turn::rollback(args, caller).await,
        Command::Hosts(args) => host::list(args, caller).await,
        Command::Host(command) => host::run(command, caller).await,
        Command::Runs(args) => runs::runs(args, caller).await,
        Command::Logs(args) => runs::logs(args, caller).await,
        Command::Events(args) => events::run(args, caller).await,
        Command::Backup(args) => backup::run(args, caller).await,
        Command::Recover(args) => recover::run(args, caller).await,
        Command::Replay(args) => replay::live(args, caller).await,
        // Handled before there is a session.
        Command::Demo(_) | Command::Completions(_) | Command::Schema(_) | Command::DemoApp(_) | Command::Import(_) => Ok(Exit::Reached),
    }
}
