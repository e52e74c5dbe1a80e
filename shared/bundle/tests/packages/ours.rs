//! `x-pilotage`: what CodeDeploy does not have. An unknown key is an error here; what is documented is what the schema allows.

use std::time::Duration;

use pilotage_bundle::appspec::{self, AppSpec, Drain, Glob, Retry, Service, Shared};
use pilotage_bundle::{check, folder};
use pilotage_shared::health::Probe;
use pilotage_shared::run::Event;
use pilotage_shared::time::Millis;
use serde_json::Value;

use super::Bench;

const HEAD: &str = "version: 0.0\nos: linux\n";

fn parsed(ours: &str) -> Result<AppSpec, String> {
    appspec::parse(format!("{HEAD}x-pilotage:\n{ours}").as_bytes()).map_err(|e| e.to_string())
}

fn read(ours: &str) -> AppSpec {
    parsed(ours).unwrap()
}

#[test]
fn the_sections_presence_gives_exit_codes_a_meaning() {
    assert_eq!(appspec::parse(HEAD.as_bytes()).unwrap().ours, None);
    assert_eq!(appspec::parse(format!("{HEAD}x-pilotage:\n").as_bytes()).unwrap().ours, None, "nothing is said");
    assert_eq!(read("  {}\n").ours.unwrap().retry, Retry { times: 10, wait: Millis::seconds(10), at_most: Millis::seconds(300) });
    let retry = read("  retry:\n    times: 3\n    wait: 1s\n    at_most: 1m\n").ours.unwrap().retry;
    assert_eq!(retry, Retry { times: 3, wait: Millis::seconds(1), at_most: Millis::seconds(60) });
}

#[test]
fn hooks_that_codedeploy_does_not_have() {
    let spec = read(
        "  hooks:\n    OnFailure:\n      - location: ./tell.sh\n        args: [--why, \"\"]\n        env: {CHANNEL: ops, N: 1}\n        runas: deploy\n    OnRollback:\n      - location: back.sh\n        timeout: 5\n  preflight:\n    - location: look.sh\n",
    );
    let failure = &spec.scripts(Event::OnFailure)[0];
    assert_eq!((failure.location.as_str(), failure.timeout, failure.runas.as_deref()), ("tell.sh", Duration::from_secs(60), Some("deploy")));
    assert_eq!((failure.args.clone(), failure.env.len(), failure.env["N"].as_str()), (vec!["--why".to_owned(), String::new()], 2, "1"));
    assert_eq!(spec.scripts(Event::OnRollback)[0].timeout, Duration::from_secs(5));
    assert_eq!(spec.scripts(Event::Preflight)[0].location, "look.sh");
}

#[test]
fn a_hook_of_codedeploys_takes_arguments_and_environment_where_it_does_not_look() {
    let text = format!(
        "{HEAD}hooks:\n  AfterInstall:\n    - location: a.sh\n      x-pilotage:\n        args: [one, 2, \"a b\"]\n        env: {{MODE: fast}}\n"
    );
    let spec = appspec::parse(text.as_bytes()).unwrap();
    let script = &spec.hooks["AfterInstall"][0];
    assert_eq!((script.args.join("|"), script.env["MODE"].as_str(), spec.warnings.len()), ("one|2|a b".to_owned(), "fast", 0));
}

