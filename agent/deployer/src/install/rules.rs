//! The host's own rules for SELinux contexts (E18): what a release labels is labelled so again when the whole host is. They are
//! set and removed by `semanage`, one call for each path, with the switch; what a release does not label any more has no rule
//! any more. Rules that somebody else has made are never changed. The label itself needs none of it (`context`).

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use pilotage_agent_core::lifecycle::Side;
use pilotage_shared::name::Why;

use super::context::{self, RANGE, ROLE, USER};
use super::spec::Context;
use super::{InstallError, switch, unswitch};
use crate::hook::environment::PATH;
use crate::tool::{self, ToolError};

/// One call rebuilds the policy: seconds, on small machines many.
const WITHIN: Duration = Duration::from_secs(120);

/// Of all that a release labels, by path.
pub type Rules = BTreeMap<PathBuf, Context>;

/// Why the rules are not as they shall be.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// The tool, or what it says.
    #[error("failed to set the SELinux rule of {}", path.display())]
    Set {
        /// Which.
        path: PathBuf,
        /// What it said.
        #[source]
        source: ToolError,
    },
    /// Somebody else's.
    #[error("this host has a SELinux rule of its own for {}, which gives {found}: remove it (semanage fcontext -d '{spec}'), or take the context out of the AppSpec", path.display())]
    Other {
        /// For which path.
        path: PathBuf,
        /// As the tool wants it.
        spec: String,
        /// What it gives.
        found: String,
    },
}

/// What has come of it.
#[derive(Debug, PartialEq, Eq)]
enum Done {
    /// They are so.
    Set,
    /// There is no tool for it on this host.
    NoTool,
}

/// The host's rules become those of that side's release, once it is decided what the switch of the run does. Says what is not
/// so, where that is no failure.
pub fn follow(run: &Path, side: Side) -> Result<Why, InstallError> {
    let (Some(ready), true) = (switch::decided(run)?, context::enabled()) else { return Ok(Why::default()) };
    let (from, to) = (unswitch::record(run)?.installed.rules, ready.decision.installed.rules);
    let done = match side {
        Side::To => change(&from, &to)?,
        Side::From => change(&to, &from)?,
    };
    Ok(match done {
        Done::Set => Why::default(),
        Done::NoTool => Why::lossy("semanage is not installed here: the labels are set, and go when the host is relabelled"),
    })
}

/// From `before` to `after`. Can be done again from its start after a crash, and be turned round in the middle.
fn change(before: &Rules, after: &Rules) -> Result<Done, RulesError> {
    let set: Vec<(&PathBuf, &Context)> = after.iter().filter(|(path, rule)| before.get(*path) != Some(rule)).collect();
    let gone: Vec<(&PathBuf, &Context)> = before.iter().filter(|(path, _)| !after.contains_key(*path)).collect();
    let Some(first) = set.iter().chain(&gone).map(|(path, _)| *path).next() else { return Ok(Done::Set) };
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| RulesError::Set { path, source }
    };
    let there = match semanage(&["fcontext", "-l", "-C", "-n"]) {
        Err(ToolError::Start { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(Done::NoTool),
        there => there.map_err(failed(first))?,
    };
    for (path, rule) in set {
        let spec = spec(path);
        let order = match of(&there, &spec) {
            None => "-a",
            Some(found) if gives(found, rule) => continue,
            // One of ours, from before or, when this is the way back, from the release that failed.
            Some(_) if before.contains_key(path) => "-m",
            Some(found) => return Err(RulesError::Other { path: path.clone(), spec, found: found.to_owned() }),
        };
        semanage(&arguments(rule, order, &spec)).map_err(failed(path))?;
    }
    for (path, rule) in gone {
        let spec = spec(path);
        if of(&there, &spec).is_some_and(|found| gives(found, rule)) {
            semanage(&["fcontext", "-d", &spec]).map_err(failed(path))?;
        }
    }
    Ok(Done::Set)
}

/// Does a rule that the list shows so give this? A policy without ranges shows none.
fn gives(found: &str, context: &Context) -> bool {
    let label = format!("{}:{ROLE}:{}", context.user.as_deref().unwrap_or(USER), context.kind);
    match found.strip_prefix(label.as_str()) {
        Some("") => context.range.is_none(),
        Some(range) => range.strip_prefix(':') == Some(context.range.as_deref().unwrap_or(RANGE)),
        None => false,
    }
}

/// What is not said is left to the policy.
fn arguments<'a>(context: &'a Context, order: &'a str, spec: &'a str) -> Vec<&'a str> {
    let mut all = vec!["fcontext", order];
    for (flag, value) in [("-s", context.user.as_deref()), ("-t", Some(context.kind.as_str())), ("-r", context.range.as_deref())] {
        all.extend(value.into_iter().flat_map(|value| [flag, value]));
    }
    all.push(spec);
    all
}

/// One call, by root's own path and in no language but its own.
fn semanage(arguments: &[&str]) -> Result<String, ToolError> {
    let mut command = Command::new("semanage");
    command.args(arguments).env_clear().env("PATH", PATH).env("LC_ALL", "C").current_dir("/");
    tool::call(command, arguments[0], WITHIN)
}

/// What a line of the list says of this path: `SPEC   all files   user:role:type:range`.
fn of<'a>(list: &'a str, spec: &str) -> Option<&'a str> {
    list.lines().find_map(|line| Some(line.strip_prefix(spec)?.strip_prefix(' ')?.trim_start().strip_prefix("all files")?.trim()))
}

/// Paths stand there as they are when links are followed, and as expressions: all that means something in one means itself.
fn spec(path: &Path) -> String {
    let real = path.parent().and_then(|folder| Some(folder.canonicalize().ok()?.join(path.file_name()?)));
    let mut spec = String::new();
    for letter in real.as_deref().unwrap_or(path).to_string_lossy().chars() {
        if ".^$?*+|[](){}\\".contains(letter) {
            spec.push('\\');
        }
        spec.push(letter);
    }
    spec
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_means_itself_and_is_found_in_the_list() {
        assert_eq!(spec(Path::new("/srv/a+b/x.conf")), "/srv/a\\+b/x\\.conf");
        let list = "/srv/web        all files          system_u:object_r:httpd_sys_content_t:s0 \n/srv/web/a b  all files  u:object_r:t:s0:c1\n";
        assert_eq!(of(list, "/srv/web"), Some("system_u:object_r:httpd_sys_content_t:s0"));
        assert_eq!(of(list, "/srv/web/a b"), Some("u:object_r:t:s0:c1"));
        assert_eq!((of(list, "/srv"), of(list, "/srv/web/a")), (None, None));
    }

    #[test]
    fn what_was_not_said_is_left_to_the_tool() {
        let context = Context { user: None, kind: "t".to_owned(), range: None };
        assert_eq!(arguments(&context, "-a", "/x"), ["fcontext", "-a", "-t", "t", "/x"]);
        assert!(gives("system_u:object_r:t:s0", &context) && gives("system_u:object_r:t", &context));
        assert!(!gives("system_u:object_r:t:s0:c1", &context) && !gives("system_u:object_r:tt:s0", &context) && !gives("u:object_r:t:s0", &context));
        let context = Context { user: Some("u".to_owned()), range: Some("s0:c1".to_owned()), ..context };
        assert_eq!(arguments(&context, "-m", "/x"), ["fcontext", "-m", "-s", "u", "-t", "t", "-r", "s0:c1", "/x"]);
        assert!(gives("u:object_r:t:s0:c1", &context) && !gives("u:object_r:t", &context));
    }
}
