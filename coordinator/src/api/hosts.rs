//! `/v1/hosts`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use pilotage_coordinator_core::input::Request;
use pilotage_coordinator_core::world::HostState;
use pilotage_coordinator_core::{Answer, Rejected, World};
use pilotage_shared::api::v1::{AddHost, Because, HostAdded, HostView, Page, PatchHost, Problem, StandingWord};
use pilotage_shared::name::{FleetName, HostName};
use pilotage_shared::selector::Selector;
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::{Asked, At, Nothing, Params, WithReason, ask, parsed};
use super::paging::{page, place};
use super::{App, view};
use crate::principal::hash;
use crate::problem::Refused;

/// Which hosts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// Label selector, as `env=prod,zone in (a,b)`
    selector: Option<String>,
    /// `available`, `settling`, `down`, `unknown`, `unreachable` or `unheard`
    standing: Option<String>,
    /// Run this version: `web@1.4.2` or `1.4.2`
    version: Option<String>,
    /// Do not run what they should (`true`), or do (`false`)
    behind: Option<bool>,
    /// Members of this fleet
    fleet: Option<String>,
    /// Retired ones too
    #[serde(default)]
    #[param(value_type = Option<bool>)]
    retired: bool,
    /// At most so many items; 100 when not given, never more than 500
    limit: Option<usize>,
    /// `next` of the page before
    cursor: Option<String>,
}

struct Filter {
    selector: Option<Selector>,
    standing: Option<StandingWord>,
    version: Option<String>,
    behind: Option<bool>,
    fleet: Option<FleetName>,
    retired: bool,
}

impl Filter {
    fn of(which: &Which) -> Result<Self, Refused> {
        let standing = which.standing.as_ref().map(|text| {
            let word: StandingWord = serde_json::from_value(text.as_str().into()).map_err(|e| Refused::bad(e.to_string()))?;
            let known = word != StandingWord::Unknown || text == "unknown";
            known
                .then_some(word)
                .ok_or_else(|| Refused::bad(format!("standing: {text:?} is not one of available, settling, down, unknown, unreachable, unheard")))
        });
        Ok(Self {
            selector: which.selector.as_deref().map(parsed).transpose()?,
            standing: standing.transpose()?,
            version: which.version.clone(),
            behind: which.behind,
            fleet: which.fleet.as_deref().map(parsed).transpose()?,
            retired: which.retired,
        })
    }

    /// What the labels and memberships say; cheap, so it comes first.
    fn may_match(&self, world: &World, host: &pilotage_coordinator_core::world::Host) -> bool {
        let member = || world.member_of.get(&host.id.name).is_some_and(|m| m.values().any(|f| Some(f) == self.fleet.as_ref()));
        (self.retired || host.state != HostState::Retired)
            && self.selector.as_ref().is_none_or(|s| s.matches(&host.labels))
            && (self.fleet.is_none() || member())
    }

    fn matches(&self, host: &HostView) -> bool {
        let in_fleet = |s: &pilotage_shared::api::v1::SlotView| self.fleet.is_none() || s.fleet == self.fleet;
        let runs = |version: &String| {
            let named = |package: &str| package == version || package.split_once('@').is_some_and(|(_, v)| v == version);
            host.slots.iter().any(|s| s.running.as_ref().is_some_and(|r| named(&r.package)))
        };
        self.standing.is_none_or(|s| host.standing == s)
            && self.version.as_ref().is_none_or(runs)
            && self.behind.is_none_or(|behind| host.slots.iter().any(|s| s.behind && in_fleet(s)) == behind)
    }
}

