//! The types that coordinator, hosts and people's tools all speak: ids, names, time, selectors, intents, statuses,
//! health, policies, manifests, and the frames between coordinator and host. No IO, no async, no clock.

pub mod api;
pub mod configuration;
pub mod digest;
pub mod file_exists;
pub mod fleet;
pub mod health;
pub mod ids;
pub mod intent;
pub mod limits;
pub mod manifest;
pub mod metrics;
pub mod name;
pub mod planted;
pub mod policy;
pub mod principal;
pub mod release;
pub mod run;
pub mod selector;
pub mod status;
pub mod text;
pub mod time;
pub mod wire;
