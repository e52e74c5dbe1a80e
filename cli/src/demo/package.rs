//! The demo's packages: the same small web application in four versions. Each is an ordinary bundle with an AppSpec and three
//! shell scripts. A script finds its host by its own path, because on one machine every host needs a port of its own.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use pilotage_shared::time::Millis;

use super::app::Behaviour;

/// One version of the demo's application.
#[derive(Clone, Copy, Debug)]
pub struct Version {
    /// As `1.1.0`.
    pub number: &'static str,
    /// What the story calls it.
    pub title: &'static str,
    /// How it behaves.
    pub behaviour: Behaviour,
}

/// The story's four versions, in order.
pub const VERSIONS: [Version; 4] = [
    Version { number: "1.0.0", title: "first install", behaviour: Behaviour::Good },
    Version { number: "1.1.0", title: "upgrade", behaviour: Behaviour::Good },
    Version { number: "1.2.0", title: "cannot validate", behaviour: Behaviour::CannotValidate },
    Version { number: "1.3.0", title: "dies 3s later", behaviour: Behaviour::DiesAfter(Millis::seconds(3)) },
];

const APPSPEC: &str = "\
version: 0.0
os: linux
hooks:
  ApplicationStop:
    - location: scripts/stop.sh
      timeout: 20
  ApplicationStart:
    - location: scripts/start.sh
      timeout: 20
  ValidateService:
    - location: scripts/validate.sh
      timeout: 20
";

/// Sets `release` (this package, unpacked), `host` (the demo's folder of this host) and `app` (the program).
const WHERE_AM_I: &str = "\
#!/bin/sh
set -e
release=${0%/scripts/*}
host=${0%/state/*}
app=${host%/*}/bin/app
read -r port < \"$host/port\"
";

const STOP: &str = "\"$app\" demo-app stop --pid-file \"$host/app.pid\"\n";

const START: &str = "\
\"$app\" demo-app stop --pid-file \"$host/app.pid\"
\"$app\" demo-app serve --port \"$port\" --release \"$release\" </dev/null >>\"$host/app.log\" 2>&1 &
echo $! > \"$host/app.pid\"
";

const VALIDATE: &str = "\"$app\" demo-app check --port \"$port\"\n";

/// Writes one version's bundle below `packages`; the folder is the result.
pub fn write(packages: &Path, version: Version) -> io::Result<PathBuf> {
    let dir = packages.join(version.number);
    std::fs::create_dir_all(dir.join("scripts"))?;
    std::fs::write(dir.join("appspec.yml"), APPSPEC)?;
    std::fs::write(dir.join("version"), version.number)?;
    std::fs::write(dir.join("behaviour"), version.behaviour.text())?;
    for (name, script) in [("stop.sh", STOP), ("start.sh", START), ("validate.sh", VALIDATE)] {
        let path = dir.join("scripts").join(name);
        std::fs::write(&path, format!("{WHERE_AM_I}{script}"))?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(dir)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// The scripts find their host by `$0` as the deployer starts them.
    #[test]
    fn scripts_find_their_host() {
        let root = tempfile::tempdir().unwrap();
        let host = root.path().join("h3");
        let release = host.join("state/bundles/5b1e");
        std::fs::create_dir_all(release.parent().unwrap()).unwrap();
        std::fs::rename(write(&root.path().join("packages"), VERSIONS[0]).unwrap(), &release).unwrap();
        std::fs::write(host.join("port"), "20123\n").unwrap();
        std::fs::create_dir(root.path().join("bin")).unwrap();
        let app = root.path().join("bin/app");
        std::fs::write(&app, "#!/bin/sh\necho \"$@\"\n").unwrap();
        std::fs::set_permissions(&app, std::fs::Permissions::from_mode(0o755)).unwrap();
        let check = |script: &str, expected: String| {
            let output = Command::new(release.join("scripts").join(script)).env_clear().output().unwrap();
            assert!(output.status.success(), "{output:?}");
            assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), expected);
        };
        check("validate.sh", "demo-app check --port 20123".to_owned());
        check("stop.sh", format!("demo-app stop --pid-file {}/app.pid", host.display()));
        assert!(Command::new(release.join("scripts/start.sh")).env_clear().status().unwrap().success());
        assert!(host.join("app.pid").exists());
    }
}
