//! Are the releases on this disk what their manifests say, and rendered configurations as they were rendered? For a person; works with the agent stopped.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context as _, bail};
use pilotage_bundle::configuration::render;
use pilotage_bundle::{appspec, unpack};
use pilotage_shared::digest::Digest;
use pilotage_shared::manifest::Manifest;
use pilotage_shared::name::AppName;

use crate::layout::Layout;

/// Differences of one release that are named; the rest are counted.
const NAMED: usize = 20;

/// A line for each release, of one app or of all; an error when one differs.
pub fn verify(layout: &Layout, only: Option<&AppName>) -> anyhow::Result<String> {
    let (mut text, mut bad) = (String::new(), 0);
    for app in apps(layout)?.into_iter().filter(|app| only.is_none_or(|only| only == app)) {
        for package in releases(layout, &app)? {
            let words = words(layout, &app, &package);
            let found = one(layout, &app, &package)?;
            // Writing to a String cannot fail.
            let _ = match found.len() {
                0 => writeln!(text, "{app}  {}  as its manifest says{words}", package.short()),
                n => writeln!(text, "{app}  {}  DIFFERS in {n} {}{words}", package.short(), if n == 1 { "place" } else { "places" }),
            };
            for difference in found.iter().take(NAMED) {
                let _ = writeln!(text, "  {:?} {}", difference.path, difference.what);
            }
            bad += usize::from(!found.is_empty());
        }
        for folder in configs(layout, &app)? {
            let name = folder.file_name().unwrap_or_default().to_string_lossy().chars().take(12).collect::<String>();
            let word = if is_current(layout, &app, &folder) { " · current-config" } else { "" };
            let checked = render::seal(&folder).and_then(|seal| render::verify(&seal.config, &folder));
            let _ = match &checked {
                Ok(seal) => writeln!(text, "{app}  config {name} of {}  as it was rendered{word}", seal.config.short()),
                Err(why) => writeln!(text, "{app}  config {name}  DIFFERS: {why}{word}"),
            };
            bad += usize::from(checked.is_err());
        }
    }
    if text.is_empty() {
        bail!("{}", only.map_or_else(|| "there is no release on this host".to_owned(), |app| format!("there is no release of {app} on this host")));
    }
    if bad > 0 {
        bail!("{text}{bad} of the releases differ: deploy again, a damaged release is unpacked anew");
    }
    text.pop();
    Ok(text)
}

