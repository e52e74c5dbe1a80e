//! The same tree in every form, and hostile archives: each refused by name, and nothing of it left.
#![expect(clippy::unwrap_used, reason = "the helpers of a test fail as the test does")]

use std::io::Write as _;
use std::path::{Path, PathBuf};

use pilotage_bundle::unpack::{unpack, verify};
use pilotage_bundle::{BuildError, Built, Objects, archive, check, folder};
use pilotage_shared::manifest::{Kind, Manifest};

const APPSPEC: &str = "version: 0.0\nos: linux\nfiles:\n  - source: /\n    destination: /srv/web\nhooks:\n  ApplicationStart:\n    - location: scripts/start.sh\n";

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
    for (path, mode) in [("scripts/start.sh", 0o755), ("appspec.yml", 0o644), ("scripts/deep/data ü", 0o640), ("scripts", 0o755), ("scripts/deep", 0o755), ("empty", 0o755)] {
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
    for (form, bytes) in [("tar", tar.clone()), ("gz", gz(&tar)), ("zst", zstd::encode_all(&tar[..], 1).unwrap()), ("one folder", stripped), ("zip", zip)] {
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
    assert_eq!(found, [("added".into(), "it is not of the package"), ("empty".into(), "it is missing"), ("scripts/start.sh".into(), "its content is another")]);
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
fn hostile_archives_are_refused_by_name() {
    use tar::EntryType::{Block, Char, Fifo, Link, Regular, Symlink};
    let bench = Bench::new();
    let check = |path: &str, kind, target: &str, part: &str| {
        let error = bench.build(&tar_with(path, kind, target, b"")).unwrap_err().to_string();
        assert!(error.contains(part), "{path}: {error}");
    };
    check("../x", Regular, "", "`..`");
    check("a/../../x", Regular, "", "`..`");
    check("/etc/passwd", Regular, "", "absolute");
    check("appspec.yml", Regular, "", "twice");
    check("./appspec.yml", Symlink, "x", "twice");
    check("link/x", Regular, "", "below the link");
    check("appspec.yml/x", Regular, "", "below the file");
    check("hard", Link, "/etc/shadow", "hard link");
    check("hard", Link, "../outside", "hard link");
    check("hard", Link, "link", "hard link");
    check("dev", Char, "", "neither");
    check("dev", Block, "", "neither");
    check("pipe", Fifo, "", "neither");
    check("a\nb", Regular, "", "control");
    assert!(bench.build(&tar_with("hard", Link, "appspec.yml", b"")).is_ok(), "a hard link inside is an independent file");
}

#[test]
fn truncated_and_flipped_archives_are_refused_or_give_another_digest() {
    let bench = Bench::new();
    let root = bench.path("tree");
    tree(&root);
    let tar = tar_of(&root);
    let good = bench.build(&tar).unwrap().manifest.digest();
    for bytes in [gz(&tar), zstd::encode_all(&tar[..], 1).unwrap()] {
        for cut in [1, 10, bytes.len() / 2, bytes.len() - 5] {
            assert!(bench.build(&bytes[..cut]).is_err(), "cut at {cut} of {}", bytes.len());
        }
    }
    for cut in [100, 600, tar.len() / 2] {
        assert!(bench.build(&tar[..cut]).is_err(), "cut at {cut}");
    }
    let gz = gz(&tar);
    for at in (20..gz.len()).step_by(gz.len() / 40 + 1) {
        let mut flipped = gz.clone();
        flipped[at] ^= 0x10;
        if let Ok(built) = bench.build(&flipped) {
            // Some bits of a deflate stream mean nothing: then the content is the same, and so is its digest.
            let mut content = Vec::new();
            let read = std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(&flipped[..]), &mut content);
            let same = read.is_ok() && content == tar;
            assert_eq!(built.manifest.digest() == good, same, "bit flipped at {at}");
        }
    }
    assert!(matches!(bench.build(b""), Err(BuildError::Archive(_))));
    assert!(matches!(bench.build(&[0; 2048]), Err(BuildError::Archive(_) | BuildError::NoAppSpec)));
}

#[test]
fn a_bomb_is_stopped_at_its_limit() {
    let bench = Bench::new();
    let bomb = tar_with("bomb", tar::EntryType::Regular, "", &vec![0; 40 << 20]);
    let small = zstd::encode_all(&bomb[..], 3).unwrap();
    assert!(small.len() < 20_000);
    let error = bench.build(&small).unwrap_err().to_string();
    assert!(error.contains("more than 16777216 bytes"), "{error}");
}

#[test]
fn a_package_needs_an_appspec_and_its_errors_have_lines() {
    let bench = Bench::new();
    let root = bench.path("tree");
    std::fs::create_dir(&root).unwrap();
    assert!(matches!(folder::build(&root, &bench.objects, None), Err(BuildError::NoAppSpec)));
    let error = |text: &str| {
        std::fs::write(root.join("appspec.yml"), text).unwrap();
        folder::build(&root, &bench.objects, None).unwrap_err().to_string()
    };
    assert_eq!(error("version: 0.0\nos: windows\n"), "appspec.yml line 2: os: \"windows\" must be linux, in small letters");
    assert!(error("version: 1.0\nos: linux\n").contains("line 1: version: \"1.0\" must be the number 0.0"));
    assert!(error("version: 0.0\nos: linux\nhooks:\n  ApplicationStart:\n    - start.sh\n").contains("line 5: hooks: ApplicationStart: write `- location: start.sh`"));
    assert!(error("version: 0.0\nos: linux\nx-pilotage:\n  helth: x\n").contains("did you mean \"health\"?"));
    assert!(error("a: [\n").contains("not YAML"));
}

#[test]
fn what_real_bundles_carry_is_accepted_with_a_warning() {
    let bench = Bench::new();
    let root = bench.path("tree");
    std::fs::create_dir(&root).unwrap();
    let text = "\u{feff}version: 0.0\r\nos: linux\r\nbranch: main\r\nfiles:\r\n  - source: .\r\n    destination: srv/web\r\n    overwrite: true\r\npermissions:\r\n  - object: /\r\n    pattern: '**'\r\n    mode: 0644\r\nhooks:\r\n  Applicationstop:\r\n    - location: /a.sh\r\n  AfterInstall:\r\n  ApplicationStart:\r\n    - location: ./run.sh --now\r\n      timeout: 7200s\r\n";
    std::fs::write(root.join("appspec.yml"), text).unwrap();
    let report = check::check(&root, &bench.objects, None).unwrap();
    let spec = &report.built.appspec;
    assert_eq!((spec.files[0].source.as_str(), spec.files[0].destination.as_str()), ("", "/srv/web"));
    assert_eq!(spec.permissions[0].mode, Some(0o644));
    let warnings: Vec<usize> = report.warnings.iter().map(|w| w.line).collect();
    assert_eq!(warnings.len(), 8, "{:?}", report.warnings);
}
