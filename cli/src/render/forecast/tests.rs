use pilotage_simulator::forecast::measure::Point;
use pilotage_simulator::forecast::words::Waits;

use std::collections::BTreeMap;

use super::*;

fn at(p50: u64, p95: u64) -> Spread<Millis> {
    Spread { p50: Millis(p50), p95: Millis(p95) }
}

fn view() -> View {
    let point = |at: u64, available, new| Point { at: Millis(at), available, serving: available, new };
    let waits = |kind, text: &str| Waits {
        kind,
        blocks: kind == "unreachable",
        text: text.to_owned(),
        count: 4,
        hosts: vec!["h1".to_owned()],
        lift: Some("pilotage host retire h1".to_owned()),
    };
    View {
        context: Some("prod".to_owned()),
        fleet: "web-prod".to_owned(),
        package: "web@1.5.0\x1b[2J".to_owned(),
        bytes: 11_200_000,
        tried: Vec::new(),
        pace: Pace::default(),
        assumed: vec!["hooks as the runs of web-prod.86 took".to_owned()],
        summary: Summary {
            hosts: 1200,
            floor: 800,
            batch: Some(100),
            seeds: (1, 20),
            outcomes: [(Some(Outcome::Succeeded), 20)].into(),
            duration: Some(at(1_721_480, 1_800_000)),
            lowest: (800, 790),
            below_floor: Millis(0),
            scopes: BTreeMap::new(),
            bad: None,
            had_most: 1200,
            left: (1200, 0),
            waits: Vec::new(),
            still: Millis(1_730_000),
            cut: false,
            limits: vec![
                (waits("in-change", "4 hosts in change"), Millis(1_700_000)),
                (waits("batch", "9 hosts wait for their turn: at most 100 may be in change at once"), Millis(860_000)),
            ],
            curve: vec![point(0, 1200, 0), point(60_000, 800, 100), point(900_000, 1000, 600), point(1_721_480, 1200, 1200)],
        },
        what_if: None,
        next: None,
    }
}

fn noticed_() -> Noticed {
    Noticed {
        courses: 20,
        at: at(91_040, 96_000),
        had: Spread { p50: 1830, p95: 1900 },
        tried: Spread { p50: 2000, p95: 2000 },
        back: Some(at(190_000, 240_000)),
        failed: (2, 1),
        why: "h7 is down: \x1b[31mno answer".to_owned(),
    }
}

#[test]
fn a_good_forecast_begins_with_its_verdict_and_ends_with_what_to_try() {
    let lines = lines(&view());
    // Three columns before the first batch, fifty at the floor, then halfway up to the end.
    let high = format!("          │███{}█", " ".repeat(96));
    let low = format!("          │███{}{}", " ".repeat(50), "█".repeat(47));
    let expected = [
        "prod: web-prod  web@1.5.0\\x1b[2J would succeed in 28m41s (p95 30m) · 1,200 hosts · lowest 800 available, floor 800",
        "limit    wait for their turn: at most 100 may be in change at once (49% of the time)",
        "bits     11.2 MB for each host, unpacked",
        &high.replacen("         ", "    1,200", 1),
        &high,
        &high,
        &low,
        &low,
        &low,
        &format!("      800 └floor {} 28m50s", "─".repeat(87)),
        &format!("      new     {}{}█", "▁".repeat(49), "▄".repeat(47)),
        "assumes  hooks as the runs of web-prod.86 took · 20 courses from seed 1 · stage 2s..10s · ApplicationStop 1s..3s",
        "         Install 1s..2s · ApplicationStart 2s..5s · ValidateService 1s..5s",
        "next  --bad 'crashes after 20m on 3% of hosts' · --lose-zone a@10m · --svg FILE",
    ];
    assert_eq!(lines, expected);
    assert!(lines.iter().all(|line| line.chars().count() <= WIDTH));
}

