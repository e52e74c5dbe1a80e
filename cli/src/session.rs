//! The coordinator of this command: every route that the commands use, each in one place, with patience for a coordinator
//! that is just being started again and one idempotency key for each wish, so that a repeated request has one effect.

use std::time::{Duration, Instant};

use pilotage_client::{Client, ClientError, Events, Secret, Stream, encode};
use pilotage_shared::api::v1::{
    AddHost, BackupView, Because, ConfigurationView, CreateDeployment, DeploymentView, EventView, Explanation, FleetApplied, FleetBody, FleetStatus,
    FleetView, HostAdded, HostView, MakeBackup, PackageView, Page, PatchHost, Recover, RecoveryView, RunView, StatusView,
};
use pilotage_shared::ids::DeploymentId;
use pilotage_shared::name::{AppName, FleetName, HostName, Reason};
use pilotage_shared::time::Time;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::context::Context;
use crate::failure::Failure;

/// Between two attempts.
const AGAIN: Duration = Duration::from_millis(200);

/// Bytes of a log that is shown.
const LOG_MAX: usize = 64 << 20;
/// Bytes of a recording, compressed.
const RECORDING_MAX: usize = 1 << 30;

/// A coordinator to talk to.
#[derive(Clone, Debug)]
pub struct Session {
    /// What mutating commands print first.
    pub context: String,
    client: Client,
    patience: Duration,
}

/// A wish: its idempotency key stays the same however often it is sent.
fn key() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::System { what: "draw a random number", source: std::io::Error::other(error.to_string()) })?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

impl Session {
    /// Makes one; nothing is sent yet. `patience`: how long an unreachable coordinator is asked again.
    pub fn new(context: Context, patience: Duration) -> Result<Self, Failure> {
        let token = context.token_file.as_deref().map(Secret::from_file).transpose()?;
        Ok(Self { context: context.name, client: Client::new(context.address, token), patience })
    }

    /// The same coordinator, with another patience.
    #[must_use]
    pub fn with_patience(&self, patience: Duration) -> Self {
        Self { patience, ..self.clone() }
    }

    // ---- reading

    /// Everything at one moment.
    pub async fn status(&self) -> Result<StatusView, Failure> {
        self.get("/v1/status").await
    }

    /// Copies the coordinator's store, there.
    pub async fn make_backup(&self, body: &MakeBackup) -> Result<BackupView, Failure> {
        self.post("/v1/backups", body).await
    }

    /// What was recorded while a deployment was in course.
    pub async fn recording(&self, id: &DeploymentId) -> Result<Vec<u8>, Failure> {
        let path = format!("/v1/deployments/{}/recording", encode(&id.to_string()));
        self.again(async || self.client.get_bytes(&path, RECORDING_MAX).await).await.map(Into::into)
    }

    /// All that was recorded since a moment.
    pub async fn recording_since(&self, since: Time) -> Result<Vec<u8>, Failure> {
        let path = format!("/v1/recording?since={}", since.0);
        self.again(async || self.client.get_bytes(&path, RECORDING_MAX).await).await.map(Into::into)
    }

    /// What a restored store wants, and what runs.
    pub async fn recovery(&self) -> Result<RecoveryView, Failure> {
        self.get("/v1/recovery").await
    }

    /// One fleet at one moment.
    pub async fn fleet_status(&self, fleet: &FleetName) -> Result<FleetStatus, Failure> {
        let status = self.status().await?;
        let found = status.fleets.into_iter().find(|view| &view.fleet == fleet);
        found.ok_or_else(|| Failure::NotFound(format!("there is no fleet {fleet}")))
    }

    /// A fleet's name stands for its newest deployment (UI.md).
    pub async fn newest(&self, target: &str) -> Result<DeploymentId, Failure> {
        let status = self.status().await?;
        match status.fleets.iter().find(|view| view.fleet.as_str() == target) {
            Some(FleetStatus { deployment: Some(deployment), .. }) => Ok(deployment.id.clone()),
            Some(FleetStatus { deployment: None, .. }) => Err(Failure::NotFound(format!("nothing was ever deployed to {target}"))),
            None => {
                target.parse().map_err(|_| Failure::NotFound(format!("there is no fleet {target:?}, and it is no deployment as web-prod.87 either")))
            }
        }
    }

    /// One deployment.
    pub async fn deployment(&self, id: &DeploymentId) -> Result<DeploymentView, Failure> {
        self.get(&format!("/v1/deployments/{}", encode(&id.to_string()))).await
    }

    /// Newest first.
    pub async fn deployments(&self, fleet: Option<&FleetName>, limit: usize) -> Result<Vec<DeploymentView>, Failure> {
        let fleet = fleet.map_or_else(String::new, |fleet| format!("fleet={fleet}&"));
        self.list(&format!("/v1/deployments?{fleet}"), limit).await
    }

