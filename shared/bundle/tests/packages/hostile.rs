//! What must not be in a package, and what is cut or damaged.

use pilotage_bundle::BuildError;

use super::{APPSPEC, Bench, gz, tar_of, tar_with, tree};
use crate::limits::member;

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
    assert!(matches!(bench.build(&[0; 2048]), Err(BuildError::Archive(_) | BuildError::NoAppSpec { .. })));
}

#[test]
fn a_tar_without_the_mark_of_its_end_was_cut() {
    let bench = Bench::new();
    let mut tar = [member("appspec.yml", b'0', APPSPEC.as_bytes()), member("b", b'0', b"x")].concat();
    let error = bench.build(&tar).unwrap_err().to_string();
    assert!(error.contains("is cut"), "{error}");
    tar.extend([0; 512]);
    assert_eq!(bench.build(&tar).unwrap().manifest.entries.len(), 2);
}

#[test]
fn a_cut_content_is_the_senders_fault_not_the_stores() {
    let bench = Bench::new();
    let tar = [member("appspec.yml", b'0', APPSPEC.as_bytes()), member("b", b'0', &[7; 300_000])].concat();
    for cut in [tar.len() - 512, tar.len() - 200_000] {
        assert!(matches!(bench.build(&tar[..cut]), Err(BuildError::Content { .. } | BuildError::Archive(_))), "{cut}");
    }
}

#[test]
fn a_zip_with_one_name_twice_is_refused() {
    use std::io::Write as _;
    let bench = Bench::new();
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in [("appspec.yml", APPSPEC), ("aaaa", "1"), ("bbbb", "2")] {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(content.as_bytes()).unwrap();
    }
    let mut bytes = zip.finish().unwrap().into_inner();
    assert!(bench.build(&bytes).is_ok());
    for at in 0..bytes.len() - 4 {
        if &bytes[at..at + 4] == b"bbbb" {
            bytes[at..at + 4].copy_from_slice(b"aaaa");
        }
    }
    let error = bench.build(&bytes).unwrap_err().to_string();
    assert!(error.contains("same name"), "{error}");
}

#[test]
fn hostile_zips_are_refused_by_name() {
    use std::io::Write as _;
    let bench = Bench::new();
    for (name, part) in [("../../xx", "`..`"), ("/etc/pas", "absolute"), ("link/xxx", "below the link"), ("a\u{1}b_____", "control")] {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        zip.start_file("appspec.yml", options).unwrap();
        zip.write_all(APPSPEC.as_bytes()).unwrap();
        zip.add_symlink("link", "/etc", options).unwrap();
        // The library refuses to write some of these names: write the bytes.
        zip.start_file("NAMENAME", options).unwrap();
        let mut bytes = zip.finish().unwrap().into_inner();
        for at in 0..bytes.len() - 8 {
            if &bytes[at..at + 8] == b"NAMENAME" {
                bytes[at..at + 8].copy_from_slice(name.as_bytes());
            }
        }
        let error = bench.build(&bytes).unwrap_err().to_string();
        assert!(error.contains(part), "{name}: {error}");
    }
}

#[test]
fn flipped_zips_never_give_other_content() {
    use std::io::Write as _;
    let bench = Bench::new();
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let content: Vec<u8> = (0..4000u32).flat_map(|n| (n * n).to_le_bytes()).collect();
    for (name, content) in [("appspec.yml", APPSPEC.as_bytes()), ("data", &content)] {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    let good = zip.finish().unwrap().into_inner();
    let contents: Vec<_> = bench.build(&good).unwrap().manifest.objects().into_iter().collect();
    for at in (0..good.len()).step_by(good.len() / 60) {
        let mut flipped = good.clone();
        flipped[at] ^= 0x04;
        if let Ok(built) = bench.build(&flipped) {
            let found: Vec<_> = built.manifest.objects().into_iter().collect();
            assert_eq!(found, contents, "bit flipped at {at}");
        }
    }
    for cut in [good.len() / 3, good.len() - 1] {
        assert!(bench.build(&good[..cut]).is_err(), "cut at {cut}");
    }
}

#[test]
fn other_forms_are_named() {
    let bench = Bench::new();
    for (bytes, form) in [(&b"\xfd7zXZ\0rest"[..], "xz"), (b"BZh91AY", "bzip2"), (b"7z\xbc\xaf\x27\x1c", "7z"), (b"#!/bin/sh\n", "no tar")] {
        let error = bench.build(bytes).unwrap_err().to_string();
        assert!(error.contains(form), "{error}");
    }
}

#[test]
fn files_with_holes_are_refused_not_misread() {
    let bench = Bench::new();
    let mut attributes = b"22 GNU.sparse.major=1\n".to_vec();
    attributes.extend(b"22 GNU.sparse.minor=0\n");
    let appspec = member("appspec.yml", b'0', APPSPEC.as_bytes());
    for entry in [member("holes", b'S', b""), [member("x", b'x', &attributes), member("holes", b'0', b"1\n0\n0\n")].concat()] {
        let error = bench.build(&[appspec.clone(), entry, vec![0; 1024]].concat()).unwrap_err().to_string();
        assert!(error.contains("holes"), "{error}");
    }
}
