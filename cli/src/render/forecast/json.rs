//! A forecast as programs read it. Spans are milliseconds; keys are only ever added.

use pilotage_coordinator_core::world::Outcome;
use pilotage_shared::time::Millis;
use pilotage_simulator::forecast::Summary;
use pilotage_simulator::forecast::summary::{Bad, Spread};
use pilotage_simulator::forecast::words::Waits;
use serde_json::{Value, json};

use super::View;

/// One object.
pub fn forecast(view: &View) -> Value {
    let mut value = summary(&view.summary);
    if let Value::Object(map) = &mut value {
        map.insert("forecast".to_owned(), json!("v1"));
        map.insert("fleet".to_owned(), json!(view.fleet));
        map.insert("package".to_owned(), json!(view.package));
        map.insert("tried".to_owned(), json!(view.tried));
        map.insert("assumes".to_owned(), json!({
            "notes": view.assumed,
            "stage": view.pace.stage.to_string(),
            "hooks": view.pace.hooks.iter().map(|(event, spread)| (event.to_string(), spread.to_string())).collect::<std::collections::BTreeMap<_, _>>(),
        }));
        map.insert(
            "if_bad".to_owned(),
            view.what_if
                .as_ref()
                .map_or(Value::Null, |what_if| json!({ "tried": ["fails ValidateService"], "noticed": what_if.bad.as_ref().map(bad) })),
        );
    }
    value
}

fn summary(s: &Summary) -> Value {
    let outcomes: std::collections::BTreeMap<&str, u32> = s.outcomes.iter().map(|(outcome, n)| (outcome.map_or("none", word), *n)).collect();
    json!({
        "hosts": s.hosts,
        "floor": s.floor,
        "batch": s.batch,
        "seed": s.seeds.0,
        "seeds": s.seeds.1,
        "outcomes": outcomes,
        "duration_ms": s.duration.map(spans),
        "still_ms": s.still.0,
        "cut": s.cut,
        "lowest": { "available": s.lowest.0, "serving": s.lowest.1 },
        "below_floor_ms": s.below_floor.0,
        "per": s.scopes.iter().map(|(scope, (lowest, floor))| (scope.clone(), json!({ "available": lowest, "floor": floor }))).collect::<serde_json::Map<_, _>>(),
        "noticed": s.bad.as_ref().map(bad),
        "had_most": s.had_most,
        "left": { "new": s.left.0, "down": s.left.1 },
        "waiting": s.waits.iter().map(waits).collect::<Vec<_>>(),
        "limits": s.limits.iter().map(|(w, time)| json!({ "kind": w.kind, "text": w.text, "ms": time.0 })).collect::<Vec<_>>(),
        "curve": s.curve.iter().map(|p| json!({ "at_ms": p.at.0, "available": p.available, "serving": p.serving, "new": p.new })).collect::<Vec<_>>(),
    })
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded => "succeeded",
        Outcome::RolledBack => "rolled_back",
        Outcome::Stopped => "stopped",
        Outcome::Superseded => "superseded",
        Outcome::NeedsHands => "needs_hands",
    }
}

fn spans(spread: Spread<Millis>) -> Value {
    json!({ "p50": spread.p50.0, "p95": spread.p95.0 })
}

fn counts(spread: Spread<u32>) -> Value {
    json!({ "p50": spread.p50, "p95": spread.p95 })
}

fn bad(bad: &Bad) -> Value {
    json!({
        "courses": bad.courses,
        "at_ms": spans(bad.at),
        "ran_it": counts(bad.had),
        "began": counts(bad.tried),
        "back_ms": bad.back.map(spans),
        "failed": bad.failed.0,
        "tolerated": bad.failed.1,
        "why": bad.why,
    })
}

fn waits(w: &Waits) -> Value {
    json!({ "kind": w.kind, "blocks": w.blocks, "text": w.text, "count": w.count, "hosts": w.hosts, "lift": w.lift })
}
