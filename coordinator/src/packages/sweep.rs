//! Mark and sweep: packages that nobody needs lose their record (the core refuses for those in use), then manifests and
//! objects that no record names lose their files.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pilotage_coordinator_core::input::{Request, Via};
use pilotage_coordinator_core::world::World;
use pilotage_shared::digest::Digest;
use pilotage_shared::name::{AppName, Reason, Why};
use pilotage_shared::principal::Principal;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{PackageError, Packages, failed};
use crate::api::Logs;
use crate::engine::{Ask, Handle, Refusal};

/// Between sweeps.
const EVERY: Duration = Duration::from_secs(3600);
/// A manifest that was sent and whose package was not made yet may wait so long for its objects.
const PENDING: Duration = Duration::from_secs(3600);

/// Sweeps every hour, and after a deletion, until it is told to stop.
pub async fn sweep_forever(packages: Arc<Packages>, logs: Arc<Logs>, engine: Handle, keep: usize, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
            () = packages.deleted.notified() => {}
        }
        match sweep(&packages, &engine, keep).await {
            Ok((0, 0)) => {}
            Ok((records, objects)) => info!(records, objects, "swept"),
            Err(why) => warn!(why, "the sweep failed; it is tried again in an hour"),
        }
        if let Err(why) = sweep_logs(&logs, &engine).await {
            warn!(why, "the sweep of logs failed; it is tried again in an hour");
        }
    }
}

/// Output of runs whose report is not kept any more (or never came) goes too.
async fn sweep_logs(logs: &Arc<Logs>, engine: &Handle) -> Result<(), String> {
    let reading = logs.clone();
    let old = tokio::task::spawn_blocking(move || reading.older_than(PENDING)).await.map_err(|e| e.to_string())?.map_err(|e| e.to_string())?;
    let unknown = engine.query(move |v| old.into_iter().filter(|(app, run)| !v.store.has_run(app, run)).collect::<Vec<_>>());
    let unknown = unknown.await.map_err(|e| e.to_string())?;
    let removing = logs.clone();
    let removed = tokio::task::spawn_blocking(move || unknown.iter().try_for_each(|(app, run)| removing.remove(app, run)));
    removed.await.map_err(|e| e.to_string())?.map_err(|e| e.to_string())
}

async fn sweep(packages: &Arc<Packages>, engine: &Handle, keep: usize) -> Result<(usize, usize), String> {
    let old = engine.query(move |view| surplus(view.world, keep)).await.map_err(|e| e.to_string())?;
    let mut records = 0;
    for request in old {
        let asked = engine
            .ask(|reply| Ask {
                by: Principal::Rule { name: Why::lossy("sweep") },
                via: Via::Own,
                reason: Reason::default(),
                idempotency: None,
                make: Box::new(move |_| Ok(request)),
                outbox: None,
                reply,
            })
            .await;
        match asked {
            Ok(_) => records += 1,
            // In use after all.
            Err(Refusal::Rejected(_)) => {}
            Err(refusal) => return Err(refusal.to_string()),
        }
    }
    let _alone = packages.gate.write().await;
    let known = |world: &World| world.packages.keys().copied().chain(world.configurations.values().map(|c| c.digest)).collect();
    let known: BTreeSet<Digest> = engine.query(move |view| known(view.world)).await.map_err(|e| e.to_string())?;
    let packages = packages.clone();
    let objects = tokio::task::spawn_blocking(move || packages.remove_unknown(&known));
    let objects = objects.await.map_err(|e| e.to_string())?.map_err(|e| e.to_string())?;
    Ok((records, objects))
}

/// Packages and configurations beyond the newest `keep` of their app, but for packages that a person must not forget: held
/// and blocked ones. Configurations first: what only they need goes in the same sweep.
fn surplus(world: &World, keep: usize) -> Vec<Request> {
    let apps: BTreeSet<&AppName> = world.configurations.keys().map(|(app, _)| app).collect();
    let older = |app: &&AppName| world.configurations_of(app).map(|c| c.number).collect::<Vec<u32>>();
    let old = apps.iter().flat_map(|app| {
        let numbers = older(app);
        let surplus = numbers.len().saturating_sub(keep);
        numbers.into_iter().take(surplus).map(|number| Request::DeleteConfiguration { app: (*app).clone(), number })
    });
    old.chain(surplus_packages(world, keep).into_iter().map(|digest| Request::DeletePackage { digest })).collect()
}

