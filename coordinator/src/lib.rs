//! The coordinator's service: the shell around the pure core.
//!
//! ```text
//! server   sockets, connections              principal  who asks (no anonymous one)
//! api      one file per resource             sessions   connections of agents
//! engine   the one thread that alone touches world and store: admit, apply, plan, commit, answer, publish
//! backup   copies of the store, and the way back     follow     output of hooks while they run
//! recording  what the core was given, for replays
//! store    world, history and runs as records           packages   manifests and objects on disk
//! ```
//!
//! Decisions are not made here: `pilotage-coordinator-core` makes them.

pub mod api;
pub mod backup;
pub mod config;
pub mod engine;
pub mod follow;
pub mod packages;
pub mod principal;
pub mod problem;
pub mod recording;
pub mod server;
pub mod service;
pub mod sessions;
pub mod store;
