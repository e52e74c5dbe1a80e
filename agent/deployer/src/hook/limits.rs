//! Resource limits of a `runas` script, as PAM's `limits.conf` gives them to a session of that account (wild 12, 27).

use std::fs;
use std::path::PathBuf;

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};

/// The longest file that is read.
const FILE_MAX: u64 = 256 << 10;

/// One limit to set: the item's name, and what was said of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// As `nofile`.
    pub item: String,
    /// None: as it is.
    pub soft: Option<u64>,
    /// None: as it is.
    pub hard: Option<u64>,
}

/// What this host says of an account in those groups.
pub fn of_host(user: &str, uid: u32, groups: &[String]) -> Vec<Limit> {
    let mut files = vec![PathBuf::from("/etc/security/limits.conf")];
    let mut more: Vec<PathBuf> = fs::read_dir("/etc/security/limits.d").into_iter().flatten().flatten().map(|e| e.path()).collect();
    more.retain(|path| path.extension().is_some_and(|e| e == "conf"));
    more.sort();
    files.extend(more);
    let small = |path: &PathBuf| fs::metadata(path).is_ok_and(|m| m.is_file() && m.len() <= FILE_MAX);
    let texts: Vec<String> = files.iter().filter(|path| small(path)).filter_map(|path| fs::read_to_string(path).ok()).collect();
    read(&texts.concat(), user, uid, groups)
}

/// `<domain> <soft|hard|-> <item> <value>`: a name outranks a group, a group outranks `*`; neither of these is about root. The
/// last line of one rank wins.
fn read(text: &str, user: &str, uid: u32, groups: &[String]) -> Vec<Limit> {
    let mut found: Vec<(String, bool, u8, u64)> = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split('#').next().unwrap_or("").split_whitespace().collect();
        let [domain, kind, item, value] = words.as_slice() else { continue };
        let rank = match domain.strip_prefix('@') {
            _ if *domain == user => 3,
            Some(group) if uid != 0 && groups.iter().any(|g| g == group) => 2,
            None if uid != 0 && *domain == "*" => 1,
            Some(_) | None => continue,
        };
        let (Some((_, unit)), Some(value)) = (resource(item), number(value)) else { continue };
        let value = if value == RLIM_INFINITY { value } else { value.saturating_mul(unit) };
        for hard in [false, true] {
            if *kind == "-" || *kind == if hard { "hard" } else { "soft" } {
                match found.iter_mut().find(|(i, h, ..)| i == item && *h == hard) {
                    Some((_, _, before, at)) if *before <= rank => (*before, *at) = (rank, value),
                    Some(_) => {}
                    None => found.push(((*item).to_owned(), hard, rank, value)),
                }
            }
        }
    }
    let mut limits: Vec<Limit> = Vec::new();
    for (item, hard, _, value) in found {
        let at = limits.iter().position(|l| l.item == item).unwrap_or_else(|| {
            limits.push(Limit { item, soft: None, hard: None });
            limits.len() - 1
        });
        if hard { limits[at].hard = Some(value) } else { limits[at].soft = Some(value) }
    }
    limits
}

/// Sets one for this process; what the kernel refuses stays as it is, as in a session.
pub fn set(limit: &Limit) {
    let Some((resource, _)) = resource(&limit.item) else { return };
    let Ok((soft, hard)) = getrlimit(resource) else { return };
    let hard = limit.hard.unwrap_or(hard).max(limit.soft.filter(|_| limit.hard.is_none()).unwrap_or(0));
    let soft = limit.soft.unwrap_or(soft).min(hard);
    let _ = setrlimit(resource, soft, hard);
}

/// The kernel's limit, and how many of its units one of the file's is.
fn resource(item: &str) -> Option<(Resource, u64)> {
    Some(match item {
        "core" => (Resource::RLIMIT_CORE, 1024),
        "data" => (Resource::RLIMIT_DATA, 1024),
        "fsize" => (Resource::RLIMIT_FSIZE, 1024),
        "memlock" => (Resource::RLIMIT_MEMLOCK, 1024),
        "nofile" => (Resource::RLIMIT_NOFILE, 1),
        "stack" => (Resource::RLIMIT_STACK, 1024),
        "cpu" => (Resource::RLIMIT_CPU, 60),
        "nproc" => (Resource::RLIMIT_NPROC, 1),
        "as" => (Resource::RLIMIT_AS, 1024),
        "locks" => (Resource::RLIMIT_LOCKS, 1),
        "sigpending" => (Resource::RLIMIT_SIGPENDING, 1),
        "msgqueue" => (Resource::RLIMIT_MSGQUEUE, 1),
        "rtprio" => (Resource::RLIMIT_RTPRIO, 1),
        _ => return None,
    })
}

fn number(text: &str) -> Option<u64> {
    match text {
        "unlimited" | "infinity" | "-1" => Some(RLIM_INFINITY),
        text => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_outranks_a_group_and_a_group_outranks_everybody() {
        let text = "# x\n* soft nofile 100\ndeploy - nofile 300 # mine\n@web hard nofile 200\n* - core unlimited\n@web soft nproc 7\n@other soft nproc 9\n* hard stack 8\nbad line\n* soft nosuch 1\n";
        let check = |user: &str, uid: u32, groups: &[&str], expected: &[(&str, Option<u64>, Option<u64>)]| {
            let groups: Vec<String> = groups.iter().map(|g| (*g).to_owned()).collect();
            let found = read(text, user, uid, &groups);
            let found: Vec<_> = found.iter().map(|l| (l.item.as_str(), l.soft, l.hard)).collect();
            assert_eq!(found, expected, "{user}");
        };
        let all = Some(RLIM_INFINITY);
        check("deploy", 7, &["web"], &[("nofile", Some(300), Some(300)), ("core", all, all), ("nproc", Some(7), None), ("stack", None, Some(8192))]);
        check("other", 8, &[], &[("nofile", Some(100), None), ("core", all, all), ("stack", None, Some(8192))]);
        check("root", 0, &["web"], &[]);
    }
}