/// Hosts by name.
#[utoipa::path(get, path = "/v1/hosts", tag = "hosts", params(Which),
    responses((status = 200, body = Page<HostView>), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn list(State(app): State<App>, Params(which): Params<Which>) -> Result<Json<Page<HostView>>, Refused> {
    let place = place(which.limit, which.cursor.as_deref())?;
    let filter = Filter::of(&which)?;
    let found = app.engine.query(move |v| {
        let behind = v.world.hosts.values().filter(|h| place.after.as_deref().is_none_or(|a| h.id.name.as_str() > a));
        let views = behind.filter(|h| filter.may_match(v.world, h)).map(|h| view::host(v.world, h)).filter(|h| filter.matches(h));
        page(views.map(|h| (h.host.to_string(), h)), &place)
    });
    Ok(Json(found.await?))
}

/// One host.
#[utoipa::path(get, path = "/v1/hosts/{host}", tag = "hosts", params(("host" = String, Path)),
    responses((status = 200, body = HostView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn show(State(app): State<App>, At(host): At<String>) -> Result<Json<HostView>, Refused> {
    one(&app, parsed(&host)?).await
}

async fn one(app: &App, name: HostName) -> Result<Json<HostView>, Refused> {
    let found = app.engine.query(move |v| v.world.hosts.get(&name).map(|h| view::host(v.world, h)).ok_or(Rejected::UnknownHost(name)));
    Ok(Json(found.await??))
}

/// Invites a machine: the answer has the token that its agent shows. It is said this once; the coordinator keeps its hash.
#[utoipa::path(post, path = "/v1/hosts", tag = "hosts", request_body = AddHost,
    responses((status = 201, body = HostAdded), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn add(State(app): State<App>, asked: Asked<AddHost>) -> Result<(StatusCode, Json<HostAdded>), Refused> {
    let AddHost { name, labels, reason } = asked.body;
    let key = asked.idempotency.as_ref().map(|i| i.key.as_str());
    let token = app.secrets.host_token(&asked.by, key, name.as_str()).map_err(|e| Refused::new("internal", e.to_string()))?;
    let hashed = hash(&token);
    let host = name.clone();
    let answer = ask(&app, (asked.by, asked.idempotency), reason, move |_| Ok(Request::AddHost { host, labels, token: hashed })).await?;
    let id = match answer {
        Answer::Host(id) => id.to_string(),
        Answer::Done
        | Answer::Welcome(_)
        | Answer::Goodbye(_)
        | Answer::Deployment(_)
        | Answer::Fleet { .. }
        | Answer::Package(_)
        | Answer::Configuration { .. } => name.to_string(),
    };
    Ok((StatusCode::CREATED, Json(HostAdded { host: name, id, token })))
}

/// Sets and removes labels; what is not named stays.
#[utoipa::path(patch, path = "/v1/hosts/{host}", tag = "hosts", params(("host" = String, Path)), request_body = PatchHost,
    responses((status = 200, body = HostView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn patch(State(app): State<App>, At(host): At<String>, asked: Asked<PatchHost>) -> Result<Json<HostView>, Refused> {
    let name: HostName = parsed(&host)?;
    let PatchHost { labels: patch, reason } = asked.body;
    let host = name.clone();
    let make = move |world: &World| {
        let mut labels = world.hosts.get(&host).ok_or_else(|| Rejected::UnknownHost(host.clone()))?.labels.clone();
        for (key, value) in patch {
            match value {
                Some(value) => labels.insert(key, value),
                None => labels.remove(&key),
            };
        }
        Ok(Request::LabelHost { host, labels })
    };
    ask(&app, (asked.by, asked.idempotency), reason, make).await?;
    one(&app, name).await
}

/// It never comes back: its loan is dropped, its session ended, its identity refused from then on.
#[utoipa::path(delete, path = "/v1/hosts/{host}", tag = "hosts", params(("host" = String, Path), WithReason),
    responses((status = 204), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn retire(
    State(app): State<App>,
    At(host): At<String>,
    Params(why): Params<WithReason>,
    asked: Asked<Nothing>,
) -> Result<StatusCode, Refused> {
    let host: HostName = parsed(&host)?;
    ask(&app, (asked.by, asked.idempotency), why.reason, move |_| Ok(Request::RetireHost { host })).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `cordon` (do not touch it), `uncordon`, `maintain` (a member that never counts), `activate`, `retry` (its refusals and its
/// quarantine are forgiven).
#[utoipa::path(post, path = "/v1/hosts/{host}/{action}", tag = "hosts", params(("host" = String, Path), ("action" = String, Path)), request_body = Because,
    responses((status = 200, body = HostView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn act(State(app): State<App>, At((host, action)): At<(String, String)>, asked: Asked<Because>) -> Result<Json<HostView>, Refused> {
    let name: HostName = parsed(&host)?;
    let host = name.clone();
    let request = match action.as_str() {
        "cordon" => Request::CordonHost { host },
        "uncordon" => Request::UncordonHost { host },
        "maintain" => Request::MaintainHost { host, on: true },
        "activate" => Request::MaintainHost { host, on: false },
        "retry" => Request::RetryHost { host },
        other => return Err(Refused::missing(format!("action {other:?}: cordon, uncordon, maintain, activate, retry"))),
    };
    ask(&app, (asked.by, asked.idempotency), asked.body.reason, move |_| Ok(request)).await?;
    one(&app, name).await
}
