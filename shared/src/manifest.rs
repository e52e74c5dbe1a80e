//! The manifest of a package: canonical text whose SHA-256 is the package's identity (DESIGN §5).
//!
//! ```text
//! pilotage-manifest 1
//! entries 3 bytes 120
//! appspec "appspec.yml"
//! f 0644 "root" "root" 1700000000 97 sha256:… "appspec.yml"
//! d 0755 "root" "root" 0 0 - "scripts"
//! l 0777 "root" "root" 0 7 sha256:… "scripts/run" "run.sh"
//! ```
//!
//! Entries are sorted by the bytes of their paths. The decoder refuses whatever the encoder would not write byte for byte.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::digest::Digest;
use crate::limits::{DEPTH_MAX, ENTRIES_MAX, MANIFEST_MAX, NAME_MAX, PATH_MAX, UNPACKED_MAX};

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Content of this digest.
    File {
        /// SHA-256 of the content.
        digest: Digest,
    },
    /// A folder.
    Directory,
    /// A symbolic link: data, never followed by us.
    Link {
        /// Where it points.
        target: String,
    },
}

/// One file, folder or link of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Relative, `/` between names; UTF-8 without control characters.
    pub path: String,
    /// What it is.
    pub kind: Kind,
    /// Permission bits, ≤ 07777.
    pub mode: u32,
    /// Data for copies; a release itself belongs to root.
    pub owner: String,
    /// Data for copies.
    pub group: String,
    /// Seconds since 1970.
    pub mtime: u64,
    /// Bytes of the content, or of a link's target; 0 for a folder.
    pub size: u64,
}

/// A package's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Path of the AppSpec.
    pub appspec: String,
    /// Sorted by path.
    pub entries: Vec<Entry>,
}

/// Why a text was not a manifest, or entries do not make one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("manifest line {line}: {why}")]
pub struct ManifestError {
    /// Counted from 1; entries begin in line 4.
    pub line: usize,
    /// What is wrong.
    pub why: String,
}

/// Is this a path that an entry may have? Says what is wrong with it.
pub fn check_path(path: &str) -> Result<(), String> {
    if path.is_empty() || path.len() > PATH_MAX {
        return Err(format!("a path has {} bytes, 1 to {PATH_MAX} are allowed", path.len()));
    }
    if path.starts_with('/') {
        return Err(format!("{path:?} is absolute"));
    }
    if path.chars().any(char::is_control) {
        return Err(format!("{path:?} has a control character"));
    }
    let names: Vec<&str> = path.split('/').collect();
    if names.len() > DEPTH_MAX {
        return Err(format!("{path:?} lies {} folders deep, {DEPTH_MAX} are allowed", names.len()));
    }
    for name in names {
        match name {
            "" | "." | ".." => return Err(format!("{path:?} has an empty name, `.` or `..` in it")),
            name if name.len() > NAME_MAX => return Err(format!("a name in {path:?} is longer than {NAME_MAX} bytes")),
            _ => {}
        }
    }
    Ok(())
}

impl Manifest {
    /// Sorts and checks entries: parents are there and are folders, nothing is twice, the AppSpec is a file.
    pub fn new(appspec: &str, mut entries: Vec<Entry>) -> Result<Manifest, ManifestError> {
        entries.sort_by(|a, b| a.path.as_bytes().cmp(b.path.as_bytes()));
        let manifest = Manifest { appspec: appspec.to_owned(), entries };
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), ManifestError> {
        let fail = |i: usize, why: String| Err(ManifestError { line: i + 4, why });
        if self.entries.len() > ENTRIES_MAX {
            return fail(0, format!("{} entries, {ENTRIES_MAX} are allowed", self.entries.len()));
        }
        let mut bytes = 0u64;
        let mut sizes = BTreeMap::new();
        for (i, entry) in self.entries.iter().enumerate() {
            if let Err(why) = check_path(&entry.path) {
                return fail(i, why);
            }
            if i > 0 && self.entries[i - 1].path.as_bytes() >= entry.path.as_bytes() {
                return fail(i, format!("{:?} is twice or not in order", entry.path));
            }
            if let Some((parent, _)) = entry.path.rsplit_once('/')
                && !matches!(self.get(parent).map(|e| &e.kind), Some(Kind::Directory))
            {
                return fail(i, format!("{:?} lies below something that is not a folder of the package", entry.path));
            }
            if entry.mode > 0o7777 || [&entry.owner, &entry.group].iter().any(|n| n.is_empty() || n.len() > 32 || n.chars().any(char::is_control)) {
                return fail(i, format!("{:?} has a mode, owner or group that cannot be", entry.path));
            }
            let size = match &entry.kind {
                Kind::File { .. } => entry.size,
                Kind::Directory => 0,
                Kind::Link { target } if target.is_empty() || target.len() > PATH_MAX || target.chars().any(char::is_control) => {
                    return fail(i, format!("link {:?} points to nothing that can be", entry.path));
                }
                Kind::Link { target } => target.len() as u64,
            };
            if let Kind::File { digest } = &entry.kind
                && *sizes.entry(*digest).or_insert(size) != size
            {
                return fail(i, format!("{:?} has the content of another entry, but not its size", entry.path));
            }
            if size != entry.size {
                return fail(i, format!("{:?} has a size that is not its own", entry.path));
            }
            bytes = bytes.saturating_add(size);
        }
        if bytes > UNPACKED_MAX {
            return fail(0, format!("{bytes} bytes unpacked, {UNPACKED_MAX} are allowed"));
        }
        match self.get(&self.appspec).map(|e| &e.kind) {
            Some(Kind::File { .. }) => Ok(()),
            _ => Err(ManifestError { line: 3, why: format!("the AppSpec {:?} is not a file of the package", self.appspec) }),
        }
    }

