//! The deployer: a small process that performs one run of a lifecycle and nothing else (DESIGN §6). What comes next is
//! decided by `agent/core`; here are the hands: hooks, files, health, and the durable run directory between agent and us.
//!
//! Blocking IO and plain threads only. The library exists so that tests can reach the parts; the agent starts the binary.

pub mod ask;
mod changes;
pub mod clock;
pub mod configured;
pub mod declared;
pub mod directory;
pub mod drain;
pub mod hook;
pub mod install;
pub mod layout;
pub mod offered;
pub mod perform;
pub mod place;
pub mod prepare;
pub mod probe;
pub mod reboot;
pub mod seal;
pub mod service;
pub mod shared;
pub mod tool;
pub mod verify;
