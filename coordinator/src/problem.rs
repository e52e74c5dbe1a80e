//! Problem documents: the one place where a refusal or failure becomes an HTTP answer (RFC 9457).

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pilotage_coordinator_core::Rejected;
use pilotage_shared::api::v1::Problem;

use crate::engine::Refusal;

/// The media type of a problem document.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// Codes that the API itself gives, with their status and title; those of the core's refusals are beside them in
/// [`codes`].
const OWN: &[(&str, u16, &str)] = &[
    ("bad-request", 400, "The request is not valid"),
    ("unauthenticated", 401, "Nobody is known to ask"),
    ("not-allowed", 403, "Not allowed"),
    ("foreign-origin", 403, "The request comes from a foreign page"),
    ("not-found", 404, "There is no such thing"),
    ("method-not-allowed", 405, "The method is not for this path"),
    ("version-taken", 409, "The version exists with other content"),
    ("incomplete", 409, "Objects are missing"),
    ("too-large", 413, "The body is too large"),
    ("media-type", 415, "The media type is not the one expected"),
    ("misdirected", 421, "The name is not served here"),
    ("package-invalid", 422, "The package is not valid"),
    ("configuration-invalid", 422, "The configuration is not valid"),
    ("headers-too-large", 431, "The headers are too large"),
    ("internal", 500, "The coordinator has failed"),
    ("stopping", 503, "The coordinator stops"),
    ("not-ready", 503, "The coordinator is not ready"),
    ("no-space", 507, "The coordinator's disk is nearly full"),
];

/// Codes of the core with a title; the status is the refusal's own.
const CORE: &[(&str, &str)] = &[
    ("idempotency-key-reused", "The idempotency key was used for something else"),
    ("unknown-fleet", "There is no such fleet"),
    ("unknown-host", "There is no such host"),
    ("unknown-deployment", "There is no such deployment"),
    ("unknown-package", "There is no such package"),
    ("package-of-other-app", "The package is of another app"),
    ("package-in-use", "The package is in use"),
    ("package-held", "The package is held"),
    ("package-blocked", "The package is blocked"),
    ("package-not-held", "The package is not held"),
    ("unknown-configuration", "There is no such configuration"),
    ("configuration-in-use", "The configuration is in use"),
    ("configuration-held", "The configuration is held with this package"),
    ("configuration-not-held", "The configuration is not held"),
    ("no-members", "The fleet has no members"),
    ("unexpected-members", "The selector matches another number of hosts"),
    ("floor-too-high", "The floor can never be kept"),
    ("fleets-overlap", "A host would be in two fleets of one app"),
    ("app-changed", "The app of a fleet never changes"),
    ("fleet-invalid", "The fleet is not valid"),
    ("deployment-in-course", "A deployment is in course"),
    ("deployment-over", "The deployment is over"),
    ("deployment-going-back", "The deployment is on its way back"),
    ("not-paused", "The fleet is neither paused nor frozen"),
    ("nothing-settled", "There is nothing to go back to"),
    ("nothing-runs", "Nothing runs that could be started again"),
    ("host-exists", "The host exists"),
    ("too-many", "Too many of something"),
    ("host-retired", "The host is retired"),
    ("host-quarantined", "The host is in quarantine"),
    ("stale", "The report is older than what is known"),
    ("counter-jump", "The generation is out of bounds"),
    ("not-started", "The coordinator has not started yet"),
    ("recovering", "The coordinator recovers from a backup"),
    ("not-recovering", "The coordinator does not recover from a backup"),
    ("hosts-unheard", "Hosts have not been heard since the restore"),
];

/// Every code, sorted; stands in the OpenAPI document.
pub fn codes() -> Vec<&'static str> {
    let mut codes: Vec<&str> = OWN.iter().map(|(c, _, _)| *c).chain(CORE.iter().map(|(c, _)| *c)).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

/// An answer that is no success.
#[derive(Clone, Debug)]
pub struct Refused(Box<Problem>);

impl Refused {
    /// One of the API's own codes.
    pub fn new(code: &str, detail: impl Into<String>) -> Self {
        let (code, status, title) = OWN.iter().find(|(c, _, _)| *c == code).copied().unwrap_or(("internal", 500, "The coordinator has failed"));
        Self::of(code, status, title, detail.into())
    }

    /// A request that cannot be understood.
    pub fn bad(detail: impl Into<String>) -> Self {
        Self::new("bad-request", detail)
    }

    /// Something that is not there.
    pub fn missing(what: impl std::fmt::Display) -> Self {
        Self::new("not-found", format!("there is no {what}"))
    }

