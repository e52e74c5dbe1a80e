//! What `aws deploy get-deployment-group` and `get-deployment-config` print, as far as it is looked at. AWS adds keys as it
//! likes: what is not here is not read.

use serde::Deserialize;

/// The whole document.
#[derive(Debug, Deserialize)]
pub struct Described {
    /// Its one key.
    #[serde(rename = "deploymentGroupInfo")]
    pub group: Group,
}

/// A deployment group.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Group {
    /// Of which application.
    pub application_name: String,
    /// Its name.
    #[serde(rename = "deploymentGroupName")]
    pub name: String,
    /// How many at a time, by name.
    pub deployment_config_name: Option<String>,
    /// `Server`, `Lambda` or `ECS`.
    pub compute_platform: Option<String>,
    /// Instances with any of these.
    pub ec2_tag_filters: Vec<TagFilter>,
    /// Own machines with any of these.
    pub on_premises_instance_tag_filters: Vec<TagFilter>,
    /// Instances with one of each list.
    pub ec2_tag_set: Option<Ec2TagSet>,
    /// Own machines with one of each list.
    pub on_premises_tag_set: Option<OnPremisesTagSet>,
    /// Instances of these.
    pub auto_scaling_groups: Vec<Named>,
    /// Instances that go.
    pub termination_hook_enabled: Option<bool>,
    /// When it goes back by itself.
    pub auto_rollback_configuration: Option<Rollback>,
    /// What stops it.
    pub alarm_configuration: Option<Alarms>,
    /// Whom it tells.
    pub trigger_configurations: Vec<Trigger>,
    /// Where requests come from.
    pub load_balancer_info: Option<LoadBalancers>,
    /// In place or blue/green.
    pub deployment_style: Option<Style>,
    /// `UPDATE` or `IGNORE`.
    pub outdated_instances_strategy: Option<String>,
}

/// One tag.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TagFilter {
    /// Its key.
    pub key: Option<String>,
    /// Its value.
    pub value: Option<String>,
    /// `KEY_ONLY`, `VALUE_ONLY` or `KEY_AND_VALUE`.
    pub r#type: Option<String>,
}

/// Lists of tags of instances.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Ec2TagSet {
    /// One of each.
    pub ec2_tag_set_list: Vec<Vec<TagFilter>>,
}

/// Lists of tags of own machines.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OnPremisesTagSet {
    /// One of each.
    pub on_premises_tag_set_list: Vec<Vec<TagFilter>>,
}

/// Something with a name.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Named {
    /// The name.
    pub name: String,
}

/// When it goes back by itself.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Rollback {
    /// At all.
    pub enabled: bool,
    /// `DEPLOYMENT_FAILURE`, `DEPLOYMENT_STOP_ON_ALARM`, `DEPLOYMENT_STOP_ON_REQUEST`.
    pub events: Vec<String>,
}

/// What stops it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Alarms {
    /// At all.
    pub enabled: bool,
    /// Which.
    pub alarms: Vec<Named>,
}

/// Whom it tells of what.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Trigger {
    /// Its name.
    pub trigger_name: String,
    /// Of what.
    pub trigger_events: Vec<String>,
}

/// Where requests come from.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LoadBalancers {
    /// Classic ones.
    pub elb_info_list: Vec<Named>,
    /// Target groups.
    pub target_group_info_list: Vec<Named>,
    /// Of blue/green.
    pub target_group_pair_info_list: Vec<TargetGroups>,
}

/// Two of them.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TargetGroups {
    /// Both.
    pub target_groups: Vec<Named>,
}

/// In place or blue/green.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Style {
    /// `IN_PLACE` or `BLUE_GREEN`.
    pub deployment_type: Option<String>,
}

/// The whole document of `get-deployment-config`.
#[derive(Debug, Deserialize)]
pub struct DescribedConfiguration {
    /// Its one key.
    #[serde(rename = "deploymentConfigInfo")]
    pub configuration: Configuration,
}

/// How many at a time.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Configuration {
    /// Its name.
    #[serde(rename = "deploymentConfigName")]
    pub name: String,
    /// None: all but one.
    pub minimum_healthy_hosts: Option<MinimumHealthy>,
    /// One zone after the other.
    #[serde(default)]
    pub zonal_config: Option<Zonal>,
}

/// So many must stay healthy.
#[derive(Debug, Deserialize)]
pub struct MinimumHealthy {
    /// Of what kind the number is.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// The number.
    pub value: u32,
}

impl MinimumHealthy {
    /// As a floor: a share is rounded up there as here.
    pub fn floor(&self) -> String {
        match self.kind {
            Kind::HostCount => self.value.to_string(),
            Kind::FleetPercent => format!("{}%", self.value),
        }
    }
}

/// Of what kind a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Kind {
    /// Hosts.
    HostCount,
    /// Hundredths of the fleet.
    FleetPercent,
}

/// One zone after the other.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Zonal {
    /// In each.
    pub minimum_healthy_hosts_per_zone: Option<MinimumHealthy>,
}
