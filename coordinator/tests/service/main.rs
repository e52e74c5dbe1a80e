//! The coordinator as its callers meet it: the real service on real sockets and a real store; agents that are only a few
//! lines (`host.rs`), because the real ones have tests of their own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod backup;
mod configurations;
mod crash;
mod document;
mod events;
mod follow;
mod host;
mod idempotency;
mod limits;
mod packages;
mod principals;
mod process;
mod recording;
mod rollout;
mod running;
