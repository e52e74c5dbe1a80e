//! `/v1/recovery`: what a restored store wants, what runs, and a person's word to go on (R34).

use axum::Json;
use axum::extract::State;
use pilotage_coordinator_core::input::Request;
use pilotage_shared::api::v1::{Problem, Recover, RecoveryView};

use super::extract::{Asked, ask};
use super::{App, view};
use crate::problem::Refused;

/// What the backup wants and what the hosts run now, by fleet; who has not reported; and what confirming would make of it.
#[utoipa::path(get, path = "/v1/recovery", tag = "recovery",
    responses((status = 200, body = RecoveryView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn show(State(app): State<App>) -> Result<Json<RecoveryView>, Refused> {
    Ok(Json(app.engine.query(|v| view::recovery(v.world)).await?))
}

/// Goes on after a restore: what all hosts of a fleet run becomes its settled release, unless the backup's wishes are kept.
#[utoipa::path(post, path = "/v1/recovery", tag = "recovery", request_body = Recover,
    responses((status = 200, body = RecoveryView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn confirm(State(app): State<App>, asked: Asked<Recover>) -> Result<Json<RecoveryView>, Refused> {
    let Recover { keep_backup, go_on, reason } = asked.body;
    ask(&app, (asked.by, asked.idempotency), reason, move |_| Ok(Request::Recover { keep_backup, go_on })).await?;
    Ok(Json(app.engine.query(|v| view::recovery(v.world)).await?))
}
