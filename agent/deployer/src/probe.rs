//! The health check inside a run: asked until it is answered well once, or its deadline is over (DESIGN §6). The agent has
//! its own for the time after.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use pilotage_shared::health::{HealthCheck, Probe};

use crate::hook::order::Program;
use crate::hook::process;

/// While a release starts it is asked at least so often, however rarely it is asked later.
const EAGER: Duration = Duration::from_millis(200);

/// Asks until the answer is good. `Err`: what the last answer was when the deadline came. `command` makes the program of a
/// command check.
pub fn until_healthy(check: &HealthCheck, command: impl Fn(&str) -> Result<Program, String>) -> Result<(), String> {
    let until = Instant::now() + Duration::from_millis(check.deadline.0);
    let timeout = Duration::from_millis(check.timeout.0);
    loop {
        let answer = once(&check.probe, timeout, &command);
        let Err(why) = answer else { return Ok(()) };
        let now = Instant::now();
        if now >= until {
            return Err(format!("not healthy within {}: {why}", check.deadline));
        }
        // Nobody tells us when an application has become healthy: asking is the only way.
        thread::sleep(EAGER.min(Duration::from_millis(check.every.0)).min(until - now));
    }
}

/// Asks once.
pub fn once(probe: &Probe, timeout: Duration, command: &impl Fn(&str) -> Result<Program, String>) -> Result<(), String> {
    match probe {
        Probe::Http { url } => http(url.as_str(), timeout),
        Probe::Tcp { address } => connect(address.as_str(), timeout).map(drop),
        Probe::Unit { unit } => {
            let mut systemctl = Command::new("systemctl");
            systemctl.args(["is-active", "--quiet", "--", unit.as_str()]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            ended(systemctl.spawn().map_err(|e| format!("systemctl: {e}"))?, timeout)
        }
        Probe::Command { location } => run(&command(location.as_str())?, timeout),
    }
}

fn connect(address: &str, timeout: Duration) -> Result<TcpStream, String> {
    let addresses = address.to_socket_addrs().map_err(|e| format!("{address}: {e}"))?;
    let mut last = format!("{address} has no address");
    for address in addresses {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = format!("{address}: {error}"),
        }
    }
    Err(last)
}

fn http(url: &str, timeout: Duration) -> Result<(), String> {
    let until = Instant::now() + timeout;
    let rest = url.strip_prefix("http://").ok_or("only http:// is asked")?;
    let (host, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    if url.contains(|c: char| c.is_whitespace() || c.is_control()) || host.contains('@') {
        return Err("the URL is not one".to_owned());
    }
    let port = host.rsplit_once(':').is_some_and(|(_, p)| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()));
    let address = if port { host.to_owned() } else { format!("{host}:80") };
    let mut stream = connect(&address, timeout)?;
    let say = |e: std::io::Error| e.to_string();
    stream.set_write_timeout(Some(timeout)).map_err(say)?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: pilotage\r\nAccept: */*\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(say)?;
    let mut head = Vec::new();
    while !head.contains(&b'\n') && head.len() < 4096 {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err("no answer in time".to_owned());
        }
        stream.set_read_timeout(Some(left)).map_err(say)?;
        let mut chunk = [0; 512];
        match stream.read(&mut chunk).map_err(say)? {
            0 => break,
            read => head.extend_from_slice(&chunk[..read]),
        }
    }
    status(&String::from_utf8_lossy(&head))
}

fn status(head: &str) -> Result<(), String> {
    let line = head.lines().next().unwrap_or("");
    let code = line.strip_prefix("HTTP/1.").and_then(|l| l.split(' ').nth(1)).and_then(|c| c.parse::<u16>().ok());
    match code {
        Some(200..=399) => Ok(()),
        Some(_) => Err(line.split_once(' ').map_or(line, |(_, words)| words).to_owned()),
        None => Err("the answer is not HTTP".to_owned()),
    }
}

/// A command check runs like a hook: account, environment and descriptors from nothing, its session ended at its time.
fn run(program: &Program, timeout: Duration) -> Result<(), String> {
    use std::os::unix::process::CommandExt;
    let say = |e: std::io::Error| e.to_string();
    let order = serde_json::to_string(program).map_err(|e| e.to_string())?;
    let mut command = Command::new("/proc/self/exe");
    command.arg0("pilotage-deployer").arg("--exec").env_clear().stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(say)?;
    if let Some(mut input) = child.stdin.take() {
        writeln!(input, "{order}").map_err(say)?;
    }
    ended(child, timeout)
}

fn ended(mut child: Child, timeout: Duration) -> Result<(), String> {
    let session = child.id() as i32;
    let (send, exits) = sync_channel(1);
    thread::spawn(move || send.send(child.wait()));
    match exits.recv_timeout(timeout) {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(status.to_string()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => {
            process::end_session(session);
            Err("no answer in time".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn answer(text: &'static str) -> Result<(), String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/healthz", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 1024];
            let read = stream.read(&mut asked).unwrap();
            assert!(asked[..read].starts_with(b"GET /healthz HTTP/1.1\r\n"));
            stream.write_all(text.as_bytes()).unwrap();
        });
        let result = http(&url, Duration::from_secs(10));
        server.join().unwrap();
        result
    }

    #[test]
    fn an_answer_counts_by_its_status() {
        assert_eq!(answer("HTTP/1.1 204 No Content\r\n\r\n"), Ok(()));
        assert_eq!(answer("HTTP/1.0 302 Found\r\n\r\n"), Ok(()));
        assert_eq!(answer("HTTP/1.1 503 Service Unavailable\r\n\r\n"), Err("503 Service Unavailable".into()));
        assert_eq!(answer("SSH-2.0-OpenSSH\r\n"), Err("the answer is not HTTP".into()));
    }

    #[test]
    fn nobody_there_is_not_healthy() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        assert!(connect(&free, Duration::from_secs(5)).unwrap_err().contains("refused"));
        assert!(http("http://127.0.0.1:1/\r\nX: y", Duration::from_secs(5)).is_err());
    }
}
