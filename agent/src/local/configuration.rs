//! CodeDeploy's own configuration file (M1): YAML whose keys begin with a colon. Of it we use what concerns a host alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::words;
use crate::config;

/// Read when no other is named (M1).
const USUAL: &str = "/etc/codedeploy-agent/conf/codedeployagent.yml";
/// CodeDeploy's folder.
const ROOT_DIR: &str = "/opt/codedeploy-agent/deployment-root";
/// J8.
const MAX_REVISIONS: usize = 5;
/// Keys that concern CodeDeploy's service and its agent's process.
const NOT_HERE: &[&str] = &[
    "log_aws_wire",
    "pid_dir",
    "program_name",
    "verbose",
    "wait_between_runs",
    "proxy_uri",
    "disable_imds_v1",
    "http_read_timeout",
    "kill_agent_max_wait_time_seconds",
    "on_premises_config_file",
    "use_fips_mode",
    "deploy_control_endpoint",
    "s3_endpoint_override",
    "enable_auth_policy",
    "children",
    "instance_service_region",
    "instance_service_endpoint",
    "instance_service_port",
    "wait_between_spawning_children",
    "wait_after_error",
    "wait_after_throttle_error",
    "codedeploy_test_profile",
    "ongoing_deployment_tracking",
    "proxy_url",
];

/// What we go by.
#[derive(Debug, PartialEq, Eq)]
pub struct Configuration {
    /// Everything lies below it.
    pub root_dir: PathBuf,
    /// For the command's own log; none: there is none.
    pub log_dir: Option<PathBuf>,
    /// Deployments of a group that are kept, the newest included.
    pub max_revisions: usize,
    /// Write `deployment-logs/codedeploy-agent-deployments.log`.
    pub deployments_log: bool,
}

/// Of the named file, or of the usual one. An ordinary user has a folder of his own unless he names a file.
pub fn load(named: Option<&Path>, ordinary: bool) -> anyhow::Result<Configuration> {
    let usual = Path::new(USUAL);
    let text = match named {
        Some(path) => Some((path, std::fs::read_to_string(path).with_context(|| format!("failed to read the configuration {}", path.display()))?)),
        None if !ordinary && usual.exists() => Some((usual, std::fs::read_to_string(usual).with_context(|| format!("failed to read {USUAL}"))?)),
        None => None,
    };
    let own = if ordinary { config::state_home()?.join("pilotage/deployment-root") } else { PathBuf::from(ROOT_DIR) };
    match text {
        Some((path, text)) => parse(&text, own).with_context(|| format!("the configuration {} is not usable", path.display())),
        None => parse("", own),
    }
}

fn parse(text: &str, own: PathBuf) -> anyhow::Result<Configuration> {
    let keys: Option<BTreeMap<String, Value>> =
        if text.trim().is_empty() { None } else { serde_saphyr::from_str(text).map_err(|e| anyhow::anyhow!("{}", first_line(&e.to_string())))? };
    let mut found = Configuration { root_dir: own, log_dir: None, max_revisions: MAX_REVISIONS, deployments_log: true };
    for (key, value) in keys.unwrap_or_default() {
        match (key.trim_start_matches(':'), &value) {
            (_, Value::Null) => {}
            ("root_dir", Value::String(path)) if path.starts_with('/') => found.root_dir = path.into(),
            ("log_dir", Value::String(path)) if path.starts_with('/') => found.log_dir = Some(path.into()),
            (key @ ("root_dir" | "log_dir"), other) => bail!(":{key}: {other} must be an absolute path"),
            ("max_revisions", value) => found.max_revisions = revisions(value)?,
            ("enable_deployments_log", Value::Bool(wanted)) => found.deployments_log = *wanted,
            ("enable_deployments_log", other) => bail!(":enable_deployments_log: {other} must be true or false"),
            (known, _) if NOT_HERE.contains(&known) => {}
            (unknown, _) => words::say(&format!("the configuration's :{unknown}: is not known and ignored")),
        }
    }
    Ok(found)
}

/// J10: CodeDeploy's agent ends its parent process over a wrong number; here it is said.
fn revisions(value: &Value) -> anyhow::Result<usize> {
    let number = value.as_u64().or_else(|| value.as_str()?.trim().parse().ok());
    match number.and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0) {
        Some(number) => Ok(number),
        None => bail!(":max_revisions: {value} must be a whole number above 0"),
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<(&str, usize, bool), &str>) {
        let found = parse(text, "/own".into());
        match (&found, expected) {
            (Ok(c), Ok((root, revisions, log))) => {
                assert_eq!((c.root_dir.to_str().unwrap(), c.max_revisions, c.deployments_log), (root, revisions, log), "{text}")
            }
            (Err(error), Err(part)) => assert!(format!("{error:#}").contains(part), "{text}: {error:#}"),
            (found, expected) => panic!("{text}: {found:?}, not {expected:?}"),
        }
    }

    #[test]
    fn codedeploys_configuration_is_read_as_it_is_shipped() {
        check("", Ok(("/own", 5, true)));
        check("# nothing\n", Ok(("/own", 5, true)));
        let shipped = "---\n:log_aws_wire: false\n:log_dir: '/var/log/aws/codedeploy-agent/'\n:root_dir: '/opt/codedeploy-agent/deployment-root'\n\
                       :verbose: false\n:wait_between_runs: 1\n:proxy_uri:\n:max_revisions: 3\n";
        check(shipped, Ok(("/opt/codedeploy-agent/deployment-root", 3, true)));
        check("root_dir: /srv/x\nenable_deployments_log: false\n", Ok(("/srv/x", 5, false)));
        check(":log_dir: x", Err("must be an absolute path"));
        check(":root_dir: x", Err("must be an absolute path"));
        for wrong in ["0", "-1", "many", "1.5"] {
            check(&format!(":max_revisions: {wrong}"), Err("must be a whole number above 0"));
        }
        check(":max_revisions: '4'", Ok(("/own", 4, true)));
        check("- a", Err(""));
    }
}
