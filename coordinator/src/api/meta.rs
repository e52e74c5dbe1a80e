//! What the service says of itself: health, readiness, metrics, and its OpenAPI document.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use pilotage_shared::api::v1::Problem;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::{Registry, Unit};
use utoipa::openapi::OpenApi;

use super::{App, view};
use crate::engine::View;
use crate::problem::{Refused, codes};

/// The engine must answer within this to be ready.
const READY: Duration = Duration::from_secs(2);

/// The process is alive.
#[utoipa::path(get, path = "/healthz", tag = "service", responses((status = 200, body = String, content_type = "text/plain")))]
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// The engine answers, and there is room on its disk.
#[utoipa::path(get, path = "/readyz", tag = "service", responses((status = 200, body = String, content_type = "text/plain"),
    (status = 503, body = Problem, content_type = "application/problem+json"), (status = 507, body = Problem, content_type = "application/problem+json")))]
pub async fn readyz(State(app): State<App>) -> Result<&'static str, Refused> {
    let full = tokio::time::timeout(READY, app.engine.query(|v| v.full)).await;
    match full.map_err(|_| Refused::new("not-ready", "the engine has not answered within 2 s"))?? {
        false => Ok("ready\n"),
        true => Err(Refused::new("no-space", "the coordinator's disk is nearly full: nothing is admitted until there is room")),
    }
}

/// This document.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "service", responses((status = 200, body = Object)))]
pub async fn openapi(State(app): State<App>) -> Response {
    let document = app.document.get().cloned().unwrap_or_default();
    ([(header::CONTENT_TYPE, "application/json")], document).into_response()
}

/// The document with what the registrations cannot say: the title, and every code of a problem.
pub fn document(document: OpenApi) -> Bytes {
    let mut document = serde_json::to_value(document).unwrap_or_default();
    document["info"] = serde_json::json!({
        "title": "Pilotage coordinator",
        "version": "1",
        "description": "Deploys packages to fleets of hosts. Errors are problem documents (RFC 9457) with a stable `code`. \
            Writes take an `Idempotency-Key` header: the same key and request twice have one effect. Bodies are additive within v1.",
    });
    document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"] = codes().into();
    document["components"]["securitySchemes"]["token"] = serde_json::json!({"type": "http", "scheme": "bearer"});
    document["security"] = serde_json::json!([{"token": []}]);
    Bytes::from(serde_json::to_vec(&document).unwrap_or_default())
}

/// Numbers for Prometheus, in the OpenMetrics text form.
#[utoipa::path(get, path = "/metrics", tag = "service", responses((status = 200, body = String, content_type = "application/openmetrics-text"),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn metrics(State(app): State<App>) -> Result<Response, Refused> {
    let numbers = app.engine.numbers().clone();
    let backup_at = app.backups.newest();
    let text = app.engine.query(move |v| {
        let mut registry = Registry::with_prefix("pilotage");
        registry.register("inputs_admitted", "Inputs admitted since the start", ConstCounter::new(numbers.admitted()));
        registry.register("inputs_refused", "Inputs refused since the start", ConstCounter::new(numbers.refused()));
        registry.register("commits", "Flushes of the store since the start", ConstCounter::new(numbers.commits()));
        registry.register("units", "Units written since the start", ConstCounter::new(numbers.units()));
        registry.register("sessions", "Agents connected", ConstGauge::new(numbers.connected() as i64));
        registry.register_with_unit("store_size", "Size of the store", Unit::Bytes, ConstGauge::new(v.store.size() as i64));
        registry.register("history_newest", "Position of the newest entry of the history", ConstGauge::new(v.store.newest() as i64));
        registry.register("runs", "Reports of runs that are kept", ConstGauge::new(v.store.run_count() as i64));
        registry.register("disk_full", "1 when nothing is admitted because the disk is nearly full", ConstGauge::new(i64::from(v.full)));
        if let Some(at) = backup_at {
            let age = (v.now - at).0 as f64 / 1000.0;
            registry.register_with_unit("backup_age", "How old the newest backup is", Unit::Seconds, ConstGauge::new(age));
        }
        fleets(v, &mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).map(|()| text)
    });
    let text = text.await?.map_err(|e| Refused::new("internal", e.to_string()))?;
    Ok(([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response())
}

type Labels = Vec<(String, String)>;

fn fleets(v: &View<'_>, registry: &mut Registry) {
    let hosts = Family::<Labels, Gauge<i64, std::sync::atomic::AtomicI64>>::default();
    let floors = Family::<Labels, Gauge<i64, std::sync::atomic::AtomicI64>>::default();
    let waiting = Family::<Labels, Gauge<f64, AtomicU64>>::default();
    let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    for fleet in v.world.fleets.values() {
        let status = view::status(v, fleet);
        let name = label("fleet", fleet.spec.name.as_str());
        let counts = &status.hosts;
        let states = [
            ("total", counts.total),
            ("available", counts.available),
            ("in_change", counts.in_change),
            ("down", counts.down),
            ("settling", counts.settling),
            ("unknown", counts.unknown),
            ("unreachable", counts.unreachable),
            ("to_follow", counts.to_follow),
            ("pinned", counts.pinned),
            ("needs_hands", counts.needs_hands),
        ];
        for (state, n) in states {
            hosts.get_or_create(&vec![name.clone(), label("state", state)]).set(i64::from(n));
        }
        floors.get_or_create(&vec![name.clone()]).set(i64::from(counts.floor));
        let since = status.deployment.as_ref().and_then(|d| d.waiting_since);
        let seconds = since.map_or(0.0, |at| (v.now - at.0).0 as f64 / 1000.0);
        waiting.get_or_create(&vec![name]).set(seconds);
    }
    registry.register("fleet_hosts", "Members of a fleet by state", hosts);
    registry.register("fleet_floor", "Members that must be available", floors);
    registry.register_with_unit("fleet_waiting", "How long a fleet's deployment has not moved", Unit::Seconds, waiting);
    let me = view::coordinator(v);
    let all = Family::<Labels, Gauge<i64, std::sync::atomic::AtomicI64>>::default();
    for (state, n) in [("total", me.hosts), ("unreachable", me.unreachable), ("unheard", me.unheard)] {
        all.get_or_create(&vec![label("state", state)]).set(i64::from(n));
    }
    registry.register("hosts", "Hosts that are not retired", all);
}
