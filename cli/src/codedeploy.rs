//! From AWS CodeDeploy: a deployment group's description → a fleet file, and what a person must still do (UI.md c).
//!
//! What a fleet file can say is taken, or the import is refused; what it cannot say stands in it as a comment and is named.
//! `deployment-service-semantics` of CodeDeploy: its number of minimum healthy hosts is both our floor and its tolerance of
//! failures; here those are two keys, and the tolerance starts at none.

mod description;
mod select;

use description::{Alarms, Configuration, Described, DescribedConfiguration, Group, Kind, MinimumHealthy};
use pilotage_shared::name::{AppName, FleetName};

use crate::fleet_file;

/// A fleet file, and how it came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The file's text.
    pub file: String,
    /// What was taken, as `OneAtATime → floor all-1`.
    pub taken: Vec<String>,
    /// What a person must do, with the line of the file that it is about.
    pub by_hand: Vec<String>,
}

/// Why a description cannot become a fleet.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Not what the command prints.
    #[error("this is not what `aws deploy get-deployment-group` prints: {0}")]
    Group(String),
    /// Nor this.
    #[error("this is not what `aws deploy get-deployment-config` prints: {0}")]
    Configuration(String),
    /// Not for hosts.
    #[error("the group is for {0}, and Pilotage deploys to hosts (computePlatform Server)")]
    Platform(String),
    /// A configuration of the user's own, of which only the name is known.
    #[error(
        "the deployment configuration {0:?} is your own, and a group's description does not say what it is: \
         aws deploy get-deployment-config --deployment-config-name {0} > config.json, then give it with --config config.json"
    )]
    UnknownConfiguration(String),
    /// The file of `--config` is about another one.
    #[error("the group uses the deployment configuration {wanted:?}, and --config describes {found:?}")]
    OtherConfiguration {
        /// Of the group.
        wanted: String,
        /// In the file.
        found: String,
    },
    /// Nothing says which hosts.
    #[error("the group names no hosts: it has neither tags nor Auto Scaling groups")]
    NoHosts,
    /// Its tags cannot be said in one selector.
    #[error("{0}")]
    Tags(String),
    /// What was made is not a fleet file.
    #[error("failed to make a fleet file of it: {0}")]
    Made(#[source] fleet_file::FleetFileError),
}

/// Makes the fleet file. `configuration`: what is known of a deployment configuration that is not one of AWS's own.
pub fn import(group: &str, configuration: Option<&str>) -> Result<Imported, ImportError> {
    let Described { group } = serde_json::from_str(group).map_err(|e| ImportError::Group(e.to_string()))?;
    if let Some(platform) = group.compute_platform.as_deref().filter(|p| *p != "Server") {
        return Err(ImportError::Platform(platform.to_owned()));
    }
    let configuration = the_configuration(&group, configuration)?;
    let mut draft = Draft::default();
    draft.names(&group);
    draft.select(&group)?;
    draft.floor(&group, &configuration);
    draft.failure(&group, &configuration);
    draft.health();
    draft.traffic(&group);
    draft.alarms(&group);
    draft.notify(&group);
    draft.rest(&group);
    let file = draft.lines.join("\n") + "\n";
    fleet_file::parse(&file).map_err(ImportError::Made)?;
    Ok(Imported { file, taken: draft.taken, by_hand: draft.by_hand })
}

/// AWS's own are known by name; the group's description names it only.
fn the_configuration(group: &Group, described: Option<&str>) -> Result<Configuration, ImportError> {
    let name = group.deployment_config_name.as_deref().unwrap_or("CodeDeployDefault.OneAtATime");
    if let Some(text) = described {
        let DescribedConfiguration { configuration } = serde_json::from_str(text).map_err(|e| ImportError::Configuration(e.to_string()))?;
        return match configuration.name == name {
            true => Ok(configuration),
            false => Err(ImportError::OtherConfiguration { wanted: name.to_owned(), found: configuration.name }),
        };
    }
    let percent = |value| Some(MinimumHealthy { kind: Kind::FleetPercent, value });
    let minimum = match name.strip_prefix("CodeDeployDefault.") {
        // One by one is all but one at least, whatever their number: no count says that.
        Some("OneAtATime") => None,
        Some("HalfAtATime") => percent(50),
        Some("AllAtOnce") => percent(0),
        Some(_) | None => return Err(ImportError::UnknownConfiguration(name.to_owned())),
    };
    Ok(Configuration { name: name.to_owned(), minimum_healthy_hosts: minimum, zonal_config: None })
}

/// A file in the making.
#[derive(Default)]
struct Draft {
    lines: Vec<String>,
    taken: Vec<String>,
    by_hand: Vec<String>,
}

impl Draft {
    /// Adds a line; its number.
    fn line(&mut self, text: impl Into<String>) -> usize {
        self.lines.push(text.into());
        self.lines.len()
    }

    /// A key that a fleet file will have: a comment for now, and a thing to do.
    fn later(&mut self, from: &str, key: &str, comment: &str) {
        let line = self.line(format!("# {key}: {comment}"));
        self.by_hand.push(format!("{from} → {key} (line {line})"));
    }

    fn names(&mut self, group: &Group) {
        let app = name(&group.application_name);
        let whole = match name(&group.name) {
            part if part == app || part.starts_with(&format!("{app}-")) => part,
            part => format!("{app}-{part}"),
        };
        let fleet: String = whole.chars().take(63).collect();
        self.line(format!("fleet: {fleet}"));
        self.line(format!("app: {app}"));
        if AppName::new(&group.application_name).is_err() || FleetName::new(&group.name).is_err() || fleet != whole {
            self.taken.push(format!("application {} → app {app} · group {} → fleet {fleet}", group.application_name, group.name));
        }
    }

