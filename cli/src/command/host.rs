//! `pilotage hosts` and `pilotage host …`.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use pilotage_client::encode;
use pilotage_shared::api::v1::{AddHost, HostAdded, HostView, PatchHost};
use pilotage_shared::name::{FleetName, HostName, LabelKey, LabelValue};
use pilotage_shared::selector::Selector;

use super::{Caller, Why};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Form};
use crate::render::hosts;
use crate::render::words::Clock;

/// List hosts
#[derive(Debug, clap::Args)]
pub struct List {
    /// Only those that match, as env=prod,zone=a
    #[arg(long)]
    selector: Option<Selector>,
    /// Only members of this fleet
    #[arg(long)]
    fleet: Option<FleetName>,
    /// Only those that stand so: available, settling, down, unknown, unreachable, unheard
    #[arg(long)]
    standing: Option<String>,
    /// Only those that run this version
    #[arg(long)]
    version: Option<String>,
    /// Only those that do not run what they should
    #[arg(long)]
    behind: bool,
}

/// One host
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Invite a machine; prints the token that its agent needs, once
    Add {
        /// Its name
        host: HostName,
        /// Its labels, as env=prod zone=a
        #[arg(value_name = "KEY=VALUE")]
        labels: Vec<String>,
        /// Write the token to a new file (mode 0600) instead of printing it
        #[arg(long, value_name = "FILE")]
        token_file: Option<PathBuf>,
        #[command(flatten)]
        why: Why,
    },
    /// Show one host
    Show {
        /// Which
        host: HostName,
    },
    /// Set labels (KEY=VALUE) or remove them (KEY-)
    Label {
        /// Which
        host: HostName,
        /// As zone=b or rack-
        #[arg(required = true, value_name = "KEY=VALUE|KEY-")]
        labels: Vec<String>,
        #[command(flatten)]
        why: Why,
    },
    /// Do not touch it
    Cordon(Turn),
    /// Touch it again
    Uncordon(Turn),
    /// A member that never counts and is not touched
    Maintain(Turn),
    /// Back from maintenance
    Activate(Turn),
    /// It never comes back: no member any more, and its agent is refused
    Retire(Turn),
    /// Forget that it refused the newest deployment, and a quarantine
    Retry(Turn),
}

/// Which, and why.
#[derive(Debug, clap::Args)]
pub struct Turn {
    /// Which
    host: HostName,
    #[command(flatten)]
    why: Why,
}

/// `hosts`
pub async fn list(args: &List, caller: &Caller) -> Result<Exit, Failure> {
    let filters = [
        ("selector", args.selector.as_ref().map(ToString::to_string)),
        ("fleet", args.fleet.as_ref().map(ToString::to_string)),
        ("standing", args.standing.clone()),
        ("version", args.version.clone()),
        ("behind", args.behind.then(|| "true".to_owned())),
    ];
    let query: String = filters.into_iter().filter_map(|(name, value)| Some(format!("{name}={}&", encode(&value?)))).collect();
    let hosts = caller.session.hosts(&query).await?;
    match caller.form {
        Form::Json => output::json(&hosts),
        Form::Text => output::lines(hosts::all(&hosts)),
    }
    Ok(Exit::Reached)
}

/// `host …`
pub async fn run(command: &Command, caller: &Caller) -> Result<Exit, Failure> {
    match command {
        Command::Add { host, labels, token_file, why } => add(host, labels, token_file.as_ref(), why, caller).await,
        Command::Show { host } => {
            let host = caller.session.host(host).await?;
            match caller.form {
                Form::Json => output::json(&host),
                Form::Text => output::lines(hosts::one(&host, &Clock::here())),
            }
            Ok(Exit::Reached)
        }
        Command::Label { host, labels, why } => {
            let body = PatchHost { labels: label_changes(labels)?, reason: why.reason.clone() };
            let view = caller.session.patch_host(host, &body).await?;
            let labels = hosts::labels(&view.labels);
            Ok(say(&view, &format!("is now {labels}"), caller))
        }
        Command::Cordon(turn) => turned(turn, "cordon", "is cordoned: it is not touched, and counts while it is available", caller).await,
        Command::Uncordon(turn) => turned(turn, "uncordon", "is touched again", caller).await,
        Command::Maintain(turn) => turned(turn, "maintain", "is in maintenance: a member that never counts and is not touched", caller).await,
        Command::Activate(turn) => turned(turn, "activate", "is active again", caller).await,
        Command::Retire(Turn { host, why }) => {
            caller.session.retire_host(host, &why.reason).await?;
            if caller.form == Form::Text {
                output::line(&format!("{}: {host} is retired: no member any more, and its agent is refused", caller.session.context));
            }
            Ok(Exit::Reached)
        }
        Command::Retry(turn) => turned(turn, "retry", "is asked again", caller).await,
    }
}

