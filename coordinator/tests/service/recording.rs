//! What the real service records is replayed byte by byte: over a clean restart and kill -9, with hosts that refuse; a decision that
//! was changed is noticed; a recording that cannot be written stops nobody, and is said.

use std::io::Read;

use pilotage_client::{Client, Secret};
use pilotage_coordinator::service::Service;
use pilotage_coordinator_core::replay::codec::pieces;
use pilotage_coordinator_core::replay::{Piece, Place, Player, Rift, Turn};
use pilotage_shared::api::v1::{DeploymentView, HostAdded, OutcomeWord, PackageView, StatusView};
use pilotage_shared::digest::Digest;
use serde_json::{Value, json};

use crate::host::Host;
use crate::process::{end, start};
use crate::running::{Running, config, tar, until};

async fn add_hosts(client: &Client, n: usize) -> Vec<Secret<String>> {
    let mut tokens = Vec::new();
    for i in 0..n {
        let body = json!({"name": format!("h{i}"), "labels": {"zone": "a"}});
        let added: HostAdded = client.post("/v1/hosts", &body, None).await.unwrap();
        tokens.push(Secret::new(added.token));
    }
    tokens
}

async fn add_package(client: &Client, version: &'static str) -> Digest {
    let bytes = tar(&[("appspec.yml", "version: 0.0\nos: linux\n"), ("app", version)]);
    let path = format!("/v1/packages?app=web&version={version}");
    let package: PackageView = client.upload(&path, "application/octet-stream", None, move |w| w.write_all(&bytes)).await.unwrap();
    package.digest
}

async fn deploy(client: &Client, version: &str) {
    let _: DeploymentView = client.post("/v1/deployments", &json!({"fleet": "web-prod", "package": version, "reason": "test"}), None).await.unwrap();
}

async fn ended(client: &Client) -> OutcomeWord {
    until("it ends", async || client.get::<DeploymentView>("/v1/deployments/web-prod").await.unwrap().outcome).await
}

/// Agents whose ledgers are new each time: as after a re-image.
fn agents(client: &Client, tokens: &[Secret<String>], life: u8, refuses: Digest) -> Vec<Host> {
    let one = |(i, token): (usize, &Secret<String>)| {
        Host::refusing(client.address().clone(), &format!("h{i}"), token.clone(), life, (i == 0).then_some(refuses))
    };
    tokens.iter().enumerate().map(one).collect()
}

async fn recording(client: &Client) -> Vec<u8> {
    let packed = client.get_bytes("/v1/recording?since=0", 64 << 20).await.unwrap();
    let mut bytes = Vec::new();
    zstd::stream::read::Decoder::new(&packed[..]).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn replay(pieces: &[Piece]) -> Result<Vec<Rift>, Box<pilotage_coordinator_core::replay::Difference>> {
    let Some((Piece::Checkpoint(first), rest)) = pieces.split_first() else { panic!("it does not begin with a checkpoint") };
    let (mut player, mut rifts) = (Player::load(first), Vec::new());
    for piece in rest {
        match piece {
            Piece::Checkpoint(checkpoint) => rifts.extend(player.meet(checkpoint)?),
            Piece::Turn(turn) => drop(player.turn(turn)?),
        }
    }
    Ok(rifts)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_recorded_is_replayed_byte_by_byte_over_kill_9_and_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (process, client) = start(folder.path()).await;
    let tokens = add_hosts(&client, 4).await;
    let bad = {
        add_package(&client, "1.0.0").await;
        add_package(&client, "1.1.0").await
    };
    let fleet = json!({"fleet": "web-prod", "app": "web", "select": "zone", "floor": {"fleet": "50%"}, "health": {"http": "http://localhost/", "healthy_for": "1s"}});
    let _: Value = client.put("/v1/fleets/web-prod?reason=test", &fleet, None).await.unwrap();
    let hosts = agents(&client, &tokens, 1, bad);
    deploy(&client, "1.0.0").await;
    assert_eq!(ended(&client).await, OutcomeWord::Succeeded);
    deploy(&client, "1.1.0").await;
    assert_eq!(ended(&client).await, OutcomeWord::RolledBack);
    // In the middle of a third one it is killed.
    add_package(&client, "1.2.0").await;
    deploy(&client, "1.2.0").await;
    end(process, nix::sys::signal::Signal::SIGKILL);
    drop(hosts);

    let (process, client) = start(folder.path()).await;
    let hosts = agents(&client, &tokens, 2, bad);
    assert_eq!(ended(&client).await, OutcomeWord::Succeeded);
    assert!(end(process, nix::sys::signal::Signal::SIGTERM).success());
    drop(hosts);

    let (_process, client) = start(folder.path()).await;
    let bytes = recording(&client).await;
    for token in &tokens {
        let hash = pilotage_coordinator::principal::hash(token.expose());
        assert!(!bytes.windows(32).any(|part| part == hash) && !bytes.windows(20).any(|part| part == &token.expose().as_bytes()[..20]));
    }
    let mut pieces = pieces(&bytes).unwrap();
    let rifts = replay(&pieces).unwrap();
    assert_eq!(rifts.len(), 2, "{rifts:?}");
    assert!(rifts.iter().all(|rift| rift.start));
    assert_eq!(rifts[1].records, 0, "a clean stop loses nothing: {rifts:?}");

    let planned = pieces.iter_mut().find_map(|piece| match piece {
        Piece::Turn(Turn { plan: Some(plan), .. }) if plan.changes.len() > 1 => Some(&mut plan.changes),
        Piece::Turn(_) | Piece::Checkpoint(_) => None,
    });
    planned.unwrap().swap(0, 1);
    let difference = replay(&pieces).unwrap_err();
    assert_eq!(difference.place, Place::Plan);
    assert!(!difference.recorded.is_empty() && difference.recorded != difference.replayed, "both sides are there");

    let one = client.get_bytes("/v1/deployments/web-prod.2/recording", 64 << 20).await.unwrap();
    assert!(!one.is_empty() && one.len() < bytes.len());
    assert!(client.get_bytes("/v1/deployments/web-prod.9/recording", 64 << 20).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_that_cannot_be_written_stops_nobody_and_is_said() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("state")).unwrap();
    std::fs::write(folder.path().join("state/recording"), "in its way").unwrap();
    let service = Service::start(&config(folder.path(), false)).await.unwrap();
    let client = Client::new(pilotage_client::Address::Unix(folder.path().join("c.sock")), None);
    add_hosts(&client, 1).await;
    let status: StatusView = client.get("/v1/status").await.unwrap();
    assert!(status.coordinator.recording_lost.is_some_and(|why| why.contains("since")));
    service.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_may_not_read_recordings() {
    let running = Running::with(true).await;
    let token = running.add_host("h1", "a").await;
    let address = pilotage_client::Address::Tcp(running.tcp());
    let host = Client::new(address, Some(token));
    let problem = crate::running::problem(host.get_bytes("/v1/recording", 1 << 20).await);
    assert_eq!(problem.code, "not-allowed");
}
