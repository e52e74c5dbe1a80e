//! How a deployment would have gone on from where decisions differ: the real core, and hosts that take as long as they took.
//! An estimate, and no replay: it says what it had to assume.

mod estimate;
mod profile;

pub use estimate::{Estimate, Guess, RUN, estimate};
pub use profile::{HostCourse, Profile, Run};
