//! Which system calls change files, and on what they work.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use nix::libc;

use crate::trace::Call;

/// The longest path of a call.
const PATH_MAX: usize = 4096;
/// The folder that is meant when none is given.
const HERE: i32 = libc::AT_FDCWD;

/// A name that a call works on: resolved through the folder that the thread has open or works in.
#[derive(Clone, Debug)]
pub(crate) struct Name(pub PathBuf);

/// A call that changes something.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// Opens a file that is made, or emptied, if it must be.
    Open {
        /// As it was asked; the true one is known by the descriptor afterwards.
        name: Name,
        /// It is emptied.
        empty: bool,
    },
    /// Writes through a descriptor: at an offset, or where the descriptor stands.
    Write { descriptor: i32, at: Option<u64> },
    /// Sets a length.
    Resize { descriptor: i32 },
    /// Makes a folder.
    Folder(Name),
    /// Makes a link.
    Link(Name),
    /// One more name for a file.
    Hard(Name),
    /// Renames.
    Rename(Name, Name),
    /// Removes a name.
    Remove(Name),
    /// Mode, owner or times of what is open.
    Dress { descriptor: i32 },
    /// Mode, owner or times by name.
    DressNamed(Name),
    /// Keeps a file or a folder.
    Sync { descriptor: i32 },
    /// Keeps everything.
    SyncAll,
}

/// What a call changes; none: nothing.
pub(crate) fn change(call: &Call) -> Option<Change> {
    let a = &call.arguments;
    let d = |n: usize| a[n] as i32;
    let name = |folder: i32, at: u64| name(call, folder, at);
    let open = |flags: u64, folder: i32, at: u64| {
        let flags = flags as i32;
        let writes = flags & (libc::O_CREAT | libc::O_TRUNC) != 0;
        writes.then(|| Some(Change::Open { name: name(folder, at)?, empty: flags & libc::O_TRUNC != 0 })).flatten()
    };
    let written = |descriptor, at| Some(Change::Write { descriptor, at });
    match call.number {
        libc::SYS_openat => open(a[2], d(0), a[1]),
        libc::SYS_openat2 => open(word(call, a[2])?, d(0), a[1]),
        libc::SYS_write | libc::SYS_writev => written(d(0), None),
        libc::SYS_pwrite64 | libc::SYS_pwritev | libc::SYS_pwritev2 => written(d(0), Some(a[3])),
        libc::SYS_sendfile => written(d(0), None),
        libc::SYS_copy_file_range | libc::SYS_splice => {
            let at = if a[3] == 0 { None } else { Some(word(call, a[3])?) };
            written(d(2), at)
        }
        libc::SYS_ftruncate | libc::SYS_fallocate => Some(Change::Resize { descriptor: d(0) }),
        libc::SYS_mkdirat => Some(Change::Folder(name(d(0), a[1])?)),
        libc::SYS_symlinkat => Some(Change::Link(name(d(1), a[2])?)),
        libc::SYS_linkat => Some(Change::Hard(name(d(2), a[3])?)),
        libc::SYS_renameat | libc::SYS_renameat2 => Some(Change::Rename(name(d(0), a[1])?, name(d(2), a[3])?)),
        libc::SYS_unlinkat => Some(Change::Remove(name(d(0), a[1])?)),
        libc::SYS_fchmod | libc::SYS_fchown => Some(Change::Dress { descriptor: d(0) }),
        libc::SYS_utimensat if a[1] == 0 => Some(Change::Dress { descriptor: d(0) }),
        libc::SYS_utimensat | libc::SYS_fchmodat | libc::SYS_fchownat => Some(Change::DressNamed(name(d(0), a[1])?)),
        libc::SYS_fsync | libc::SYS_fdatasync => Some(Change::Sync { descriptor: d(0) }),
        libc::SYS_sync | libc::SYS_syncfs => Some(Change::SyncAll),
        _ => old(call, name, open),
    }
}

