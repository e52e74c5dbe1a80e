//! An exhaustive model of the floor and of permissions (PROTOCOL §8), driving the real cores: `admit`, `apply` and `plan` of
//! the coordinator, `receive`, `next` and `void` of the host. The simulator meets what is likely in worlds of any size; this
//! meets everything in the smallest.
//!
//! One fleet, two or three hosts in two zones, each with one application; a deployment is asked for, and then anything may happen
//! in any order: a frame is delivered, delivered again, delivered after younger ones, or lost; a session ends and another begins;
//! a host falls silent; agent or coordinator crash; an old copy of the store is put back, with a recovery and without; a machine is
//! made anew; an application dies or comes up by itself; a run fails; a person cancels, goes back, supersedes, moves a host to the
//! other zone, out of the fleet, or retires it. Time stands still: no lease ends, so nothing here is safe only because something
//! was late. Hosts are not interchangeable (the planner takes them in the order of their names), so no state stands for others.
//!
//! Worlds have names ([`worlds::WORLDS`]); those that are too large are searched in breadth as far as one says, and say so.
//!
//! Out of the model: staging takes no time, leases, settling, waves, pins, other fleets.

pub mod action;
#[cfg(pilotage_planted)]
pub mod bugs;
pub mod center;
pub mod host;
pub mod limits;
pub mod net;
pub mod part;
pub mod promises;
pub mod protocol;
pub mod search;
pub mod state;
pub mod worlds;

pub use limits::Limits;
pub use protocol::Protocol;
