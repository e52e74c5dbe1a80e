//! Runs of a deployment: what each lifecycle event did on each host, and the output of hooks.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use pilotage_shared::api::v1::{Page, Problem, RunOutcomeWord, RunView};
use pilotage_shared::name::HostName;
use pilotage_shared::run::{Event, EventReport, RunReport};
use serde::Deserialize;
use utoipa::IntoParams;

use super::deployments::find;
use super::extract::{At, Params, parsed};
use super::paging::{page, place};
use super::{App, view};
use crate::problem::Refused;

/// Which runs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// Only those that did not simply commit
    #[serde(default)]
    #[param(value_type = Option<bool>)]
    failed: bool,
    /// Only on this host
    host: Option<String>,
    /// At most so many items; 100 when not given, never more than 500
    limit: Option<usize>,
    /// `next` of the page before
    cursor: Option<String>,
}

/// Runs of a deployment that have ended, by host and attempt.
#[utoipa::path(get, path = "/v1/deployments/{deployment}/runs", tag = "runs", params(("deployment" = String, Path), Which),
    responses((status = 200, body = Page<RunView>), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn list(State(app): State<App>, At(deployment): At<String>, Params(which): Params<Which>) -> Result<Json<Page<RunView>>, Refused> {
    let place = place(which.limit, which.cursor.as_deref())?;
    let host: Option<HostName> = which.host.as_deref().map(parsed).transpose()?;
    let logs = app.logs.clone();
    let found = app.engine.query(move |v| {
        let id = find(v.world, &deployment)?;
        let reports = v.store.runs(Some(&id), host.as_ref()).map_err(|e| Refused::new("internal", e.to_string()))?;
        let views = reports.iter().map(|r| {
            let has_log = |event: &str, back| Event::named(event).is_some_and(|e| logs.has(&r.app, &r.id, e, back));
            (format!("{}/{:010}", r.id.host, r.id.attempt), view::run(v.world, r, has_log))
        });
        let wanted =
            views.filter(|(key, run)| place.after.as_ref().is_none_or(|a| key > a) && (!which.failed || run.outcome != RunOutcomeWord::Committed));
        Ok(page(wanted, &place))
    });
    Ok(Json(found.await?.map_err(|e: Refused| e)?))
}

/// Which output.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Output {
    /// Of this attempt; the newest when not given
    attempt: Option<u32>,
    /// Of this event; the one that failed when not given, or else the last one with output
    event: Option<String>,
    /// On the way back
    back: Option<bool>,
}

/// The output of one event's script, as bytes: whoever shows it must escape it.
#[utoipa::path(get, path = "/v1/deployments/{deployment}/runs/{host}/log", tag = "runs",
    params(("deployment" = String, Path), ("host" = String, Path), Output),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn log(State(app): State<App>, At((deployment, host)): At<(String, String)>, Params(which): Params<Output>) -> Result<Response, Refused> {
    let host: HostName = parsed(&host)?;
    let event = which.event.as_deref().map(|e| Event::named(e).ok_or_else(|| Refused::bad(format!("{e:?} is no lifecycle event")))).transpose()?;
    let what = format!("output of {host} in {deployment}");
    let found = app.engine.query(move |v| {
        let id = find(v.world, &deployment)?;
        let mut reports = v.store.runs(Some(&id), Some(&host)).map_err(|e| Refused::new("internal", e.to_string()))?;
        reports.retain(|r| which.attempt.is_none_or(|n| n == r.id.attempt));
        Ok::<_, Refused>(reports.pop())
    });
    let report = found.await??.ok_or_else(|| Refused::missing(&what))?;
    let logs = app.logs.clone();
    let read = tokio::task::spawn_blocking(move || {
        let has = |e: &EventReport| logs.has(&report.app, &report.id, e.event, e.back);
        let Some(chosen) = choose(&report, event, which.back, has) else { return Ok(None) };
        let output = logs.get(&report.app, &report.id, chosen.event, chosen.back)?;
        Ok::<_, std::io::Error>(output.map(|o| (o, report.id.attempt, chosen.clone())))
    });
    let read = read.await.map_err(|e| Refused::new("internal", e.to_string()))?.map_err(|e| Refused::new("internal", e.to_string()))?;
    let (output, attempt, event) = read.ok_or_else(|| Refused::missing(format!("{what} at the coordinator")))?;
    let headers = [
        (header::CONTENT_TYPE.as_str(), "application/octet-stream".to_owned()),
        ("pilotage-attempt", attempt.to_string()),
        ("pilotage-event", event.event.to_string()),
        ("pilotage-back", event.back.to_string()),
        ("x-content-type-options", "nosniff".to_owned()),
    ];
    Ok((headers, output).into_response())
}

fn choose(report: &RunReport, event: Option<Event>, back: Option<bool>, has: impl Fn(&EventReport) -> bool) -> Option<&EventReport> {
    let fits = |e: &&EventReport| event.is_none_or(|w| w == e.event) && back.is_none_or(|b| b == e.back) && has(e);
    let mut candidates: Vec<&EventReport> = report.events.iter().filter(fits).collect();
    candidates.iter().position(|e| e.code != 0).map(|at| candidates[at]).or_else(|| candidates.pop())
}