/// Calls that younger machines do not have.
#[cfg(target_arch = "x86_64")]
fn old(call: &Call, name: impl Fn(i32, u64) -> Option<Name>, open: impl Fn(u64, i32, u64) -> Option<Change>) -> Option<Change> {
    let a = &call.arguments;
    match call.number {
        libc::SYS_open => open(a[1], HERE, a[0]),
        libc::SYS_creat => open((libc::O_CREAT | libc::O_TRUNC) as u64, HERE, a[0]),
        libc::SYS_mkdir => Some(Change::Folder(name(HERE, a[0])?)),
        libc::SYS_symlink => Some(Change::Link(name(HERE, a[1])?)),
        libc::SYS_link => Some(Change::Hard(name(HERE, a[1])?)),
        libc::SYS_rename => Some(Change::Rename(name(HERE, a[0])?, name(HERE, a[1])?)),
        libc::SYS_unlink | libc::SYS_rmdir => Some(Change::Remove(name(HERE, a[0])?)),
        libc::SYS_chmod | libc::SYS_chown | libc::SYS_lchown | libc::SYS_utime | libc::SYS_utimes => Some(Change::DressNamed(name(HERE, a[0])?)),
        _ => None,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn old(_: &Call, _: impl Fn(i32, u64) -> Option<Name>, _: impl Fn(u64, i32, u64) -> Option<Change>) -> Option<Change> {
    None
}

/// What is said on standard output or standard error.
pub(crate) fn said(call: &Call) -> Option<(i32, String)> {
    let [descriptor, at, length, ..] = call.arguments;
    if call.number != libc::SYS_write || !(1..=2).contains(&descriptor) {
        return None;
    }
    let mut bytes = vec![0; (length as usize).min(1 << 16)];
    memory(call)?.read_exact_at(&mut bytes, at).ok()?;
    Some((descriptor as i32, String::from_utf8_lossy(&bytes).into_owned()))
}

/// Where the thread's descriptor leads, as a path that can be looked at.
pub(crate) fn opened(call: &Call, descriptor: i32) -> PathBuf {
    PathBuf::from(format!("/proc/{}/fd/{descriptor}", call.thread))
}

/// Bytes of a file, as they are now.
pub(crate) fn bytes(call: &Call, descriptor: i32, at: u64, length: usize) -> io::Result<Vec<u8>> {
    let file = File::open(opened(call, descriptor))?;
    let (mut bytes, mut read) = (vec![0; length], 0);
    while read < length {
        match file.read_at(&mut bytes[read..], at + read as u64)? {
            0 => break,
            n => read += n,
        }
    }
    // It was cut since: what is gone was there when it was written.
    Ok(bytes)
}

/// Where a descriptor stands.
pub(crate) fn position(call: &Call, descriptor: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{}/fdinfo/{descriptor}", call.thread)).ok()?;
    text.lines().find_map(|line| line.strip_prefix("pos:")?.trim().parse().ok())
}

fn name(call: &Call, folder: i32, at: u64) -> Option<Name> {
    let mut text = vec![0; PATH_MAX];
    let length = memory(call)?.read_at(&mut text, at).ok()?;
    let end = text[..length].iter().position(|b| *b == 0)?;
    text.truncate(end);
    let path = PathBuf::from(<std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(text));
    let base = match folder {
        HERE => PathBuf::from(format!("/proc/{}/cwd", call.thread)),
        folder => opened(call, folder),
    };
    Some(Name(if path.as_os_str().is_empty() { base } else { base.join(path) }))
}

fn word(call: &Call, at: u64) -> Option<u64> {
    let mut bytes = [0; 8];
    memory(call)?.read_exact_at(&mut bytes, at).ok()?;
    Some(u64::from_ne_bytes(bytes))
}

fn memory(call: &Call) -> Option<File> {
    File::open(format!("/proc/{}/mem", call.thread)).ok()
}
