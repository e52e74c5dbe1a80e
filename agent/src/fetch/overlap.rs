//! Two apps of one host that would install the same file: refused before anything is stopped, with both names. Whoever is
//! committed first has it.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use pilotage_bundle::appspec::AppSpec;
use pilotage_shared::manifest::{Kind, Manifest};
use pilotage_shared::name::AppName;
use serde::Deserialize;

use crate::layout::Layout;

/// Why it is refused.
#[derive(Debug, thiserror::Error)]
pub enum OverlapError {
    /// A record of the deployer's.
    #[error("preflight: failed to read {0}")]
    Read(PathBuf, #[source] io::Error),
    /// It is no record.
    #[error("preflight: {0} is damaged")]
    Form(PathBuf, #[source] serde_json::Error),
    /// Both want it.
    #[error("preflight: {path} is installed by {other}, and {app} would install it too: give one of them another destination")]
    Both {
        /// What is staged.
        app: AppName,
        /// Who has it.
        other: String,
        /// Which file.
        path: PathBuf,
    },
}

/// Of a deployer's record `private/installed/<app>`.
#[derive(Deserialize)]
struct Installed {
    files: BTreeSet<PathBuf>,
}

/// Looks at what the other apps of this host have installed.
pub fn check(layout: &Layout, app: &AppName, manifest: &Manifest, spec: &AppSpec) -> Result<(), OverlapError> {
    if spec.files.is_empty() {
        return Ok(());
    }
    let wanted = destinations(manifest, spec);
    let folder = layout.private().join("installed");
    let read = |path: &Path| {
        let path = path.to_owned();
        move |source| OverlapError::Read(path, source)
    };
    for entry in fs::read_dir(&folder).map_err(read(&folder))? {
        let entry = entry.map_err(read(&folder))?;
        let (path, other) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if other == app.as_str() || AppName::new(&other).is_err() {
            continue;
        }
        let text = fs::read(&path).map_err(read(&path))?;
        let theirs: Installed = serde_json::from_slice(&text).map_err(|source| OverlapError::Form(path, source))?;
        if let Some(both) = wanted.intersection(&theirs.files).next() {
            return Err(OverlapError::Both { app: app.clone(), other, path: both.clone() });
        }
    }
    Ok(())
}

/// Where the files and links of a bundle go, as far as the bundle says it (its hooks may add to it).
fn destinations(manifest: &Manifest, spec: &AppSpec) -> BTreeSet<PathBuf> {
    let mut all = BTreeSet::new();
    for rule in &spec.files {
        let destination = Path::new(&rule.destination);
        match manifest.get(&rule.source).map(|entry| &entry.kind) {
            Some(Kind::File { .. } | Kind::Link { .. }) => all.extend(Path::new(&rule.source).file_name().map(|name| destination.join(name))),
            Some(Kind::Directory) | None => {
                let meant = |path: &str| rule.glob.as_ref().is_none_or(|glob| glob.takes(path));
                let inside = manifest.entries.iter().filter(|entry| !matches!(entry.kind, Kind::Directory) && meant(&entry.path));
                all.extend(inside.filter_map(|entry| Some(destination.join(Path::new(&entry.path).strip_prefix(&rule.source).ok()?))));
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilotage_bundle::{Objects, appspec, folder};

    #[test]
    fn the_same_file_of_two_apps_is_refused_with_both_names_and_beside_each_other_they_live() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::open(&dir.path().join("state")).unwrap();
        let objects = Objects::open(&layout.private().join("objects")).unwrap();
        let record = |app: &str, file: &str| {
            fs::write(layout.private().join("installed").join(app), format!(r#"{{"files": ["{file}"], "folders": []}}"#)).unwrap()
        };
        let check = |files: &str, expected: &str| {
            let bundle = tempfile::tempdir().unwrap();
            fs::create_dir(bundle.path().join("conf")).unwrap();
            fs::write(bundle.path().join("conf/site.conf"), "x").unwrap();
            fs::write(bundle.path().join("appspec.yml"), format!("version: 0.0\nos: linux\nfiles:\n  - {files}\n")).unwrap();
            let built = folder::build(bundle.path(), &objects, None).unwrap();
            let spec = appspec::parse(&fs::read(bundle.path().join("appspec.yml")).unwrap()).unwrap();
            let found = super::check(&layout, &AppName::new("web").unwrap(), &built.manifest, &spec);
            let why = found.err().map(|e| e.to_string()).unwrap_or_default();
            assert!(why.contains(expected) && why.is_empty() == expected.is_empty(), "{files}: {why}");
        };
        record("api", "/etc/nginx/site.conf");
        record("web", "/srv/web/conf/site.conf");
        let both = "/etc/nginx/site.conf is installed by api, and web would install it too";
        check("{source: conf, destination: /etc/nginx}", both);
        check("{source: conf/site.conf, destination: /etc/nginx}", both);
        check("{source: /, destination: /srv/web}", "");
        check("{source: conf, destination: /etc/nginx/conf.d}", "");
    }
}
