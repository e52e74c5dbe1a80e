//! Crashes as a disk sees them. A program is watched (ptrace; no other tool is needed) while it changes files below a folder:
//! every change, every sync and every word of acknowledgement is recorded in the order in which the kernel took them.
//!
//! - [`kill_before`] kills it with -9 before the n-th change; the folder is what a killed process leaves.
//! - [`Recording::rebuild`] makes the folder anew as a power cut may have left it after any prefix: what was not synced is there,
//!   missing, or torn between two sectors, writes after it or not; names that were not synced are there as far as their folder
//!   came.
//!
//! What is acknowledged is what the program says on its standard output ([`victim::acknowledge`]): a test starts itself again
//! as the victim ([`victim`]), or a real program.
//!
//! The disk's rules, as harsh as Linux's file systems: a sync of a file keeps its content, not its name; a sync of a folder
//! keeps its names (unless one says [`Recording::journalled`]). Within one folder names change in their order (a journal's), between folders in any. A rename is never torn.

mod call;
mod dice;
mod disk;
mod files;
mod recording;
mod trace;
pub mod victim;

pub use dice::Dice;
pub use disk::{Crash, Fate};
pub use recording::{Recording, kill_before, record};
