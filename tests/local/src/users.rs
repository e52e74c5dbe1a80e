//! Accounts made for the tests, and removed when they are over: one with a shell, one as services have it, one group.

use std::process::{Command, id};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Their names.
pub struct Users {
    /// Has bash and a home.
    pub person: String,
    /// Has no login shell.
    pub service: String,
}

static USERS: OnceLock<Users> = OnceLock::new();

/// Made at first use.
pub fn users() -> &'static Users {
    USERS.get_or_init(|| {
        let (person, service) = (format!("plp{}", id()), format!("pls{}", id()));
        make(&["--create-home", "--shell", "/bin/bash", "--user-group", &person]);
        make(&["--system", "--no-create-home", "--shell", "/usr/sbin/nologin", "--user-group", &service]);
        Users { person, service }
    })
}

/// Another process may hold the lock of the user database.
fn make(arguments: &[&str]) {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let output = Command::new("useradd").args(arguments).output().expect("useradd");
        if output.status.success() {
            return;
        }
        assert!(Instant::now() < until, "useradd: {}", String::from_utf8_lossy(&output.stderr));
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// When all is over.
pub fn remove() {
    if let Some(Users { person, service }) = USERS.get() {
        for name in [person, service] {
            // It may be that a case has left a process of theirs: --force.
            let _ = Command::new("userdel").args(["--force", "--remove", name]).output();
        }
    }
}
