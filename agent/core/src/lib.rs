//! The pure host logic: what one app on this host does next (`slot`), how one run goes (`run`), how a host stands
//! (`standing`), and what may run here at all (`acceptable`). No IO, no clock, no randomness: the agent and the deployer bring
//! what they see.

pub mod acceptable;
pub mod journal;
pub mod lifecycle;
pub mod run;
pub mod slot;
pub mod standing;
