//! A recording on this side of the connection: read part by part, played through the core, tried under another policy. What of
//! it is shown is the business of `command::replay` and `render::replay`.

mod file;
mod play;
mod policy;
mod tried;

pub use file::{Parts, RecordingError};
pub use play::{Missing, Watch, Went, play};
pub use policy::{Policy, PolicyError};
pub use tried::{GoesOn, Tried};
