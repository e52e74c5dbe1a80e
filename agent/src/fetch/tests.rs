use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use pilotage_shared::release::Release;
use tempfile::TempDir;

use super::stand_in::StandIn;
use super::*;

const APPSPEC: &str = "version: 0.0\nos: linux\nhooks:\n  ApplicationStart:\n    - location: start.sh\n";

/// One host and its coordinator.
struct Host {
    _dir: TempDir,
    at: PathBuf,
    layout: Layout,
    coordinator: StandIn,
    app: AppName,
}

impl Host {
    fn new() -> Host {
        let dir = tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o700)).tempdir().unwrap();
        let at = dir.path().canonicalize().unwrap();
        let layout = Layout::open(&at.join("state")).unwrap();
        Host { coordinator: StandIn::start(&at), layout, at, _dir: dir, app: AppName::new("web").unwrap() }
    }

    /// A package with these files beside its AppSpec; the coordinator has it.
    fn package(&self, appspec: &str, files: &[(&str, &str)]) -> Digest {
        let source = tempfile::tempdir_in(&self.at).unwrap();
        fs::write(source.path().join("appspec.yml"), appspec).unwrap();
        fs::write(source.path().join("start.sh"), "#!/bin/sh\n").unwrap();
        for (name, text) in files {
            fs::write(source.path().join(name), text).unwrap();
        }
        self.coordinator.offer(source.path()).manifest.digest()
    }

    async fn stage(&self, package: Digest) -> Result<(), String> {
        stage(self.coordinator.client.clone(), self.layout.clone(), self.app.clone(), Release::of(package)).await.map_err(|e| e.to_string())
    }

    fn release(&self, package: &Digest) -> PathBuf {
        self.layout.release(&self.app, package)
    }

    fn objects(&self) -> Arc<Store> {
        Store::of(&self.layout).unwrap()
    }

    fn asked_for_objects(&self) -> usize {
        self.coordinator.known.lock().unwrap().objects_asked.len()
    }

    /// Names in the app's folder of releases.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(self.layout.releases(&self.app)).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// A sweep, and the end of what it does on its blocking thread.
    async fn sweep(&self, in_use: &[Digest], done: impl Fn(&Host) -> bool) {
        sweep(&self.layout, &self.app, in_use).unwrap();
        let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while !done(self) {
            assert!(std::time::Instant::now() < until, "the sweep does not come to its end");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn a_release_is_staged_whole_and_once() {
    let host = Host::new();
    let package = host.package(APPSPEC, &[("page", "hello")]);
    host.stage(package).await.unwrap();
    assert_eq!(fs::read_to_string(host.release(&package).join("page")).unwrap(), "hello");
    assert_eq!(host.names(), [package.hex()]);
    for folder in [host.layout.releases(&host.app), host.release(&package)] {
        assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o7777, 0o755, "{}", folder.display());
    }
    let asked = host.coordinator.known.lock().unwrap().asked.len();
    host.stage(package).await.unwrap();
    assert_eq!(host.coordinator.known.lock().unwrap().asked.len(), asked, "what is staged needs no coordinator");
}

#[tokio::test]
async fn only_objects_that_are_not_here_are_fetched() {
    let host = Host::new();
    host.stage(host.package(APPSPEC, &[("page", "one"), ("same", "same")])).await.unwrap();
    let before = host.asked_for_objects();
    host.stage(host.package(APPSPEC, &[("page", "two"), ("same", "same")])).await.unwrap();
    assert_eq!(host.coordinator.known.lock().unwrap().objects_asked[before..], [Digest::of(b"two")]);
}

#[tokio::test]
async fn stagings_at_once_do_not_disturb_each_other() {
    let host = Host::new();
    let packages: Vec<Digest> = (0..6).map(|n| host.package(APPSPEC, &[("page", &format!("page {n}")), ("big", &"x".repeat(200_000 + n))])).collect();
    // Each twice: the second is what a superseded and again wanted release looks like.
    let all = packages.iter().chain(&packages).map(|p| host.stage(*p));
    for result in futures_util::future::join_all(all).await {
        result.unwrap();
    }
    for (n, package) in packages.iter().enumerate() {
        assert_eq!(fs::read_to_string(host.release(package).join("page")).unwrap(), format!("page {n}"));
    }
    assert_eq!(host.names().len(), 6, "nothing is left beside them: {:?}", host.names());
}

#[tokio::test]
async fn another_manifest_than_asked_for_is_refused_before_anything_is_fetched() {
    let host = Host::new();
    let (package, other) = (host.package(APPSPEC, &[]), host.package(APPSPEC, &[("page", "other")]));
    {
        let mut known = host.coordinator.known.lock().unwrap();
        let swapped = known.manifests[&other.to_string()].clone();
        known.manifests.insert(package.to_string(), swapped);
    }
    assert!(host.stage(package).await.unwrap_err().contains("another manifest"));
    assert_eq!(host.asked_for_objects(), 0);
    assert!(!host.layout.manifest(&package).exists());
}

#[tokio::test]
async fn objects_that_do_not_come_are_named() {
    let host = Host::new();
    let package = host.package(APPSPEC, &[]);
    host.coordinator.known.lock().unwrap().withhold = true;
    assert!(host.stage(package).await.unwrap_err().contains("did not send"));
    assert!(!host.release(&package).exists());
    host.coordinator.known.lock().unwrap().withhold = false;
    host.stage(package).await.unwrap();
}

#[tokio::test]
async fn a_damaged_object_is_fetched_again() {
    let host = Host::new();
    host.stage(host.package(APPSPEC, &[("page", "hello")])).await.unwrap();
    let damaged = host.objects().objects.path(&Digest::of(b"hello"));
    fs::write(&damaged, b"rubbish").unwrap();
    let package = host.package(APPSPEC, &[("page", "hello"), ("new", "new")]);
    assert!(host.stage(package).await.unwrap_err().contains("1 damaged objects"));
    host.stage(package).await.unwrap();
    assert_eq!(fs::read_to_string(host.release(&package).join("page")).unwrap(), "hello");
}

#[tokio::test]
async fn preflight_looks_before_anything_is_stopped() {
    let host = Host::new();
    let check = async |appspec: &str, expected: Option<&str>| {
        let result = host.stage(host.package(appspec, &[])).await;
        match expected {
            None => result.unwrap(),
            Some(text) => {
                let error = result.unwrap_err();
                assert!(error.contains(text), "{error:?} has not {text:?}");
            }
        }
    };
    let nobody = "version: 0.0\nos: linux\nhooks:\n  ApplicationStart:\n    - location: start.sh\n      runas: pilotage-no-such-user\n";
    check(nobody, Some("there is no user \"pilotage-no-such-user\"")).await;
    check(&format!("{nobody}  BeforeInstall:\n    - location: start.sh\n"), None).await;
    let early = format!("{nobody}  BeforeInstall:\n    - location: start.sh\nx-pilotage:\n  preflight:\n    - location: start.sh\n      runas: pilotage-nobody-yet\n");
    check(&early, Some("there is no user \"pilotage-nobody-yet\"")).await;
    check(&nobody.replace("pilotage-no-such-user", "0"), None).await;
    let file = host.at.join("a-file");
    fs::write(&file, "").unwrap();
    let below = format!("version: 0.0\nos: linux\nfiles:\n  - source: start.sh\n    destination: {}/web\n", file.display());
    check(&below, Some("lies below a file")).await;
}

#[test]
fn a_full_disk_is_said_with_both_numbers() {
    assert!(room(106 << 20, 20 << 20, 16 << 20, Path::new("/s")).is_ok(), "twice and a tenth, and a reserve");
    let error = room((106 << 20) - 1, 20 << 20, 16 << 20, Path::new("/s")).unwrap_err().to_string();
    assert_eq!(error, "disk: 105 MB are free at /s, staging needs 106 MB");
    assert!(room(u64::MAX - 1, u64::MAX, u64::MAX, Path::new("/s")).is_err());
}

#[tokio::test]
async fn a_sweep_keeps_what_is_used_and_the_newest_and_their_objects() {
    let host = Host::new();
    let mut packages = Vec::new();
    for n in 0..6u32 {
        let package = host.package(APPSPEC, &[("page", &format!("page {n}"))]);
        host.stage(package).await.unwrap();
        let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1000 + u64::from(n));
        for path in [host.release(&package), host.layout.manifest(&package)] {
            fs::File::open(path).unwrap().set_modified(at).unwrap();
        }
        packages.push(package);
    }
    // What a crash left: never taken for a release, and cleared.
    fs::create_dir(host.objects().aside(&host.layout.releases(&host.app), &packages[1])).unwrap();
    let page = |n: u32| Digest::of(format!("page {n}").as_bytes());
    host.sweep(&[packages[0]], |h| h.names().len() == 4 && h.layout.private().join("manifests").read_dir().unwrap().count() == 6).await;
    for (n, package) in packages.iter().enumerate() {
        assert_eq!(host.release(package).exists(), n == 0 || n >= 3, "release {n}");
        assert!(host.objects().objects.has(&page(n as u32)), "manifests without a release keep three: {n}");
    }
    for n in 10..12u32 {
        host.stage(host.package(APPSPEC, &[("page", &format!("page {n}"))])).await.unwrap();
    }
    host.sweep(&[packages[0]], |h| !h.objects().objects.has(&page(1))).await;
    assert!(!host.layout.manifest(&packages[1]).exists());
    assert!(host.release(&packages[0]).exists() && host.objects().objects.has(&page(0)), "in use stays, however old");
}

#[tokio::test]
async fn a_package_says_how_many_of_its_releases_a_host_keeps() {
    let host = Host::new();
    let mut packages = Vec::new();
    for n in 0..6u32 {
        let package = host.package(&format!("{APPSPEC}x-pilotage:\n  retain: 5\n"), &[("page", &format!("page {n}"))]);
        host.stage(package).await.unwrap();
        let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1000 + u64::from(n));
        fs::File::open(host.release(&package)).unwrap().set_modified(at).unwrap();
        packages.push(package);
    }
    host.sweep(&[packages[5], packages[4]], |h| h.names().len() == 5).await;
    assert!(!host.release(&packages[0]).exists() && host.release(&packages[1]).exists());
}

#[tokio::test]
async fn nothing_is_cleared_while_something_is_staged() {
    let host = Host::new();
    let stray = host.objects().objects.put(&b"stray"[..]).unwrap().0;
    let staging = host.objects().shared().await;
    super::retention::clear(&host.layout, &host.objects(), &[]).unwrap();
    assert!(host.objects().objects.has(&stray));
    drop(staging);
    super::retention::clear(&host.layout, &host.objects(), &[]).unwrap();
    assert!(!host.objects().objects.has(&stray));
}
