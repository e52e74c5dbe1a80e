//! Access control lists (E13–E15), as `setfacl --set` makes them: the entries of the AppSpec, with the owner's, the group's and
//! others' from the mode, and a mask where names are given without one. The kernel takes them as an attribute of the open
//! file; what it wants there is defined in linux/posix_acl_xattr.h.

use std::collections::BTreeMap;

use super::InstallError;
use super::meta::Meta;
use super::permissions::{group, user};

/// The attribute of what counts for access.
pub const ACCESS: &str = "system.posix_acl_access";
/// The attribute of what a folder hands down.
pub const DEFAULT: &str = "system.posix_acl_default";

const VERSION: u32 = 2;
const OWNER: u16 = 0x01;
const USER: u16 = 0x02;
const OWN_GROUP: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;
/// The id of entries that name nobody.
const NOBODY: u32 = u32::MAX;

/// Entries as they count, with the accounts of this host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acl {
    access: Entries,
    default: Entries,
}

/// Bits by tag and id, in the kernel's order.
type Entries = BTreeMap<(u16, u32), u16>;

impl Acl {
    /// Of entries in canonical form (`default:user:bob:rwx`), names looked up now.
    pub fn of(entries: &[String]) -> Result<Self, InstallError> {
        let mut acl = Self::default();
        for text in entries {
            let wrong = || InstallError::Permissions(format!("the access control entry {text:?} cannot be read"));
            let (into, rest) = match text.strip_prefix("default:") {
                Some(rest) => (&mut acl.default, rest),
                None => (&mut acl.access, text.as_str()),
            };
            let mut parts = rest.split(':');
            let (Some(kind), Some(name), Some(bits), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else { return Err(wrong()) };
            let key = match (kind, name) {
                ("user", "") => (OWNER, NOBODY),
                ("user", name) => (USER, user(name)?),
                ("group", "") => (OWN_GROUP, NOBODY),
                ("group", name) => (GROUP, group(name)?),
                ("mask", _) => (MASK, NOBODY),
                ("other", _) => (OTHER, NOBODY),
                _ => return Err(wrong()),
            };
            let bit = |letter: char, bit: u16| if bits.contains(letter) { bit } else { 0 };
            into.insert(key, bit('r', 4) | bit('w', 2) | bit('x', 1));
        }
        Ok(acl)
    }

    /// True when it says what a folder hands down: nothing that a file could have (E14).
    pub fn hands_down(&self) -> bool {
        !self.default.is_empty()
    }

    /// Gives it to a meta, completed from its mode; each object from its own (the peer's E15 is not repeated).
    pub fn give(&self, meta: &mut Meta) {
        let mut access = self.access.clone();
        complete(&mut access, meta.mode);
        // The kernel shows the mask where the group's bits were.
        if let Some(mask) = access.get(&(MASK, NOBODY)) {
            meta.mode = (meta.mode & !0o070) | u32::from(*mask) << 3;
        }
        meta.set(ACCESS, bytes(&access));
        if self.hands_down() {
            let mut default = self.default.clone();
            complete(&mut default, meta.mode);
            meta.set(DEFAULT, bytes(&default));
        }
    }
}

/// What `setfacl --set` would be given by the peer beside the AppSpec's own entries.
fn complete(entries: &mut Entries, mode: u32) {
    let bits = |shift: u32| ((mode >> shift) & 7) as u16;
    entries.entry((OWNER, NOBODY)).or_insert(bits(6));
    let group = *entries.entry((OWN_GROUP, NOBODY)).or_insert(bits(3));
    entries.entry((OTHER, NOBODY)).or_insert(bits(0));
    if entries.keys().any(|(tag, _)| matches!(*tag, USER | GROUP)) {
        entries.entry((MASK, NOBODY)).or_insert(group);
    }
}

fn bytes(entries: &Entries) -> Vec<u8> {
    let mut bytes = VERSION.to_le_bytes().to_vec();
    for ((tag, id), bits) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(bits.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text of an attribute, as `getfacl --omit-header --numeric` says it.
    fn text(meta: &Meta, name: &str) -> String {
        let Some((_, bytes)) = meta.attributes.iter().find(|(n, _)| n == name) else { return String::new() };
        let entry = |e: &[u8]| {
            let (tag, bits) = (u16::from_le_bytes([e[0], e[1]]), u16::from_le_bytes([e[2], e[3]]));
            let id = u32::from_le_bytes([e[4], e[5], e[6], e[7]]);
            let id = if id == NOBODY { String::new() } else { id.to_string() };
            let kind = match tag {
                OWNER | USER => "user",
                OWN_GROUP | GROUP => "group",
                MASK => "mask",
                _ => "other",
            };
            format!("{kind}:{id}:{bits}")
        };
        bytes[4..].chunks(8).map(entry).collect::<Vec<_>>().join(" ")
    }

    fn check(entries: &[&str], mode: u32, access: &str, default: &str, mode_then: u32) {
        let entries: Vec<String> = entries.iter().map(|e| (*e).to_owned()).collect();
        let mut meta = Meta { mode, uid: 0, gid: 0, mtime: (0, 0), attributes: Vec::new() };
        Acl::of(&entries).unwrap().give(&mut meta);
        assert_eq!((text(&meta, ACCESS).as_str(), text(&meta, DEFAULT).as_str(), meta.mode), (access, default, mode_then), "{entries:?}");
    }

    #[test]
    fn e14_entries_are_completed_from_the_mode_as_setfacl_is_told() {
        check(&[], 0o640, "user::6 group::4 other::0", "", 0o640);
        check(&["user:5:rwx"], 0o640, "user::6 user:5:7 group::4 mask::4 other::0", "", 0o640);
        check(&["group:7:r--", "user:9:-w-", "user:5:--x"], 0o751, "user::7 user:5:1 user:9:2 group::5 group:7:4 mask::5 other::1", "", 0o751);
        check(&["user:5:rwx", "mask::rwx"], 0o4640, "user::6 user:5:7 group::4 mask::7 other::0", "", 0o4670);
        check(&["default:user:5:rw-"], 0o750, "user::7 group::5 other::0", "user::7 user:5:6 group::5 mask::5 other::0", 0o750);
        check(&["default:user::rwx", "default:group::---"], 0o755, "user::7 group::5 other::5", "user::7 group::0 other::5", 0o755);
        check(&["user:5:r--", "user:5:rwx"], 0o600, "user::6 user:5:7 group::0 mask::0 other::0", "", 0o600);
    }

    #[test]
    fn e15_each_object_gets_the_entries_of_its_own_mode() {
        let acl = Acl::of(&["user:5:rwx".to_owned()]).unwrap();
        let given = |mode| {
            let mut meta = Meta { mode, uid: 0, gid: 0, mtime: (0, 0), attributes: Vec::new() };
            acl.give(&mut meta);
            text(&meta, ACCESS)
        };
        assert_eq!(
            (given(0o600), given(0o777)),
            ("user::6 user:5:7 group::0 mask::0 other::0".into(), "user::7 user:5:7 group::7 mask::7 other::7".into())
        );
    }

    #[test]
    fn names_must_be_of_this_host() {
        assert!(Acl::of(&["user:nosuchuser:rwx".into()]).is_err() && Acl::of(&["user:0".into()]).is_err());
    }
}
