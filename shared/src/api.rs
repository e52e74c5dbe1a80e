//! The API's bodies, a module for each version.

pub mod v1;
