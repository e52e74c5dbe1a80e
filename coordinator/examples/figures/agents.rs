//! Memory and idle processor time of the real binary with agents connected.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use pilotage_client::{Address, Client, Secret};
use pilotage_shared::api::v1::HostAdded;
use serde_json::json;

use crate::host::Host;
use crate::{name, say};

/// Idle for so long while it is measured.
const IDLE: Duration = Duration::from_secs(20);

fn binary() -> std::path::PathBuf {
    let own = std::env::current_exe().unwrap();
    own.ancestors().nth(2).unwrap().join("pilotage-coordinator")
}

fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Ticks of the processor, 100 a second.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

async fn ready(client: &Client) {
    while client.get_bytes("/readyz", 100).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn with(agents: usize, folder: &Path) {
    let socket = folder.join("c.sock");
    let mut command = Command::new(binary());
    command.arg("--state").arg(folder.join("state")).arg("--socket").arg(&socket).args(["--log", "warn"]);
    let mut child = command.stdin(Stdio::null()).spawn().unwrap();
    let client = Client::new(Address::Unix(socket.clone()), None);
    ready(&client).await;
    let mut hosts = Vec::new();
    for i in 0..agents {
        let added: HostAdded = client.post("/v1/hosts", &json!({"name": name(i)}), None).await.unwrap();
        hosts.push(Host::every(Duration::from_secs(5), Address::Unix(socket.clone()), name(i).as_str(), Secret::new(added.token)));
    }
    loop {
        let status: serde_json::Value = client.get("/v1/status").await.unwrap();
        if status["coordinator"]["unheard"] == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let before = ticks(child.id());
    tokio::time::sleep(IDLE).await;
    let used = (ticks(child.id()) - before) as f64 / IDLE.as_secs_f64();
    say(
        &format!("coordinator with {agents} agents, a heartbeat every 5 s"),
        &format!("RSS {:.1} MB, {used:.2} % of one processor", resident(child.id()) as f64 / 1024.0),
    );
    drop(hosts);
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id() as i32), nix::sys::signal::Signal::SIGTERM).unwrap();
    child.wait().unwrap();
}

pub async fn measure() {
    if !binary().exists() {
        say("coordinator with agents", "not measured: build it first (cargo build --release -p pilotage-coordinator)");
        return;
    }
    for agents in [6, 1000] {
        let folder = tempfile::tempdir().unwrap();
        with(agents, folder.path()).await;
    }
}
