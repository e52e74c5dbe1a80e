//! Requests and answers in JSON, with problem documents as errors.

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use pilotage_shared::api::v1::Problem;
use pilotage_shared::limits::JSON_MAX;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::connect::{Address, Body};
use crate::error::ClientError;
use crate::events::Events;
use crate::secret::Secret;

/// An answer in JSON may be larger than a request: a page of hosts or runs.
const ANSWER_MAX: usize = 16 * JSON_MAX;

/// A caller of the JSON API.
#[derive(Clone)]
pub struct Client {
    address: Address,
    token: Option<Secret<String>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Escapes one segment of a path or one value of a query.
pub fn encode(text: &str) -> String {
    let keep = |b: &u8| b.is_ascii_alphanumeric() || b"-._~@".contains(b);
    text.bytes().map(|b| if keep(&b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

impl Client {
    /// A caller. Without a token only a Unix socket lets it in.
    pub fn new(address: Address, token: Option<Secret<String>>) -> Self {
        Self { address, token }
    }

    /// Where it calls.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// GET; `path` with its query, as `/v1/fleets?limit=10`.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.json(Method::GET, path, None, None).await
    }

    /// POST of a JSON body. `key` is the idempotency key: the same key and body twice has one effect.
    pub async fn post<B: Serialize + ?Sized, T: DeserializeOwned>(&self, path: &str, body: &B, key: Option<&str>) -> Result<T, ClientError> {
        self.json(Method::POST, path, Some(to_json(body)?), key).await
    }

    /// PUT of a JSON body.
    pub async fn put<B: Serialize + ?Sized, T: DeserializeOwned>(&self, path: &str, body: &B, key: Option<&str>) -> Result<T, ClientError> {
        self.json(Method::PUT, path, Some(to_json(body)?), key).await
    }

    /// PATCH with a JSON body.
    pub async fn patch<B: Serialize + ?Sized, T: DeserializeOwned>(&self, path: &str, body: &B, key: Option<&str>) -> Result<T, ClientError> {
        self.json(Method::PATCH, path, Some(to_json(body)?), key).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str, key: Option<&str>) -> Result<(), ClientError> {
        let _: serde::de::IgnoredAny = self.json(Method::DELETE, path, None, key).await?;
        Ok(())
    }

    /// GET of something that is not JSON (a log, metrics), at most `limit` bytes.
    pub async fn get_bytes(&self, path: &str, limit: usize) -> Result<Bytes, ClientError> {
        let response = self.send(self.request(Method::GET, path)?.body(empty()).map_err(bad)?).await?;
        collect(response, limit).await
    }

    /// GET of bytes that come for as long as there are some.
    pub async fn stream(&self, path: &str) -> Result<Stream, ClientError> {
        let response = self.send(self.request(Method::GET, path)?.body(empty()).map_err(bad)?).await?;
        Ok(Stream(good(response).await?.into_body()))
    }

    /// The event stream, from behind the position `after` on (none: from now on). `path` may carry filters, as
    /// `/v1/events?fleet=web-prod`.
    pub fn events(&self, path: &str, after: Option<u64>) -> Events {
        Events::new(self.clone(), path.to_owned(), after)
    }

    async fn json<T: DeserializeOwned>(&self, method: Method, path: &str, body: Option<Bytes>, key: Option<&str>) -> Result<T, ClientError> {
        let mut request = self.request(method, path)?.header(ACCEPT, "application/json");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let request = match body {
            Some(body) => request.header(CONTENT_TYPE, "application/json").body(full(body)),
            None => request.body(empty()),
        };
        let response = self.send(request.map_err(bad)?).await?;
        answer(response).await
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> Result<http::request::Builder, ClientError> {
        if !path.starts_with('/') {
            return Err(ClientError::Request(format!("the path {path:?} does not begin with a slash")));
        }
        let mut request = Request::builder().method(method).uri(path).header(HOST, self.address.host());
        request = request.header(USER_AGENT, concat!("pilotage/", env!("CARGO_PKG_VERSION")));
        if let Some(token) = &self.token {
            let mut value = http::HeaderValue::from_str(&format!("Bearer {}", token.expose()))
                .map_err(|_| ClientError::Request("the token has invisible characters".into()))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        Ok(request)
    }

    /// Sends one request on a connection of its own.
    pub(crate) async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, ClientError> {
        let mut connection = self.address.http1().await?;
        connection.send_request(request).await.map_err(|e| self.address.unreachable(e))
    }
}

/// Bytes as they come.
#[derive(Debug)]
pub struct Stream(Incoming);

impl Stream {
    /// The next bytes; waits for them. None at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        next_data(&mut self.0).await
    }
}

/// The next bytes of a body; none at its end.
pub(crate) async fn next_data(body: &mut Incoming) -> Result<Option<Bytes>, ClientError> {
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Err(error)) => return Err(ClientError::Body(std::io::Error::other(error))),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

pub(crate) fn bad(error: http::Error) -> ClientError {
    ClientError::Request(error.to_string())
}

pub(crate) fn empty() -> Body {
    full(Bytes::new())
}

pub(crate) fn full(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}

fn to_json<B: Serialize + ?Sized>(body: &B) -> Result<Bytes, ClientError> {
    serde_json::to_vec(body).map(Bytes::from).map_err(|e| ClientError::Request(e.to_string()))
}

/// The body of a good answer, or the problem of a bad one.
pub(crate) async fn good(response: Response<Incoming>) -> Result<Response<Incoming>, ClientError> {
    if response.status().is_success() {
        return Ok(response);
    }
    let status = response.status().as_u16();
    let bytes = bytes(response, JSON_MAX).await?;
    match serde_json::from_slice::<Problem>(&bytes) {
        Ok(problem) => Err(ClientError::Problem(Box::new(problem))),
        Err(_) => Err(ClientError::Answer { status, why: format!("it is no problem document ({} bytes)", bytes.len()) }),
    }
}

pub(crate) async fn answer<T: DeserializeOwned>(response: Response<Incoming>) -> Result<T, ClientError> {
    let status = response.status().as_u16();
    let bytes = collect(response, ANSWER_MAX).await?;
    let text: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
    serde_json::from_slice(text).map_err(|e| ClientError::Answer { status, why: e.to_string() })
}

async fn collect(response: Response<Incoming>, limit: usize) -> Result<Bytes, ClientError> {
    bytes(good(response).await?, limit).await
}

async fn bytes(response: Response<Incoming>, limit: usize) -> Result<Bytes, ClientError> {
    let limited = http_body_util::Limited::new(response.into_body(), limit);
    limited.collect().await.map(|c| c.to_bytes()).map_err(|e| ClientError::Body(std::io::Error::other(e)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_escaped() {
        assert_eq!(encode("web@1.2.0"), "web@1.2.0");
        assert_eq!(encode("a/b?c=d e&ä"), "a%2Fb%3Fc%3Dd%20e%26%C3%A4");
    }
}
