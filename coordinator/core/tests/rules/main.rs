//! The rules of the protocol between coordinator and host, one story each, told to the pure core by hand.
#![expect(clippy::unwrap_used, reason = "the helpers of a test fail as the test does")]

mod batch;
mod capacity;
mod configurations;
mod deployments;
mod recovery;
mod sessions;
mod waiting;
mod world;
