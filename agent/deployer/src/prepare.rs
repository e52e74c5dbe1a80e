//! From request and AppSpecs to the plan of a run: made once, before anything else, and kept in the run directory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use pilotage_agent_core::lifecycle::{Hooks, Plan, Script};
use pilotage_agent_core::run::{self, Request, Target};
use pilotage_bundle::appspec::{self, AppSpec, FileExists};
use pilotage_shared::digest::Digest;
use pilotage_shared::limits::{APPSPEC_MAX, MANIFEST_MAX};
use pilotage_shared::manifest::{Kind, Manifest, ManifestError};
use pilotage_shared::run::Event;
use pilotage_shared::time::Millis;
use serde::{Deserialize, Serialize};

use crate::changes;
use crate::declared::{self, Declared};
use crate::hook::end::said;
use crate::install::InstallError;
use crate::install::installed;
use crate::install::permissions::Names;
use crate::install::plan::{Original, Originals};
use crate::install::spec::{Context, Exists, Files, Permission, Spec};
use crate::layout::Layout;

/// The plan's file in the run directory.
const PLAN: &str = "plan";

/// Why there is no plan: the release is not what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// A file of the release, or its manifest.
    #[error("failed to read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Larger than such a file may be.
    #[error("{0} is too large")]
    TooLarge(PathBuf),
    /// It is no manifest.
    #[error("failed to understand the manifest")]
    Manifest(#[from] ManifestError),
    /// The manifest, or the AppSpec, is not the one that was asked for.
    #[error("the {0} of the release is not what its digest says")]
    Digest(&'static str),
    /// The AppSpec.
    #[error("failed to understand the AppSpec: {0}")]
    AppSpec(#[from] appspec::Note),
    /// The plan's own file.
    #[error(transparent)]
    Record(#[from] InstallError),
}

/// Everything a run works with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepared {
    /// The tasks' material.
    pub plan: Plan,
    /// What the new release installs.
    pub install: Spec,
    /// Why the old release's AppSpec cannot be read any more: it is stopped without its scripts (promise 3), and nobody
    /// could start it.
    #[serde(default)]
    pub from_unreadable: Option<String>,
    /// What the new release declares.
    #[serde(default)]
    pub to: Declared,
    /// What the old one does.
    #[serde(default)]
    pub from: Declared,
}

/// The plan of this run: the one that was made at its first start, or a new one.
pub fn prepare(request: &Request, layout: &Layout) -> Result<Prepared, PrepareError> {
    let path = layout.run.join(PLAN);
    if let Some(prepared) = installed::load(&path)? {
        return Ok(prepared);
    }
    let to = appspec_of(layout, &request.to)?;
    let from = request.from.as_ref().map(|target| appspec_of(layout, target)).transpose();
    let from_unreadable = from.as_ref().err().map(|error| said(error));
    let from = from.unwrap_or_else(|_| Some(AppSpec::default()));
    let cap = request.hook_timeout;
    let plan = Plan {
        to: hooks(&to, cap),
        from: from.as_ref().map(|spec| hooks(spec, cap)),
        to_health: request.to.health.is_some(),
        from_health: request.from.as_ref().is_some_and(|t| t.health.is_some()),
        again: request.kind == run::Kind::GoBack,
        to_ways: declared::ways(&to, cap),
        from_ways: from.as_ref().map(|spec| declared::ways(spec, cap)).unwrap_or_default(),
    };
    let (of_to, of_from) = (Declared::of(&to, cap), from.as_ref().map(|spec| Declared::of(spec, cap)).unwrap_or_default());
    let mut prepared = Prepared { plan, install: install(&to), from_unreadable, to: of_to, from: of_from };
    changes::apply(&request.changes, to.file_exists_behavior.is_some(), &mut prepared);
    installed::save(&path, &prepared)?;
    Ok(prepared)
}

/// A package's manifest, checked against its digest.
pub fn manifest(layout: &Layout, package: &Digest) -> Result<Manifest, PrepareError> {
    let text = read(&layout.manifest(package), MANIFEST_MAX)?;
    if Digest::of(&text) != *package {
        return Err(PrepareError::Digest("manifest"));
    }
    Ok(Manifest::decode(&text)?)
}

/// Owners and modes that the manifest gives to copies, with the accounts of this host.
pub fn originals(manifest: &Manifest) -> Originals {
    let mut names = Names::default();
    let original = |entry: &pilotage_shared::manifest::Entry| Original {
        mode: entry.mode,
        uid: names.user(&entry.owner),
        gid: names.group(&entry.group),
        mtime: i64::try_from(entry.mtime).unwrap_or(0),
        size: entry.size,
    };
    let mut original = original;
    manifest.entries.iter().map(|entry| (PathBuf::from(&entry.path), original(entry))).collect()
}

fn appspec_of(layout: &Layout, target: &Target) -> Result<AppSpec, PrepareError> {
    let package = &target.release.package;
    let manifest = manifest(layout, package)?;
    let bytes = read(&layout.release(package).join(&manifest.appspec), APPSPEC_MAX)?;
    match manifest.get(&manifest.appspec).map(|e| &e.kind) {
        Some(Kind::File { digest }) if *digest == Digest::of(&bytes) => Ok(appspec::parse(&bytes)?),
        Some(Kind::File { .. } | Kind::Directory | Kind::Link { .. }) | None => Err(PrepareError::Digest("AppSpec")),
    }
}

fn read(path: &Path, max: u64) -> Result<Vec<u8>, PrepareError> {
    let fail = |source| PrepareError::Read { path: path.to_owned(), source };
    if fs::symlink_metadata(path).map_err(fail)?.len() > max {
        return Err(PrepareError::TooLarge(path.to_owned()));
    }
    fs::read(path).map_err(fail)
}

fn hooks(spec: &AppSpec, cap: Millis) -> Hooks {
    let script = |s: &appspec::Script| Script {
        location: s.location.clone(),
        timeout: Millis(u64::try_from(s.timeout.as_millis()).unwrap_or(u64::MAX)).min(cap),
        runas: s.runas.clone(),
        sudo: s.sudo,
        args: s.args.clone(),
        env: s.env.clone(),
    };
    let scripts = |event: Event| (event, spec.scripts(event).iter().map(script).collect());
    Event::ALL.into_iter().map(scripts).filter(|(_, scripts): &(_, Vec<_>)| !scripts.is_empty()).collect()
}

fn install(spec: &AppSpec) -> Spec {
    let permission = |p: &appspec::Permission| Permission {
        object: p.object.clone(),
        pattern: p.pattern.clone(),
        except: p.except.clone(),
        of_files: p.files,
        of_folders: p.directories,
        mode: p.mode,
        owner: p.owner.clone(),
        group: p.group.clone(),
        acls: p.acls.clone(),
        context: p.context.as_ref().map(|c| Context { user: c.user.clone(), kind: c.kind.clone(), range: c.range.clone() }),
    };
    Spec {
        files: spec.files.iter().map(|f| Files { source: f.source.clone(), destination: f.destination.clone(), glob: f.glob.clone() }).collect(),
        exists: match spec.file_exists_behavior {
            Some(FileExists::Overwrite) => Exists::Overwrite,
            Some(FileExists::Retain) => Exists::Retain,
            Some(FileExists::Disallow) | None => Exists::Disallow,
        },
        permissions: spec.permissions.iter().map(permission).collect(),
    }
}
