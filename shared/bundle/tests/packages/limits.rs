//! Small inputs that would cost much.

use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;

use pilotage_bundle::{appspec, archive};
use pilotage_shared::digest::Digest;

use super::{APPSPEC, Bench, tar_with};

/// One entry of a tar: header, content, padding.
pub fn member(name: &str, kind: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = header(name, kind, content.len() as u64);
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().div_ceil(512) * 512, 0);
    bytes
}

fn header(name: &str, kind: u8, size: u64) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(tar::EntryType::new(kind));
    header.set_mode(0o644);
    header.set_size(size);
    header.set_cksum();
    header.as_bytes().to_vec()
}

/// Some bytes, then as many MiB of one byte, compressed.
fn followed_by(bytes: &[u8], mebibytes: usize) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.write_all(bytes).unwrap();
    let chunk = vec![b'a'; 1 << 20];
    for _ in 0..mebibytes {
        encoder.write_all(&chunk).unwrap();
    }
    encoder.finish().unwrap()
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
fn a_refused_bomb_does_not_take_an_object_of_others_with_it() {
    let bench = Bench::new();
    // Exactly what the bomb's content is when it is found to be too long.
    let (other, _) = bench.objects.put(&vec![0; (16 << 20) - APPSPEC.len() + 1][..]).unwrap();
    let bomb = tar_with("bomb", tar::EntryType::Regular, "", &vec![0; 20 << 20]);
    assert!(bench.build(&zstd::encode_all(&bomb[..], 1).unwrap()).is_err());
    assert!(bench.objects.has(&other));
    assert_eq!(bench.objects.list().unwrap(), {
        let mut all = vec![other, Digest::of(APPSPEC.as_bytes())];
        all.sort();
        all
    });
}

#[test]
fn long_names_and_attributes_are_not_read_into_memory() {
    let bench = Bench::new();
    for kind in [b'L', b'K', b'x', b'g', b'V'] {
        let bytes = followed_by(&header("long", kind, 600 << 20), 64);
        let error = bench.build(&bytes).unwrap_err().to_string();
        assert!(error.contains("629145600 bytes, at most"), "{error}");
    }
}

#[test]
fn a_stream_without_end_behind_the_archive_is_stopped() {
    let bench = Bench::new();
    let tar = [member("appspec.yml", b'0', APPSPEC.as_bytes()), vec![0; 1024]].concat();
    assert!(bench.build(&followed_by(&tar, 1)).is_ok(), "what stands behind the end is not looked at");
    let error = bench.build(&followed_by(&tar, 100)).unwrap_err().to_string();
    assert!(error.contains("more than 33554432 bytes"), "{error}");
}

#[test]
fn a_zip_whose_directory_is_not_found_is_not_searched_for_ever() {
    let bench = Bench::new();
    let path = bench.path("in");
    let file = std::fs::File::create(&path).unwrap();
    (&file).write_all(b"PK\x03\x04").unwrap();
    file.set_len(4 << 30).unwrap();
    assert!(file.metadata().unwrap().blocks() < 1000, "a file with holes");
    assert!(archive::build(&path, &bench.objects, None).is_err());
}

#[test]
fn a_hard_link_counts_as_the_content_that_it_copies() {
    let bench = Bench::new();
    let mut tar = [member("appspec.yml", b'0', APPSPEC.as_bytes()), member("a", b'0', &vec![1; 6 << 20])].concat();
    for name in ["b", "c"] {
        let mut header = tar::Header::from_byte_slice(&header(name, b'1', 0)).clone();
        header.set_link_name("a").unwrap();
        header.set_cksum();
        tar.extend_from_slice(header.as_bytes());
    }
    tar.extend([0; 1024]);
    let error = bench.build(&zstd::encode_all(&tar[..], 1).unwrap()).unwrap_err().to_string();
    assert!(error.contains("\"c\"") && error.contains("more than 16777216"), "{error}");
}

#[test]
fn aliases_cost_what_they_stand_for() {
    let start = format!("version: 0.0\nos: linux\na: &x \"{}\"\nb: [", "y".repeat(400_000));
    assert!(appspec::parse(format!("{start}*x, *x]\n").as_bytes()).is_ok());
    for text in [
        format!("{start}{}]\n", "*x,".repeat(10_000)),
        "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n".to_owned(),
    ] {
        assert!(appspec::parse(text.as_bytes()).unwrap_err().text.contains("too many parts"));
    }
    for deep in ["[", "{", "- ", "? ", "&a "] {
        assert!(appspec::parse(deep.repeat(300_000).as_bytes()).is_err(), "{deep}");
    }
}