    /// What a deployment waits for.
    pub async fn explain(&self, id: &DeploymentId) -> Result<Explanation, Failure> {
        self.get(&format!("/v1/deployments/{}/explain", encode(&id.to_string()))).await
    }

    /// What a fleet waits for, also while it only catches up.
    pub async fn explain_fleet(&self, fleet: &FleetName) -> Result<Explanation, Failure> {
        self.get(&format!("/v1/fleets/{fleet}/explain")).await
    }

    /// Its runs.
    pub async fn runs(&self, id: &DeploymentId) -> Result<Vec<RunView>, Failure> {
        self.list(&format!("/v1/deployments/{}/runs?", encode(&id.to_string())), usize::MAX).await
    }

    /// The output of one event of a run.
    pub async fn log(&self, id: &DeploymentId, run: &RunView, event: &str, back: bool) -> Result<Vec<u8>, Failure> {
        let (id, event) = (encode(&id.to_string()), encode(event));
        let path = format!("/v1/deployments/{id}/runs/{}/log?attempt={}&event={event}&back={back}", run.host, run.attempt);
        self.again(async || self.client.get_bytes(&path, LOG_MAX).await).await.map(Into::into)
    }

    /// The output of a host's run in a deployment, as it comes.
    pub async fn output(&self, id: &DeploymentId, host: &HostName) -> Result<Stream, Failure> {
        let path = format!("/v1/deployments/{}/runs/{host}/output", encode(&id.to_string()));
        self.again(async || self.client.stream(&path).await).await
    }

    /// Every fleet as it was declared.
    pub async fn fleets(&self) -> Result<Vec<FleetView>, Failure> {
        self.list("/v1/fleets?", usize::MAX).await
    }

    /// One of them.
    pub async fn fleet(&self, fleet: &FleetName) -> Result<FleetView, Failure> {
        self.get(&format!("/v1/fleets/{fleet}")).await
    }

    /// Hosts; `query` as `selector=…&behind=true&`.
    pub async fn hosts(&self, query: &str) -> Result<Vec<HostView>, Failure> {
        self.list(&format!("/v1/hosts?{query}"), usize::MAX).await
    }

    /// One host.
    pub async fn host(&self, host: &HostName) -> Result<HostView, Failure> {
        self.get(&format!("/v1/hosts/{host}")).await
    }

    /// Packages of an app, or all.
    pub async fn packages(&self, app: Option<&str>) -> Result<Vec<PackageView>, Failure> {
        let app = app.map_or_else(String::new, |app| format!("app={}&", encode(app)));
        self.list(&format!("/v1/packages?{app}"), usize::MAX).await
    }

    /// Configurations of an app, newest first.
    pub async fn configurations(&self, app: Option<&AppName>) -> Result<Vec<ConfigurationView>, Failure> {
        let app = app.map_or_else(String::new, |app| format!("app={app}&"));
        self.list(&format!("/v1/configurations?{app}"), usize::MAX).await
    }

    /// One configuration with its content; `number` as `c17`.
    pub async fn configuration(&self, app: &AppName, number: &str) -> Result<ConfigurationView, Failure> {
        self.get(&format!("/v1/configurations/{app}/{}", encode(number))).await
    }

    /// Releases a configuration from hold.
    pub async fn release_configuration(&self, app: &AppName, number: &str, reason: &Reason) -> Result<ConfigurationView, Failure> {
        self.post(&format!("/v1/configurations/{app}/{}/release", encode(number)), &Because { reason: reason.clone() }).await
    }

    /// One package, by `web@1.4.2` or digest.
    pub async fn package(&self, package: &str) -> Result<PackageView, Failure> {
        self.get(&format!("/v1/packages/{}", encode(package))).await
    }

    /// Entries of the history, oldest first: from behind `after` on, or the newest. `query` as `fleet=web-prod&`.
    pub async fn history(&self, query: &str, after: Option<u64>, limit: usize) -> Result<Vec<EventView>, Failure> {
        let Some(mut after) = after else {
            return self.get(&format!("/v1/events?{query}last={limit}")).await.map(|page: Page<EventView>| page.items);
        };
        let mut items: Vec<EventView> = Vec::new();
        loop {
            let page: Page<EventView> = self.get(&format!("/v1/events?{query}after={after}&limit={}", limit - items.len())).await?;
            items.extend(page.items);
            // Here a page's `next` is a position, as `after` is.
            match page.next.and_then(|next| next.parse().ok()) {
                Some(next) if items.len() < limit && next > after => after = next,
                Some(_) | None => return Ok(items),
            }
        }
    }

    /// The stream of events, from behind `after` on.
    pub fn events(&self, query: &str, after: Option<u64>) -> Events {
        self.client.events(&format!("/v1/events?{query}"), after).with_patience(self.patience)
    }

    // ---- writing