#[test]
fn service_drain_retain_shared_and_files() {
    let spec = read(
        "  service:\n    unit: web\n    file: systemd/web.service\n    timeout: 10s\n  drain: {wait: 5s, until: drained.sh, at_most: 30s}\n  retain: 7\n  shared:\n    - storage/\n    - {path: var/uploads, owner: www-data, group: 33, mode: 2775}\n  files:\n    - source: dist/**/*.js\n      destination: srv/js\n      exclude: [\"*.map\"]\n",
    );
    let ours = spec.ours.unwrap();
    assert_eq!(ours.service, Some(Service { unit: "web.service".into(), timeout: Millis::seconds(10) }));
    assert!(
        matches!(spec.health.unwrap().probe, Probe::Unit { unit } if unit.as_str() == "web.service"),
        "a service is asked for unless something else is said"
    );
    assert_eq!(ours.drain, Some(Drain { wait: Millis::seconds(5), until: Some("drained.sh".into()), at_most: Millis::seconds(30) }));
    assert_eq!(ours.retain, Some(7));
    let uploads = Shared { path: "var/uploads".into(), owner: Some("www-data".into()), group: Some("33".into()), mode: Some(0o2775), line: 12 };
    assert_eq!((ours.shared[0].path.as_str(), &ours.shared[1]), ("storage", &uploads));
    let rules: Vec<_> = spec.files.iter().map(|f| (f.source.as_str(), f.destination.as_str(), f.glob.clone())).collect();
    let glob = Glob { pattern: "dist/**/*.js".into(), exclude: vec!["*.map".into()] };
    assert_eq!(rules, [("systemd/web.service", "/etc/systemd/system", None), ("dist", "/srv/js", Some(glob))]);
    let both = read("  service: web\n  health: http://localhost/\n");
    assert!(matches!(both.health.unwrap().probe, Probe::Http { .. }));
}

#[test]
fn mistakes_are_errors_with_line_and_suggestion() {
    for (ours, expected) in [
        ("  servce: web\n", "line 4: x-pilotage: \"servce\" is not known (did you mean \"service\"?)"),
        ("  retain: 3\n  retain: 4\n", "line 5: x-pilotage: \"retain\" stands twice"),
        ("  retain: many\n", "line 4: x-pilotage: retain must be a whole number from 1 to 100, not \"many\""),
        ("  hooks:\n    OnFailur:\n      - location: a\n", "line 5: x-pilotage: hooks: \"OnFailur\" is not known (did you mean \"OnFailure\"?)"),
        ("  hooks:\n    ApplicationStart: []\n", "line 5: x-pilotage: hooks: ApplicationStart stands under `hooks`, where CodeDeploy has it"),
        (
            "  hooks:\n    OnFailure:\n      - location: a\n        timeout: 900\n",
            "line 6: x-pilotage: hooks: OnFailure: timeout 900 is over 600 seconds: the run waits for it",
        ),
        ("  preflight:\n    - location: a\n      user: x\n", "line 6: x-pilotage: preflight: \"user\" is not known"),
        ("  preflight: a.sh\n", "line 4: x-pilotage: preflight must be a list, not a text"),
        ("  preflight:\n    - a.sh\n", "line 5: x-pilotage: preflight: write `- location: a.sh`; a bare text is no script"),
        ("  preflight:\n    - location: a\n      args: one\n", "line 6: x-pilotage: preflight: args must be a list of texts, not a text"),
        (
            "  preflight:\n    - location: a\n      env: {DEPLOYMENT_ID: x}\n",
            "line 6: x-pilotage: preflight: env: DEPLOYMENT_ID is what the deployment says",
        ),
        ("  preflight:\n    - location: a\n      env: {1A: x}\n", "line 6: x-pilotage: preflight: env: \"1A\" is no name of a variable"),
        (
            "  service: {unit: web, file: systemd/other.service}\n",
            "line 4: x-pilotage: service: the file \"systemd/other.service\" must have the unit's name, web.service",
        ),
        ("  service: --all\n", "line 4: x-pilotage: service: \"--all\" is no name of a unit"),
        ("  service: {file: web.service}\n", "line 4: x-pilotage: service: `unit` is missing"),
        ("  drain: {at_most: 5s}\n", "line 4: x-pilotage: drain: one of wait and until must be said"),
        ("  drain: {wait: 10s, at_most: 5s}\n", "line 4: x-pilotage: drain: at_most 5s is shorter than wait 10s"),
        ("  shared: [a, a/b]\n", "line 4: x-pilotage: shared: \"a/b\" and \"a\" lie in each other"),
        ("  shared: [../a]\n", "line 4: x-pilotage: shared: \"../a\" is no folder in the package"),
        ("  files:\n    - source: a\n", "line 5: x-pilotage: files: `destination` is missing"),
        ("  health: {http: http://x/, evry: 5s}\n", "line 4: x-pilotage: health: \"evry\" is not known (did you mean \"every\"?)"),
    ] {
        assert_eq!(parsed(ours).unwrap_err(), expected, "{ours}");
    }
}

