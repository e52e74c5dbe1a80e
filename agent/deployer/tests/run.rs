//! The real deployer on real files with real shell hooks.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

#[path = "run/configured.rs"]
mod configured;
#[path = "run/contract.rs"]
mod contract;
#[path = "run/crash.rs"]
mod crash;
#[path = "run/files.rs"]
mod files;
#[path = "run/foreign.rs"]
mod foreign;
#[path = "run/hooks.rs"]
mod hooks;
#[path = "run/killed.rs"]
mod killed;
#[path = "run/lifecycle.rs"]
mod lifecycle;
#[path = "run/ours.rs"]
mod ours;
#[path = "run/output.rs"]
mod output;
#[path = "run/permissions.rs"]
mod permissions;
#[path = "run/races.rs"]
mod races;
#[path = "run/seals.rs"]
mod seals;
#[path = "run/world.rs"]
mod world;
