//! Calls of the system's own tools: without a shell, bounded in time, with what they said when they failed.

use std::io;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Why a call has failed.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It is not here, or cannot be executed.
    #[error("failed to start {call}")]
    Start {
        /// Tool and order, as `semanage fcontext`.
        call: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Whatever it was doing goes on without us, or not.
    #[error("{call} has not ended within {} s", within.as_secs())]
    Late {
        /// Tool and order.
        call: String,
        /// Its time.
        within: Duration,
    },
    /// Its own word.
    #[error("{call}: {said}")]
    Failed {
        /// Tool and order.
        call: String,
        /// The last line that it said, or how it ended.
        said: String,
    },
}

/// One call; what it wrote. `order`: its first argument that says what is to be done, for messages.
pub fn call(mut command: Command, order: &str, within: Duration) -> Result<String, ToolError> {
    let call = format!("{} {order}", command.get_program().to_string_lossy());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = match command.spawn() {
        Ok(child) => child,
        Err(source) => return Err(ToolError::Start { call, source }),
    };
    let pid = Pid::from_raw(child.id() as i32);
    let (send, ends) = sync_channel(1);
    thread::spawn(move || send.send(child.wait_with_output()));
    match ends.recv_timeout(within) {
        Ok(Ok(output)) => judged(call, &output),
        Ok(Err(source)) => Err(ToolError::Start { call, source }),
        Err(_) => {
            // Only who waits is ended; what it has asked others to do goes on there.
            let _ = kill(pid, Signal::SIGKILL);
            Err(ToolError::Late { call, within })
        }
    }
}

fn judged(call: String, output: &Output) -> Result<String, ToolError> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().map(str::trim).rfind(|line| !line.is_empty());
    Err(ToolError::Failed { call, said: last.map_or_else(|| output.status.to_string(), str::to_owned) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_tool_says_is_told_and_none_is_waited_for_longer() {
        let sh = |script: &str, within| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            call(command, "-c", within).map_err(|error| error.to_string())
        };
        let long = Duration::from_secs(30);
        assert_eq!(sh("echo out; echo err >&2", long), Ok("out\n".to_owned()));
        assert_eq!(sh("echo out; echo first >&2; echo last >&2; exit 3", long), Err("sh -c: last".to_owned()));
        assert_eq!(sh("exit 3", long), Err("sh -c: exit status: 3".to_owned()));
        assert_eq!(sh("exec sleep 100", Duration::from_millis(50)), Err("sh -c has not ended within 0 s".to_owned()));
        let missing = call(Command::new("no-such-tool"), "x", long).unwrap_err();
        assert!(matches!(&missing, ToolError::Start { source, .. } if source.kind() == io::ErrorKind::NotFound), "{missing}");
    }
}