#[test]
fn a_bad_version_says_how_far_it_got() {
    let mut view = view();
    view.tried = vec!["crashes after 20m".to_owned()];
    view.summary.outcomes = [(Some(Outcome::RolledBack), 17), (Some(Outcome::Succeeded), 3)].into();
    view.summary.bad = Some(Noticed { courses: 17, ..noticed_() });
    view.summary.below_floor = Millis(54_120);
    let lines = lines(&view);
    assert_eq!(
        lines[..7],
        [
            "prod: web-prod  web@1.5.0\\x1b[2J would be rolled back in 17, succeed in 3 of 20 courses: 28m41s (p95 30m) · 1,200 hosts",
            "         lowest 800 available, floor 800",
            "tried    crashes after 20m",
            "noticed  in 17 of 20 courses, after 1m31s (p95 1m36s) · 1,830 (p95 1,900) hosts ran it then, 2,000 had begun",
            "         all back 3m10s (p95 4m) later",
            "because  2 hosts failed, 1 tolerated: h7 is down: \\x1b[31mno answer",
            "floor    fewer than 800 for 54.1s, by hosts that died: no other is taken meanwhile",
        ]
    );
}

#[test]
fn what_never_ends_says_what_it_stops_on() {
    let mut view = view();
    view.tried = vec!["zone=a lost at 10m".to_owned()];
    view.summary.outcomes = [(None, 20)].into();
    view.summary.duration = None;
    view.summary.waits = vec![Waits {
        kind: "unreachable",
        blocks: true,
        text: "4 hosts not heard from".to_owned(),
        count: 4,
        hosts: Vec::new(),
        lift: Some("pilotage host retire h1".to_owned()),
    }];
    view.summary.scopes = (0..8).map(|n| (format!("shard={n}"), (20 - n, 10))).collect();
    let lines = lines(&view);
    assert_eq!(lines[2], "each     shard=7 lowest 13, floor 10 · shard=6 lowest 14, floor 10 · shard=5 lowest 15, floor 10");
    assert_eq!(lines[3], "         shard=4 lowest 16, floor 10 · shard=3 lowest 17, floor 10 · shard=2 lowest 18, floor 10 · and 2 more");
    assert!(
        self::lines(&View { summary: Summary { cut: true, ..view.summary.clone() }, ..view.clone() })[0].contains("would not be done after 28m50s")
    );
    assert!(lines[0].contains("would stand still after 28m50s"), "{}", lines[0]);
    assert_eq!(lines[4], "stops on 4 hosts not heard from   pilotage host retire h1");
}

#[test]
fn machines_read_every_number() {
    let value = json::forecast(&View { what_if: Some(Summary { bad: Some(noticed_()), ..view().summary }), ..view() });
    let keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    for key in [
        "assumes",
        "batch",
        "below_floor_ms",
        "curve",
        "duration_ms",
        "fleet",
        "floor",
        "forecast",
        "had_most",
        "hosts",
        "if_bad",
        "left",
        "limits",
        "lowest",
        "noticed",
        "outcomes",
        "package",
        "per",
        "seed",
        "seeds",
        "still_ms",
        "tried",
        "waiting",
    ] {
        assert!(keys.contains(&key), "{key} is not in {keys:?}");
    }
    assert_eq!(value["duration_ms"], serde_json::json!({ "p50": 1_721_480, "p95": 1_800_000 }));
    assert_eq!(value["outcomes"], serde_json::json!({ "succeeded": 20 }));
    assert_eq!(value["if_bad"]["noticed"]["ran_it"], serde_json::json!({ "p50": 1830, "p95": 1900 }));
    assert_eq!(value["curve"][1], serde_json::json!({ "at_ms": 60_000, "available": 800, "serving": 800, "new": 100 }));
}

#[test]
fn a_drawing_has_a_line_for_each_count_and_nothing_of_others_acts_in_it() {
    let mut view = view();
    view.package = "<script>&".to_owned();
    let drawing = svg::drawing(&view);
    assert_eq!(drawing.matches("<polyline").count(), 3);
    assert!(drawing.starts_with("<svg ") && drawing.ends_with("</svg>\n"));
    assert!(!drawing.contains("<script>") && drawing.contains("&lt;script&gt;&amp;"));
}

#[test]
fn a_plot_of_nothing_is_left_out() {
    let mut view = view();
    view.summary.curve.truncate(1);
    assert!(plot::plot(&view.summary, 120).is_empty());
    assert!(plot::plot(&self::view().summary, 60).iter().all(|line| line.chars().count() <= 60));
}
