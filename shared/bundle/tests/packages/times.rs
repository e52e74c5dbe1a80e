//! Times and modes are the same whatever the form: a zip's local time, a tar's rounded one.

use std::io::Write as _;

use super::{APPSPEC, Bench, gz};
use crate::limits::member;

#[test]
fn a_zip_made_in_another_time_zone_has_the_same_times() {
    let bench = Bench::new();
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let local = zip::DateTime::from_date_and_time(2023, 11, 15, 3, 13, 20).unwrap();
    let mut options = zip::write::FullFileOptions::default().last_modified_time(local);
    // The extended timestamp: flags, then seconds since 1970 UTC.
    let mut utc = vec![1];
    utc.extend(1_700_000_001u32.to_le_bytes());
    options.add_extra_field(0x5455, utc, false).unwrap();
    zip.start_file("appspec.yml", options).unwrap();
    zip.write_all(APPSPEC.as_bytes()).unwrap();
    let built = bench.build(&zip.finish().unwrap().into_inner()).unwrap();
    assert_eq!(built.manifest.entries[0].mtime, 1_700_000_000);
}

#[test]
fn attributes_of_a_tar_name_the_path_the_size_and_the_time() {
    let bench = Bench::new();
    let long = format!("{}/{}", "d".repeat(150), "f".repeat(200));
    let record = |key: &str, value: &[u8]| {
        let mut length = key.len() + value.len() + 3;
        length += length.to_string().len();
        [length.to_string().as_bytes(), b" ", key.as_bytes(), b"=", value, b"\n"].concat()
    };
    let attributes =
        [record("SCHILY.xattr.user.x", b"a\nb=\xff"), record("path", long.as_bytes()), record("mtime", b"1700000001.9"), record("size", b"5")]
            .concat();
    let mut entry = member("short", b'0', b"hello");
    // The header's own size is overruled.
    let mut header = tar::Header::from_byte_slice(&entry[..512]).clone();
    header.set_size(0);
    header.set_mtime(1_700_000_002);
    header.set_cksum();
    entry[..512].copy_from_slice(header.as_bytes());
    let tar = [member("appspec.yml", b'0', APPSPEC.as_bytes()), member("pax", b'x', &attributes), entry, vec![0; 1024]].concat();
    let manifest = bench.build(&gz(&tar)).unwrap().manifest;
    let found = manifest.get(&long).unwrap();
    assert_eq!((found.size, found.mtime), (5, 1_700_000_000));
    for bad in [&b"xx path=a\n"[..], b"99 path=a\n", b"10 path=a"] {
        let tar = [member("pax", b'x', bad), member("a", b'0', b""), vec![0; 1024]].concat();
        assert!(bench.build(&tar).unwrap_err().to_string().contains("attributes"), "{bad:?}");
    }
}

#[test]
fn gnu_long_names_and_links_are_whole() {
    let bench = Bench::new();
    let (name, target) = ("n".repeat(180), "t/".repeat(100));
    let tar = [
        member("appspec.yml", b'0', APPSPEC.as_bytes()),
        member("././@LongLink", b'L', format!("{name}\0").as_bytes()),
        member("././@LongLink", b'K', format!("{target}\0").as_bytes()),
        member(&name[..100], b'2', b""),
        member("olddir/", b'0', b""),
        vec![0; 1024],
    ];
    let manifest = bench.build(&tar.concat()).unwrap().manifest;
    let text = manifest.encode();
    assert!(text.contains(&format!("\"{name}\" \"{target}\"")), "{text}");
    assert!(text.contains("- \"olddir\""), "{text}");
}

#[test]
fn zips_without_unix_modes_are_readable() {
    let bench = Bench::new();
    // Each entry of a zip's directory: made by (system at 5), attributes (at 38).
    let zip = |system: u8, attributes: u32| {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default().unix_permissions(0o751);
        zip.start_file("appspec.yml", options).unwrap();
        zip.write_all(APPSPEC.as_bytes()).unwrap();
        zip.add_directory("d", options).unwrap();
        let mut bytes = zip.finish().unwrap().into_inner();
        for at in 0..bytes.len() - 46 {
            if &bytes[at..at + 4] == b"PK\x01\x02" {
                bytes[at + 5] = system;
                bytes[at + 38..at + 42].copy_from_slice(&attributes.to_le_bytes());
            }
        }
        bytes
    };
    for (system, attributes, file, folder) in
        [(0, 0, 0o644, 0o755), (0, 1, 0o444, 0o755), (10, 0x20, 0o644, 0o755), (3, 0, 0o600, 0o755), (3, 0o640 << 16, 0o640, 0o640)]
    {
        let manifest = bench.build(&zip(system, attributes)).unwrap().manifest;
        let modes: Vec<u32> = manifest.entries.iter().map(|e| e.mode).collect();
        assert_eq!(modes, [file, folder], "system {system}, attributes {attributes:o}");
    }
}
