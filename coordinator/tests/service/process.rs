//! The real binary: what was acknowledged survives kill -9; a clean stop; refusals to start that say what to do.

use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pilotage_client::{Address, Client};
use serde_json::{Value, json};

use crate::running::until;

pub struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn command(folder: &Path, socket: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pilotage-coordinator"));
    command.arg("--state").arg(folder.join("state")).arg("--socket").arg(folder.join(socket)).args(["--log", "warn"]);
    command.stdin(Stdio::null());
    command
}

pub async fn start(folder: &Path) -> (Process, Client) {
    let process = Process(command(folder, "c.sock").spawn().unwrap());
    let client = Client::new(Address::Unix(folder.join("c.sock")), None);
    until("it is ready", async || client.get_bytes("/readyz", 100).await.ok()).await;
    (process, client)
}

async fn refused(folder: &Path, socket: &str, more: &[&str]) -> String {
    let mut command = command(folder, socket);
    command.args(more);
    let Output { status, stderr, .. } = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(!status.success());
    String::from_utf8(stderr).unwrap()
}

pub fn end(mut process: Process, signal: Signal) -> ExitStatus {
    kill(Pid::from_raw(process.0.id() as i32), signal).unwrap();
    process.0.wait().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..4 {
        let (process, client) = start(folder.path()).await;
        let hosts: Value = client.get("/v1/hosts?limit=500").await.unwrap();
        let found: Vec<&str> = hosts["items"].as_array().unwrap().iter().map(|h| h["host"].as_str().unwrap()).collect();
        for host in &acknowledged {
            assert!(found.contains(&String::as_str(host)), "{host} is lost");
        }
        // Writers go on while it is killed: whatever was answered must be there.
        let (sender, mut answered) = tokio::sync::mpsc::channel(1000);
        for writer in 0..4 {
            let (client, sender) = (client.clone(), sender.clone());
            tokio::spawn(async move {
                for n in 0..200 {
                    let name = format!("h{round}-{writer}-{n}");
                    match client.post::<_, Value>("/v1/hosts", &json!({"name": name}), None).await {
                        Ok(_) => drop(sender.send(name).await),
                        Err(_) => break,
                    }
                }
            });
        }
        drop(sender);
        for _ in 0..20 {
            acknowledged.push(answered.recv().await.unwrap());
        }
        end(process, Signal::SIGKILL);
        while let Some(name) = answered.recv().await {
            acknowledged.push(name);
        }
    }
    assert!(acknowledged.len() >= 80);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stops_cleanly_and_starts_again_with_its_history() {
    let folder = tempfile::tempdir().unwrap();
    let (process, client) = start(folder.path()).await;
    let _: Value = client.post("/v1/hosts", &json!({"name": "h1"}), None).await.unwrap();
    let mut stream = client.events("/v1/events", Some(0));
    stream.next().await.unwrap();
    assert!(end(process, Signal::SIGTERM).success());
    assert!(!folder.path().join("c.sock").exists());
    let (_process, client) = start(folder.path()).await;
    let events: Value = client.get("/v1/events").await.unwrap();
    let kinds: Vec<&str> = events["items"].as_array().unwrap().iter().map(|e| e["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["coordinator.started", "host.added", "coordinator.started"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_why_it_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let (process, _) = start(folder.path()).await;
    assert!(refused(folder.path(), "other.sock", &[]).await.contains("in use by"), "a second coordinator on the same store");
    let other = tempfile::tempdir().unwrap();
    let socket = folder.path().join("c.sock");
    assert!(refused(other.path(), socket.to_str().unwrap(), &[]).await.contains("another coordinator answers there"));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    assert!(refused(other.path(), "c.sock", &["--listen", &address]).await.contains("choose another --listen"));
    assert!(!other.path().join("c.sock").exists(), "no socket is left behind");
    let file = other.path().join("bad.toml");
    std::fs::write(&file, "hartbeat = '1s'").unwrap();
    assert!(refused(other.path(), "c.sock", &["--config", file.to_str().unwrap()]).await.contains("hartbeat"));
    assert!(refused(other.path(), "c.sock", &["--config", "/nowhere.toml"]).await.contains("/nowhere.toml"));
    assert!(refused(other.path(), &"s".repeat(120), &[]).await.contains("the kernel takes 107"));
    assert!(end(process, Signal::SIGTERM).success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_store_is_refused_with_the_commands_that_help_and_they_do() {
    let folder = tempfile::tempdir().unwrap();
    let (process, client) = start(folder.path()).await;
    let _: Value = client.post("/v1/hosts", &json!({"name": "h1"}), None).await.unwrap();
    let _: Value = client.post("/v1/backups", &json!({}), None).await.unwrap();
    assert!(end(process, Signal::SIGTERM).success());
    let file = folder.path().join("state/store/records/db");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[100..2000].fill(0x5a);
    std::fs::write(&file, bytes).unwrap();
    let said = refused(folder.path(), "c.sock", &[]).await;
    assert!(said.contains("is damaged"), "{said}");
    let commands = said.lines().find_map(|line| line.strip_prefix("next  ")).unwrap_or_else(|| panic!("{said}"));
    // As a person would, who has the program in the path.
    let programs = Path::new(env!("CARGO_BIN_EXE_pilotage-coordinator")).parent().unwrap().display().to_string();
    let shell = Command::new("sh").args(["-c", &format!("PATH={programs}:$PATH; {commands}")]).output().unwrap();
    assert!(shell.status.success(), "{commands}: {}", String::from_utf8_lossy(&shell.stderr));
    let (_process, client) = start(folder.path()).await;
    let status: Value = client.get("/v1/status").await.unwrap();
    assert_eq!(status["coordinator"]["hosts"], 1);
    assert!(status["coordinator"]["recovering"].is_object(), "{status}");
}

/// Needs root, to become somebody else.
#[tokio::test(flavor = "multi_thread")]
async fn another_account_can_neither_connect_nor_read_the_token() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    const NOBODY: u32 = 65534;
    if !nix::unistd::Uid::effective().is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // Only the socket's and the files' own modes are to hold.
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let (_process, _) = start(folder.path()).await;
    let connect = "use Socket; socket(S, AF_UNIX, SOCK_STREAM, 0) or exit 3; connect(S, pack_sockaddr_un($ARGV[0])) or exit 7";
    let try_as = |uid: u32| Command::new("perl").args(["-e", connect]).arg(folder.path().join("c.sock")).uid(uid).gid(uid).status().unwrap().code();
    assert_eq!((try_as(0), try_as(NOBODY)), (Some(0), Some(7)));
    for secret in ["token", "seed", "logs", "store"] {
        let mut read = Command::new("ls");
        read.arg(folder.path().join("state").join(secret)).uid(NOBODY).gid(NOBODY).stderr(Stdio::null()).stdout(Stdio::null());
        assert!(!read.status().unwrap().success(), "{secret}");
    }
}
