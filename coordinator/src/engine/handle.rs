//! How the rest of the service speaks to the engine: it asks and is answered after the commit, or reads between commits.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use pilotage_coordinator_core::change::Change;
use pilotage_coordinator_core::input::{Idempotency, Request, Via};
use pilotage_coordinator_core::world::{HostState, World};
use pilotage_coordinator_core::{Answer, Rejected};
use pilotage_shared::ids::{DeploymentId, HostId};
use pilotage_shared::name::{AppName, HostName, Reason};
use pilotage_shared::principal::Principal;
use pilotage_shared::run::RunReport;
use pilotage_shared::time::Time;
use tokio::sync::{mpsc, oneshot, watch};

use super::{Numbers, Tracker};
use crate::follow::{Follows, Watching};
use crate::recording::Recorder;
use crate::sessions::Outbox;
use crate::store::Store;

/// Why something was not done.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refusal {
    /// The core's word: the caller's fault.
    #[error(transparent)]
    Rejected(Box<Rejected>),
    /// The disk is nearly full: nothing is admitted.
    #[error("the coordinator's disk is nearly full: nothing is admitted until there is room")]
    NoSpace,
    /// The engine has ended; what was asked for is in doubt.
    #[error("the coordinator stops; whether this took effect is not known: ask again under the same idempotency key")]
    Stopping,
}

impl From<Rejected> for Refusal {
    fn from(rejected: Rejected) -> Self {
        Refusal::Rejected(Box::new(rejected))
    }
}

/// Makes the request from the world as it is when the input's turn has come.
pub type Make = Box<dyn FnOnce(&World) -> Result<Request, Rejected> + Send>;

/// One input on its way.
pub struct Ask {
    /// Who asks; made by the transport.
    pub by: Principal,
    /// By which way.
    pub via: Via,
    /// Why.
    pub reason: Reason,
    /// For writes of people.
    pub idempotency: Option<Idempotency>,
    /// What is asked.
    pub make: Make,
    /// With a hello: where its session's frames go.
    pub outbox: Option<Arc<Outbox>>,
    /// The answer, after the commit.
    pub reply: oneshot::Sender<Result<Answer, Refusal>>,
}

impl Ask {
    pub(super) fn refuse(self, refusal: Refusal) {
        // A caller that has gone away needs no answer.
        drop(self.reply.send(Err(refusal)));
    }
}

/// What a query reads.
#[derive(Debug)]
pub struct View<'a> {
    /// As it is on disk.
    pub world: &'a World,
    /// History and runs.
    pub store: &'a Store,
    /// What was watched in this life.
    pub tracker: &'a Tracker,
    /// What is recorded.
    pub recorder: &'a Recorder,
    /// When this life began.
    pub started_at: Time,
    /// The engine's clock.
    pub now: Time,
    /// The disk is nearly full.
    pub full: bool,
}

type Query = Box<dyn FnOnce(&View<'_>) + Send>;

pub(super) enum Job {
    Ask(Box<Ask>),
    Run(Box<RunReport>, oneshot::Sender<Result<(), Refusal>>),
    Query(Query),
    /// What is wished of this host is to be said again.
    Tell(HostName),
    Stop,
}

/// Which host shows a token, by the token's SHA-256.
#[derive(Clone, Debug, Default)]
pub(super) struct Tokens(Arc<RwLock<BTreeMap<[u8; 32], HostId>>>);

impl Tokens {
    pub fn of(world: &World) -> Self {
        let active = world.hosts.values().filter(|h| h.state != HostState::Retired);
        Self(Arc::new(RwLock::new(active.map(|h| (h.token, h.id.clone())).collect())))
    }

    /// Follows what changes hosts. (A token that is known before its host is on disk only lets its agent in early.)
    pub fn change(&self, world: &World, change: &Change) {
        let retired = match change {
            Change::HostPut { host } => {
                let mut tokens = self.0.write().unwrap_or_else(PoisonError::into_inner);
                tokens.retain(|token, id| id.name != host.id.name || *token == host.token);
                tokens.insert(host.token, host.id.clone());
                None
            }
            Change::HostRetired { host } => world.hosts.get(host),
            _ => None,
        };
        if let Some(host) = retired {
            self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&host.token);
        }
    }

    fn get(&self, token: &[u8; 32]) -> Option<HostId> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    }
}

/// A caller of the engine.
#[derive(Clone, Debug)]
pub struct Handle {
    jobs: mpsc::Sender<Job>,
    newest: watch::Receiver<u64>,
    tokens: Tokens,
    numbers: Numbers,
    follows: Follows,
}

impl Handle {
    pub(super) fn new(jobs: mpsc::Sender<Job>, newest: watch::Receiver<u64>, tokens: Tokens, numbers: Numbers, follows: Follows) -> Self {
        Self { jobs, newest, tokens, numbers, follows }
    }

    /// Asks, and waits until it is on disk (R1).
    pub async fn ask(&self, ask: impl FnOnce(oneshot::Sender<Result<Answer, Refusal>>) -> Ask) -> Result<Answer, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.jobs.send(Job::Ask(Box::new(ask(reply)))).await.map_err(|_| Refusal::Stopping)?;
        answer.await.map_err(|_| Refusal::Stopping)?
    }

    /// Keeps a run's report; returns when it is on disk.
    pub async fn put_run(&self, report: RunReport) -> Result<(), Refusal> {
        let (reply, answer) = oneshot::channel();
        self.jobs.send(Job::Run(Box::new(report), reply)).await.map_err(|_| Refusal::Stopping)?;
        answer.await.map_err(|_| Refusal::Stopping)?
    }

    /// Reads, between two commits.
    pub async fn query<T: Send + 'static>(&self, read: impl FnOnce(&View<'_>) -> T + Send + 'static) -> Result<T, Refusal> {
        let (reply, answer) = oneshot::channel();
        let query: Query = Box::new(move |view| drop(reply.send(read(view))));
        self.jobs.send(Job::Query(query)).await.map_err(|_| Refusal::Stopping)?;
        answer.await.map_err(|_| Refusal::Stopping)
    }

    /// Watches the output of a host's run in a deployment; the host is told, and told again when nobody watches any more.
    pub async fn follow(&self, host: HostName, app: AppName, deployment: DeploymentId) -> Result<Watching, Refusal> {
        let (jobs, left) = (self.jobs.clone(), host.clone());
        // When the queue is full the host learns it from the answer to its next piece.
        let watching = self.follows.watch(host.clone(), app, deployment, move || drop(jobs.try_send(Job::Tell(left))));
        self.jobs.send(Job::Tell(host)).await.map_err(|_| Refusal::Stopping)?;
        Ok(watching)
    }

    /// Whose output is watched.
    pub fn follows(&self) -> &Follows {
        &self.follows
    }

    /// Ends the engine after what has arrived.
    pub async fn stop(&self) {
        // When it has ended already there is nobody to tell.
        drop(self.jobs.send(Job::Stop).await);
    }

    /// Position of the newest entry of the history, as it rises.
    pub fn newest(&self) -> watch::Receiver<u64> {
        self.newest.clone()
    }

    /// The host that shows this token.
    pub fn host_of(&self, token_hash: &[u8; 32]) -> Option<HostId> {
        self.tokens.get(token_hash)
    }

    /// Its counters.
    pub fn numbers(&self) -> &Numbers {
        &self.numbers
    }
}