    /// The entry of that path.
    pub fn get(&self, path: &str) -> Option<&Entry> {
        let at = self.entries.binary_search_by(|e| e.path.as_bytes().cmp(path.as_bytes())).ok()?;
        self.entries.get(at)
    }

    /// Bytes unpacked.
    pub fn bytes(&self) -> u64 {
        self.entries.iter().map(|e| e.size).sum()
    }

    /// Regular files.
    pub fn files(&self) -> u32 {
        self.entries.iter().filter(|e| matches!(e.kind, Kind::File { .. })).count() as u32
    }

    /// The distinct contents, with their sizes, sorted.
    pub fn objects(&self) -> BTreeMap<Digest, u64> {
        self.entries
            .iter()
            .filter_map(|e| match &e.kind {
                Kind::File { digest } => Some((*digest, e.size)),
                Kind::Directory | Kind::Link { .. } => None,
            })
            .collect()
    }

    /// The canonical text.
    pub fn encode(&self) -> String {
        let mut text = format!("pilotage-manifest 1\nentries {} bytes {}\nappspec {}\n", self.entries.len(), self.bytes(), quote(&self.appspec));
        for entry in &self.entries {
            let (kind, digest) = match &entry.kind {
                Kind::File { digest } => ('f', digest.to_string()),
                Kind::Directory => ('d', "-".to_owned()),
                Kind::Link { target } => ('l', Digest::of(target.as_bytes()).to_string()),
            };
            let (owner, group) = (quote(&entry.owner), quote(&entry.group));
            // Writing to a String cannot fail.
            let _ = write!(text, "{kind} {:04o} {owner} {group} {} {} {digest} {}", entry.mode, entry.mtime, entry.size, quote(&entry.path));
            if let Kind::Link { target } = &entry.kind {
                let _ = write!(text, " {}", quote(target));
            }
            text.push('\n');
        }
        text
    }

    /// The package's identity.
    pub fn digest(&self) -> Digest {
        Digest::of(self.encode().as_bytes())
    }

    /// Reads the canonical text; anything else is refused.
    pub fn decode(text: &[u8]) -> Result<Manifest, ManifestError> {
        let fail = |line: usize, why: &str| ManifestError { line, why: why.to_owned() };
        if text.len() as u64 > MANIFEST_MAX {
            return Err(fail(1, "the manifest is too long"));
        }
        let text = std::str::from_utf8(text).map_err(|_| fail(1, "the manifest is not UTF-8"))?;
        let mut lines = text.lines();
        if lines.next() != Some("pilotage-manifest 1") {
            return Err(fail(1, "it does not begin with `pilotage-manifest 1`"));
        }
        lines.next().ok_or_else(|| fail(2, "the totals are missing"))?;
        let appspec = lines.next().and_then(|l| l.strip_prefix("appspec ")).and_then(|l| unquote(l)).filter(|(_, rest)| rest.is_empty());
        let (appspec, _) = appspec.ok_or_else(|| fail(3, "the AppSpec's path is missing"))?;
        let mut entries = Vec::new();
        for (i, line) in lines.enumerate() {
            if entries.len() >= ENTRIES_MAX {
                return Err(fail(i + 4, "too many entries"));
            }
            entries.push(entry(line).ok_or_else(|| fail(i + 4, "it is not an entry"))?);
        }
        let manifest = Manifest { appspec, entries };
        manifest.check()?;
        let canonical = manifest.encode();
        if canonical != text {
            let same = canonical.split('\n').zip(text.split('\n')).take_while(|(a, b)| a == b).count();
            return Err(fail(same + 1, "it is not written in the one way that is allowed"));
        }
        Ok(manifest)
    }
}

