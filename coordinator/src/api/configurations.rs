//! `/v1/configurations`: manifest and missing objects as for packages, then a number; and what is in the store.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use pilotage_coordinator_core::input::Request as CoreRequest;
use pilotage_coordinator_core::world::configuration::Numbers;
use pilotage_coordinator_core::{Answer, Rejected, World};
use pilotage_shared::api::v1::{Because, ConfigurationKnown, ConfigurationPushed, ConfigurationView, CreateConfiguration, Page, Problem};
use pilotage_shared::digest::Digest;
use pilotage_shared::limits::CONFIGURATION_MAX;
use pilotage_shared::name::{AppName, FleetName};
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::{Asked, At, Params, ask, limited, parsed};
use super::packages::blocking;
use super::paging::{page, place};
use super::{App, deployments, view};
use crate::packages::PackageError;
use crate::problem::Refused;

/// The first part of a push: the manifest, as canonical text. Says which objects are missing; they are sent to `/v1/objects`.
#[utoipa::path(post, path = "/v1/configurations/manifest", tag = "configurations", request_body(content = String, content_type = "text/plain"),
    responses((status = 200, body = ConfigurationKnown), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn manifest(State(app): State<App>, request: Request) -> Result<Json<ConfigurationKnown>, Refused> {
    let text = limited(request.into_body(), CONFIGURATION_MAX).await?;
    let _uploading = app.packages.gate.read().await;
    app.packages.room()?;
    let added = blocking(&app.packages, move |p| p.add_configuration(&text)).await.map_err(invalid)?;
    let (digest, missing) = added;
    Ok(Json(ConfigurationKnown { digest, missing }))
}

/// What is wrong with a manifest is wrong with a configuration here.
fn invalid(refused: Refused) -> Refused {
    if refused.problem().code == "package-invalid" { Refused::new("configuration-invalid", refused.problem().detail.clone()) } else { refused }
}

/// The last part: it gets its number, and is deployed where that is asked for.
#[utoipa::path(post, path = "/v1/configurations", tag = "configurations", request_body = CreateConfiguration,
    responses((status = 201, body = ConfigurationPushed), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn create(State(app): State<App>, asked: Asked<CreateConfiguration>) -> Result<(StatusCode, Json<ConfigurationPushed>), Refused> {
    let CreateConfiguration { fleet, digest, deploy, reason } = asked.body;
    let _uploading = app.packages.gate.read().await;
    let configuration = blocking(&app.packages, move |p| p.complete_configuration(&digest)).await?;
    let numbers = Numbers {
        files: configuration.files.len() as u32,
        bytes: configuration.bytes(),
        variables: (configuration.environment.len() + configuration.secret_variables.len()) as u32,
        secrets: configuration.secrets().len() as u32,
    };
    let request = CoreRequest::PutConfiguration { fleet, digest, numbers, deploy };
    match ask(&app, (asked.by, asked.idempotency), reason, move |_| Ok(request)).await? {
        Answer::Configuration { app: of, number, deployment } => {
            let configuration = one(&app, of, number).await?;
            let deployment = match deployment {
                Some(id) => Some(deployments::one(&app, id).await?),
                None => None,
            };
            Ok((StatusCode::CREATED, Json(ConfigurationPushed { configuration, deployment })))
        }
        other => Err(Refused::new("internal", format!("unexpected answer {other:?}"))),
    }
}

async fn one(app: &App, of: AppName, number: u32) -> Result<ConfigurationView, Refused> {
    let found = app.engine.query(move |v| find(v.world, &of, number).map(|c| view::configuration(v.world, c)));
    Ok(found.await??)
}

fn find<'a>(world: &'a World, app: &AppName, number: u32) -> Result<&'a pilotage_coordinator_core::world::configuration::Configuration, Rejected> {
    world.configurations.get(&(app.clone(), number)).ok_or_else(|| Rejected::UnknownConfiguration { app: app.clone(), number })
}

/// `c17`, or 17.
pub fn number(text: &str) -> Result<u32, Refused> {
    let digits = text.strip_prefix('c').unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|_| plain).ok_or_else(|| Refused::bad(format!("{text:?} is no configuration: write c17")))
}

