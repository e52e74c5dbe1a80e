//! A program and all its threads under ptrace: each system call is shown when it begins and when it has ended.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus, Stdio};

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// A system call of a thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    /// Whose.
    pub thread: Pid,
    /// Which.
    pub number: i64,
    /// With what.
    pub arguments: [u64; 6],
}

/// Who looks.
pub(crate) trait Watcher {
    /// A call begins; false: the program is killed before it does anything.
    fn begins(&mut self, call: &Call) -> bool;
    /// It has ended, with this result.
    fn ended(&mut self, call: &Call, result: i64);
}

/// Runs a program to its end; killed with it are processes of its own that outlive it.
pub(crate) fn run(command: &Command, watcher: &mut impl Watcher) -> io::Result<ExitStatus> {
    let main = spawn_stopped(command)?;
    let every = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_EXITKILL;
    ptrace::seize(main, every)?;
    kill(main, Signal::SIGCONT)?;
    let mut begun: BTreeMap<Pid, Call> = BTreeMap::new();
    let (mut threads, mut ended) = (BTreeSet::from([main]), None);
    // Only children of this thread: other tests have their own.
    while let Some(status) = wait(None, WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD)? {
        match status {
            WaitStatus::Exited(pid, code) if pid == main => ended = Some(ExitStatus::from_raw(code << 8)),
            WaitStatus::Signaled(pid, signal, _) if pid == main => ended = Some(ExitStatus::from_raw(signal as i32)),
            WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, _, _) => drop(threads.remove(&pid)),
            WaitStatus::PtraceSyscall(pid) => {
                match turn(pid, &mut begun)? {
                    Some(Turn::Begins(call)) if !watcher.begins(&call) => all_die(&threads),
                    Some(Turn::Ended(call, result)) => watcher.ended(&call, result),
                    Some(Turn::Begins(_)) | None => {}
                }
                go_on(pid, None)?;
            }
            WaitStatus::PtraceEvent(pid, _, _) => {
                threads.insert(pid);
                go_on(pid, None)?;
            }
            WaitStatus::Stopped(pid, signal) => go_on(pid, Some(signal))?,
            WaitStatus::Continued(_) | WaitStatus::StillAlive => {}
        }
        if ended.is_some() {
            all_die(&threads);
        }
    }
    ended.ok_or_else(|| io::Error::other("the program's end was not seen"))
}

/// The shell stops itself, so that nothing of the program runs unwatched.
fn spawn_stopped(command: &Command) -> io::Result<Pid> {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "kill -STOP $$; exec \"$@\"", "sh"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        shell.current_dir(folder);
    }
    let child = shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let main = Pid::from_raw(child.id() as i32);
    match wait(Some(main), WaitPidFlag::WUNTRACED)? {
        Some(WaitStatus::Stopped(_, Signal::SIGSTOP)) => Ok(main),
        other => Err(io::Error::other(format!("the shell did not stop: {other:?}"))),
    }
}

/// None: there is nobody left to wait for.
fn wait(whom: Option<Pid>, flags: WaitPidFlag) -> io::Result<Option<WaitStatus>> {
    loop {
        match waitpid(whom, Some(flags)) {
            Ok(status) => return Ok(Some(status)),
            Err(Errno::ECHILD) => return Ok(None),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

enum Turn {
    Begins(Call),
    Ended(Call, i64),
}

/// None: it died in this moment.
fn turn(thread: Pid, begun: &mut BTreeMap<Pid, Call>) -> io::Result<Option<Turn>> {
    let (Some(info), Some(registers)) = (alive(ptrace::syscall_info(thread))?, alive(registers(thread))?) else { return Ok(None) };
    if info.op == libc::PTRACE_SYSCALL_INFO_ENTRY {
        let call = Call { thread, number: registers.number, arguments: registers.arguments };
        begun.insert(thread, call);
        return Ok(Some(Turn::Begins(call)));
    }
    Ok(begun.remove(&thread).map(|call| Turn::Ended(call, registers.result)))
}

/// A thread that was killed in the meantime is no error.
fn alive<T>(result: nix::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Errno::ESRCH) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn go_on(thread: Pid, signal: Option<Signal>) -> io::Result<()> {
    alive(ptrace::syscall(thread, signal)).map(drop)
}

fn all_die(threads: &BTreeSet<Pid>) {
    for thread in threads {
        // It may be gone.
        let _ = kill(*thread, Signal::SIGKILL);
    }
}

struct Registers {
    number: i64,
    arguments: [u64; 6],
    result: i64,
}

#[cfg(target_arch = "x86_64")]
fn registers(thread: Pid) -> nix::Result<Registers> {
    let r = ptrace::getregs(thread)?;
    Ok(Registers { number: r.orig_rax as i64, arguments: [r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9], result: r.rax as i64 })
}

#[cfg(target_arch = "aarch64")]
fn registers(thread: Pid) -> nix::Result<Registers> {
    let r = ptrace::getregs(thread)?.regs;
    Ok(Registers { number: r[8] as i64, arguments: [r[0], r[1], r[2], r[3], r[4], r[5]], result: r[0] as i64 })
}
