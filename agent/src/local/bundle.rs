//! From where a bundle lies to a release that the deployer can run (J2–J6, N2, N3).

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use pilotage_bundle::{BuildError, Built, Objects, archive, folder, unpack};
use pilotage_disk::{durable, space};
use pilotage_shared::digest::Digest;
use pilotage_shared::name::AppName;

use super::flags::Type;
use super::words;
use crate::layout::Layout;

/// A bundle that is a release now.
pub struct Taken {
    /// What it is.
    pub built: Built,
    /// Its digest.
    pub digest: Digest,
    /// Where it is unpacked.
    pub folder: PathBuf,
}

/// The path of a location. What lies elsewhere is not fetched here: no credentials of any cloud are read.
pub fn locate(location: &str, kind: Type) -> anyhow::Result<PathBuf> {
    let elsewhere = |how: &str| format!("location {location} is not fetched here: {how}, then deploy the file with -l FILE -t tgz|tar|zip");
    match location.split_once(':').map_or("", |(scheme, _)| scheme) {
        "http" => {
            bail!("location {location} cannot be http, only encrypted (https) url endpoints supported; nor is https fetched here: download it first")
        }
        "https" => bail!("{}", elsewhere(&format!("download it first (curl -fLo FILE {location})"))),
        "s3" => bail!("{}", elsewhere("download it first (aws s3 cp URL FILE)")),
        _ => {}
    }
    let path = location.strip_prefix("file://").or_else(|| location.strip_prefix("file:")).unwrap_or(location);
    let Ok(path) = Path::new(path).canonicalize() else { bail!("location {location} is specified as a file or directory which does not exist") };
    match (kind, path.is_dir()) {
        (Type::Directory, false) => bail!("location {location} is specified with type directory but it is a file: say -t tgz, tar or zip"),
        (Type::Tgz | Type::Tar | Type::Zip, true) => {
            bail!("location {location} is specified as a compressed local file but it is a directory: say -t directory")
        }
        (_, _) => Ok(path),
    }
}

/// Reads it, and unpacks it where releases of the app lie. Nothing of it is executed.
pub fn take(path: &Path, appspec: Option<&str>, state: &Layout, app: &AppName) -> anyhow::Result<Taken> {
    room(path, &state.state)?;
    let objects = Objects::open(&state.private().join("objects"))?;
    let built = build(path, appspec, &objects, state).with_context(|| format!("the bundle {} cannot be deployed", path.display()))?;
    let digest = built.manifest.digest();
    durable::replace(&state.manifest(&digest), built.manifest.encode().as_bytes(), 0o600)?;
    let folder = state.release(app, &digest);
    let damaged = || unpack::verify(&built.manifest, &folder).map_or(true, |found| !found.is_empty());
    if folder.exists() && !state.private().join("seals").join(app.as_str()).join(digest.hex()).exists() && damaged() {
        fs::remove_dir_all(&folder).with_context(|| format!("failed to remove the damaged release {}", folder.display()))?;
    }
    if !folder.exists() {
        let releases = state.releases(app);
        durable::create_dirs(&releases, 0o755)?;
        let aside = releases.join(format!(".{}", digest.hex()));
        if aside.exists() {
            fs::remove_dir_all(&aside).with_context(|| format!("failed to clear {}", aside.display()))?;
        }
        unpack::unpack(&built.manifest, &objects, &aside)?;
        fs::rename(&aside, &folder).with_context(|| format!("failed to name the release {}", folder.display()))?;
        durable::sync_dir(&releases)?;
    }
    Ok(Taken { built, digest, folder })
}

/// With the given name of its AppSpec; when there is none of that name, with one of the usual names (A2).
fn build(path: &Path, appspec: Option<&str>, objects: &Objects, state: &Layout) -> anyhow::Result<Built> {
    let unpacked = state.private().join("bundle.tar");
    let path = if path.is_file() && decompressed(path, &unpacked)? { unpacked.as_path() } else { path };
    let one = |name: Option<&str>| if path.is_dir() { folder::build(path, objects, name) } else { archive::build(path, objects, name) };
    let built = match (one(appspec), appspec) {
        (Err(BuildError::NoAppSpec { .. }), Some(name)) => match one(None) {
            Ok(built) => {
                words::say(&format!("The bundle has no {name}: its {} is used", built.manifest.appspec));
                Ok(built)
            }
            Err(BuildError::NoAppSpec { .. }) => bail!("there is no {name}, appspec.yml or appspec.yaml at the root of the bundle"),
            Err(error) => Err(error),
        },
        (built, _) => built,
    };
    match fs::remove_file(&unpacked) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error).context("failed to remove the decompressed bundle"),
        _ => {}
    }
    Ok(built?)
}

/// `tar -t tar` takes xz and bzip2 too (J3), by the programs that tar itself would call. False: it is another form.
fn decompressed(path: &Path, to: &Path) -> anyhow::Result<bool> {
    let mut head = [0; 6];
    let read = File::open(path).and_then(|mut file| file.read(&mut head)).with_context(|| format!("failed to read {}", path.display()))?;
    let program = match &head[..read] {
        [0xfd, b'7', b'z', b'X', b'Z', 0] => "xz",
        [b'B', b'Z', b'h', ..] => "bzip2",
        _ => return Ok(false),
    };
    let output = File::create(to).with_context(|| format!("failed to make {}", to.display()))?;
    let done = Command::new(program).arg("-dc").stdin(File::open(path)?).stdout(output).stderr(Stdio::inherit()).status();
    match done.with_context(|| format!("{} is compressed by {program}; failed to start it: is it installed?", path.display()))? {
        status if status.success() => Ok(true),
        status => bail!("{program} could not decompress {} ({status})", path.display()),
    }
}

/// Twice the bundle and a tenth: its contents and the release.
fn room(path: &Path, state: &Path) -> anyhow::Result<()> {
    let size = size(path)?;
    let (need, free) = (size.saturating_mul(21) / 10, space::free_bytes(state)?);
    if free < need {
        bail!("the disk is full: {} kB are free at {}, this bundle needs {} kB; nothing was changed", free >> 10, state.display(), need >> 10);
    }
    Ok(())
}

fn size(path: &Path) -> anyhow::Result<u64> {
    let failed = || format!("failed to read {}", path.display());
    let metadata = path.symlink_metadata().with_context(failed)?;
    if !metadata.is_dir() {
        return Ok(metadata.len());
    }
    fs::read_dir(path).with_context(failed)?.try_fold(0, |sum, entry| Ok(size(&entry.with_context(failed)?.path())? + sum))
}
