use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use pilotage_shared::release::Release;
use tempfile::TempDir;

use super::stand_in::StandIn;
use super::*;
use pilotage_shared::name::SecretName;

const APPSPEC: &str = "version: 0.0\nos: linux\nhooks:\n  ApplicationStart:\n    - location: start.sh\n";

/// One host and its coordinator.
struct Host {
    _dir: TempDir,
    at: PathBuf,
    layout: Layout,
    coordinator: StandIn,
    app: AppName,
    /// `[secrets]` of its agent.toml.
    secrets: String,
}

impl Host {
    fn new() -> Host {
        let dir = tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o700)).tempdir().unwrap();
        let at = dir.path().canonicalize().unwrap();
        let layout = Layout::open(&at.join("state")).unwrap();
        Host { coordinator: StandIn::start(&at), layout, at, _dir: dir, app: AppName::new("web").unwrap(), secrets: String::new() }
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
        self.stage_release(Release::of(package)).await
    }

    async fn stage_release(&self, release: Release) -> Result<(), String> {
        let secrets = Arc::new(Secrets::new(toml::from_str(&self.secrets).unwrap(), None).unwrap());
        stage(self.coordinator.client.clone(), self.layout.clone(), self.app.clone(), release, secrets).await.map_err(|e| e.to_string())
    }

    /// A configuration with one file and these secrets in the environment; the coordinator has it.
    fn configuration(&self, content: &str, secrets: &[&str]) -> Digest {
        let mut configuration = self.coordinator.configuration(content);
        configuration.secret_variables = secrets.iter().map(|s| (s.to_uppercase(), SecretName::new(s).unwrap())).collect();
        let digest = configuration.digest();
        self.coordinator.known.lock().unwrap().configurations.insert(digest.to_string(), configuration.encode().into());
        digest
    }

    fn config(&self, release: &Release) -> PathBuf {
        self.layout.config(&self.app, release).unwrap()
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
    async fn sweep(&self, in_use: &[Release], done: impl Fn(&Host) -> bool) {
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
    let early = format!(
        "{nobody}  BeforeInstall:\n    - location: start.sh\nx-pilotage:\n  preflight:\n    - location: start.sh\n      runas: pilotage-nobody-yet\n"
    );
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
    host.sweep(&[Release::of(packages[0])], |h| h.names().len() == 4 && h.layout.private().join("manifests").read_dir().unwrap().count() == 6).await;
    for (n, package) in packages.iter().enumerate() {
        assert_eq!(host.release(package).exists(), n == 0 || n >= 3, "release {n}");
        assert!(host.objects().objects.has(&page(n as u32)), "manifests without a release keep three: {n}");
    }
    for n in 10..12u32 {
        host.stage(host.package(APPSPEC, &[("page", &format!("page {n}"))])).await.unwrap();
    }
    host.sweep(&[Release::of(packages[0])], |h| !h.objects().objects.has(&page(1))).await;
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
    host.sweep(&[Release::of(packages[5]), Release::of(packages[4])], |h| h.names().len() == 5).await;
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

#[tokio::test]
async fn a_configuration_is_rendered_for_its_release_and_again_with_each_staging() {
    let mut host = Host::new();
    let key = host.at.join("db");
    fs::write(&key, "one").unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    host.secrets = format!("[db]\nfile = {key:?}\napps = ['web']");
    let (package, config) = (host.package(APPSPEC, &[]), host.configuration("a = 1", &["db"]));
    let release = Release { config: Some(config), ..Release::of(package) };
    host.stage_release(release).await.unwrap();
    let environment = || fs::read_to_string(host.config(&release).join("environment")).unwrap();
    assert_eq!((fs::read_to_string(host.config(&release).join("app.toml")).unwrap(), environment()), ("a = 1".into(), "DB=\"one\"\n".into()));
    fs::write(&key, "two").unwrap();
    host.coordinator.known.lock().unwrap().refuse = Some(http::StatusCode::SERVICE_UNAVAILABLE);
    host.stage_release(release).await.unwrap();
    assert_eq!(environment(), "DB=\"two\"\n", "what has arrived needs no coordinator");
    let again = Release { restart: 1, ..release };
    host.stage_release(again).await.unwrap();
    assert!(host.config(&release) != host.config(&again) && host.config(&release).exists(), "each release has its own");
}

#[tokio::test]
async fn a_missing_secret_is_a_named_refusal_before_anything_of_it_is_fetched() {
    let mut host = Host::new();
    host.secrets = "[other]\ncommand = ['/bin/echo', 'x']\napps = ['job']".into();
    let package = host.package(APPSPEC, &[]);
    host.stage(package).await.unwrap();
    let before = host.asked_for_objects();
    let check = async |secret: &str, expected: &str| {
        let release = Release { config: Some(host.configuration("a = 2", &[secret])), ..Release::of(package) };
        assert_eq!(host.stage_release(release).await.unwrap_err(), expected);
        assert!(!host.config(&release).exists());
    };
    check("db", "needs secret db: not in [secrets] of this host").await;
    check("other", "needs secret other: not for app web on this host").await;
    assert_eq!(host.asked_for_objects(), before);
}

#[tokio::test]
async fn another_configuration_than_asked_for_is_refused() {
    let host = Host::new();
    let (package, config, other) = (host.package(APPSPEC, &[]), host.configuration("a", &[]), host.configuration("b", &[]));
    {
        let mut known = host.coordinator.known.lock().unwrap();
        let swapped = known.configurations[&other.to_string()].clone();
        known.configurations.insert(config.to_string(), swapped);
    }
    let why = host.stage_release(Release { config: Some(config), ..Release::of(package) }).await.unwrap_err();
    assert!(why.contains("another configuration"), "{why}");
}

#[tokio::test]
async fn a_sweep_leaves_rendered_configurations_of_what_is_used_alone() {
    let host = Host::new();
    let package = host.package(APPSPEC, &[]);
    let mut releases = Vec::new();
    for n in 0..6 {
        let release = Release { config: Some(host.configuration(&format!("n = {n}"), &[])), ..Release::of(package) };
        host.stage_release(release).await.unwrap();
        releases.push(release);
    }
    let texts = |h: &Host| h.layout.private().join("configurations").read_dir().unwrap().count();
    let page = |h: &Host, n: usize| h.objects().objects.has(&Digest::of(format!("n = {n}").as_bytes()));
    host.sweep(&releases[..2], |h| texts(h) == 5 && (2..6).filter(|n| page(h, *n)).count() == 3).await;
    let there: Vec<bool> = releases.iter().map(|r| host.config(r).exists()).collect();
    assert_eq!(there, [true, true, false, false, false, false]);
    assert_eq!(host.layout.configs(&host.app).read_dir().unwrap().count(), 2, "nothing half-removed stays");
    assert!(page(&host, 0) && page(&host, 1), "what is used can be rendered again without the coordinator");
}
