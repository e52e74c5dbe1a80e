use super::*;

/// As the command prints it, shortened.
const GROUP: &str = r#"{ "deploymentGroupInfo": {
  "applicationName": "web", "deploymentGroupId": "d0e1", "deploymentGroupName": "web-prod",
  "deploymentConfigName": "CodeDeployDefault.HalfAtATime", "computePlatform": "Server", "serviceRoleArn": "arn:aws:iam::1:role/cd",
  "ec2TagSet": { "ec2TagSetList": [
    [ {"Key": "Env", "Value": "prod", "Type": "KEY_AND_VALUE"}, {"Key": "Env", "Value": "prod-2", "Type": "KEY_AND_VALUE"} ],
    [ {"Key": "role", "Value": "web", "Type": "KEY_AND_VALUE"} ] ] },
  "autoScalingGroups": [ {"name": "web-asg", "hook": "CodeDeploy-1"} ],
  "triggerConfigurations": [ {"triggerName": "ops", "triggerTargetArn": "arn:aws:sns:x", "triggerEvents": ["DeploymentFailure"]} ],
  "alarmConfiguration": { "enabled": true, "ignorePollAlarmFailure": false, "alarms": [ {"name": "web-5xx"} ] },
  "autoRollbackConfiguration": { "enabled": true, "events": ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM"] },
  "deploymentStyle": { "deploymentType": "IN_PLACE", "deploymentOption": "WITH_TRAFFIC_CONTROL" },
  "loadBalancerInfo": { "targetGroupInfoList": [ {"name": "web-tg"} ] }, "outdatedInstancesStrategy": "UPDATE" } }"#;

