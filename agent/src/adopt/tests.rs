use std::os::unix::fs::PermissionsExt as _;

use super::*;

/// A host that CodeDeploy has deployed to: its root_dir, and an agent's state.
struct Host {
    dir: tempfile::TempDir,
    layout: Layout,
    order: Order,
}

impl Host {
    fn new() -> Host {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        for folder in ["root/deployment-instructions", "root/prod/d-7XK/deployment-archive/site", "www/web"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        let spec = format!("version: 0.0\nos: linux\nfiles:\n  - {{source: site, destination: {}}}\n", at("www/web").display());
        fs::write(at("root/prod/d-7XK/deployment-archive/appspec.yml"), spec).unwrap();
        for name in ["index.php", "local.php"] {
            fs::write(at("root/prod/d-7XK/deployment-archive/site").join(name), name).unwrap();
            fs::write(at("www/web").join(name), name).unwrap();
        }
        fs::write(at("www/web/foreign"), "theirs").unwrap();
        let list = format!("{0}\n{0}/index.php\n{0}/local.php\n{0}/torn", at("www/web").display());
        fs::write(at("root/deployment-instructions/prod-cleanup"), list).unwrap();
        for name in ["prod_last_successful_install", "prod_most_recent_install"] {
            fs::write(at("root/deployment-instructions").join(name), at("root/prod/d-7XK").to_str().unwrap()).unwrap();
        }
        fs::write(at("codedeploy.yml"), format!(":root_dir: {}\n", at("root").display())).unwrap();
        let layout = Layout::open(&at("state")).unwrap();
        let order = Order { app: AppName::new("web").unwrap(), group: "prod".into(), configuration: Some(at("codedeploy.yml")) };
        Host { dir, layout, order }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn record(&self, name: &str) -> String {
        fs::read_to_string(self.at("root/deployment-instructions").join(name)).unwrap()
    }
}

#[test]
fn what_codedeploy_has_installed_is_a_release_and_nothing_is_touched() {
    let host = Host::new();
    fs::write(host.at("www/web/local.php"), "changed since").unwrap();
    let adopted = adopt(&host.layout, &host.order).unwrap();
    assert!(adopted.told.contains("found    d-7XK, 2 files"), "{}", adopted.told);
    assert!(adopted.told.contains("1 file changed since: ") && adopted.told.contains("local.php, kept as it is"), "{}", adopted.told);
    assert_eq!(fs::read_to_string(host.at("www/web/local.php")).unwrap(), "changed since");
    let release = host.layout.release(&host.order.app, &adopted.release.package);
    assert_eq!(fs::read_to_string(release.join("site/local.php")).unwrap(), "local.php");
    assert_eq!(host.at("state/apps/web/current").canonicalize().unwrap(), release.canonicalize().unwrap());
    let installed = records::load_installed(&host.layout, &host.order.app).unwrap();
    assert_eq!((installed.files.len(), installed.folders.len()), (2, 1), "neither what is foreign nor a torn line");
    assert_eq!(adopt(&host.layout, &host.order).unwrap().release, adopted.release, "again it is the same");
}

#[test]
fn a_deployment_that_failed_since_is_said() {
    let host = Host::new();
    fs::write(host.at("root/deployment-instructions/prod_most_recent_install"), host.at("root/prod/d-8BAD").to_str().unwrap()).unwrap();
    let told = adopt(&host.layout, &host.order).unwrap().told;
    assert!(told.contains("! d-8BAD came after it and failed"), "{told}");
}

#[test]
fn what_cannot_be_adopted_is_refused_by_name() {
    let check = |change: &dyn Fn(&mut Host), expected: &str| {
        let mut host = Host::new();
        change(&mut host);
        let why = format!("{:#}", adopt(&host.layout, &host.order).unwrap_err());
        assert!(why.contains(expected), "{why}");
        assert!(!host.at("state/private/adopted/web").exists());
    };
    check(&|host| host.order.group = "other".into(), "has no group \"other\"");
    check(&|host| host.order.group = "other".into(), "it has prod");
    check(&|host| fs::remove_dir_all(host.at("root/prod/d-7XK/deployment-archive")).unwrap(), "without it there is no way back");
    check(&|host| fs::remove_dir_all(host.at("root")).unwrap(), "there is nothing of CodeDeploy at");
    let list = "root/deployment-instructions/prod-cleanup";
    check(&|host| fs::set_permissions(host.at(list), fs::Permissions::from_mode(0o666)).unwrap(), "others than root can write it");
}

#[test]
fn it_is_handed_back_as_it_was_or_with_what_runs_now() {
    let host = Host::new();
    let app = &host.order.app;
    assert!(hand_back(&host.layout, app, &Release::of(Digest([1; 32]))).unwrap_err().to_string().contains("never adopted"));
    let adopted = adopt(&host.layout, &host.order).unwrap();
    for name in ["prod-cleanup", "prod_last_successful_install", "prod_most_recent_install"] {
        fs::remove_file(host.at("root/deployment-instructions").join(name)).unwrap();
    }
    let told = hand_back(&host.layout, app, &adopted.release).unwrap();
    assert!(told.contains("say that d-7XK runs"), "{told}");
    assert_eq!(host.record("prod_last_successful_install"), host.at("root/prod/d-7XK").to_str().unwrap());
    let web = host.at("www/web");
    assert_eq!(host.record("prod-cleanup"), format!("{0}\n{0}/index.php\n{0}/local.php\n", web.display()));

    let bundle = host.at("next");
    fs::create_dir_all(&bundle).unwrap();
    fs::write(bundle.join("appspec.yml"), "version: 0.0\nos: linux\n").unwrap();
    let taken = bundle::take(&bundle, None, &host.layout, app).unwrap();
    let told = hand_back(&host.layout, app, &Release::of(taken.digest)).unwrap();
    let name = format!("d-{}", taken.digest.short().to_uppercase());
    assert!(told.contains(&name), "{told}");
    assert!(host.at("root/prod").join(&name).join("deployment-archive/appspec.yml").exists());
    assert_eq!(host.record("prod_most_recent_install"), host.at("root/prod").join(&name).to_str().unwrap());
}
