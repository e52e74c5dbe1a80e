//! Hooks: how a package's scripts are run, as CodeDeploy runs them (sections H and I of its contract) or better.
//!
//! Three processes: the *deployer* makes a *supervisor* (`--supervise`: own session, holds the output pipes, the time
//! limit and the log; writes the result durably), and the supervisor makes the hook itself by `--exec` (own session,
//! account, environment from nothing, then `exec`). So a hook survives the deployer's death with its output, and the next
//! deployer finds its result. Nothing of the package or the app is in a command line of ours: orders go through pipes.
//!
//! The hook is held back until the deployer's journal says `Began`: it waits for one word that only follows the record.

pub mod account;
pub mod beside;
pub mod diagnostics;
pub mod end;
pub mod environment;
pub mod exec;
pub mod limits;
pub mod live;
pub mod log;
pub mod mask;
pub mod order;
pub mod process;
pub mod run;
pub mod supervise;
