//! Packages as files: the AppSpec, archives and folders, objects, unpacking. Blocking IO; every input may be hostile.

pub mod appspec;
pub mod archive;
pub mod beneath;
pub mod build;
pub mod check;
pub mod configuration;
pub mod folder;
pub mod objects;
pub mod pack;
pub mod unpack;
mod yaml;

pub use appspec::AppSpec;
pub use build::{BuildError, Built};
pub use objects::Objects;