/// A group of these keys, beside a name and an application.
fn group(keys: &str) -> String {
    format!(r#"{{"deploymentGroupInfo": {{"applicationName": "web", "deploymentGroupName": "prod", {keys}}}}}"#)
}

const TAG: &str = r#""ec2TagFilters": [{"Key": "env", "Value": "prod", "Type": "KEY_AND_VALUE"}]"#;

#[test]
fn a_group_becomes_a_fleet_file_and_a_list_of_what_is_left_to_do() {
    let made = import(GROUP, None).unwrap();
    assert_eq!(
        made.file,
        "fleet: web-prod\n\
         app: web\n\
         select: env in (prod,prod-2),role=web\n\
         floor: 50%\n\
         failure: { tolerate: 0, then: rollback }\n\
         # health: http://localhost:8080/healthz   # without one a host is good when its last run was\n\
         # drain: until then hooks take the host out of it: BeforeBlockTraffic, AfterAllowTraffic\n\
         # alarms: nothing watches them yet: hold a rollout by `pilotage pause`\n\
         # notify: DeploymentFailure: until then follow `pilotage events -o json --follow`\n"
    );
    assert_eq!(made.taken, ["tags → select", "labels are written small: Env → env", "HalfAtATime → floor 50%", "auto rollback → failure: rollback"]);
    assert_eq!(
        made.by_hand,
        [
            "give each host these labels: pilotage host add NAME env=prod role=web",
            "CodeDeploy calls it a success when it lets all but 50% fail; here none may → failure.tolerate (line 5)",
            "health, which CodeDeploy has none of → health (line 6)",
            "target group web-tg → drain (line 7)",
            "alarm web-5xx → alarms (line 8)",
            "trigger ops → notify (line 9)",
            "Auto Scaling group web-asg → in its launch template: pilotage host add, then start the agent",
            "what runs → on each host: pilotage-agent adopt APP --from codedeploy --group GROUP-ID",
        ]
    );
}

#[test]
fn minimum_healthy_hosts_become_the_floor() {
    let check = |name: &str, described: Option<&str>, floor: &str| {
        let group = group(&format!(r#""deploymentConfigName": "{name}", {TAG}"#));
        let config = described.map(|d| format!(r#"{{"deploymentConfigInfo": {{"deploymentConfigName": "{name}", {d}}}}}"#));
        let made = import(&group, config.as_deref()).unwrap();
        assert_eq!(made.file.lines().nth(3).unwrap(), format!("floor: {floor}"), "{name}");
    };
    check("CodeDeployDefault.OneAtATime", None, "all-1");
    check("CodeDeployDefault.AllAtOnce", None, "0%");
    check("six", Some(r#""minimumHealthyHosts": {"type": "HOST_COUNT", "value": 6}"#), "6");
    check("most", Some(r#""minimumHealthyHosts": {"type": "FLEET_PERCENT", "value": 85}"#), "85%");
    let zonal = r#""minimumHealthyHosts": {"type": "FLEET_PERCENT", "value": 60},
        "zonalConfig": {"monitorDurationInSeconds": 60, "minimumHealthyHostsPerZone": {"type": "HOST_COUNT", "value": 1}}"#;
    check("zones", Some(zonal), "{ fleet: 60%, per: { zone: 1 } }");
}

#[test]
fn names_of_aws_become_names_here() {
    let made = import(&group(TAG).replace(r#""web""#, r#""Web Shop""#).replace(r#""prod","#, r#""_Prod+EU","#), None).unwrap();
    assert!(made.file.starts_with("fleet: web-shop-prod-eu\napp: web-shop\n"), "{}", made.file);
    assert_eq!(made.taken[0], "application Web Shop → app web-shop · group _Prod+EU → fleet web-shop-prod-eu");
}

#[test]
fn hosts_that_are_only_in_a_scaling_group_get_a_label_of_it() {
    let made = import(&group(r#""autoScalingGroups": [{"name": "asg-1"}]"#), None).unwrap();
    assert!(made.file.contains("select: scaling-group=asg-1\n"), "{}", made.file);
}

#[test]
fn what_cannot_be_said_is_refused_with_what_to_do() {
    let check = |keys: &str, expected: &str| {
        let why = import(&group(keys), None).unwrap_err().to_string();
        assert!(why.contains(expected), "{keys}: {why}");
    };
    check(r#""computePlatform": "Lambda""#, "the group is for Lambda");
    check(r#""ec2TagFilters": []"#, "names no hosts");
    check(&format!(r#""deploymentConfigName": "six", {TAG}"#), "get-deployment-config --deployment-config-name six");
    check(r#""ec2TagFilters": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]"#, "any of the tags a, b");
    check(r#""ec2TagFilters": [{"Value": "1", "Type": "VALUE_ONLY"}]"#, "needs a key");
    check(r#""ec2TagFilters": [{"Key": "a", "Value": "x,y", "Type": "KEY_AND_VALUE"}]"#, "label");
    check(&format!(r#"{TAG}, "onPremisesInstanceTagFilters": [{{"Key": "dc", "Value": "1"}}]"#), "own machines by dc=1");
    assert!(import("{}", None).unwrap_err().to_string().contains("get-deployment-group"));
    let other = r#"{"deploymentConfigInfo": {"deploymentConfigName": "x"}}"#;
    let why = import(&group(TAG), Some(other)).unwrap_err().to_string();
    assert!(why.contains("describes \"x\""), "{why}");
}

#[test]
fn the_same_tags_for_instances_and_own_machines_are_one_selector() {
    let keys = format!(r#"{TAG}, "onPremisesInstanceTagFilters": [{{"Key": "env", "Value": "prod", "Type": "KEY_AND_VALUE"}}]"#);
    assert!(import(&group(&keys), None).unwrap().file.contains("select: env=prod\n"));
    let odd = import(&group(r#""ec2TagFilters": [{"Key": "team", "Value": "a: #1"}]"#), None).unwrap();
    assert!(odd.file.contains("select: \"team=a: #1\"\n"), "{}", odd.file);
    let any = import(&group(r#""ec2TagFilters": [{"Key": "env", "Type": "KEY_ONLY"}]"#), None).unwrap();
    assert!(any.file.contains("select: env\n"), "{}", any.file);
}
