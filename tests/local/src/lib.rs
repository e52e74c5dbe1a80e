//! Black-box tests of local mode: the real `pilotage-agent local` and the real deployer, on real file systems, against what was
//! recorded of CodeDeploy's agent (its reference names every item: A1, B5, …) and of bundles in the wild (W1, …).
//!
//! A case is a few lines in `cases/`; `items` says of each item how we stand to it, `gaps` which cases fail and why they still
//! may; from both comes the table in `docs/codedeploy.md`. Cases that need root say so when they are skipped.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test's helper fails as the test does")]
#![expect(clippy::print_stdout, reason = "this is the output of the tests")]

mod bundle;
mod cases;
mod gaps;
mod items;
mod programs;
mod ran;
mod runner;
mod selinux;
mod table;
mod users;
mod world;

pub use runner::main;
pub use table::{FILE as TABLE_FILE, write as write_table};
