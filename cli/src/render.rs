//! What people read, made from the API's bodies and nothing else: pure functions to lines, so that the exact output is tested.
//! First line: the verdict; last line: `next` (UI.md). Text of hosts and people goes through [`crate::output::safe`] here.

pub mod columns;
pub mod configurations;
pub mod deployment;
pub mod explain;
pub mod fleets;
pub mod forecast;
pub mod hosts;
pub mod packages;
pub mod recovery;
pub mod replay;
pub mod runs;
pub mod status;
pub mod words;

#[cfg(test)]
pub mod samples;
