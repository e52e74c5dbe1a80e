//! An exhaustive model of the floor and of permissions (PROTOCOL §8), driving the real cores: `admit`, `apply` and `plan` of
//! the coordinator, `receive`, `next` and `void` of the host. The simulator meets what is likely in worlds of any size; this
//! meets everything in the smallest.
//!
//! One fleet, two or three hosts in two zones, each with one application; a deployment is asked for, and then anything that its
//! world allows may happen in any order: a frame is late, overtaken by any number of others, delivered twice, or lost; a session
//! ends and another begins; a host falls silent; agent or coordinator crash; an old copy of the store is put back, with a recovery
//! and without; a machine is made anew; an application dies or comes up by itself; a run fails; a person cancels, goes back,
//! supersedes, moves a host to the other zone, out of the fleet, or retires it. Time stands still: no lease ends, so nothing here is
//! safe only because something was late. Hosts are not interchangeable (the planner takes them in the order of their names), so no
//! state stands for one with other hosts.
//!
//! A world ([`worlds::WORLDS`]) allows only what it is about, each a small number of times, and so it ends: it is searched
//! completely. The table of them, with their states, is in `README.md` beside this crate.
//!
//! # What is one step, and which states are one
//!
//! All of these leave out no behaviour in which a promise could break, but where a loss is named.
//!
//! - *A frame arrives at once or is late.* To send and to deliver with nothing between them is one step; a frame that something
//!   happens before is one of the late ones, of which a world allows so many at a time. Any order of sending and delivery with at
//!   most so many frames under way is one of these.
//! - *Numbers are told by their order* ([`mark`]): generations, sessions and sequences are only compared, so two states that differ
//!   in their values alone behave alike.
//! - *A late frame that must be refused is gone* (`Protocol::tidy`): its session is over, or something newer of its session was
//!   taken in, and neither is ever undone (R2–R5). Not in worlds with a bug that takes it in.
//! - *What nobody reads is not kept* (`Host::forget`): the numbers of runs, the previous release, how a run without a refusal ended,
//!   an intent that permits nothing (any more) and has done what it does, an old copy that may not be put back any more.
//! - *An intent is sent only when the host would do something with it* (`Host::knows`): it was not seen, brings other bits, takes a
//!   permission back, or permits something; and that again when it answers newer facts or was derived when the coordinator counted
//!   others. Hearing more could only make a host refuse late frames, and what is refused might as well have been lost.
//! - *A run that has ended is closed at once.* Lost: a crash between its end and the ledger's record of it. To all others that host
//!   looks as in its run, but serves: there is more in service than they count on.
//! - *Promise 8 is checked by the newest generation that a ledger has begun*: each must be newer, which says more than that none
//!   begins twice.
//!
//! A state is known by a hash of 64 bits: with ten million states the chance that two share one is below one in 300,000.
//!
//! Out of the model: staging takes no time, leases, flapping, waves, pins, other fleets, clones, a second coordinator that lives on,
//! more than one old copy. What the deployer does (`run::next`) is the simulator's: here a run disturbs, and ends well or not.

pub mod action;
#[cfg(pilotage_planted)]
pub mod bugs;
pub mod center;
pub mod host;
pub mod limits;
pub mod mark;
pub mod net;
pub mod part;
pub mod promises;
pub mod protocol;
pub mod search;
pub mod state;
pub mod worlds;

pub use limits::Limits;
pub use protocol::Protocol;