fn surplus_packages(world: &World, keep: usize) -> Vec<Digest> {
    let mut by_app: std::collections::BTreeMap<&AppName, Vec<_>> = std::collections::BTreeMap::new();
    for package in world.packages.values() {
        by_app.entry(&package.app).or_default().push((package.added.at, package.digest));
    }
    let mut old = Vec::new();
    for packages in by_app.values_mut() {
        packages.sort_unstable();
        let surplus = packages.len().saturating_sub(keep);
        old.extend(packages[..surplus].iter().map(|(_, d)| *d).filter(|d| !world.barred_package(d)));
    }
    old
}

impl Packages {
    /// Removes manifests that no record names (and that are not being uploaded), then objects that no manifest names.
    fn remove_unknown(&self, known: &BTreeSet<Digest>) -> Result<usize, PackageError> {
        let mut wanted = BTreeSet::new();
        self.remove_manifests("manifests", known, &mut |digest| {
            wanted.extend(self.manifest(digest)?.objects().into_keys());
            Ok(())
        })?;
        self.remove_manifests("configurations", known, &mut |digest| {
            wanted.extend(self.configuration(digest)?.objects().into_keys());
            Ok(())
        })?;
        let mut removed = 0;
        for object in self.objects.list()?.iter().filter(|d| !wanted.contains(d)) {
            self.objects.remove(object)?;
            removed += 1;
        }
        Ok(removed)
    }

    fn remove_manifests(
        &self,
        of: &str,
        known: &BTreeSet<Digest>,
        stays: &mut dyn FnMut(&Digest) -> Result<(), PackageError>,
    ) -> Result<(), PackageError> {
        let folder = self.folder.join(of);
        for entry in std::fs::read_dir(&folder).map_err(failed("list", &folder))? {
            let entry = entry.map_err(failed("list", &folder))?;
            let path = entry.path();
            let Ok(digest) = format!("sha256:{}", entry.file_name().to_string_lossy()).parse::<Digest>() else { continue };
            let age = entry.metadata().and_then(|m| m.modified()).ok().and_then(|t| SystemTime::now().duration_since(t).ok());
            if known.contains(&digest) || age.is_none_or(|age| age < PENDING) {
                stays(&digest)?;
            } else {
                std::fs::remove_file(&path).map_err(failed("remove", &path))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilotage_shared::configuration::{Access, Configuration, File};

    #[test]
    fn what_no_manifest_names_goes_and_the_rest_stays() {
        let dir = tempfile::tempdir().unwrap();
        let packages = Packages::open(dir.path()).unwrap();
        let (kept, _) = packages.objects().put(&b"kept"[..]).unwrap();
        let (orphan, _) = packages.objects().put(&b"orphan"[..]).unwrap();
        let (spec, size) = packages.objects().put(&b"version: 0.0\n"[..]).unwrap();
        let text = |files: &[(&str, Digest, u64)]| {
            use pilotage_shared::manifest::{Entry, Kind, Manifest};
            let entry = |(path, digest, size): &(&str, Digest, u64)| Entry {
                path: (*path).into(),
                kind: Kind::File { digest: *digest },
                mode: 0o644,
                owner: "root".into(),
                group: "root".into(),
                mtime: 0,
                size: *size,
            };
            Manifest::new("appspec.yml", files.iter().map(entry).collect()).unwrap().encode()
        };
        let (digest, missing) = packages.add_manifest(text(&[("appspec.yml", spec, size), ("a", kept, 4)]).as_bytes()).unwrap();
        assert_eq!(missing, []);
        assert_eq!(packages.remove_unknown(&BTreeSet::from([digest])).unwrap(), 1);
        assert!(packages.objects().has(&kept) && packages.objects().has(&spec) && !packages.objects().has(&orphan));
        assert_eq!(packages.remove_unknown(&BTreeSet::new()).unwrap(), 0, "a manifest that was just sent is waited for");
        let (content, size) = packages.objects().put(&b"a=1"[..]).unwrap();
        let mut configuration = Configuration::empty();
        configuration.files.insert("app.toml".into(), File { access: Access::of("root"), size, digest: content });
        let (digest, missing) = packages.add_configuration(configuration.encode().as_bytes()).unwrap();
        assert_eq!((digest, missing), (configuration.digest(), Vec::new()));
        assert_eq!(packages.remove_unknown(&BTreeSet::from([digest])).unwrap(), 0, "what a configuration names stays");
        assert_eq!(packages.complete_configuration(&digest).unwrap(), configuration);
    }
}
