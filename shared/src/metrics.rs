//! What a host measures of itself; for people and their graphs, never decided upon.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::name::AppName;

/// One reading of a host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HostMetrics {
    /// Share of all processors in use since the last reading, 0–100.
    pub cpu_percent: f32,
    /// Bytes.
    pub memory_used: u64,
    /// Bytes.
    pub memory_total: u64,
    /// Bytes free on the file system of the state directory.
    pub disk_free: u64,
    /// Bytes in all there.
    pub disk_total: u64,
    /// Load average over one minute.
    pub load_one: f64,
    /// Bytes received on all interfaces but loopback since boot.
    pub network_received: u64,
    /// Bytes sent likewise.
    pub network_sent: u64,
    /// Seconds since boot.
    pub uptime_seconds: u64,
    /// Of each app.
    pub apps: BTreeMap<AppName, AppMetrics>,
}

/// One reading of one app's processes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AppMetrics {
    /// Living processes.
    pub processes: u32,
    /// Resident bytes of all.
    pub rss: u64,
    /// Share of one processor in use since the last reading.
    pub cpu_percent: f32,
    /// Times that the agent started it again because its process was gone.
    pub restarts: u32,
}
