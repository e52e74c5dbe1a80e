//! CodeDeploy's recorded answers to AppSpec texts, access control entries and ranges.
#![expect(clippy::unwrap_used, reason = "the helpers of a test fail as the test does")]

use pilotage_bundle::appspec::{self, AppSpec, canonical_acl, canonical_range};
use serde_json::{Value, json};

fn cases(text: &str) -> Vec<Value> {
    serde_json::from_str(text).unwrap()
}

/// An AppSpec in the form of the recorded answers.
fn as_recorded(spec: &AppSpec) -> Value {
    let hooks: serde_json::Map<String, Value> = spec
        .hooks
        .iter()
        .map(|(event, scripts)| {
            let scripts = scripts.iter().map(|s| json!({"location": s.location, "runas": s.runas, "timeout": s.timeout.as_secs(), "sudo": s.sudo}));
            (event.clone(), scripts.collect())
        })
        .collect();
    let files: Vec<Value> = spec.files.iter().map(|f| json!({"source": f.source, "destination": f.destination})).collect();
    let permissions: Vec<Value> = spec
        .permissions
        .iter()
        .map(|p| {
            let kinds: Vec<&str> = [(p.files, "file"), (p.directories, "directory")].iter().filter(|(is, _)| *is).map(|(_, n)| *n).collect();
            json!({"object": p.object, "pattern": p.pattern, "except": p.except, "type": kinds, "owner": p.owner, "group": p.group,
                "mode": p.mode, "acls": p.acls,
                "context": p.context.as_ref().map(|c| json!({"user": c.user, "type": c.kind, "range": c.range}))})
        })
        .collect();
    json!({"hooks": hooks, "files": files, "permissions": permissions})
}

/// Differences of spelling, not of meaning, made equal: absent is null or false, modes are numbers, destinations absolute.
fn normal(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.iter()
                .filter(|(_, v)| !matches!(v, Value::Null | Value::Bool(false)))
                .map(|(k, v)| match (k.as_str(), v) {
                    ("mode", Value::String(text)) => (k.clone(), json!(u32::from_str_radix(text, 8).unwrap())),
                    ("destination", Value::String(text)) => (k.clone(), json!(format!("/{}", text.trim_start_matches('/')))),
                    ("source" | "location", Value::String(text)) => (k.clone(), json!(text.trim_start_matches('/'))),
                    _ => (k.clone(), normal(v)),
                })
                .collect(),
        ),
        Value::Array(items) => items.iter().map(normal).collect(),
        other => other.clone(),
    }
}

#[test]
fn appspec_texts_are_accepted_and_rejected_as_recorded() {
    let cases = cases(include_str!("../../../tests/conformance/appspec.json"));
    assert_eq!(cases.len(), 66);
    for case in cases {
        let (id, text) = (&case["id"], case["appspec"].as_str().unwrap());
        match (appspec::parse(text.as_bytes()), case["expect"].get("accept")) {
            (Ok(spec), Some(accept)) => {
                let found = as_recorded(&spec);
                for key in ["hooks", "files", "permissions"] {
                    assert_eq!(normal(&found[key]), normal(&accept[key]), "{id} {key} of {text}");
                }
            }
            (Err(_), None) => {}
            (found, expected) => panic!("{id}: {found:?}, expected {expected:?} for {text}"),
        }
    }
}

/// The mode that an AppSpec's entry has, when it is accepted; `mode` as it stands in the document.
fn mode(mode: &str) -> Option<u32> {
    let text = format!("version: 0.0\nos: linux\npermissions:\n  - object: /\n    mode: {mode}\n");
    appspec::parse(text.as_bytes()).ok().map(|spec| spec.permissions[0].mode.unwrap())
}

#[test]
fn access_control_entries_ranges_and_modes_are_read_as_recorded() {
    let cases = cases(include_str!("../../../tests/conformance/permissions.json"));
    assert_eq!(cases.len(), 102);
    let (mut counted, mut globs) = (0, 0);
    for case in &cases {
        let text = case["in"].as_str().unwrap_or_default();
        let out = case.get("out").cloned();
        match case["kind"].as_str().unwrap() {
            "ace" => assert_eq!(canonical_acl(text).ok().map(Value::String), out, "{case}"),
            "range" => assert_eq!(canonical_range(text).ok().map(Value::String), out, "{case}"),
            // JSON's numbers and strings are YAML's: an unquoted number, a quoted text.
            "mode" => assert_eq!(mode(&case["in"].to_string()), out.map(|o| u32::from_str_radix(o.as_str().unwrap(), 8).unwrap()), "{case}"),
            // Which objects a pattern means is asked where it is applied: by the deployer.
            "glob" => globs += 1,
            other => panic!("{other}"),
        }
        counted += 1;
    }
    assert_eq!((counted, globs), (102, 21));
    assert_eq!((mode("0644"), mode("0755"), mode("'0644'")), (Some(0o644), Some(0o755), Some(0o644)), "unquoted modes are octal text (E10)");
}