/// Which configurations.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// Of this app
    app: Option<String>,
    /// Of this fleet's app
    fleet: Option<String>,
    /// At most so many items; 100 when not given, never more than 500
    limit: Option<usize>,
    /// `next` of the page before
    cursor: Option<String>,
}

/// Configurations by app, newest first.
#[utoipa::path(get, path = "/v1/configurations", tag = "configurations", params(Which),
    responses((status = 200, body = Page<ConfigurationView>), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn list(State(app): State<App>, Params(which): Params<Which>) -> Result<Json<Page<ConfigurationView>>, Refused> {
    let place = place(which.limit, which.cursor.as_deref())?;
    let only: Option<AppName> = which.app.as_deref().map(parsed).transpose()?;
    let fleet: Option<FleetName> = which.fleet.as_deref().map(parsed).transpose()?;
    let found = app.engine.query(move |v| {
        let of_fleet = match fleet {
            Some(name) => Some(v.world.fleets.get(&name).ok_or(Rejected::UnknownFleet(name))?.spec.app.clone()),
            None => None,
        };
        let wanted = |app: &AppName| only.as_ref().is_none_or(|a| a == app) && of_fleet.as_ref().is_none_or(|a| a == app);
        let mut all: Vec<_> = v.world.configurations.values().filter(|c| wanted(&c.app)).collect();
        all.sort_by(|a, b| a.app.cmp(&b.app).then(b.number.cmp(&a.number)));
        let key = |app: &AppName, number: u32| format!("{app}/{:010}", u32::MAX - number);
        let behind = all.into_iter().filter(|c| place.after.as_ref().is_none_or(|after| key(&c.app, c.number) > *after));
        Ok::<_, Rejected>(page(behind.map(|c| (key(&c.app, c.number), view::configuration(v.world, c))), &place))
    });
    Ok(Json(found.await??))
}

/// One configuration with what is in it; of secrets the names.
#[utoipa::path(get, path = "/v1/configurations/{app}/{configuration}", tag = "configurations", params(("app" = String, Path), ("configuration" = String, Path)),
    responses((status = 200, body = ConfigurationView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn show(State(app): State<App>, At((of, configuration)): At<(String, String)>) -> Result<Json<ConfigurationView>, Refused> {
    let mut view = one(&app, parsed(&of)?, number(&configuration)?).await?;
    let digest = view.digest;
    let found = blocking(&app.packages, move |p| p.configuration(&digest).map(Some).or_else(gone)).await?;
    view.content = found.as_ref().map(view::configuration_content);
    Ok(Json(view))
}

/// A store that was made of a backup knows configurations whose files are elsewhere.
fn gone(error: PackageError) -> Result<Option<pilotage_shared::configuration::Configuration>, PackageError> {
    match error {
        PackageError::Unknown(_) => Ok(None),
        other => Err(other),
    }
}

/// Releases a configuration from hold with all packages: it failed, a person has looked.
#[utoipa::path(post, path = "/v1/configurations/{app}/{configuration}/release", tag = "configurations", params(("app" = String, Path), ("configuration" = String, Path)),
    request_body = Because, responses((status = 200, body = ConfigurationView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn release(
    State(app): State<App>,
    At((of, configuration)): At<(String, String)>,
    asked: Asked<Because>,
) -> Result<Json<ConfigurationView>, Refused> {
    let (of, number): (AppName, u32) = (parsed(&of)?, number(&configuration)?);
    let request = CoreRequest::ReleaseConfiguration { app: of.clone(), number };
    ask(&app, (asked.by, asked.idempotency), asked.body.reason, move |_| Ok(request)).await?;
    one(&app, of, number).await.map(Json)
}

/// What agents ask for: canonical text.
#[utoipa::path(get, path = "/agent/v1/configurations/{digest}", tag = "agents", params(("digest" = String, Path)),
    responses((status = 200, body = String, content_type = "text/plain"), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn text(State(app): State<App>, At(digest): At<String>) -> Result<Response, Refused> {
    let digest: Digest = parsed(&digest)?;
    let text = blocking(&app.packages, move |p| p.configuration_text(&digest)).await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}
