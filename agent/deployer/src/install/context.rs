//! SELinux labels (E16–E18). The peer runs `semanage fcontext -a` and `restorecon` by path; here the label is given to the
//! open file before it is put in place, where the host has SELinux. What a later relabelling of the whole host does is said by
//! the host's rules ([`super::rules`]).

use std::fs::File;
use std::path::Path;

use xattr::FileExt as _;

use super::InstallError;
use super::meta::{LABEL, Meta};
use super::spec::Context;

/// There when the kernel enforces, or would.
const ENFORCE: &str = "/sys/fs/selinux/enforce";
/// What policies give to files of the system.
pub const USER: &str = "system_u";
/// The one role of files.
pub const ROLE: &str = "object_r";
/// The lowest sensitivity.
pub const RANGE: &str = "s0";

/// Is SELinux on here?
pub fn enabled() -> bool {
    Path::new(ENFORCE).exists()
}

/// Refuses a context where there is no SELinux: files that are open to others than their author thinks are worse than none.
pub fn check(context: &Context, enabled: bool) -> Result<(), InstallError> {
    if enabled {
        return Ok(());
    }
    let text = format!("the context {} needs SELinux, which is not on at this host: enable it, or take `context` out of the AppSpec", context.kind);
    Err(InstallError::Permissions(text))
}

/// Gives a label to a meta. The range may be left out (the peer crashes then).
pub fn give(context: &Context, meta: &mut Meta) {
    let (user, range) = (context.user.as_deref().unwrap_or(USER), context.range.as_deref().unwrap_or(RANGE));
    meta.set(LABEL, format!("{user}:{ROLE}:{}:{range}\0", context.kind).into_bytes());
}

/// The label of what is made in a folder, as the kernel would give it: the folder's. Made aside, it would have that of our own
/// state, which no service may read.
pub fn inherited(folder: &File) -> Option<Vec<u8>> {
    folder.get_xattr(LABEL).ok().flatten()
}