async fn turned(turn: &Turn, verb: &str, says: &str, caller: &Caller) -> Result<Exit, Failure> {
    let view = caller.session.turn_host(&turn.host, verb, &turn.why.reason).await?;
    Ok(say(&view, says, caller))
}

fn say(view: &HostView, says: &str, caller: &Caller) -> Exit {
    match caller.form {
        Form::Json => output::json(view),
        Form::Text => output::lines([format!("{}: {} {says}", caller.session.context, view.host), format!("next  pilotage host show {}", view.host)]),
    }
    Exit::Reached
}

async fn add(host: &HostName, labels: &[String], token_file: Option<&PathBuf>, why: &Why, caller: &Caller) -> Result<Exit, Failure> {
    let labels = labels.iter().map(|text| label(text)).collect::<Result<_, _>>()?;
    // Made first: a token that cannot be kept must not be drawn.
    let file = token_file.map(|path| {
        let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        file.map_err(|source| Failure::System { what: "make the token file", source })
    });
    let file = file.transpose()?;
    let added: HostAdded = caller.session.add_host(&AddHost { name: host.clone(), labels, reason: why.reason.clone() }).await?;
    if let Some(mut file) = file {
        writeln!(file, "{}", added.token)
            .and_then(|()| file.sync_all())
            .map_err(|source| Failure::System { what: "write the token file", source })?;
    }
    let file = token_file.map_or_else(|| "FILE".to_owned(), |path| path.display().to_string());
    match (caller.form, token_file) {
        (Form::Json, None) => output::json(&added),
        (Form::Json, Some(_)) => output::json(&serde_json::json!({ "host": added.host, "id": added.id, "token_file": file })),
        (Form::Text, _) => {
            output::line(&format!("{}: + host {}", caller.session.context, added.id));
            if token_file.is_none() {
                output::whole_line(&format!("token {}", added.token));
            }
            output::whole_line(&format!("next  on {host}: pilotage-agent --host {host} --coordinator ADDRESS --token-file {file}"));
        }
    }
    Ok(Exit::Reached)
}

fn label(text: &str) -> Result<(LabelKey, LabelValue), Failure> {
    let (key, value) = text.split_once('=').ok_or_else(|| Failure::Usage(format!("{text:?} is no label: write KEY=VALUE")))?;
    let key = key.parse().map_err(|error: pilotage_shared::name::NameError| Failure::Usage(error.to_string()))?;
    let value = value.parse().map_err(|error: pilotage_shared::text::TextError| Failure::Usage(format!("label {key}: {error}")))?;
    Ok((key, value))
}

fn label_changes(texts: &[String]) -> Result<BTreeMap<LabelKey, Option<LabelValue>>, Failure> {
    let change = |text: &String| match (text.contains('='), text.strip_suffix('-')) {
        (false, Some(key)) => Ok((key.parse().map_err(|error: pilotage_shared::name::NameError| Failure::Usage(error.to_string()))?, None)),
        (true, _) | (false, None) => label(text).map(|(key, value)| (key, Some(value))),
    };
    texts.iter().map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_set_and_removed() {
        let changes = label_changes(&["zone=b".into(), "rack-".into(), "note=a=b-".into()]).unwrap();
        let words: Vec<String> = changes.iter().map(|(key, value)| format!("{key}:{}", value.as_ref().map_or("-", |value| value.as_str()))).collect();
        assert_eq!(words, ["note:a=b-", "rack:-", "zone:b"]);
        assert!(label_changes(&["zone".into()]).is_err());
        assert!(label_changes(&["Zone=b".into()]).is_err());
    }
}
