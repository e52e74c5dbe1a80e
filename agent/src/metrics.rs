//! Readings of this host by sysinfo, and their Prometheus text. Only what is reported is refreshed.

mod sessions;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use pilotage_disk::space;
use pilotage_shared::metrics::{AppMetrics, HostMetrics};
use pilotage_shared::name::AppName;
use sessions::Sessions;
use sysinfo::{MemoryRefreshKind, Networks, Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// Remembers what shares are computed from.
pub struct Meter {
    system: System,
    networks: Networks,
    sessions: Sessions,
}

impl Meter {
    /// Begins to measure.
    pub fn new() -> anyhow::Result<Meter> {
        let sessions = Sessions::new(crate::clock::boot());
        Ok(Meter { system: System::new()?, networks: Networks::new_with_refreshed_list()?, sessions })
    }

    /// One reading of the host and of the apps whose runs lie in this state directory; shares are since the last one.
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
        let processes = self.sessions.processes(&state.join("private/runs"), Path::new("/proc"));
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
            apps: self.apps(processes),
        }
    }

    /// The systemd unit that is this app's service was started in this boot and did not die: it is, or is being, stopped in order.
    pub fn halted(&self, app: &AppName) -> bool {
        self.sessions.started(app).is_some_and(|unit| {
            let told = Command::new("systemctl").args(["is-active", "--", unit]).stdin(Stdio::null()).stderr(Stdio::null()).output();
            told.is_ok_and(|told| matches!(told.stdout.trim_ascii(), b"inactive" | b"deactivating" | b"activating"))
        })
    }

    fn apps(&mut self, apps: BTreeMap<AppName, BTreeSet<i32>>) -> BTreeMap<AppName, AppMetrics> {
        // Those of the last reading too: what has ended is forgotten only when it is asked for.
        let known = self.system.processes().keys().copied();
        let pids: BTreeSet<Pid> = apps.values().flatten().filter_map(|pid| usize::try_from(*pid).ok()).map(Pid::from).chain(known).collect();
        let pids: Vec<Pid> = pids.into_iter().collect();
        let kind = ProcessRefreshKind::nothing().without_tasks().with_memory().with_cpu();
        self.system.refresh_processes_specifics(ProcessesToUpdate::Some(&pids), true, kind);
        let process = |pid: &i32| self.system.process(Pid::from(usize::try_from(*pid).ok()?));
        let app = |pids: BTreeSet<i32>| {
            let mut metrics = AppMetrics::default();
            for process in pids.iter().filter_map(process) {
                metrics.processes += 1;
                metrics.rss += process.memory();
                metrics.cpu_percent += process.cpu_usage();
            }
            metrics
        };
        apps.into_iter().map(|(name, pids)| (name, app(pids))).collect()
    }
}

/// Of the host, or of an app; and how much.
type Sample = (Option<String>, f64);

/// The text that Prometheus reads.
pub fn prometheus(metrics: &HostMetrics, ready: impl Iterator<Item = (String, bool)>) -> String {
    let mut text = String::new();
    let host = |value: f64| vec![(None, value)];
    let apps = |value: &dyn Fn(&AppMetrics) -> f64| metrics.apps.iter().map(|(app, m)| (Some(app.to_string()), value(m))).collect();
    let ready = ready.map(|(app, ready)| (Some(app), f64::from(u8::from(ready)))).collect();
    let families: [(&str, &str, &str, Vec<Sample>); 14] = [
        ("host_cpu_percent", "gauge", "Share of all processors in use.", host(f64::from(metrics.cpu_percent))),
        ("host_memory_used_bytes", "gauge", "Memory in use.", host(metrics.memory_used as f64)),
        ("host_memory_total_bytes", "gauge", "Memory in all.", host(metrics.memory_total as f64)),
        ("host_disk_free_bytes", "gauge", "Free on the file system of the state directory.", host(metrics.disk_free as f64)),
        ("host_disk_total_bytes", "gauge", "Size of the file system of the state directory.", host(metrics.disk_total as f64)),
        ("host_load_one", "gauge", "Load average over one minute.", host(metrics.load_one)),
        ("host_network_received_bytes_total", "counter", "Received since boot, loopback excluded.", host(metrics.network_received as f64)),
        ("host_network_sent_bytes_total", "counter", "Sent since boot, loopback excluded.", host(metrics.network_sent as f64)),
        ("host_uptime_seconds", "gauge", "Since boot.", host(metrics.uptime_seconds as f64)),
        ("app_ready", "gauge", "1 while the app may get traffic.", ready),
        ("app_processes", "gauge", "Living processes of the app.", apps(&|m| f64::from(m.processes))),
        ("app_resident_bytes", "gauge", "Memory of the app's processes.", apps(&|m| m.rss as f64)),
        ("app_cpu_percent", "gauge", "Share of one processor that the app uses.", apps(&|m| f64::from(m.cpu_percent))),
        ("app_restarts_total", "counter", "Times that the agent started the app again because it was gone.", apps(&|m| f64::from(m.restarts))),
    ];
    for (name, kind, help, samples) in families {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "# HELP pilotage_{name} {help}\n# TYPE pilotage_{name} {kind}");
        for (app, value) in samples {
            let label = app.map_or_else(String::new, |app| format!("{{app=\"{app}\"}}"));
            let _ = writeln!(text, "pilotage_{name}{label} {value}");
        }
    }
    text
}