fn one(layout: &Layout, app: &AppName, package: &Digest) -> anyhow::Result<Vec<unpack::Difference>> {
    let path = layout.manifest(package);
    let text = fs::read(&path).with_context(|| format!("failed to read the manifest {}; are you root?", path.display()))?;
    if Digest::of(&text) != *package {
        bail!("the manifest {} is damaged", path.display());
    }
    let manifest = Manifest::decode(&text).with_context(|| format!("failed to understand the manifest {}", path.display()))?;
    let release = layout.release(app, package);
    let mut found = unpack::verify(&manifest, &release)?;
    let spec = fs::read(release.join(&manifest.appspec)).ok().and_then(|text| appspec::parse(&text).ok()).unwrap_or_default();
    let shared: Vec<String> = spec.ours.into_iter().flat_map(|ours| ours.shared).map(|shared| shared.path).collect();
    // Links to what releases share, and the folders that they stand in, are ours.
    let links = |path: &str| shared.iter().any(|s| s.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
    found.retain(|difference| manifest.get(&difference.path).is_some() || !links(&difference.path));
    Ok(found)
}

fn apps(layout: &Layout) -> anyhow::Result<Vec<AppName>> {
    names(&layout.state.join("apps")).map(|names| names.iter().filter_map(|name| AppName::new(name).ok()).collect())
}

fn releases(layout: &Layout, app: &AppName) -> anyhow::Result<Vec<Digest>> {
    names(&layout.releases(app)).map(|names| names.iter().filter_map(|name| format!("sha256:{name}").parse().ok()).collect())
}

/// Rendered configurations; what is being made or removed is none.
fn configs(layout: &Layout, app: &AppName) -> anyhow::Result<Vec<std::path::PathBuf>> {
    let names = names(&layout.configs(app))?;
    Ok(names.iter().filter(|name| !name.starts_with('.')).map(|name| layout.configs(app).join(name)).collect())
}

fn is_current(layout: &Layout, app: &AppName, folder: &std::path::Path) -> bool {
    let target = fs::read_link(layout.state.join("apps").join(app.as_str()).join("current-config")).unwrap_or_default();
    target.file_name().is_some() && target.file_name() == folder.file_name()
}

/// Sorted; none of a folder that is not there.
fn names(folder: &std::path::Path) -> anyhow::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(|| format!("failed to read {}", folder.display()))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// ` · current`, ` · previous`.
fn words(layout: &Layout, app: &AppName, package: &Digest) -> String {
    let is = |link: &str| {
        let target = fs::read_link(layout.state.join("apps").join(app.as_str()).join(link)).unwrap_or_default();
        target.file_name().is_some_and(|name| name.to_string_lossy() == package.hex())
    };
    ["current", "previous"].into_iter().filter(|link| is(link)).map(|link| format!(" · {link}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::Given;
    use pilotage_bundle::objects::Objects;
    use pilotage_shared::configuration::Configuration;
    use pilotage_shared::release::Release;

    #[test]
    fn a_release_is_compared_with_its_manifest_file_by_file() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::open(&dir.path().join("state")).unwrap();
        let web = AppName::new("web").unwrap();
        assert_eq!(verify(&layout, Some(&web)).unwrap_err().to_string(), "there is no release of web on this host");
        let bundle = dir.path().join("bundle");
        fs::create_dir(&bundle).unwrap();
        fs::write(bundle.join("appspec.yml"), "version: 0.0\nos: linux\nx-pilotage:\n  shared: [var/storage]\n").unwrap();
        fs::write(bundle.join("page"), "hello").unwrap();
        let objects = Objects::open(&dir.path().join("objects")).unwrap();
        let built = pilotage_bundle::folder::build(&bundle, &objects, None).unwrap();
        let text = built.manifest.encode();
        let package = Digest::of(text.as_bytes());
        fs::write(layout.manifest(&package), text).unwrap();
        fs::create_dir_all(layout.releases(&web)).unwrap();
        unpack::unpack(&built.manifest, &objects, &layout.release(&web, &package)).unwrap();
        let good = verify(&layout, None).unwrap();
        assert_eq!(good, format!("web  {}  as its manifest says", package.short()));
        // What a run has put there for shared folders is no difference.
        fs::create_dir(layout.release(&web, &package).join("var")).unwrap();
        std::os::unix::fs::symlink("/elsewhere", layout.release(&web, &package).join("var/storage")).unwrap();
        assert_eq!(verify(&layout, None).unwrap(), good);
        let configuration = Configuration::empty();
        let release = Release { config: Some(configuration.digest()), ..Release::of(package) };
        fs::create_dir_all(layout.configs(&web)).unwrap();
        let config = layout.config(&web, &release).unwrap();
        render::render(&configuration, &objects, &Given::default(), &config, &config.with_extension("aside")).unwrap();
        let good = verify(&layout, None).unwrap();
        assert!(good.ends_with(&format!("of {}  as it was rendered", configuration.digest().short())), "{good}");
        fs::remove_file(config.join("environment")).unwrap();
        let bad = verify(&layout, None).unwrap_err().to_string();
        assert!(bad.contains("DIFFERS: ") && bad.contains("\"environment\" is missing"), "{bad}");
        fs::write(layout.release(&web, &package).join("page"), "HELLO").unwrap();
        let bad = verify(&layout, None).unwrap_err().to_string();
        assert!(bad.contains("DIFFERS in 1 place") && bad.contains("\"page\""), "{bad}");
    }
}