    /// Declares a fleet, or asks what that would do.
    pub async fn put_fleet(&self, body: &FleetBody, dry_run: bool, reason: &Reason) -> Result<FleetApplied, Failure> {
        let path = format!("/v1/fleets/{}?dry_run={dry_run}&reason={}", body.fleet, encode(reason.as_str()));
        let key = key()?;
        self.again(async || self.client.put(&path, body, Some(&key)).await).await
    }

    /// Deletes what a path names.
    async fn delete(&self, path: &str, reason: &Reason) -> Result<(), Failure> {
        let path = format!("{path}?reason={}", encode(reason.as_str()));
        let key = key()?;
        self.again(async || self.client.delete(&path, Some(&key)).await).await
    }

    /// Deletes a fleet.
    pub async fn delete_fleet(&self, fleet: &FleetName, reason: &Reason) -> Result<(), Failure> {
        self.delete(&format!("/v1/fleets/{fleet}"), reason).await
    }

    /// Deletes a package.
    pub async fn delete_package(&self, package: &str, reason: &Reason) -> Result<(), Failure> {
        self.delete(&format!("/v1/packages/{}", encode(package)), reason).await
    }

    /// `release` from hold, `block`, `unblock`.
    pub async fn turn_package(&self, package: &str, verb: &str, reason: &Reason) -> Result<PackageView, Failure> {
        self.post(&format!("/v1/packages/{}/{verb}", encode(package)), &Because { reason: reason.clone() }).await
    }

    /// Begins a deployment.
    pub async fn deploy(&self, body: &CreateDeployment) -> Result<DeploymentView, Failure> {
        self.post("/v1/deployments", body).await
    }

    /// `pause`, `resume`, `cancel`, `rollback`.
    pub async fn turn(&self, id: &DeploymentId, verb: &str, reason: &Reason) -> Result<DeploymentView, Failure> {
        self.post(&format!("/v1/deployments/{}/{verb}", encode(&id.to_string())), &Because { reason: reason.clone() }).await
    }

    /// Goes on after a restore.
    pub async fn recover(&self, body: &Recover) -> Result<RecoveryView, Failure> {
        self.post("/v1/recovery", body).await
    }

    /// Invites a machine.
    pub async fn add_host(&self, body: &AddHost) -> Result<HostAdded, Failure> {
        self.post("/v1/hosts", body).await
    }

    /// Changes a host's labels.
    pub async fn patch_host(&self, host: &HostName, body: &PatchHost) -> Result<HostView, Failure> {
        let path = format!("/v1/hosts/{host}");
        let key = key()?;
        self.again(async || self.client.patch(&path, body, Some(&key)).await).await
    }

    /// Retires a host: no member any more.
    pub async fn retire_host(&self, host: &HostName, reason: &Reason) -> Result<(), Failure> {
        self.delete(&format!("/v1/hosts/{host}"), reason).await
    }

    /// `cordon`, `uncordon`, `maintain`, `activate`, `retry`.
    pub async fn turn_host(&self, host: &HostName, verb: &str, reason: &Reason) -> Result<HostView, Failure> {
        self.post(&format!("/v1/hosts/{host}/{verb}"), &Because { reason: reason.clone() }).await
    }

    /// POST of a streamed body; content is addressed by its digest, so that sending it again is harmless.
    pub async fn upload<T, F>(&self, path: &str, content_type: &str, write: F) -> Result<T, Failure>
    where
        T: DeserializeOwned,
        F: FnOnce(&mut dyn std::io::Write) -> std::io::Result<()> + Send + 'static,
    {
        self.client.upload(path, content_type, None, write).await.map_err(Failure::from)
    }

    /// POST with a key of its own.
    pub async fn post<B: Serialize, T: DeserializeOwned>(&self, path: &str, body: &B) -> Result<T, Failure> {
        let key = key()?;
        self.again(async || self.client.post(path, body, Some(&key)).await).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.again(async || self.client.get(path).await).await
    }

    /// All pages of a list; `path` ends in `?` or `&`.
    async fn list<T: DeserializeOwned>(&self, path: &str, limit: usize) -> Result<Vec<T>, Failure> {
        let mut items: Vec<T> = Vec::new();
        let mut cursor = String::new();
        loop {
            let page: Page<T> = self.get(&format!("{path}limit={}{cursor}", limit.saturating_sub(items.len()).clamp(1, 500))).await?;
            items.extend(page.items);
            match page.next {
                Some(next) if items.len() < limit => cursor = format!("&cursor={}", encode(&next)),
                Some(_) | None => return Ok(items),
            }
        }
    }

    /// Repeats a request that did not reach the coordinator. Right for reads, and for writes because the key stays.
    async fn again<T>(&self, ask: impl AsyncFn() -> Result<T, ClientError>) -> Result<T, Failure> {
        let begin = Instant::now();
        loop {
            match ask().await {
                Err(error) if error.is_unreachable() && begin.elapsed() < self.patience => tokio::time::sleep(AGAIN).await,
                answer => return answer.map_err(Failure::from),
            }
        }
    }
}
