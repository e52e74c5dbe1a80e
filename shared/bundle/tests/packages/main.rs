//! The same tree in every form, and hostile archives: each refused by name, and nothing of it left.
#![expect(clippy::unwrap_used, reason = "the helpers of a test fail as the test does")]

mod appspec;
mod hostile;
mod limits;
mod ours;
mod times;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use pilotage_bundle::unpack::{unpack, verify};
use pilotage_bundle::{BuildError, Built, Objects, archive, folder};
use pilotage_shared::manifest::{Kind, Manifest};

const APPSPEC: &str =
    "version: 0.0\nos: linux\nfiles:\n  - source: /\n    destination: /srv/web\nhooks:\n  ApplicationStart:\n    - location: scripts/start.sh\n";

struct Bench {
    dir: tempfile::TempDir,
    objects: Objects,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let objects = Objects::open(&dir.path().join("objects")).unwrap();
        Self { dir, objects }
    }
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        std::fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }
    fn build(&self, bytes: &[u8]) -> Result<Built, BuildError> {
        archive::build(&self.write("in", bytes), &self.objects, None)
    }
}

/// A tree with a nested folder, an empty folder, an executable, a link that leads out.
fn tree(root: &Path) {
    std::fs::create_dir_all(root.join("scripts/deep")).unwrap();
    std::fs::create_dir(root.join("empty")).unwrap();
    std::fs::write(root.join("appspec.yml"), APPSPEC).unwrap();
    std::fs::write(root.join("scripts/start.sh"), "#!/bin/sh\n").unwrap();
    std::fs::write(root.join("scripts/deep/data ü"), vec![1; 200_000]).unwrap();
    std::os::unix::fs::symlink("/etc/shadow", root.join("out")).unwrap();
    use std::os::unix::fs::PermissionsExt as _;
    for (path, mode) in [
        ("scripts/start.sh", 0o755),
        ("appspec.yml", 0o644),
        ("scripts/deep/data ü", 0o640),
        ("scripts", 0o755),
        ("scripts/deep", 0o755),
        ("empty", 0o755),
    ] {
        std::fs::set_permissions(root.join(path), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    for path in ["scripts/start.sh", "appspec.yml", "scripts/deep/data ü"] {
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_001);
        std::fs::File::options().write(true).open(root.join(path)).unwrap().set_modified(time).unwrap();
    }
}

fn tar_of(root: &Path) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    builder.follow_symlinks(false);
    builder.append_dir_all(".", root).unwrap();
    builder.into_inner().unwrap()
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_tree_has_one_digest_in_every_form_and_comes_out_as_it_was() {
    let bench = Bench::new();
    let root = bench.path("tree");
    tree(&root);
    let from_folder = folder::build(&root, &bench.objects, None).unwrap().manifest;
    let tar = tar_of(&root);
    let wrapped = bench.path("wrapped");
    std::fs::create_dir(&wrapped).unwrap();
    std::fs::rename(&root, wrapped.join("web-1.4.2")).unwrap();
    let stripped = tar_of(&wrapped);
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for entry in &from_folder.entries {
        let time = zip::DateTime::from_date_and_time(2023, 11, 14, 22, 13, 20).unwrap();
        let options = zip::write::SimpleFileOptions::default().unix_permissions(entry.mode).last_modified_time(time);
        match &entry.kind {
            Kind::Directory => zip.add_directory(&entry.path, options).unwrap(),
            Kind::Link { target } => zip.add_symlink(&entry.path, target, options).unwrap(),
            Kind::File { .. } => {
                zip.start_file(&entry.path, options).unwrap();
                zip.write_all(&std::fs::read(wrapped.join("web-1.4.2").join(&entry.path)).unwrap()).unwrap();
            }
        }
    }
    let zip = zip.finish().unwrap().into_inner();
    for (form, bytes) in
        [("tar", tar.clone()), ("gz", gz(&tar)), ("zst", zstd::encode_all(&tar[..], 1).unwrap()), ("one folder", stripped), ("zip", zip)]
    {
        let built = bench.build(&bytes).unwrap();
        assert_eq!(built.manifest.encode(), from_folder.encode(), "{form}");
    }
    assert_eq!(Manifest::decode(from_folder.encode().as_bytes()).unwrap(), from_folder);

    let release = bench.path("release");
    unpack(&from_folder, &bench.objects, &release).unwrap();
    assert_eq!(verify(&from_folder, &release).unwrap(), []);
    assert_eq!(std::fs::read_link(release.join("out")).unwrap(), Path::new("/etc/shadow"));
    std::fs::write(release.join("scripts/start.sh"), "#!/bin/rm\n").unwrap();
    std::fs::write(release.join("added"), "").unwrap();
    std::fs::remove_dir(release.join("empty")).unwrap();
    let found: Vec<(String, &str)> = verify(&from_folder, &release).unwrap().into_iter().map(|d| (d.path, d.what)).collect();
    assert_eq!(
        found,
        [("added".into(), "it is not of the package"), ("empty".into(), "it is missing"), ("scripts/start.sh".into(), "its content is another")]
    );
    assert!(unpack(&from_folder, &bench.objects, &release).is_err(), "never over something");
}

/// A tar with an AppSpec and one entry more.
fn tar_with(path: &str, kind: tar::EntryType, target: &str, content: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut add = |path: &str, kind, target: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        // The library refuses to write some of these names: write the bytes.
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.as_mut_bytes()[157..157 + target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        builder.append(&header, content).unwrap();
    };
    add("appspec.yml", tar::EntryType::Regular, "", APPSPEC.as_bytes());
    add("link", tar::EntryType::Symlink, "/etc", b"");
    add(path, kind, target, content);
    builder.into_inner().unwrap()
}

#[test]
fn a_release_is_ours_whatever_the_folder_around_it_hands_down() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let bench = Bench::new();
    tree(&bench.path("tree"));
    let manifest = folder::build(&bench.path("tree"), &bench.objects, None).unwrap().manifest;
    let around = bench.path("around");
    std::fs::create_dir(&around).unwrap();
    if nix::unistd::geteuid().is_root() {
        std::os::unix::fs::chown(&around, Some(1234), Some(1234)).unwrap();
    }
    std::fs::set_permissions(&around, std::fs::Permissions::from_mode(0o2775)).unwrap();
    let release = around.join("release");
    unpack(&manifest, &bench.objects, &release).unwrap();
    let (owner, group) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
    for (path, mode) in [("", 0o755), ("scripts", 0o755), ("scripts/start.sh", 0o755), ("scripts/deep/data ü", 0o640), ("out", 0o777)] {
        let found = std::fs::symlink_metadata(release.join(path)).unwrap();
        assert_eq!((found.uid(), found.gid(), found.mode() & 0o7777), (owner, group, mode), "{path}");
    }
}