#[test]
fn what_would_be_hidden_or_means_nothing_is_said() {
    let bench = Bench::new();
    let root = bench.path("tree");
    std::fs::create_dir_all(root.join("storage")).unwrap();
    std::fs::write(root.join("storage/.keep"), "").unwrap();
    let spec = |ours: &str| std::fs::write(root.join("appspec.yml"), format!("{HEAD}x-pilotage:\n{ours}")).unwrap();
    spec("  shared: [storage]\n");
    let error = folder::build(&root, &bench.objects, None).unwrap_err().to_string();
    assert_eq!(error, "appspec.yml line 4: x-pilotage: shared: \"storage\" is in the package (\"storage\"): leave it out of it");
    spec("  files:\n    - {source: \"dist/*.js\", destination: /srv}\n  preflight:\n    - location: look.sh\n");
    let report = check::check(&root, &bench.objects, None).unwrap();
    let found: Vec<String> = report.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        ["line 5: files: nothing in the package is meant by \"dist/*.js\"", "line 7: hooks: Preflight: \"look.sh\" is not in the package"]
    );
}

/// The part of JSON Schema that ours uses.
fn valid(schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("{at}: {what}: {value}"));
    if let Some(forms) = schema["anyOf"].as_array() {
        return if forms.iter().any(|form| valid(form, value, at).is_ok()) { Ok(()) } else { wrong("none of the forms") };
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let types: Vec<&str> =
        schema["type"].as_array().map_or_else(|| schema["type"].as_str().into_iter().collect(), |all| all.iter().filter_map(Value::as_str).collect());
    let fits = types.contains(&kind) || (kind == "integer" && types.contains(&"number"));
    if !fits {
        return wrong("of another type");
    }
    if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
        return wrong("no such word");
    }
    for (n, item) in value.as_array().into_iter().flatten().enumerate() {
        valid(&schema["items"], item, &format!("{at}[{n}]"))?;
    }
    for (key, item) in value.as_object().into_iter().flatten() {
        match (&schema["properties"][key], &schema["additionalProperties"]) {
            (Value::Null, Value::Bool(false)) => return Err(format!("{at}: {key} is not known")),
            (Value::Null, more @ Value::Object(_)) => valid(more, item, &format!("{at}.{key}"))?,
            (Value::Null, _) => {}
            (known, _) => valid(known, item, &format!("{at}.{key}"))?,
        }
    }
    match schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).find(|key| value.get(key).is_none()) {
        Some(key) if value.is_object() => Err(format!("{at}: {key} is missing")),
        Some(_) | None => Ok(()),
    }
}

/// Examples of the documentation: each is one document, or the section alone.
fn examples() -> Vec<String> {
    let text = include_str!("../../../../docs/appspec.md");
    let blocks = text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let whole = |block: &str| if block.contains("version:") { block.to_owned() } else { format!("{HEAD}{block}") };
    blocks.map(whole).collect()
}

#[test]
fn the_documents_examples_are_accepted_without_a_warning_and_fit_the_schema() {
    let schema = appspec::schema();
    let examples = examples();
    for text in &examples {
        let spec = appspec::parse(text.as_bytes()).unwrap_or_else(|e| panic!("{e} in {text}"));
        assert!(spec.warnings.is_empty(), "{:?} in {text}", spec.warnings);
        let value: Value = serde_saphyr::from_str(text).unwrap();
        valid(&schema, &value, "appspec").unwrap_or_else(|e| panic!("{e} in {text}"));
    }
    let all = examples.concat();
    for key in schema["properties"]["x-pilotage"]["anyOf"][0]["properties"].as_object().unwrap().keys() {
        assert!(all.contains(&format!("  {key}:")), "{key} has no example");
    }
    let bad: Value = serde_saphyr::from_str(&format!("{HEAD}x-pilotage:\n  servce: web\n")).unwrap();
    assert!(valid(&schema, &bad, "appspec").unwrap_err().contains("none of the forms"));
}