fn entry(line: &str) -> Option<Entry> {
    let (kind, rest) = line.split_once(' ')?;
    let (mode, rest) = rest.split_once(' ')?;
    let (owner, rest) = unquote(rest)?;
    let (group, rest) = unquote(rest.strip_prefix(' ')?)?;
    let mut words = rest.strip_prefix(' ')?.splitn(4, ' ');
    let mtime = words.next()?.parse().ok()?;
    let size = words.next()?.parse().ok()?;
    let digest = words.next()?;
    let (path, rest) = unquote(words.next()?)?;
    let kind = match kind {
        "f" if rest.is_empty() => Kind::File { digest: digest.parse().ok()? },
        "d" if rest.is_empty() => Kind::Directory,
        "l" => match unquote(rest.strip_prefix(' ')?)? {
            (target, "") => Kind::Link { target },
            _ => return None,
        },
        _ => return None,
    };
    Some(Entry { path, kind, mode: u32::from_str_radix(mode, 8).ok()?, owner, group, mtime, size })
}

/// A JSON string; control characters never occur in what is quoted.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

/// The JSON string at the beginning, and what stands behind it.
pub(crate) fn unquote(text: &str) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut chars = text.strip_prefix('"')?.char_indices();
    while let Some((i, c)) = chars.next() {
        match c {
            '"' => return Some((out, &text[i + 2..])),
            '\\' => out.push(chars.next()?.1),
            c => out.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(path: &str, content: &str) -> Entry {
        let digest = Digest::of(content.as_bytes());
        let size = content.len() as u64;
        Entry { path: path.into(), kind: Kind::File { digest }, mode: 0o644, owner: "root".into(), group: "root".into(), mtime: 8, size }
    }
    fn folder(path: &str) -> Entry {
        Entry { path: path.into(), kind: Kind::Directory, mode: 0o755, owner: "root".into(), group: "root".into(), mtime: 0, size: 0 }
    }
    fn link(path: &str, target: &str) -> Entry {
        let kind = Kind::Link { target: target.into() };
        Entry { path: path.into(), kind, mode: 0o777, owner: "root".into(), group: "root".into(), mtime: 0, size: target.len() as u64 }
    }
    fn small() -> Manifest {
        Manifest::new("appspec.yml", vec![link("s/run \"x\"", "run.sh"), folder("s"), file("appspec.yml", "version: 0.0\n")]).unwrap()
    }

    #[test]
    fn the_text_is_frozen() {
        let digest = Digest::of(b"version: 0.0\n");
        let target = Digest::of(b"run.sh");
        let text = format!(
            "pilotage-manifest 1\nentries 3 bytes 19\nappspec \"appspec.yml\"\n\
             f 0644 \"root\" \"root\" 8 13 {digest} \"appspec.yml\"\n\
             d 0755 \"root\" \"root\" 0 0 - \"s\"\n\
             l 0777 \"root\" \"root\" 0 6 {target} \"s/run \\\"x\\\"\" \"run.sh\"\n"
        );
        assert_eq!(small().encode(), text);
        assert_eq!(Manifest::decode(text.as_bytes()), Ok(small()));
    }

    #[test]
    fn one_content_has_one_size_and_errors_name_their_line() {
        let (a, mut b) = (file("a", "x"), file("b", "x"));
        b.size = 2;
        assert_eq!(Manifest::new("a", vec![a, b]).unwrap_err().line, 5);
        let text = small().encode().replace(" 8 13 ", " 08 13 ");
        assert_eq!(Manifest::decode(text.as_bytes()).unwrap_err().line, 4);
        let long = format!("{}/", "x".repeat(254)).repeat(16);
        assert!(check_path(&format!("{long}{}", "x".repeat(15))).is_ok());
        assert!(check_path(&format!("{long}{}", "x".repeat(16))).is_err(), "the kernel would not take it");
    }

    #[test]
    fn what_would_not_be_written_so_is_refused() {
        let good = small().encode();
        for (from, to) in [
            ("entries 3", "entries 4"),
            ("bytes 19", "bytes 20"),
            ("0644", "644"),
            ("\"s\"\n", "\"../s\"\n"),
            ("\"appspec.yml\"\nf", "\"other\"\nf"),
            (" 8 13", " 08 13"),
            ("\"run.sh\"", "\"run.sh\" "),
            ("d 0755", "x 0755"),
            ("manifest 1", "manifest 2"),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good, "{from}");
            assert!(Manifest::decode(bad.as_bytes()).is_err(), "{from} → {to}");
        }
        assert!(Manifest::decode(good.trim_end().as_bytes()).is_err(), "the last line must end");
        assert!(Manifest::new("a", vec![file("a", ""), file("a", "")]).is_err(), "duplicates");
        assert!(Manifest::new("a", vec![file("a", ""), link("l", "/"), file("l/x", "")]).is_err(), "below a link");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Manifest::decode(&bytes);
        }

        #[test]
        fn what_is_written_is_read_again(names in prop::collection::btree_set("[ -~é]{1,12}", 1..20)) {
            let entries: Vec<Entry> = names.iter().filter(|n| check_path(n).is_ok() && !n.contains('/')).map(|n| file(n, n)).collect();
            prop_assume!(!entries.is_empty());
            let manifest = Manifest::new(&entries[0].path.clone(), entries).unwrap();
            prop_assert_eq!(Manifest::decode(manifest.encode().as_bytes()), Ok(manifest));
        }
    }
}
