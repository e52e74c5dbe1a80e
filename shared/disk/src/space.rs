//! Free space, and file systems that a store must not live on.

use std::path::Path;

/// Bytes that an ordinary user can still write on the file system of `path`.
pub fn free_bytes(path: &Path) -> std::io::Result<u64> {
    let stat = nix::sys::statvfs::statvfs(path)?;
    Ok(u64::from(stat.blocks_available()).saturating_mul(stat.fragment_size()))
}

/// All bytes of the file system of `path`.
pub fn total_bytes(path: &Path) -> std::io::Result<u64> {
    let stat = nix::sys::statvfs::statvfs(path)?;
    Ok(u64::from(stat.blocks()).saturating_mul(stat.fragment_size()))
}

/// The name of a file system on which syncs or locks cannot be trusted; none for others.
pub fn untrusted(path: &Path) -> std::io::Result<Option<&'static str>> {
    const NFS: i64 = 0x6969;
    const SMB2: i64 = 0xfe53_4d42;
    const FUSE: i64 = 0x6573_5546;
    const OVERLAY: i64 = 0x794c_7630;
    let kind = nix::sys::statfs::statfs(path)?.filesystem_type().0 as i64;
    Ok(match kind {
        NFS => Some("NFS"),
        SMB2 => Some("SMB"),
        FUSE => Some("FUSE"),
        OVERLAY => Some("overlayfs"),
        _ => None,
    })
}
