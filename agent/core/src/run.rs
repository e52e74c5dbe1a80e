//! One run: the lifecycle of a release on this host, decided step by step from its journal (DESIGN §2, §6). Performed by
//! the deployer, watched by the agent. Nothing here does IO: both sides read and write the files and bring what they hold.
//!
//! # The run directory: the whole protocol between agent and deployer
//!
//! `<state>/private/runs/<name>/`, 0700, made by the agent. Its name holds no app or fleet name (hooks match processes by
//! their command lines): the agent counts them. The deployer is started as `pilotage-deployer .` *in* that directory.
//!
//! | file | written by | what |
//! |---|---|---|
//! | [`REQUEST`] | agent, once, durable before the start | JSON of [`Request`] |
//! | [`LOCK`] | deployer | `flock` held for as long as the deployer lives; a held lock means "alive" |
//! | [`JOURNAL`] | deployer | one line per record ([`crate::journal`]), durable before a step that disturbs something or can be done only once; what tells of an end, and the beginnings of Verify, Keep and Prepare, with the next |
//! | [`REVOKED`] | agent, by rename | text: why the permission is void (new session, standing changed, pinned, blocked, …; R6). Looked at immediately before the first disturbing task, and never afterwards |
//! | [`TURN_BACK`] | agent, by rename | text: why the run shall turn back at its next task boundary (the newest intent names where it came from; R29: its package was blocked before its switch) |
//! | [`REPORT`] | deployer, by rename | JSON of `shared::run::RunReport`: the run has ended. Written when the journal's `Closed` is durable; a deployer makes it again from there when a power cut has taken it |
//! | `logs/<n>-<Event>.log` | deployer | output of one hook in CodeDeploy's format; [`SCRIPTS_LOG`] holds all of it |
//! | `live/` | deployer | the end of that output while it is written: [`live`]; the agent removes it |
//! | `plan`, `undo/`, `stage/`, `results/` | deployer | its own |
//!
//! How an agent treats it: `REPORT` there → ended, take it into the ledger, then sweep the directory. No report and the lock
//! held → alive: read the journal for the phase ([`Journal::phase`]) and for `/ready` ([`Journal::disturbed`]). No report and
//! the lock free → start the deployer on the same directory again: it continues the same run from its journal, forward or
//! back, also after a reboot and without any permission once the journal says `Disturbed`. A deployer that is started beside
//! a living one exits with code 3; one that cannot work (request unreadable, journal damaged) with code 1 and one line on
//! stderr.
//!
//! What the deployer reads and writes outside of it, below `Request::state`:
//! `apps/<app>/releases/<digest hex>/` (unpacked by the agent), `apps/<app>/{current,previous}` (relative links, by the
//! deployer), `private/manifests/<digest hex>` (canonical manifest text, by the agent), `private/objects` (never),
//! `private/installed/<app>` (what the last committed run put at its destinations, by the deployer), `private/foreign/<app>/`
//! (files of others that it took the place of, by the deployer), `private/seals/<app>/<digest hex>/` (what a release was when
//! it was committed, by the deployer), `private/prepared/<app>/` (what a run that was not begun hands on, by the deployer),
//! `private/blocked` (JSON of `Blocked`, by the agent whenever its list changes, durable by rename; absent = empty),
//! `bundles/<digest hex>` (link to the release directory, so that no hook's command line holds an app's name).
//!
//! # Chart
//!
//! ```text
//!  Opened ─▶ Verify ─▶ (Preflight) ─▶ Keep ─▶ Prepare ─┬─ permission good ─▶ Disturbed ─▶ stop of the old ─▶ BeforeInstall ─▶ Switch ─▶ … ─▶ Commit ─▶ Committed
//!                 a failure, or permission void ─▶ NotBegun  │ a task failed, or TURN_BACK at a task boundary
//!                                                           ▼
//!                              Turned ─▶ (OnFailure) ─▶ stop of the new ─▶ switch back ─▶ start ─▶ validate ─┬▶ (OnRollback) ─▶ RolledBack
//!                                                                                                            └▶ NeedsHands
//! ```

pub mod live;
pub mod report;
pub mod request;
pub mod step;

pub use report::report;
pub use request::{Changes, Contract, HostOffers, Kind, LATER, Permit, REBOOT, Request, Target};
pub use step::{Sight, Step, next};

/// The agent's order: JSON of [`Request`].
pub const REQUEST: &str = "request";
/// What was done so far: [`crate::journal`].
pub const JOURNAL: &str = "journal";
/// Held by `flock` while a deployer lives.
pub const LOCK: &str = "lock";
/// Hook output.
pub const LOGS: &str = "logs";
/// All hooks' output in one file, inside [`LOGS`].
pub const SCRIPTS_LOG: &str = "scripts.log";
/// The permission is void.
pub const REVOKED: &str = "revoked";
/// Turn back at the next task boundary.
pub const TURN_BACK: &str = "turn-back";
/// JSON of `RunReport`: the run has ended.
pub const REPORT: &str = "report";
