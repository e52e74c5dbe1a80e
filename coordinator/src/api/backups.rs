//! `/v1/backups`: copies of the store.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use pilotage_shared::api::v1::{BackupView, Problem, When};

use super::App;
use crate::backup::BackupError;
use crate::problem::Refused;

/// Make a backup now, in the folder of backups on the coordinator's machine.
#[utoipa::path(post, path = "/v1/backups", tag = "service",
    responses((status = 201, body = BackupView), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = 507, body = Problem, content_type = "application/problem+json")))]
pub async fn create(State(app): State<App>) -> Result<(StatusCode, Json<BackupView>), Refused> {
    match app.backups.make(&app.engine).await {
        Ok(made) => {
            let view = BackupView { path: made.path.display().to_string(), at: When(made.at), records: made.records, bytes: made.bytes };
            Ok((StatusCode::CREATED, Json(view)))
        }
        Err(BackupError::Stopping) => Err(Refused::new("stopping", "the coordinator stops")),
        Err(error) => Err(Refused::new("internal", format!("{error}: {}", std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default()))),
    }
}