    fn of(code: &str, status: u16, title: &str, detail: String) -> Self {
        Self(Box::new(Problem { kind: format!("/problems/{code}"), title: title.into(), status, code: code.into(), detail, ..Problem::default() }))
    }

    /// With what it is about.
    #[must_use]
    pub fn about(mut self, fill: impl FnOnce(&mut Problem)) -> Self {
        fill(&mut self.0);
        self
    }

    /// The document.
    pub fn problem(&self) -> &Problem {
        &self.0
    }
}

impl From<Rejected> for Refused {
    fn from(rejected: Rejected) -> Self {
        let code = rejected.code();
        let own = OWN.iter().find(|(c, _, _)| *c == code).map(|(_, _, title)| *title);
        let title = own.or_else(|| CORE.iter().find(|(c, _)| *c == code).map(|(_, title)| *title)).unwrap_or(code);
        let refused = Refused::of(code, rejected.status(), title, rejected.to_string());
        refused.about(|problem| match &rejected {
            Rejected::PackageHeld { package, by, .. } => {
                problem.package = Some(package.clone());
                problem.deployment = Some(by.to_string());
                problem.fleet = Some(by.fleet.to_string());
                problem.lift = Some(format!("pilotage package release {package} --reason …"));
            }
            Rejected::PackageInUse { package, .. } | Rejected::PackageBlocked { package } | Rejected::NotHeld { package } => {
                problem.package = Some(package.clone());
            }
            Rejected::UnknownVersion { app, version } | Rejected::VersionTaken { app, version, .. } => {
                problem.package = Some(format!("{app}@{version}"))
            }
            Rejected::UnknownFleet(fleet)
            | Rejected::NoMembers { fleet, .. }
            | Rejected::AppChanged { fleet, .. }
            | Rejected::FleetSpec { fleet, .. }
            | Rejected::NotPaused(fleet)
            | Rejected::NothingSettled(fleet)
            | Rejected::NothingRuns(fleet)
            | Rejected::OtherApp { fleet, .. } => problem.fleet = Some(fleet.to_string()),
            Rejected::UnknownHost(host)
            | Rejected::HostExists(host)
            | Rejected::Retired(host)
            | Rejected::Stale(host)
            | Rejected::Overlap { host, .. }
            | Rejected::Quarantined { host, .. }
            | Rejected::CounterJump { host, .. } => problem.host = Some(host.to_string()),
            Rejected::InCourse(id) => {
                problem.deployment = Some(id.to_string());
                problem.lift = Some(format!("pilotage cancel {id} --reason …"));
            }
            Rejected::ConfigurationHeld { release, config, by, .. } => {
                problem.package = Some(release.clone());
                problem.deployment = Some(by.to_string());
                problem.fleet = Some(by.fleet.to_string());
                problem.lift = Some(match config {
                    Some(number) => format!("pilotage config release c{number} --fleet {} --reason …", by.fleet),
                    None => format!("pilotage package release {release} --reason …"),
                });
            }
            Rejected::OtherPackage { id, package } => {
                problem.deployment = Some(id.to_string());
                problem.package = Some(package.clone());
                problem.lift = Some(format!("pilotage wait {}", id.fleet));
            }
            Rejected::UnknownDeployment(id) | Rejected::Over(id) | Rejected::GoingBack(id) => problem.deployment = Some(id.to_string()),
            Rejected::Recovering => problem.lift = Some("pilotage recover".into()),
            Rejected::Unheard { .. } => problem.lift = Some("pilotage recover --go-on --reason …".into()),
            Rejected::NotAllowed { .. }
            | Rejected::NotRecovering
            | Rejected::KeyReused(_)
            | Rejected::UnknownConfiguration { .. }
            | Rejected::ConfigurationInUse { .. }
            | Rejected::ConfigurationNotHeld { .. }
            | Rejected::UnknownPackage(_)
            | Rejected::Unexpected { .. }
            | Rejected::FloorTooHigh { .. }
            | Rejected::TooMany { .. }
            | Rejected::NotStarted => {}
        })
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Rejected(rejected) => (*rejected).into(),
            Refusal::NoSpace => Refused::new("no-space", refusal.to_string()),
            Refusal::Stopping => Refused::new("stopping", refusal.to_string()),
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(&*self.0)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilotage_shared::name::FleetName;

    #[test]
    fn every_refusal_has_a_documented_code_and_a_title() {
        let known = codes();
        for rejected in
            [Rejected::NotStarted, Rejected::NotPaused(FleetName::new("f").unwrap()), Rejected::NotAllowed { who: "x".into(), action: "y" }]
        {
            let refused = Refused::from(rejected.clone());
            assert!(known.contains(&refused.problem().code.as_str()), "{rejected}");
            assert_ne!(refused.problem().title, refused.problem().code);
        }
    }
}
