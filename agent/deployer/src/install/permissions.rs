//! `permissions` of an AppSpec (section E of the CodeDeploy contract): mode and owner of what this run installs, and of
//! nothing else on the disk, whatever `object` names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Group, Uid, User};

use super::InstallError;
use super::acl::Acl;
use super::context;
use super::meta::Meta;
use super::plan::{InstallPlan, Item, Origin};
use super::rules::Rules;
use super::spec::{Context, Permission, Spec};
use crate::place;

/// Gives the plan's items their final meta, and the folders that will be made theirs. Owners are looked up now: a hook of
/// BeforeInstall may have made them (E11), so an unknown one goes to `doubts`. Gives the contexts that were given, by path.
pub fn apply(
    spec: &Spec,
    plan: &mut InstallPlan,
    made: &BTreeSet<PathBuf>,
    fresh: &Meta,
    doubts: &mut Vec<InstallError>,
) -> Result<Rules, InstallError> {
    let (mut hit, mut rules) = (BTreeSet::<PathBuf>::new(), Rules::new());
    for permission in &spec.permissions {
        let change = match Change::of(permission) {
            Ok(change) => change,
            Err(doubt) => {
                doubts.push(doubt);
                continue;
            }
        };
        for path in matching(permission, plan, made)? {
            if !hit.insert(path.clone()) {
                return Err(InstallError::Permissions(format!("two entries are about {}", path.display())));
            }
            let item = plan.items.get_mut(&path);
            if let Some(context) = change.context.filter(|_| item.as_ref().is_none_or(|item| !matches!(item.origin, Origin::Link(_)))) {
                rules.insert(path.clone(), context.clone());
            }
            match item {
                Some(item) => change.of_item(item, &path)?,
                None => {
                    change.on(plan.dressed.entry(path).or_insert_with(|| fresh.clone()));
                }
            }
        }
    }
    Ok(rules)
}

/// Which installed things an entry is about (E2–E6).
fn matching(permission: &Permission, plan: &InstallPlan, made: &BTreeSet<PathBuf>) -> Result<Vec<PathBuf>, InstallError> {
    let object = place::clean(Path::new(&permission.object));
    if plan.items.contains_key(&object) {
        if !permission.of_files {
            return Ok(Vec::new());
        }
        if permission.pattern != "**" || !permission.except.is_empty() {
            let text = format!("{} is a file: pattern must be ** and except empty", permission.object);
            return Err(InstallError::Permissions(text));
        }
        return Ok(vec![object]);
    }
    let files = plan.items.keys().filter(|_| permission.of_files);
    let folders = made.iter().filter(|_| permission.of_folders);
    Ok(files.chain(folders).filter(|path| meant(permission, &object, path)).cloned().collect())
}

fn meant(permission: &Permission, object: &Path, path: &Path) -> bool {
    let Ok(below) = path.strip_prefix(object) else { return false };
    let mut names = below.components().map(|c| c.as_os_str().to_string_lossy().into_owned());
    match (names.next(), names.next()) {
        (None, _) => false,
        (Some(_), Some(_)) => permission.pattern == "**",
        (Some(name), None) => {
            let pattern = permission.pattern == "**" || glob(&permission.pattern, &name);
            pattern && !permission.except.iter().any(|except| glob(except, &name))
        }
    }
}

/// Only `*` is special, and it stands for anything, also nothing (E5).
pub fn glob(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or("");
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

struct Change<'a> {
    mode: Option<u32>,
    uid: Option<u32>,
    gid: Option<u32>,
    acl: Option<Acl>,
    context: Option<&'a Context>,
}

impl<'a> Change<'a> {
    fn of(permission: &'a Permission) -> Result<Self, InstallError> {
        Ok(Self {
            mode: permission.mode,
            uid: permission.owner.as_deref().map(user).transpose()?,
            gid: permission.group.as_deref().map(group).transpose()?,
            acl: permission.acls.as_deref().map(Acl::of).transpose()?,
            context: permission.context.as_ref(),
        })
    }

