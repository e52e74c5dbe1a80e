use super::*;

#[test]
fn this_host_is_measured() {
    let dir = tempfile::tempdir().unwrap();
    let mut meter = Meter::new().unwrap();
    let metrics = meter.read(dir.path());
    assert!(0 < metrics.memory_used && metrics.memory_used <= metrics.memory_total);
    assert!(metrics.disk_free <= metrics.disk_total && metrics.disk_total > 0);
    assert!(metrics.uptime_seconds > 0 && metrics.apps.is_empty());
}

#[test]
fn processes_of_apps_are_measured_and_forgotten_when_they_are_gone() {
    let mut meter = Meter::new().unwrap();
    let (web, mut child) = (AppName::new("web").unwrap(), std::process::Command::new("sleep").arg("1000").spawn().unwrap());
    let ours = BTreeSet::from([std::process::id() as i32, child.id() as i32]);
    let apps = meter.apps(BTreeMap::from([(web.clone(), ours)]));
    assert_eq!(apps[&web].processes, 2);
    assert!(apps[&web].rss > 100_000, "{:?}", apps[&web]);
    child.kill().unwrap();
    child.wait().unwrap();
    let apps = meter.apps(BTreeMap::from([(web.clone(), BTreeSet::new())]));
    assert_eq!(apps[&web], AppMetrics::default());
    assert_eq!(meter.system.processes().len(), 1, "only what lives is remembered");
}

#[test]
fn prometheus_reads_one_family_at_a_time() {
    let web = AppMetrics { processes: 3, rss: 4096, cpu_percent: 12.5, restarts: 1 };
    let db = AppMetrics { processes: 1, ..AppMetrics::default() };
    let apps = BTreeMap::from([(AppName::new("web").unwrap(), web), (AppName::new("db").unwrap(), db)]);
    let metrics = HostMetrics { memory_used: 1 << 30, network_received: 7, load_one: 0.5, apps, ..HostMetrics::default() };
    let text = prometheus(&metrics, [("db".to_owned(), false), ("web".to_owned(), true)].into_iter());
    let check = |lines: &str| assert!(text.contains(lines), "{lines}\nis not in\n{text}");
    check("# TYPE pilotage_host_memory_used_bytes gauge\npilotage_host_memory_used_bytes 1073741824\n");
    check("# TYPE pilotage_host_network_received_bytes_total counter\npilotage_host_network_received_bytes_total 7\n");
    check("pilotage_host_load_one 0.5\n");
    check("pilotage_app_ready{app=\"db\"} 0\npilotage_app_ready{app=\"web\"} 1\n");
    check("# TYPE pilotage_app_processes gauge\npilotage_app_processes{app=\"db\"} 1\npilotage_app_processes{app=\"web\"} 3\n");
    check("pilotage_app_resident_bytes{app=\"web\"} 4096\n");
    check("pilotage_app_cpu_percent{app=\"web\"} 12.5\n");
    check("pilotage_app_restarts_total{app=\"web\"} 1\n");
    assert_eq!(text.matches("# TYPE pilotage_app_processes ").count(), 1);
}
