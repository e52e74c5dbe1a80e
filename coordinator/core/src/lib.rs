//! The coordinator's pure core: what is admitted, what it changes, what is planned, and why something waits.
//!
//! ```text
//! admit(&World, &Input, now)        -> Admitted { changes, answer } | Rejected      requests and reports
//! World::apply(&mut self, &Change)  -> Touched { records, fleets, hosts }           the only mutation
//! plan(&World, &fleets, now)        -> Plan { changes, wake_at }     ┐ both from one private
//! explain(&World, &DeploymentId)    -> Vec<Waiting>                  ┘ decide(&World, fleet)
//! ```
//!
//! Nothing here reads a clock, draws a random number, or performs IO: time and fresh ids come in as inputs. The rules
//! (R1–R33) are those of the protocol between coordinator and host; each function names the ones it keeps.

pub mod admit;
pub mod allowed;
pub mod answer;
pub mod apply;
pub mod change;
pub mod counts;
pub mod input;
pub mod intent;
pub mod plan;
pub mod rejected;
pub mod replay;
pub mod waiting;
pub mod world;

pub use admit::{Admitted, admit};
pub use answer::Answer;
pub use change::{Change, Touched};
pub use input::{Input, Request};
pub use plan::{Plan, explain, plan};
pub use rejected::Rejected;
pub use waiting::{Cause, Waiting};
pub use world::World;
pub use world::load::Key;
