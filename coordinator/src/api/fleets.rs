//! `/v1/fleets`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use pilotage_coordinator_core::input::{Input, Request, Via};
use pilotage_coordinator_core::plan::explain_fleet;
use pilotage_coordinator_core::{Answer, Rejected, World, admit};
use pilotage_shared::api::v1::{Because, DeploymentState, Explanation, FleetApplied, FleetBody, FleetStatus, FleetView, Page, Problem};
use pilotage_shared::fleet::FleetSpec;
use pilotage_shared::name::{FleetName, HostName, Reason};
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::{Asked, At, Nothing, Params, WithReason, ask, parsed};
use super::paging::{Paging, page, place};
use super::{App, view};
use crate::problem::Refused;

/// Hosts that are named.
const NAMED: usize = 20;

/// All fleets, by name.
#[utoipa::path(get, path = "/v1/fleets", tag = "fleets", params(Paging),
    responses((status = 200, body = Page<FleetView>), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn list(State(app): State<App>, Params(paging): Params<Paging>) -> Result<Json<Page<FleetView>>, Refused> {
    let place = place(paging.limit, paging.cursor.as_deref())?;
    let found = app.engine.query(move |v| {
        let behind = v.world.fleets.values().filter(|f| place.after.as_deref().is_none_or(|a| f.spec.name.as_str() > a));
        page(behind.map(|f| (f.spec.name.to_string(), view::fleet_view(v, f))), &place)
    });
    Ok(Json(found.await?))
}

/// One fleet as it was declared.
#[utoipa::path(get, path = "/v1/fleets/{fleet}", tag = "fleets", params(("fleet" = String, Path)),
    responses((status = 200, body = FleetView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn show(State(app): State<App>, At(fleet): At<String>) -> Result<Json<FleetView>, Refused> {
    let name: FleetName = parsed(&fleet)?;
    let found = app.engine.query(move |v| v.world.fleets.get(&name).map(|f| view::fleet_view(v, f)).ok_or(Rejected::UnknownFleet(name)));
    Ok(Json(found.await??))
}

/// How a declaration is made.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Declare {
    /// Only say what would be: nothing is changed
    #[serde(default)]
    #[param(value_type = Option<bool>)]
    dry_run: bool,
    /// Why; may be empty
    #[serde(default)]
    #[param(value_type = Option<String>)]
    reason: Reason,
}

/// Declares or changes a fleet. What can never work is said at once.
#[utoipa::path(put, path = "/v1/fleets/{fleet}", tag = "fleets", params(("fleet" = String, Path), Declare), request_body = FleetBody,
    responses((status = 200, body = FleetApplied), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn put(
    State(app): State<App>,
    At(fleet): At<String>,
    Params(declare): Params<Declare>,
    asked: Asked<FleetBody>,
) -> Result<Json<FleetApplied>, Refused> {
    let name: FleetName = parsed(&fleet)?;
    if asked.body.fleet != name {
        return Err(Refused::bad(format!("the path says {name}, the body says {}", asked.body.fleet)));
    }
    let spec = FleetSpec::try_from(asked.body).map_err(|e| Refused::bad(e.to_string()))?;
    let (asked_by, reason, dry_run) = (asked.by.clone(), declare.reason.clone(), declare.dry_run);
    let tried = spec.clone();
    // What it would be is worked out first: it names hosts that the answer of the core does not.
    let mut applied = app
        .engine
        .query(move |v| {
            let request = Request::PutFleet { spec: Box::new(tried.clone()) };
            let input = Input { by: asked_by, via: Via::Api, reason, at: v.now, idempotency: None, request };
            admit(v.world, &input, v.now).map(|admitted| describe(v.world, &tried, &admitted.answer))
        })
        .await??;
    applied.dry_run = dry_run;
    if !dry_run {
        let request = Request::PutFleet { spec: Box::new(spec) };
        ask(&app, (asked.by, asked.idempotency), declare.reason, move |_| Ok(request)).await?;
    }
    Ok(Json(applied))
}

fn describe(world: &World, spec: &FleetSpec, answer: &Answer) -> FleetApplied {
    let old = world.fleets.get(&spec.name);
    let members = world.hosts.values().filter(|h| h.state != pilotage_coordinator_core::world::HostState::Retired && spec.select.matches(&h.labels));
    let hosts: Vec<HostName> = members.take(NAMED).map(|h| h.id.name.clone()).collect();
    let (count, gained, lost) = match answer {
        Answer::Fleet { members, gained, lost } => (*members, gained.clone(), lost.clone()),
        Answer::Done
        | Answer::Welcome(_)
        | Answer::Goodbye(_)
        | Answer::Deployment(_)
        | Answer::Host(_)
        | Answer::Package(_)
        | Answer::Configuration { .. } => (hosts.len() as u32, Vec::new(), Vec::new()),
    };
    FleetApplied {
        fleet: spec.name.clone(),
        created: old.is_none(),
        changed: old.is_none_or(|f| f.spec != *spec),
        dry_run: false,
        members: count,
        floor: spec.floor.round_up(count),
        hosts,
        gained,
        lost,
    }
}

/// Deletes a fleet; its hosts keep what they run.
#[utoipa::path(delete, path = "/v1/fleets/{fleet}", tag = "fleets", params(("fleet" = String, Path), WithReason),
    responses((status = 204), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn delete(
    State(app): State<App>,
    At(fleet): At<String>,
    Params(why): Params<WithReason>,
    asked: Asked<Nothing>,
) -> Result<StatusCode, Refused> {
    let fleet: FleetName = parsed(&fleet)?;
    ask(&app, (asked.by, asked.idempotency), why.reason, move |_| Ok(Request::DeleteFleet { fleet })).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Why a fleet does not move, whether a deployment is in course or it only catches up.
#[utoipa::path(get, path = "/v1/fleets/{fleet}/explain", tag = "fleets", params(("fleet" = String, Path)),
    responses((status = 200, body = Explanation), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn explain(State(app): State<App>, At(fleet): At<String>) -> Result<Json<Explanation>, Refused> {
    let name: FleetName = parsed(&fleet)?;
    let found = app.engine.query(move |v| {
        let fleet = v.world.fleets.get(&name).ok_or(Rejected::UnknownFleet(name.clone()))?;
        let waits = explain_fleet(v.world, &name, v.now);
        let newest = v.world.newest(fleet);
        let state = newest.map_or(DeploymentState::Ended, |d| view::state(Some(fleet), d, &waits));
        Ok(Explanation { fleet: name, deployment: newest.map(|d| d.id.clone()), state, waiting: view::waiting(v.world, fleet, &waits) })
    });
    Ok(Json(found.await?.map_err(|e: Rejected| Refused::from(e))?))
}

/// Goes on: a paused deployment, or a frozen fleet.
#[utoipa::path(post, path = "/v1/fleets/{fleet}/resume", tag = "fleets", params(("fleet" = String, Path)), request_body = Because,
    responses((status = 200, body = FleetStatus), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn resume(State(app): State<App>, At(fleet): At<String>, asked: Asked<Because>) -> Result<Json<FleetStatus>, Refused> {
    let name: FleetName = parsed(&fleet)?;
    let fleet = name.clone();
    ask(&app, (asked.by, asked.idempotency), asked.body.reason, move |_| Ok(Request::Resume { fleet })).await?;
    let found = app.engine.query(move |v| v.world.fleets.get(&name).map(|f| view::status(v, f)).ok_or(Rejected::UnknownFleet(name)));
    Ok(Json(found.await??))
}
