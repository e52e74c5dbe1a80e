//! Readings of this host by sysinfo, and their Prometheus text. Only what is reported is refreshed.

use std::fmt::Write as _;
use std::path::Path;

use pilotage_disk::space;
use pilotage_shared::metrics::HostMetrics;
use sysinfo::{MemoryRefreshKind, Networks, System};

/// Remembers what shares are computed from.
pub struct Meter {
    system: System,
    networks: Networks,
}

impl Meter {
    /// Begins to measure.
    pub fn new() -> anyhow::Result<Meter> {
        Ok(Meter { system: System::new()?, networks: Networks::new_with_refreshed_list()? })
    }

    /// One reading; shares are since the last one.
    pub fn read(&mut self, state: &Path) -> HostMetrics {
        self.system.refresh_cpu_usage();
        self.system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        self.networks.refresh(true);
        let (mut received, mut sent) = (0, 0);
        for (name, network) in &self.networks {
            if name != "lo" {
                received += network.total_received();
                sent += network.total_transmitted();
            }
        }
        HostMetrics {
            cpu_percent: self.system.global_cpu_usage(),
            memory_used: self.system.used_memory(),
            memory_total: self.system.total_memory(),
            disk_free: space::free_bytes(state).unwrap_or(0),
            disk_total: space::total_bytes(state).unwrap_or(0),
            load_one: System::load_average().map_or(0.0, |load| load.one),
            network_received: received,
            network_sent: sent,
            uptime_seconds: System::uptime().unwrap_or(0),
            apps: Default::default(),
        }
    }
}

/// The text that Prometheus reads.
pub fn prometheus(metrics: &HostMetrics, ready: impl Iterator<Item = (String, bool)>) -> String {
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, value: f64| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "# HELP pilotage_host_{name} {help}\n# TYPE pilotage_host_{name} gauge\npilotage_host_{name} {value}");
    };
    gauge("cpu_percent", "Share of all processors in use.", f64::from(metrics.cpu_percent));
    gauge("memory_used_bytes", "Memory in use.", metrics.memory_used as f64);
    gauge("memory_total_bytes", "Memory in all.", metrics.memory_total as f64);
    gauge("disk_free_bytes", "Free on the file system of the state directory.", metrics.disk_free as f64);
    gauge("disk_total_bytes", "Size of the file system of the state directory.", metrics.disk_total as f64);
    gauge("load_one", "Load average over one minute.", metrics.load_one);
    gauge("network_received_bytes", "Received since boot, loopback excluded.", metrics.network_received as f64);
    gauge("network_sent_bytes", "Sent since boot, loopback excluded.", metrics.network_sent as f64);
    gauge("uptime_seconds", "Since boot.", metrics.uptime_seconds as f64);
    let _ = writeln!(text, "# HELP pilotage_app_ready 1 while the app may get traffic.\n# TYPE pilotage_app_ready gauge");
    for (app, ready) in ready {
        let _ = writeln!(text, "pilotage_app_ready{{app=\"{app}\"}} {}", u8::from(ready));
    }
    text
}
