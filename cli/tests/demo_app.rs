//! The demo's application as its hooks call it: serve, check, stop.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::process::{Child, Command, Stdio};

const PILOTAGE: &str = env!("CARGO_BIN_EXE_pilotage");

struct App {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl App {
    fn start(behaviour: &str) -> App {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("version"), "1.0.0").unwrap();
        std::fs::write(folder.path().join("behaviour"), behaviour).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = app(&["serve", "--port", &port.to_string(), "--release", folder.path().to_str().unwrap()]).stderr(Stdio::null()).spawn().unwrap();
        std::fs::write(folder.path().join("app.pid"), child.id().to_string()).unwrap();
        App { child, port, folder }
    }

    fn check(&self) -> (Option<i32>, String) {
        let output = app(&["check", "--port", &self.port.to_string()]).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap().trim().to_owned())
    }

    fn pid_file(&self) -> std::path::PathBuf {
        self.folder.path().join("app.pid")
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn app(args: &[&str]) -> Command {
    let mut command = Command::new(PILOTAGE);
    command.arg("demo-app").args(args);
    command
}

fn stop(pid_file: &Path) -> Option<i32> {
    app(&["stop", "--pid-file", pid_file.to_str().unwrap()]).status().unwrap().code()
}

#[test]
fn a_good_version_validates_and_stops() {
    let mut app = App::start("good");
    assert_eq!(app.check(), (Some(0), String::new()));
    // `stop` waits until the process is gone or a zombie: this test is its parent, the demo reaps its own.
    assert_eq!(stop(&app.pid_file()), Some(0));
    assert!(!app.child.wait().unwrap().success());
    assert!(!app.pid_file().exists());
    assert_eq!(stop(&app.pid_file()), Some(0), "stopping what was never started is fine");
}

#[test]
fn a_bad_version_says_why() {
    let app = App::start("cannot-validate");
    assert_eq!(app.check(), (Some(1), "/healthz says 500".to_owned()));
}

#[test]
fn a_version_that_dies_later_validates_first() {
    let mut app = App::start("dies-after 1500ms");
    assert_eq!(app.check(), (Some(0), String::new()));
    assert_eq!(app.child.wait().unwrap().code(), Some(1));
}

#[test]
fn a_process_of_somebody_else_is_not_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let pid_file = folder.path().join("app.pid");
    let mut other = Command::new("/bin/sh").args(["-c", "read line"]).stdin(Stdio::piped()).spawn().unwrap();
    std::fs::write(&pid_file, other.id().to_string()).unwrap();
    assert_eq!(stop(&pid_file), Some(0));
    assert_eq!(other.try_wait().unwrap(), None);
    drop(other.stdin.take());
    other.wait().unwrap();
}
