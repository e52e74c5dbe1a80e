//! `/v1/backups`: copies of the store.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use pilotage_shared::api::v1::{BackupView, MakeBackup, Problem, When};

use super::App;
use super::extract::Asked;
use crate::backup::{BackupError, said};
use crate::problem::Refused;

/// Make a backup now, in the folder of backups on the coordinator's machine; with the contents of the packages, if asked.
#[utoipa::path(post, path = "/v1/backups", tag = "service", request_body = MakeBackup,
    responses((status = 201, body = BackupView), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = 507, body = Problem, content_type = "application/problem+json")))]
pub async fn create(State(app): State<App>, asked: Asked<MakeBackup>) -> Result<(StatusCode, Json<BackupView>), Refused> {
    let packages = asked.body.packages.then_some(&app.packages);
    match app.backups.make(&app.engine, packages).await {
        Ok(made) => {
            let taken = made.packages.unwrap_or_default();
            let view = BackupView {
                path: made.path.display().to_string(),
                at: When(made.at),
                records: made.records,
                packages: taken.packages,
                packages_left_out: taken.left_out,
                bytes: made.bytes,
            };
            Ok((StatusCode::CREATED, Json(view)))
        }
        Err(BackupError::Stopping) => Err(Refused::new("stopping", "the coordinator stops")),
        Err(error @ BackupError::NoSpace { .. }) => Err(Refused::new("no-space", said(&error))),
        Err(error) => Err(Refused::new("internal", said(&error))),
    }
}
