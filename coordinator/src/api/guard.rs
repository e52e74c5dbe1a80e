//! What a route needs of its caller, asked before its handler: one builder, so that no route is registered without.

use axum::Extension;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse;
use pilotage_coordinator_core::allowed::{Action, allowed};
use pilotage_shared::principal::Principal;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use super::App;
use crate::principal::Identity;
use crate::problem::Refused;

/// What a route needs.
#[derive(Clone, Debug)]
pub enum Needs {
    /// Nothing: it says only whether the process is well.
    Nothing,
    /// A principal that may do this.
    Action(Action),
    /// A host, about itself.
    OwnHost,
}

/// Routes with what they need.
#[derive(Default)]
pub struct Routes(OpenApiRouter<App>);

impl Routes {
    /// Registers a route.
    pub fn add(self, needs: Needs, (schemas, paths, methods): UtoipaMethodRouter<App>) -> Self {
        let check = from_fn(move |request: Request, next: Next| {
            let needs = needs.clone();
            async move {
                match check(&needs, &request) {
                    Ok(()) => next.run(request).await,
                    Err(refused) => refused.into_response(),
                }
            }
        });
        Self(self.0.routes((schemas, paths, methods.layer(check))))
    }

    /// Router and document.
    pub fn finish(self) -> (axum::Router<App>, OpenApi) {
        self.0.split_for_parts()
    }
}

fn check(needs: &Needs, request: &Request) -> Result<(), Refused> {
    let identity = request.extensions().get::<Identity>();
    match needs {
        Needs::Nothing => Ok(()),
        Needs::Action(action) => Ok(allowed(known(identity)?, action)?),
        Needs::OwnHost => match known(identity)? {
            Principal::Host(_) => Ok(()),
            other => Err(Refused::new("not-allowed", format!("{other} is not a host; agents show their host's token"))),
        },
    }
}

fn known(identity: Option<&Identity>) -> Result<&Principal, Refused> {
    match identity {
        Some(Identity::Known(principal)) => Ok(principal),
        Some(Identity::Unknown(why)) => Err(Refused::new("unauthenticated", *why)),
        None => Err(Refused::new("internal", "nobody has asked who the caller is")),
    }
}

/// No such path; whoever is not known does not even learn that.
pub async fn no_route(Extension(identity): Extension<Identity>, request: Request) -> Refused {
    match known(Some(&identity)) {
        Ok(_) => Refused::missing(format!("path {:?}; /v1/openapi.json lists all", request.uri().path())),
        Err(refused) => refused,
    }
}

/// The path has other methods.
pub async fn no_method(Extension(identity): Extension<Identity>, request: Request) -> Refused {
    match known(Some(&identity)) {
        Ok(_) => Refused::new("method-not-allowed", format!("{} is not for {:?}", request.method(), request.uri().path())),
        Err(refused) => refused,
    }
}
