//! Backups through the API, and the way back by the real binary: with packages and without, from good files and bad ones, and
//! killed before each of its changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pilotage_coordinator::backup::{self, BackupError};
use pilotage_coordinator::packages::Packages;
use pilotage_coordinator::service::{Service, ServiceError};
use pilotage_crash::kill_before;
use pilotage_shared::api::v1::{BackupView, RecoveryView, StatusView};
use serde_json::json;

use crate::running::{Running, config};

async fn backup(running: &Running, packages: bool) -> BackupView {
    running.client.post("/v1/backups", &json!({"packages": packages}), None).await.unwrap()
}

/// A coordinator with a host and two packages, and its backup.
async fn backed_up(packages: bool) -> (Running, BackupView) {
    let running = Running::start().await;
    running.add_host("h1", "a").await;
    running.add_package("1.0.0").await;
    running.add_package("1.1.0").await;
    let made = backup(&running, packages).await;
    (running, made)
}

fn restore(state: &Path, file: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pilotage-coordinator"));
    command.arg("restore").arg(file).arg("--state").arg(state);
    command
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn packages_are_in_a_backup_when_they_are_asked_for() {
    for asked in [true, false] {
        let (running, made) = backed_up(asked).await;
        assert_eq!((made.packages, made.packages_left_out), (if asked { 2 } else { 0 }, 0));
        let status: StatusView = running.client.get("/v1/status").await.unwrap();
        assert_eq!(status.coordinator.backup_at, Some(made.at));
        running.service.stop().await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let output = restore(&dir.path().join("state"), Path::new(&made.path)).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        let text = if asked { "with the contents of 2 packages" } else { "without the contents of 2 packages" };
        assert!(said(&output).contains(text), "{}", said(&output));
        let service = Service::start(&config(dir.path(), false)).await.unwrap();
        let client = pilotage_client::Client::new(pilotage_client::Address::Unix(dir.path().join("c.sock")), None);
        let recovery: RecoveryView = client.get("/v1/recovery").await.unwrap();
        assert!(recovery.recovering.is_some(), "nobody is moved until a person goes on");
        let known: serde_json::Value = client.get("/v1/packages?app=web").await.unwrap();
        let files = Packages::open(&dir.path().join("state/packages")).unwrap();
        for package in known["items"].as_array().unwrap() {
            assert_eq!(files.complete(&package["digest"].as_str().unwrap().parse().unwrap()).is_ok(), asked);
        }
        service.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cut_or_changed_is_refused_and_nothing_is_left_behind() {
    let (running, made) = backed_up(true).await;
    running.service.stop().await.unwrap();
    let good = fs::read(&made.path).unwrap();
    let packages = good.windows(20).position(|w| w == b"pilotage-packages 1\n").unwrap();
    let changed = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let dir = tempfile::tempdir().unwrap();
    let (file, state) = (dir.path().join("bad.backup"), dir.path().join("state"));
    for (what, bytes) in [
        ("cut in the records", good[..packages / 2].to_vec()),
        ("cut in the first line of packages", good[..packages + 5].to_vec()),
        ("cut in a manifest", good[..packages + 60].to_vec()),
        ("cut in an object", good[..good.len() - 3].to_vec()),
        ("another object", changed(good.len() - 3, good[good.len() - 3] ^ 1)),
        ("another manifest", changed(packages + 80, good[packages + 80] ^ 1)),
        ("something else follows", [&good[..packages], b"something else than packages"].concat()),
    ] {
        fs::write(&file, bytes).unwrap();
        assert!(backup::restore(&file, &state).is_err(), "{what}");
        assert_eq!(fs::read_dir(&state).unwrap().count(), 0, "{what}");
    }
    fs::write(&file, changed(packages + 18, b'2')).unwrap();
    assert!(matches!(backup::restore(&file, &state), Err(BackupError::Newer { .. })));
    fs::write(&file, good).unwrap();
    assert_eq!(backup::restore(&file, &state).unwrap().contents, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_is_killed_leaves_no_store_that_does_not_recover() {
    let (running, made) = backed_up(true).await;
    running.service.stop().await.unwrap();
    let file = PathBuf::from(made.path);
    let (mut killed, mut refused) = (0, 0);
    for n in (1..).step_by(3) {
        let dir = tempfile::tempdir().unwrap();
        let (state, root) = (dir.path().join("state"), dir.path().to_owned());
        let command = restore(&state, &file);
        let end = tokio::task::spawn_blocking(move || kill_before(&command, &root, n).unwrap()).await.unwrap();
        match Service::start(&config(dir.path(), false)).await {
            Ok(service) => {
                let client = pilotage_client::Client::new(pilotage_client::Address::Unix(dir.path().join("c.sock")), None);
                let status: StatusView = client.get("/v1/status").await.unwrap();
                let made = status.coordinator.hosts > 0;
                assert_eq!(status.coordinator.recovering.is_some(), made, "killed before change {n}");
                assert!(made || refused == 0, "killed before change {n}: somebody began, and an empty store was made");
                service.stop().await.unwrap();
            }
            Err(ServiceError::Unfinished(_)) => {
                refused += 1;
                let output = restore(&state, &file).output().unwrap();
                assert!(output.status.success(), "the way out that is named: {}", said(&output));
            }
            Err(error) => panic!("killed before change {n}: {error:?}"),
        }
        if end.status.success() {
            break;
        }
        killed += 1;
    }
    assert!(refused > 10, "{refused} of {killed}");
}
