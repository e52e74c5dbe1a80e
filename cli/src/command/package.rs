//! `pilotage package push`, `list`, `show`, `check`, `delete` and `release`.

use std::path::{Path, PathBuf};

use pilotage_bundle::appspec::Note;
use pilotage_bundle::check::Report;
use pilotage_shared::name::{AppName, Version};

use super::{Caller, Why};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Form, safe};
use crate::push::{self, Wish};
use crate::render::packages;
use crate::render::words::{Clock, plural, size};

/// Packages: immutable versions of apps
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make a package of a folder or an archive (.tar, .tar.gz, .tar.zst, .zip) and bring it to the coordinator
    Push {
        /// Folder or archive with an appspec.yml at its root
        path: PathBuf,
        /// Of which app
        #[arg(long)]
        app: AppName,
        /// People's name for it, as 1.4.2
        #[arg(long)]
        version: Version,
        /// The AppSpec's name in it, when it is another
        #[arg(long, value_name = "NAME")]
        appspec: Option<String>,
        #[command(flatten)]
        why: Why,
    },
    /// Would this be accepted? Asks nobody
    Check {
        /// Folder or archive with an appspec.yml at its root; or an AppSpec alone (.yml, .yaml, .json)
        path: PathBuf,
        /// The AppSpec's name in it, when it is another
        #[arg(long, value_name = "NAME")]
        appspec: Option<String>,
    },
    /// List packages
    List {
        /// Only of this app
        #[arg(long)]
        app: Option<String>,
    },
    /// Show one package
    Show {
        /// As web@1.4.2 or sha256:…
        package: String,
    },
    /// Delete a package that nobody uses
    Delete {
        /// As web@1.4.2 or sha256:…
        package: String,
        #[command(flatten)]
        why: Why,
    },
    /// Release a package from hold: it may be deployed again
    Release(Turn),
    /// Forbid a package: no host that has heard of it activates it
    Block(Turn),
    /// Allow a blocked package again
    Unblock(Turn),
}

/// Which, and why.
#[derive(Debug, clap::Args)]
pub struct Turn {
    /// As web@1.4.2 or sha256:…
    package: String,
    #[command(flatten)]
    why: Why,
}

/// Does it.
pub async fn run(command: &Command, caller: &Caller) -> Result<Exit, Failure> {
    let (session, context) = (&caller.session, &caller.session.context);
    match command {
        Command::Push { path, app, version, appspec, why } => {
            let wish = Wish { path: path.clone(), appspec: appspec.clone(), app: app.clone(), version: version.clone(), reason: why.reason.clone() };
            let view = push::push(session, wish).await?;
            match caller.form {
                Form::Json => output::json(&view),
                Form::Text => output::lines(pushed(context, &view)),
            }
        }
        Command::Check { path, appspec } => return check(path, appspec.as_deref(), caller.form),
        Command::List { app } => {
            let list = session.packages(app.as_deref()).await?;
            match caller.form {
                Form::Json => output::json(&list),
                Form::Text => output::lines(packages::all(&list, &Clock::here())),
            }
        }
        Command::Show { package } => {
            let package = session.package(package).await?;
            match caller.form {
                Form::Json => output::json(&package),
                Form::Text => output::lines(packages::one(&package, &Clock::here())),
            }
        }
        Command::Delete { package, why } => {
            session.delete_package(package, &why.reason).await?;
            if caller.form == Form::Text {
                output::line(&format!("{context}: - package {}", safe(package)));
            }
        }
        Command::Release(turn) => turned(turn, "release", "is released: it may be deployed again", caller).await?,
        Command::Block(turn) => turned(turn, "block", "is blocked: no host that has heard of it activates it", caller).await?,
        Command::Unblock(turn) => turned(turn, "unblock", "is not blocked any more", caller).await?,
    }
    Ok(Exit::Reached)
}

async fn turned(turn: &Turn, verb: &str, says: &str, caller: &Caller) -> Result<(), Failure> {
    let view = caller.session.turn_package(&turn.package, verb, &turn.why.reason).await?;
    match caller.form {
        Form::Json => output::json(&view),
        Form::Text => output::lines([
            format!("{}: {} {says}", caller.session.context, safe(&view.package)),
            format!("next  pilotage package show {}", safe(&view.package)),
        ]),
    }
    Ok(())
}

fn pushed(context: &str, view: &pilotage_shared::api::v1::PackageView) -> Vec<String> {
    let new = view.new_bytes.map_or_else(String::new, |bytes| format!(", {} new to the store", size(bytes)));
    let files = plural(view.files as usize, "file", "files");
    vec![
        format!("{context}: {}  sha256:{}…  {files}, {}{new}", safe(&view.package), view.digest.short(), size(view.bytes)),
        format!("next  pilotage deploy FLEET {}", safe(view.version.as_str())),
    ]
}

/// `package check`
pub fn check(path: &Path, appspec: Option<&str>, form: Form) -> Result<Exit, Failure> {
    if path.is_file() && path.extension().is_some_and(|e| ["yml", "yaml", "json"].iter().any(|known| e.eq_ignore_ascii_case(known))) {
        return check_text(path, form);
    }
    let report = push::check(path, appspec)?;
    match form {
        Form::Json => output::json(&serde_json::json!({
            "digest": report.built.manifest.digest(),
            "appspec": report.built.manifest.appspec,
            "files": report.built.manifest.files(),
            "bytes": report.built.manifest.bytes(),
            "scripts": report.scripts,
            "permissions": report.built.appspec.permissions.len(),
            "warnings": told(&report.warnings),
        })),
        Form::Text => output::lines(checked(&report)),
    }
    Ok(Exit::Reached)
}

/// The text alone: what it names is not looked for.
fn check_text(path: &Path, form: Form) -> Result<Exit, Failure> {
    let spec = push::check_text(path)?;
    let scripts = spec.all_scripts().count();
    match form {
        Form::Json => {
            output::json(&serde_json::json!({ "scripts": scripts, "permissions": spec.permissions.len(), "warnings": told(&spec.warnings) }))
        }
        Form::Text => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let head = format!(
                "{} ok by itself: {}, {}{}",
                safe(&name),
                plural(scripts, "hook", "hooks"),
                plural(spec.permissions.len(), "permission", "permissions"),
                to_look_at(&spec.warnings)
            );
            output::lines(std::iter::once(head).chain(spec.warnings.iter().map(line)).collect::<Vec<_>>());
        }
    }
    Ok(Exit::Reached)
}

fn told(warnings: &[Note]) -> Vec<serde_json::Value> {
    warnings.iter().map(|note| serde_json::json!({ "line": note.line, "text": note.text })).collect()
}

fn to_look_at(warnings: &[Note]) -> String {
    match warnings.len() {
        0 => String::new(),
        count => format!(" · {}:", plural(count, "thing to look at", "things to look at")),
    }
}

fn line(note: &Note) -> String {
    format!("  line {} {}", note.line, safe(&note.text))
}

fn checked(report: &Report) -> Vec<String> {
    let built = &report.built;
    let warnings = to_look_at(&report.warnings);
    let mut lines = vec![format!(
        "{} ok: {}, {}, {}{warnings}",
        safe(&built.manifest.appspec),
        plural(report.scripts, "hook", "hooks"),
        plural(built.manifest.files() as usize, "file", "files"),
        plural(built.appspec.permissions.len(), "permission", "permissions")
    )];
    lines.extend(report.warnings.iter().map(line));
    lines.push(format!("next  pilotage package push … --app APP --version VERSION   it will be {}", built.manifest.digest()));
    lines
}
