//! Accounts of this host, as a hook needs them.

use std::ffi::CString;
use std::path::PathBuf;

use nix::unistd::{Gid, Group, Uid, User, geteuid};

/// One account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Number of the user.
    pub uid: u32,
    /// Number of its primary group.
    pub gid: u32,
    /// Its home.
    pub home: PathBuf,
    /// Its login shell, whatever that is.
    pub shell: PathBuf,
}

/// Why an account cannot be used. The texts are what the hook's log gets.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// Not on this host.
    #[error("user {0} does not exist")]
    Unknown(String),
    /// The user database could not be asked.
    #[error("failed to look up user {0}")]
    LookUp(String, #[source] nix::Error),
    /// We are somebody else, and not root.
    #[error("only root can run a script as {0}")]
    NotRoot(String),
}

impl From<User> for Account {
    fn from(user: User) -> Self {
        Self { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw(), home: user.dir, shell: user.shell }
    }
}

impl Account {
    /// A shell that can read a script: the login shell, unless it is none (service accounts have `nologin`).
    pub fn script_shell(&self) -> PathBuf {
        let name = self.shell.file_name().and_then(|n| n.to_str()).unwrap_or("");
        let usable = matches!(name, "sh" | "bash" | "dash" | "ash" | "ksh" | "zsh") && self.shell.exists();
        let bash = PathBuf::from("/bin/bash");
        match (usable, bash.exists()) {
            (true, _) => self.shell.clone(),
            (false, true) => bash,
            (false, false) => PathBuf::from("/bin/sh"),
        }
    }
}

impl Account {
    /// The names of all its groups.
    pub fn groups(&self) -> Vec<String> {
        let Ok(name) = CString::new(self.name.as_str()) else { return Vec::new() };
        let all = nix::unistd::getgrouplist(&name, Gid::from_raw(self.gid)).unwrap_or_default();
        all.into_iter().filter_map(|gid| Group::from_gid(gid).ok().flatten()).map(|group| group.name).collect()
    }
}

/// The account of that name, or number.
pub fn named(name: &str) -> Result<Account, AccountError> {
    let look_up = |source| AccountError::LookUp(name.to_owned(), source);
    let found = match User::from_name(name).map_err(look_up)? {
        Some(user) => Some(user),
        None => match name.parse() {
            Ok(number) => User::from_uid(Uid::from_raw(number)).map_err(look_up)?,
            Err(_) => None,
        },
    };
    found.map(Account::from).ok_or_else(|| AccountError::Unknown(name.to_owned()))
}

/// The account that we run as ourselves; without an entry in the user database its number is its name.
pub fn own() -> Account {
    let uid = geteuid();
    match User::from_uid(uid) {
        Ok(Some(user)) => user.into(),
        Ok(None) | Err(_) => Account {
            name: uid.to_string(),
            uid: uid.as_raw(),
            gid: nix::unistd::getegid().as_raw(),
            home: PathBuf::from("/"),
            shell: PathBuf::from("/bin/sh"),
        },
    }
}

/// The account for a script's `runas` and `sudo` (H4); none: our own, nothing to become.
pub fn for_script(runas: Option<&str>, sudo: bool) -> Result<Option<Account>, AccountError> {
    let wanted = match (runas, sudo) {
        (Some(name), _) if !name.is_empty() => named(name)?,
        (_, true) => named("root")?,
        (_, false) => return Ok(None),
    };
    let euid = geteuid();
    if !euid.is_root() && euid.as_raw() != wanted.uid {
        return Err(AccountError::NotRoot(wanted.name));
    }
    Ok(Some(wanted))
}