    fn select(&mut self, group: &Group) -> Result<(), ImportError> {
        let found = select::of(group)?;
        let text = found.selector.to_string();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | ',' | '=' | '(' | ')' | ' ');
        self.line(format!("select: {}", if text.chars().all(plain) { text } else { format!("{text:?}") }));
        if found.tags {
            self.taken.push("tags → select".to_owned());
            self.by_hand.push(format!("give each host these labels: pilotage host add NAME {}", found.labels));
        }
        if !found.renamed.is_empty() {
            self.taken.push(format!("labels are written small: {}", found.renamed.join(", ")));
        }
        Ok(())
    }

    fn floor(&mut self, group: &Group, configuration: &Configuration) {
        let floor = configuration.minimum_healthy_hosts.as_ref().map_or_else(|| "all-1".to_owned(), MinimumHealthy::floor);
        let short = configuration.name.trim_start_matches("CodeDeployDefault.");
        let zones = configuration.zonal_config.as_ref();
        match zones.and_then(|z| z.minimum_healthy_hosts_per_zone.as_ref()).filter(|m| m.value > 0) {
            Some(per) => {
                let zone = per.floor();
                self.line(format!("floor: {{ fleet: {floor}, per: {{ zone: {zone} }} }}"));
                self.taken.push(format!("{short} → floor {floor}, per zone {zone}"));
                self.by_hand.push("zones → give each host a label zone=…: here the floor of a zone counts by label".to_owned());
            }
            None => {
                self.line(format!("floor: {floor}"));
                self.taken.push(format!("{short} → floor {floor}"));
            }
        }
        if zones.is_some() {
            self.later("one zone after the other", "waves", "one zone after the other, and how long each is watched");
        }
        let style = group.deployment_style.as_ref().and_then(|s| s.deployment_type.as_deref());
        if style == Some("BLUE_GREEN") {
            self.by_hand.push("blue/green → nothing: here the hosts stay and are updated in place, under the floor".to_owned());
        }
    }

    fn failure(&mut self, group: &Group, configuration: &Configuration) {
        let rollback = group.auto_rollback_configuration.as_ref().filter(|r| r.enabled);
        let on_failure = rollback.is_some_and(|r| r.events.iter().any(|e| e == "DEPLOYMENT_FAILURE"));
        let then = if on_failure { "rollback" } else { "stop" };
        let line = self.line(format!("failure: {{ tolerate: 0, then: {then} }}"));
        self.taken.push(match on_failure {
            true => "auto rollback → failure: rollback".to_owned(),
            false => "no auto rollback → failure: stop".to_owned(),
        });
        let tolerated = match &configuration.minimum_healthy_hosts {
            None => "the last host fail".to_owned(),
            Some(minimum) => format!("all but {} fail", minimum.floor()),
        };
        self.by_hand.push(format!("CodeDeploy calls it a success when it lets {tolerated}; here none may → failure.tolerate (line {line})"));
    }

    fn health(&mut self) {
        self.later(
            "health, which CodeDeploy has none of",
            "health",
            "http://localhost:8080/healthz   # without one a host is good when its last run was",
        );
    }

    fn traffic(&mut self, group: &Group) {
        let Some(info) = &group.load_balancer_info else { return };
        let pairs = info.target_group_pair_info_list.iter().flat_map(|p| &p.target_groups);
        let balancers = info.elb_info_list.iter().map(|n| ("load balancer", n));
        let targets = info.target_group_info_list.iter().chain(pairs).map(|n| ("target group", n));
        let names: Vec<String> = balancers.chain(targets).map(|(what, n)| format!("{what} {}", n.name)).collect();
        if !names.is_empty() {
            self.later(&names.join(", "), "drain", "until then hooks take the host out of it: BeforeBlockTraffic, AfterAllowTraffic");
        }
    }

    fn alarms(&mut self, group: &Group) {
        let Some(Alarms { enabled: true, alarms, .. }) = &group.alarm_configuration else { return };
        let names: Vec<&str> = alarms.iter().map(|a| a.name.as_str()).collect();
        self.later(&format!("alarm {}", names.join(", ")), "alarms", "nothing watches them yet: hold a rollout by `pilotage pause`");
    }

    fn notify(&mut self, group: &Group) {
        for trigger in &group.trigger_configurations {
            let events = trigger.trigger_events.join(", ");
            self.later(
                &format!("trigger {}", trigger.trigger_name),
                "notify",
                &format!("{events}: until then follow `pilotage events -o json --follow`"),
            );
        }
    }

    fn rest(&mut self, group: &Group) {
        for scaling in &group.auto_scaling_groups {
            self.by_hand.push(format!("Auto Scaling group {} → in its launch template: pilotage host add, then start the agent", scaling.name));
        }
        if group.termination_hook_enabled == Some(true) {
            self.by_hand.push("termination hook → pilotage host retire, when an instance goes".to_owned());
        }
        if group.outdated_instances_strategy.as_deref() == Some("IGNORE") {
            self.by_hand.push("outdated instances are left alone there; here who joins gets the settled release".to_owned());
        }
        self.by_hand.push("what runs → on each host: pilotage-agent adopt APP --from codedeploy --group GROUP-ID".to_owned());
    }
}

/// What a name of AWS (`[A-Za-z0-9._+=,@-]`) is as one of ours.
fn name(theirs: &str) -> String {
    let small = theirs.to_lowercase();
    let kept = small.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' }).collect::<String>();
    kept.trim_start_matches(['.', '_', '-']).chars().take(63).collect()
}

#[cfg(test)]
mod tests;
