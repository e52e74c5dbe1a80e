//! The stream of events: nothing is lost, nothing repeated, and it can be resumed.

use pilotage_client::Client;
use pilotage_shared::api::v1::{EventView, Page};

use crate::running::{Running, config};

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_resumes_behind_the_last_event_over_a_restart() {
    let running = Running::start().await;
    let mut events = running.client.events("/v1/events", Some(0));
    running.add_host("h1", "a").await;
    let mut seen: Vec<EventView> = Vec::new();
    while seen.last().is_none_or(|e| e.kind != "host.added") {
        seen.push(events.next().await.unwrap());
    }
    let Running { service, folder, client } = running;
    service.stop().await.unwrap();
    let service = pilotage_coordinator::service::Service::start(&config(folder.path(), false)).await.unwrap();
    let running = Running { service, client: Client::new(client.address().clone(), None), folder };
    running.add_host("h2", "b").await;
    while seen.last().is_none_or(|e| e.host.as_deref() != Some("h2")) {
        seen.push(events.next().await.unwrap());
    }
    let ids: Vec<u64> = seen.iter().map(|e| e.id).collect();
    assert_eq!(ids, (1..=seen.len() as u64).collect::<Vec<_>>());
    let list: Page<EventView> = running.client.get("/v1/events").await.unwrap();
    assert_eq!(list.items, seen);
    let filtered: Page<EventView> = running.client.get("/v1/events?kind=host.&host=h2").await.unwrap();
    assert_eq!(filtered.items.len(), 1);
    let last: Page<EventView> = running.client.get("/v1/events?last=2").await.unwrap();
    assert_eq!(last.items, seen[seen.len() - 2..]);
}
