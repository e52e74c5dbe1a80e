//! The demo's web application: a small real HTTP server that the package's hooks start, ask and stop. It is a hidden
//! subcommand of this program, so that the demo needs no interpreter and no second binary. How a version behaves is written
//! in a file of its package.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pilotage_shared::time::Millis;

use crate::exit::Exit;
use crate::output;

/// How long a question may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the hooks of the demo's package ask of the application.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Serve until killed.
    Serve {
        /// Port on the loopback.
        #[arg(long)]
        port: u16,
        /// The unpacked package: its files `version` and `behaviour` are read.
        #[arg(long)]
        release: PathBuf,
    },
    /// Exit 0 when /healthz says 200.
    Check {
        /// Port on the loopback.
        #[arg(long)]
        port: u16,
    },
    /// End the process of a pid file, and wait until it has ended.
    Stop {
        /// The file.
        #[arg(long)]
        pid_file: PathBuf,
    },
}

/// How a version behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Answers.
    Good,
    /// Starts, and says 500 to everybody.
    CannotValidate,
    /// Answers, passes validation, and ends after this long.
    DiesAfter(Millis),
}

impl Behaviour {
    /// As it stands in the package's file.
    pub fn text(self) -> String {
        match self {
            Behaviour::Good => "good".to_owned(),
            Behaviour::CannotValidate => "cannot-validate".to_owned(),
            Behaviour::DiesAfter(span) => format!("dies-after {span}"),
        }
    }

    fn read(text: &str) -> Option<Self> {
        match text.trim() {
            "good" => Some(Behaviour::Good),
            "cannot-validate" => Some(Behaviour::CannotValidate),
            other => other.strip_prefix("dies-after ")?.parse().ok().map(Behaviour::DiesAfter),
        }
    }
}

/// Runs one of them.
pub fn run(command: &Command) -> anyhow::Result<Exit> {
    match command {
        Command::Serve { port, release } => serve(*port, release),
        Command::Check { port } => Ok(check(*port)),
        Command::Stop { pid_file } => stop(pid_file),
    }
}

fn serve(port: u16, release: &Path) -> anyhow::Result<Exit> {
    let version: Arc<str> = std::fs::read_to_string(release.join("version"))?.trim().into();
    let behaviour = Behaviour::read(&std::fs::read_to_string(release.join("behaviour"))?).ok_or_else(|| anyhow::anyhow!("unknown behaviour"))?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    if let Behaviour::DiesAfter(span) = behaviour {
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(span.0));
            output::complain("out of memory (the demo says so)");
            std::process::exit(1);
        });
    }
    for stream in listener.incoming() {
        let (Ok(stream), version) = (stream, version.clone()) else { continue };
        // Out of threads for a moment: this one request is refused, the next is served.
        let _ = std::thread::Builder::new().stack_size(64 << 10).spawn(move || answer(stream, &version, behaviour));
    }
    Ok(Exit::Unexpected)
}

fn answer(mut stream: TcpStream, version: &str, behaviour: Behaviour) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut request = Vec::new();
    let mut chunk = [0; 1024];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") && request.len() < 8192 {
        match stream.read(&mut chunk)? {
            0 => return Ok(()),
            n => request.extend_from_slice(&chunk[..n]),
        }
    }
    let known = request.starts_with(b"GET / ") || request.starts_with(b"GET /healthz ");
    let (status, body) = match behaviour {
        _ if !known => ("404 Not Found", "there is / and /healthz\n".to_owned()),
        Behaviour::CannotValidate => ("500 Internal Server Error", "the schema of the database is too old (the demo says so)\n".to_owned()),
        Behaviour::Good | Behaviour::DiesAfter(_) => ("200 OK", format!("web {version}\n")),
    };
    let length = body.len();
    write!(stream, "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

/// One GET: the status and the body.
pub fn get(port: u16, path: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(16 << 10).read_to_string(&mut answer)?;
    let status = answer.get(9..12).and_then(|digits| digits.parse().ok()).ok_or(std::io::ErrorKind::InvalidData)?;
    Ok((status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()))
}

/// Waits until the application answers at all; then its answer counts.
fn check(port: u16) -> Exit {
    let begin = Instant::now();
    loop {
        match get(port, "/healthz") {
            Ok((200, _)) => return Exit::Reached,
            Ok((status, _)) => {
                output::line(&format!("/healthz says {status}"));
                return Exit::Unexpected;
            }
            Err(error) if begin.elapsed() > Duration::from_secs(5) => {
                output::line(&format!("/healthz does not answer: {error}"));
                return Exit::Unexpected;
            }
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

fn stop(pid_file: &Path) -> anyhow::Result<Exit> {
    let text = match std::fs::read_to_string(pid_file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Exit::Reached),
        Err(error) => return Err(error.into()),
    };
    let Ok(number) = text.trim().parse::<i32>() else { anyhow::bail!("{} holds no process id", pid_file.display()) };
    if number > 1 && serves(number) {
        match kill(Pid::from_raw(number), Signal::SIGTERM) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(error) => return Err(error.into()),
        }
        while serves(number) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    std::fs::remove_file(pid_file)?;
    Ok(Exit::Reached)
}

/// Is this process ours and alive? A number that was used again by somebody else is not killed. A zombie has no command line.
fn serves(pid: i32) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.split(|b| *b == 0).any(|word| word == b"demo-app"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_behaviour_is_read_as_it_was_written() {
        for behaviour in [Behaviour::Good, Behaviour::CannotValidate, Behaviour::DiesAfter(Millis::seconds(3))] {
            assert_eq!(Behaviour::read(&behaviour.text()), Some(behaviour));
        }
        assert_eq!(Behaviour::read("bad"), None);
    }
}
