//! Starts and stops the whole: store, engine, sockets; in this order, and back.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use pilotage_coordinator_core::world::Settings;
use pilotage_disk::durable;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::api::{App, Logs, router};
use crate::backup::{Backups, UNFINISHED};
use crate::config::Config;
use crate::engine::{Engine, Handle};
use crate::packages::{PackageError, Packages, sweep_forever};
use crate::principal::{Names, Secrets, epoch};
use crate::recording::Recorder;
use crate::server::{self, ListenError};
use crate::store::{Keep, Store, StoreError};

/// Why the service did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The folder.
    #[error("failed to use the state folder {path}")]
    State {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody began to restore here: an empty store is not what is meant.
    #[error(
        "the restore into {0} was interrupted: do it again (pilotage-coordinator restore BACKUP --state {0}), or remove {0}/{UNFINISHED} to begin with an empty store"
    )]
    Unfinished(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The packages.
    #[error("failed to open the packages")]
    Packages(#[from] PackageError),
    /// The sockets.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A thread.
    #[error("failed to start the engine's thread")]
    Thread(#[source] io::Error),
    /// It panicked.
    #[error("the engine has failed; the log says why")]
    Engine,
}

/// Removes the socket's name when the service ends, or did not start after all.
#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            warn!(%error, socket = %self.0.display(), "the socket was gone already");
        }
    }
}

/// A running coordinator.
#[derive(Debug)]
pub struct Service {
    stop: CancellationToken,
    engine: Handle,
    thread: Option<JoinHandle<Result<(), StoreError>>>,
    server: tokio::task::JoinHandle<()>,
    ended: CancellationToken,
    socket: SocketFile,
    /// Where TCP listens, when it does.
    pub listening: Option<std::net::SocketAddr>,
}

impl Service {
    /// Starts; when it returns, requests are answered.
    pub async fn start(config: &Config) -> Result<Service, ServiceError> {
        let state = |path: &Path| {
            let path = path.to_owned();
            move |source| ServiceError::State { path, source }
        };
        let folder = &config.state;
        durable::create_dirs(folder, 0o700).map_err(|e| state(folder)(e.source))?;
        if folder.join(UNFINISHED).exists() && !folder.join("store").exists() {
            return Err(ServiceError::Unfinished(folder.display().to_string()));
        }
        let settings = Settings { heartbeat: config.heartbeat };
        let keep = Keep { history: config.history_keep, runs: config.runs_keep };
        let (store, world) = Store::open(&folder.join("store"), &config.backup_folder, settings, keep)?;
        if let Some(warning) = store.warning() {
            warn!(warning, "the store's file system");
        }
        let secrets = Secrets::open(folder).map_err(state(folder))?;
        let packages = Arc::new(Packages::open(&folder.join("packages"))?);
        let logs = Arc::new(Logs::open(&folder.join("logs")).map_err(state(folder))?);
        // The sockets before the start is an input: a port in use changes nothing.
        let unix = server::unix(&config.socket).await?;
        let socket = SocketFile(config.socket.clone());
        let tcp = match config.listen {
            Some(address) => Some(server::tcp(address).await?),
            None => None,
        };
        let listening = tcp.as_ref().and_then(|l| l.local_addr().ok());
        let (hosts, fleets) = (world.hosts.len(), world.fleets.len());
        let recorder = match config.recording {
            Some(limits) => Recorder::new(&folder.join("recording"), limits, store.newest()),
            None => Recorder::off(),
        };
        let (engine, handle) = Engine::start(store, world, epoch().map_err(state(folder))?, recorder)?;
        let ended = CancellationToken::new();
        let (runtime, guard) = (tokio::runtime::Handle::current(), ended.clone().drop_guard());
        let run = move || {
            let _ended = guard;
            engine.run(&runtime)
        };
        let thread = std::thread::Builder::new().name("engine".into()).spawn(run).map_err(ServiceError::Thread)?;
        let names = Names::new(listening, &config.names);
        let backups = Arc::new(Backups::new(config.backup_folder.clone(), config.backup_keep));
        let app = App::new(handle.clone(), packages.clone(), logs.clone(), backups.clone(), secrets, names, config.insecure);
        let stop = app.stopping.clone();
        tokio::spawn(sweep_forever(packages, logs.clone(), handle.clone(), config.packages_keep, stop.clone()));
        if let Some(every) = config.backup_every {
            let (handle, stop) = (handle.clone(), stop.clone());
            tokio::spawn(async move { backups.keep_making(every, handle, stop).await });
        }
        let server = tokio::spawn(server::serve(unix, tcp, router(app), stop.clone()));
        info!(hosts, fleets, socket = %config.socket.display(), listen = ?listening, "coordinator started");
        Ok(Service { stop, engine: handle, thread: Some(thread), server, ended, socket, listening })
    }

    /// Returns when the engine has ended by itself: something is badly wrong.
    pub async fn failed(&self) {
        self.ended.cancelled().await;
    }

    /// Stops: no new connections, streams and sessions end, what has arrived is committed.
    pub async fn stop(mut self) -> Result<(), ServiceError> {
        // The name goes first: who comes now is told that nobody is there, and not left waiting.
        drop(self.socket);
        self.engine.stop().await;
        self.stop.cancel();
        if let Err(failed) = self.server.await {
            error!(error = %failed, "the server failed");
        }
        let Some(thread) = self.thread.take() else { return Ok(()) };
        let joined = tokio::task::spawn_blocking(move || thread.join()).await;
        match joined {
            Ok(Ok(result)) => Ok(result?),
            Ok(Err(_)) | Err(_) => Err(ServiceError::Engine),
        }
    }
}
