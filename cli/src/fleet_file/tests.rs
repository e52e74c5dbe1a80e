use super::*;

const MINIMAL: &str = "fleet: web-prod\napp: web\nselect: env=prod,role=web\nfloor: 66%\nhealth: http://localhost:8080/healthz\n";

#[test]
fn the_minimal_form_is_five_lines() {
    let spec = parse(MINIMAL).unwrap();
    assert_eq!((spec.name.as_str(), spec.app.as_str(), spec.floor), ("web-prod", "web", Amount::Percent(66)));
    assert_eq!(spec.select.to_string(), "env=prod,role=web");
    assert_eq!(spec.health, Some(HealthCheck::of(Probe::Http { url: Text::new("http://localhost:8080/healthz").unwrap() })));
    assert_eq!((spec.tolerate, spec.on_failure, spec.parallel, spec.expect), (Amount::Count(0), OnFailure::Rollback, None, None));
    assert_eq!((spec.hook_timeout, spec.leave, spec.first_install), (Millis::seconds(3600), OnLeave::Keep, false));
}

#[test]
fn what_is_read_of_the_full_form() {
    let spec = parse(
        r#"
fleet: web-prod
app: web
select: env=prod
expect: { hosts: 380..450 }
floor: { fleet: 66%, per: { zone: 50%, shard: all-1 } }
health: { http: "http://localhost:${PORT}/healthz", every: 5s, healthy_for: 20s, unhealthy_for: 10s, deadline: 4m, timeout: 2s }
failure: { tolerate: 5% of wave, then: pause }
stragglers: { after: 30m, at_most: 2%, then: follow }
leave: keep
parallel: 12
hooks: { timeout: 10m }
first_install: true
"#,
    )
    .unwrap();
    assert_eq!(spec.expect, Some((380, 450)));
    assert_eq!(spec.floor_per.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>(), ["shard=all-1", "zone=50%"]);
    let health = spec.health.unwrap();
    assert_eq!((health.every, health.healthy_for, health.deadline), (Millis::seconds(5), Millis::seconds(20), Millis::seconds(240)));
    assert_eq!((spec.tolerate, spec.on_failure), (Amount::Percent(5), OnFailure::Pause));
    assert_eq!(spec.stragglers, Some(Stragglers { after: Millis::seconds(1800), at_most: Amount::Percent(2) }));
    assert_eq!((spec.parallel, spec.hook_timeout, spec.first_install), (Some(Amount::Count(12)), Millis::seconds(600), true));
}

#[test]
fn a_count_may_be_a_number() {
    assert_eq!(parse(&MINIMAL.replace("66%", "4")).unwrap().floor, Amount::Count(4));
    assert_eq!(parse(&format!("{MINIMAL}expect: {{ hosts: 6 }}\n")).unwrap().expect, Some((6, 6)));
}

#[test]
fn refusals_name_the_key_and_what_to_do() {
    let check = |text: String, expected: &str| {
        let error = parse(&text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}\nexpected: {expected}");
    };
    for key in LATER {
        check(format!("{MINIMAL}{key}: {{ a: b }}\n"), &format!("the key \"{key}\" is not there yet"));
    }
    check(
        format!("{MINIMAL}config: c17\n"),
        "Bring one by `pilotage config push DIR --fleet web-prod`; choose one by `pilotage deploy web-prod [VERSION] --config cN`",
    );
    check("config: c17\nfleet: No Name\n".to_owned(), "--fleet FLEET`");
    check(format!("{MINIMAL}flor: 3\n"), "\"flor\" is unknown; known here: fleet, app");
    check(MINIMAL.replace("floor: 66%\n", ""), "\"floor\" is missing");
    check(MINIMAL.replace("select: env=prod,role=web\n", ""), "\"select\" is missing");
    check(MINIMAL.replace("66%", "66 percent"), "floor: \"66 percent\" is not a number of hosts");
    check(MINIMAL.replace("66%", "{ per: { zone: 50% } }"), "\"floor.fleet\" is missing");
    check(MINIMAL.replace("66%", "{ fleet: 66%, zones: 2 }"), "\"zones\" is unknown");
    check(MINIMAL.replace("env=prod,role=web", "env=="), "select: selector");
    check(MINIMAL.replace("web-prod", "Web Prod"), "fleet: fleet name \"Web Prod\" is not valid");
    check(MINIMAL.replace("http://", "https://"), "health: \"https://localhost");
    check(MINIMAL.replace("http://localhost:8080/healthz", "{ command: /bin/true }"), "\"command\" is unknown");
    check(MINIMAL.replace("http://localhost:8080/healthz", "{ http: \"http://a\", tcp: \"a:1\" }"), "exactly one of http, tcp, unit");
    check(format!("{MINIMAL}failure: {{ tolerate: 1, then: explode }}\n"), "not one of rollback, stop, pause");
    check(format!("{MINIMAL}expect: {{ hosts: 9..3 }}\n"), "9 is more than 3");
    check(format!("{MINIMAL}stragglers: {{ at_most: 2% }}\n"), "\"stragglers.after\" is missing");
    check(format!("{MINIMAL}stragglers: {{ at_most: 2%, after: soon }}\n"), "\"soon\" is not a span of time");
    check(format!("{MINIMAL}leave: remove\n"), "only keep is there yet");
    check(format!("{MINIMAL}floor: 3\n"), "failed to understand");
    check("- a\n".to_owned(), "it must be a map");
    check("a: [\n".to_owned(), "failed to understand");
}
