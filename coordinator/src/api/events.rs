//! `/v1/events`: the history, as a list in pages or as a stream that can be resumed.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::Stream;
use pilotage_shared::api::v1::{EventView, Page, Problem};
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::Params;
use super::{App, view};
use crate::engine::View;
use crate::problem::Refused;

/// Entries that one look into the history reads.
const READ: usize = 500;
/// Looks that one request for a page does at most; it may then be empty and still have a next.
const LOOKS: usize = 20;
/// A stream says something at least so often.
const ALIVE: Duration = Duration::from_secs(15);

/// Which entries.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// Behind this position; a stream also takes Last-Event-ID. Without it a list begins at the oldest, a stream at now
    after: Option<u64>,
    /// `next` of the page before
    cursor: Option<String>,
    /// The newest so many instead (a list only)
    last: Option<usize>,
    /// At most so many items; 100 when not given, never more than 500
    limit: Option<usize>,
    /// Of this fleet
    fleet: Option<String>,
    /// Of this host
    host: Option<String>,
    /// Of this app
    app: Option<String>,
    /// Of this deployment
    deployment: Option<String>,
    /// Of this kind, or of kinds that begin so (`deployment.`)
    kind: Option<String>,
}

impl Which {
    fn wants(&self, event: &EventView) -> bool {
        let same = |wanted: &Option<String>, found: &Option<String>| wanted.is_none() || wanted == found;
        same(&self.fleet, &event.fleet)
            && same(&self.host, &event.host)
            && same(&self.app, &event.app)
            && same(&self.deployment, &event.deployment)
            && self.kind.as_ref().is_none_or(|k| event.kind == *k || (k.ends_with('.') && event.kind.starts_with(k.as_str())))
    }
}

/// What happened, in order. With `Accept: text/event-stream` a stream: the id of each event is its position, and
/// `Last-Event-ID` resumes behind it.
#[utoipa::path(get, path = "/v1/events", tag = "events", params(Which),
    responses((status = 200, content((Page<EventView> = "application/json"), (String = "text/event-stream"))),
        (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn events(State(app): State<App>, Params(which): Params<Which>, headers: HeaderMap) -> Result<Response, Refused> {
    let streamed = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).is_some_and(|v| v.contains("text/event-stream"));
    if !streamed {
        return list(&app, which).await.map(|page| Json(page).into_response());
    }
    let resumed = match headers.get("last-event-id") {
        None => None,
        Some(id) => Some(id.to_str().ok().and_then(|t| t.parse().ok()).ok_or_else(|| Refused::bad("Last-Event-ID is no position"))?),
    };
    let after = resumed.or(which.after).unwrap_or(*app.engine.newest().borrow());
    Ok(Sse::new(stream(app, which, after)).keep_alive(KeepAlive::new().interval(ALIVE)).into_response())
}

async fn list(app: &App, mut which: Which) -> Result<Page<EventView>, Refused> {
    let limit = which.limit.unwrap_or(100);
    if limit == 0 || limit > READ {
        return Err(Refused::bad(format!("limit: {limit} is not between 1 and {READ}")));
    }
    if let Some(cursor) = &which.cursor {
        which.after = Some(cursor.parse().map_err(|_| Refused::bad("the cursor is not one of ours"))?);
    }
    app.engine.query(move |v| if which.last.is_some() { newest(v, &which) } else { page(v, &which, limit) }).await?
}

fn read(v: &View<'_>, after: u64) -> Result<Vec<EventView>, Refused> {
    let entries = v.store.history(after, READ).map_err(|e| Refused::new("internal", e.to_string()))?;
    Ok(entries.iter().map(|(id, entry)| view::event(*id, entry)).collect())
}

fn page(v: &View<'_>, which: &Which, limit: usize) -> Result<Page<EventView>, Refused> {
    let mut items = Vec::new();
    let mut after = which.after.unwrap_or(0).max(v.store.oldest().saturating_sub(1));
    for _ in 0..LOOKS {
        for event in read(v, after)? {
            after = event.id;
            if which.wants(&event) {
                items.push(event);
                if items.len() == limit {
                    break;
                }
            }
        }
        if items.len() == limit || after >= v.store.newest() {
            break;
        }
    }
    let next = (after < v.store.newest()).then(|| after.to_string());
    Ok(Page { items, next })
}

/// The newest ones, in order.
fn newest(v: &View<'_>, which: &Which) -> Result<Page<EventView>, Refused> {
    let wanted = which.last.unwrap_or(0).min(READ);
    let mut items = VecDeque::new();
    let mut end = v.store.newest();
    for _ in 0..LOOKS {
        let after = end.saturating_sub(READ as u64);
        for event in read(v, after)?.into_iter().rev().filter(|e| e.id <= end && which.wants(e)) {
            if items.len() < wanted {
                items.push_front(event);
            }
        }
        end = after;
        if items.len() == wanted || end < v.store.oldest() {
            break;
        }
    }
    Ok(Page { items: items.into(), next: None })
}

struct Position {
    app: App,
    which: Which,
    after: u64,
    ready: VecDeque<EventView>,
    newest: tokio::sync::watch::Receiver<u64>,
}

/// Waits on the level "newest position", so that nothing is missed whatever happens in between.
fn stream(app: App, which: Which, after: u64) -> impl Stream<Item = Result<Event, Infallible>> + Send {
    let newest = app.engine.newest();
    let position = Position { app, which, after, ready: VecDeque::new(), newest };
    futures_util::stream::unfold(position, |mut at| async move {
        loop {
            if let Some(event) = at.ready.pop_front() {
                let data = serde_json::to_string(&event).unwrap_or_default();
                return Some((Ok(Event::default().id(event.id.to_string()).event(event.kind).data(data)), at));
            }
            let after = at.after;
            let more = tokio::select! {
                () = at.app.stopping.cancelled() => return None,
                waited = at.newest.wait_for(|newest| *newest > after) => waited.is_ok(),
            };
            if !more {
                return None;
            }
            let entries = at.app.engine.query(move |v| read(v, after.max(v.store.oldest().saturating_sub(1)))).await.ok()?.ok()?;
            at.after = entries.last().map_or(after, |e| e.id);
            at.ready.extend(entries.into_iter().filter(|e| at.which.wants(e)));
        }
    })
}