    fn on(&self, meta: &mut Meta) {
        self.owner(meta);
        meta.mode = self.mode.unwrap_or(meta.mode);
        if let Some(acl) = &self.acl {
            acl.give(meta);
        }
        if let Some(context) = self.context {
            context::give(context, meta);
        }
    }

    fn owner(&self, meta: &mut Meta) {
        (meta.uid, meta.gid) = (self.uid.unwrap_or(meta.uid), self.gid.unwrap_or(meta.gid));
    }

    /// A link has no mode, list or label of its own; its owner is set on the link itself, never on what it points to (E12).
    fn of_item(&self, item: &mut Item, path: &Path) -> Result<(), InstallError> {
        if matches!(item.origin, Origin::Link(_)) {
            self.owner(&mut item.meta);
            return Ok(());
        }
        if self.acl.as_ref().is_some_and(Acl::hands_down) {
            let text = format!("{} is a file: default access control entries are for directories (type: [directory])", path.display());
            return Err(InstallError::Permissions(text));
        }
        self.on(&mut item.meta);
        Ok(())
    }
}

/// The user of that name, or number, on this host.
pub fn user(name: &str) -> Result<u32, InstallError> {
    let found = User::from_name(name).ok().flatten().map(|u| u.uid);
    let found = found.or_else(|| name.parse().ok().map(Uid::from_raw));
    found.map(Uid::as_raw).ok_or_else(|| InstallError::Permissions(format!("this host has no user {name}")))
}

/// The group of that name, or number, on this host.
pub fn group(name: &str) -> Result<u32, InstallError> {
    let found = Group::from_name(name).ok().flatten().map(|g| g.gid);
    let found = found.or_else(|| name.parse().ok().map(Gid::from_raw));
    found.map(Gid::as_raw).ok_or_else(|| InstallError::Permissions(format!("this host has no group {name}")))
}

/// A cache of names, for manifests with many entries of few owners.
#[derive(Default)]
pub struct Names {
    users: BTreeMap<String, u32>,
    groups: BTreeMap<String, u32>,
}

impl Names {
    /// A manifest's owner; one that this host does not know is root, or ourselves.
    pub fn user(&mut self, name: &str) -> u32 {
        *self.users.entry(name.to_owned()).or_insert_with(|| user(name).unwrap_or(nix::unistd::geteuid().as_raw()))
    }

    /// A manifest's group, likewise.
    pub fn group(&mut self, name: &str) -> u32 {
        *self.groups.entry(name.to_owned()).or_insert_with(|| group(name).unwrap_or(nix::unistd::getegid().as_raw()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e5_patterns_match_as_recorded_of_the_peer() {
        let cases: serde_json::Value = serde_json::from_str(include_str!("../../../../tests/conformance/permissions.json")).unwrap();
        let globs: Vec<&serde_json::Value> = cases.as_array().unwrap().iter().filter(|c| c["kind"] == "glob").collect();
        assert_eq!(globs.len(), 21);
        for case in globs {
            let (pattern, name) = (case["in"][0].as_str().unwrap(), case["in"][1].as_str().unwrap());
            let permission = Permission {
                object: "/o".into(),
                pattern: pattern.into(),
                except: Vec::new(),
                of_files: true,
                of_folders: true,
                mode: None,
                owner: None,
                group: None,
                acls: None,
                context: None,
            };
            // `**` is no glob of names but all depths.
            let found = meant(&permission, Path::new("/o"), &Path::new("/o").join(name));
            assert_eq!(Some(found), case["out"].as_bool(), "{case}");
        }
    }

    #[test]
    fn globs_know_the_star_alone() {
        for (pattern, name, expected) in [
            ("*", "a", true),
            ("*.sh", "a.sh", true),
            ("*.sh", "a.shx", false),
            ("a*c", "abc", true),
            ("a*c", "ac", true),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "acb", false),
            ("a", "a", true),
            ("a", "ab", false),
            ("[a]", "a", false),
            ("?", "a", false),
            ("ab*ba", "aba", false),
            ("", "a", false),
        ] {
            assert_eq!(glob(pattern, name), expected, "{pattern} {name}");
        }
    }
}
