//! The truth on the simulated hosts: what processes do now, whatever anybody believes of them.
//!
//! A machine has power, a boot, applications, runs with their deployer processes, and a disk that survives all of these.
//! Nothing here is told to the coordinator but through an agent's status over the network.

pub mod application;
pub mod behaviour;
pub mod run;

pub use application::{Application, Process};
pub use behaviour::{Behaviour, Behaviours, Health, Wrong};
pub use run::{Run, RunDirectory};
