//! An exhaustive model of the floor and of permissions (PROTOCOL §8), driving the real cores: `admit`, `apply` and `plan` of
//! the coordinator, `receive`, `next` and `void` of the host. The simulator meets what is likely in worlds of any size; this
//! meets everything in the smallest.
//!
//! One fleet, two or three hosts, each with one application; a deployment is asked for, and then anything may happen in any order:
//! a frame is delivered, delivered again, delivered after younger ones, or lost; a session ends and another begins; agent or
//! coordinator crash; an old copy of the store is restored; a machine is made anew; a run fails; a person cancels or goes
//! back. Time stands still: no lease ends and no silence is noticed, so nothing here is safe only because something was late.
//!
//! Out of the model: staging takes no time, deaths of applications by themselves, waves, pins, other fleets.

pub mod center;
pub mod host;
pub mod net;
pub mod protocol;

pub use protocol::{Limits, Protocol};
