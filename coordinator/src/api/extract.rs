//! How requests are read: bounded, strict (an unknown field or parameter is refused by name), and with problem documents for
//! whatever is wrong.

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use bytes::BytesMut;
use http_body_util::BodyExt as _;
use pilotage_coordinator_core::Answer;
use pilotage_coordinator_core::input::{Idempotency, Request as CoreRequest, Via};
use pilotage_coordinator_core::{Rejected, World};
use pilotage_shared::limits::JSON_MAX;
use pilotage_shared::name::{Reason, Why};
use pilotage_shared::principal::Principal;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::App;
use crate::engine::Ask;
use crate::principal::Identity;
use crate::problem::Refused;

/// Bytes of a body beyond what is allowed that are read and thrown away.
const READ_ON: usize = 16 << 20;

/// Who asks.
#[derive(Clone, Debug)]
pub struct Caller(pub Principal);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Refused;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        match parts.extensions.get::<Identity>() {
            Some(Identity::Known(principal)) => Ok(Self(principal.clone())),
            Some(Identity::Unknown(why)) => Err(Refused::new("unauthenticated", *why)),
            None => Err(Refused::new("internal", "nobody has asked who the caller is")),
        }
    }
}

/// The query, every parameter known.
#[derive(Clone, Debug)]
pub struct Params<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Refused;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let Query(params) = Query::<T>::from_request_parts(parts, state).await.map_err(|e| Refused::bad(e.body_text()))?;
        Ok(Self(params))
    }
}

/// The parts of the path.
#[derive(Clone, Debug)]
pub struct At<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for At<T> {
    type Rejection = Refused;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let Path(at) = Path::<T>::from_request_parts(parts, state).await.map_err(|e| Refused::bad(e.body_text()))?;
        Ok(Self(at))
    }
}

/// A write of a person: body, principal, idempotency. Without a body it is `{}`.
#[derive(Clone, Debug)]
pub struct Asked<T> {
    /// Who.
    pub by: Principal,
    /// The caller's key with what it stands for.
    pub idempotency: Option<Idempotency>,
    /// What.
    pub body: T,
}

/// The empty body.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Nothing {}

impl<T: DeserializeOwned + Serialize, S: Send + Sync> FromRequest<S> for Asked<T> {
    type Rejection = Refused;
    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        let (mut parts, body) = request.into_parts();
        let Caller(by) = Caller::from_request_parts(&mut parts, state).await?;
        let bytes = limited(body, JSON_MAX).await?;
        if !bytes.is_empty() && !is_json(&parts.headers) {
            return Err(Refused::new("media-type", "send the body as application/json"));
        }
        let idempotency = idempotency(&parts, &bytes)?;
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        let value: Value = serde_json::from_slice(text).map_err(|e| Refused::bad(format!("the body is not JSON: {e}")))?;
        let body: T = serde_json::from_value(value.clone()).map_err(|e| Refused::bad(format!("the body is not valid: {e}")))?;
        let understood = serde_json::to_value(&body).map_err(|e| Refused::new("internal", e.to_string()))?;
        match unknown(&value, &understood) {
            Some(key) => Err(Refused::bad(format!("{key:?} is not known here"))),
            None => Ok(Self { by, idempotency, body }),
        }
    }
}

/// A body of at most `limit` bytes. One that is longer is read on for a while: whoever is cut off while writing hears no refusal.
pub async fn limited(mut body: Body, limit: usize) -> Result<bytes::Bytes, Refused> {
    let (mut kept, mut read) = (BytesMut::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refused::bad("the body ended before its end"))?;
        let Ok(data) = frame.into_data() else { continue };
        read += data.len();
        if read <= limit {
            kept.extend_from_slice(&data);
        } else if read > limit + READ_ON {
            break;
        }
    }
    match read <= limit {
        true => Ok(kept.freeze()),
        false => Err(Refused::new("too-large", format!("the body has more than {limit} bytes"))),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|k| k.trim().eq_ignore_ascii_case("application/json"))
}

/// The key of the request, and SHA-256 of method, path and body.
pub fn idempotency(parts: &Parts, body: &[u8]) -> Result<Option<Idempotency>, Refused> {
    let Some(key) = parts.headers.get("idempotency-key") else { return Ok(None) };
    let key = key.to_str().ok().filter(|k| !k.is_empty()).and_then(|k| Why::new(k).ok());
    let key = key.ok_or_else(|| Refused::bad("Idempotency-Key: write 1 to 300 visible characters"))?;
    let mut hasher = Sha256::new();
    for part in [parts.method.as_str().as_bytes(), parts.uri.path_and_query().map_or("", |p| p.as_str()).as_bytes(), body] {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    Ok(Some(Idempotency { key, request: hasher.finalize().into() }))
}

/// The first key that was given and not understood.
fn unknown(given: &Value, understood: &Value) -> Option<String> {
    match (given, understood) {
        (Value::Object(given), Value::Object(understood)) => given.iter().find_map(|(key, value)| match understood.get(key) {
            None => Some(key.clone()),
            Some(inner) => unknown(value, inner).map(|k| format!("{key}.{k}")),
        }),
        (Value::Array(given), Value::Array(understood)) => given.iter().zip(understood).find_map(|(a, b)| unknown(a, b)),
        _ => None,
    }
}

/// The reason of a write without a body.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WithReason {
    /// Why; may be empty.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    pub reason: Reason,
}

/// Asks the engine for a write of a person; the request is made from the world as it is when its turn has come.
pub async fn ask(
    app: &App,
    (by, idempotency): (Principal, Option<Idempotency>),
    reason: Reason,
    make: impl FnOnce(&World) -> Result<CoreRequest, Rejected> + Send + 'static,
) -> Result<Answer, Refused> {
    let make = Box::new(make);
    Ok(app.engine.ask(|reply| Ask { by, via: Via::Api, reason, idempotency, make, outbox: None, reply }).await?)
}

/// A name in a path or query.
pub fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, Refused> {
    text.parse().map_err(|e: T::Err| Refused::bad(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn unknown_keys_are_found_at_any_depth() {
        let understood = json!({"a": {"b": 1, "c": null}, "d": [{"e": 1}]});
        let check = |given: Value, key: Option<&str>| assert_eq!(unknown(&given, &understood).as_deref(), key, "{given}");
        check(json!({"a": {"b": 2}}), None);
        check(json!({"x": 1}), Some("x"));
        check(json!({"a": {"y": 1}}), Some("a.y"));
        check(json!({"d": [{"z": 1}]}), Some("d.z"));
    }
}
