//! A deterministic simulator: both real cores on one simulated clock, a network that loses and delays, hosts that die, a
//! coordinator that crashes, and the promises checked after every step against the truth on the hosts.

pub mod agent;
pub mod coordinator;
pub mod coverage;
pub mod forecast;
pub mod machine;
pub mod mutations;
pub mod network;
pub mod promises;
pub mod rng;
pub mod seed;
pub mod shrink;
pub mod simulation;
pub mod story;
pub mod sweep;
pub mod trace;
pub mod truth;

pub use simulation::Simulation;
