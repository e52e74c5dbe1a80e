//! Free space, and file systems that a store must not live on.

use std::path::Path;

/// Bytes that an ordinary user can still write on the file system of `path`.
pub fn free_bytes(path: &Path) -> std::io::Result<u64> {
    let stat = nix::sys::statvfs::statvfs(path)?;
    Ok(stat.blocks_available().saturating_mul(stat.fragment_size()))
}

/// All bytes of the file system of `path`.
pub fn total_bytes(path: &Path) -> std::io::Result<u64> {
    let stat = nix::sys::statvfs::statvfs(path)?;
    Ok(stat.blocks().saturating_mul(stat.fragment_size()))
}

/// The name of a file system on which syncs or locks cannot be trusted; none for others.
pub fn untrusted(path: &Path) -> std::io::Result<Option<&'static str>> {
    Ok(untrusted_kind(nix::sys::statfs::statfs(path)?.filesystem_type().0 as u32))
}

/// By the magic number of statfs(2), of which the kernel uses 32 bits.
fn untrusted_kind(magic: u32) -> Option<&'static str> {
    match magic {
        0x6969 => Some("NFS"),
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => Some("SMB"),
        0x6573_5546 => Some("FUSE"),
        0x794c_7630 => Some("overlayfs"),
        0x0102_1997 => Some("9p"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_system_of_the_tests_is_measured() {
        let path = std::env::temp_dir();
        assert!(free_bytes(&path).unwrap() <= total_bytes(&path).unwrap());
        untrusted(&path).unwrap();
        assert!(free_bytes(Path::new("/nonexistent")).is_err());
    }

    #[test]
    fn network_and_stacked_file_systems_are_named() {
        let check = |magic, expected| assert_eq!(untrusted_kind(magic), expected);
        check(0x6969, Some("NFS"));
        check(0x794c_7630, Some("overlayfs"));
        check(0xef53, None); // ext4
        check(0x5846_5342, None); // xfs
    }
}
