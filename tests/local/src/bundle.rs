//! A bundle written inline, and its deployment.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::ran::Ran;
use crate::world::World;

pub struct Bundle<'a> {
    world: &'a World,
    folder: PathBuf,
    number: u32,
    scripts: u32,
    appspec: &'static str,
    files: String,
    hooks: Vec<(String, String)>,
    more: String,
    text: Option<String>,
    flags: Vec<String>,
    environment: Vec<(String, String)>,
    archive: Option<PathBuf>,
}

impl<'a> Bundle<'a> {
    pub fn new(world: &'a World) -> Self {
        let number = world.bundles.get() + 1;
        world.bundles.set(number);
        let folder = world.path(&format!("bundle-{number}"));
        fs::create_dir(&folder).unwrap();
        let (files, more) = (String::new(), String::new());
        Bundle {
            world,
            folder,
            number,
            scripts: 0,
            appspec: "appspec.yml",
            files,
            hooks: Vec::new(),
            more,
            text: None,
            flags: Vec::new(),
            environment: Vec::new(),
            archive: None,
        }
    }

    fn inside(&self, path: &str) -> PathBuf {
        let to = self.folder.join(path);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        to
    }

    pub fn file(self, path: &str, text: &str) -> Self {
        fs::write(self.inside(path), self.world.fill(text)).unwrap();
        self
    }

    pub fn bytes(self, path: &str, bytes: &[u8]) -> Self {
        fs::write(self.inside(path), bytes).unwrap();
        self
    }

    pub fn dir(self, path: &str) -> Self {
        fs::create_dir_all(self.folder.join(path)).unwrap();
        self
    }

    pub fn mode(self, path: &str, mode: u32) -> Self {
        fs::set_permissions(self.folder.join(path), fs::Permissions::from_mode(mode)).unwrap();
        self
    }

    pub fn link(self, path: &str, target: &str) -> Self {
        symlink(target, self.inside(path)).unwrap();
        self
    }

    /// An entry of `files`.
    pub fn install(mut self, source: &str, destination: &str) -> Self {
        self.files += &format!("  - source: {source}\n    destination: {destination}\n");
        self
    }

    /// A script for `sh`.
    pub fn hook(self, event: &str, body: &str) -> Self {
        self.hook_with(event, "", body)
    }

    /// With more keys, as `timeout: 2`.
    pub fn hook_with(mut self, event: &str, more: &str, body: &str) -> Self {
        self.scripts += 1;
        let name = format!("scripts/{}.sh", self.scripts);
        self = self.file(&name, &format!("#!/bin/sh\n{body}\n"));
        self.entry(event, &format!("{{location: {name}{}{more}}}", if more.is_empty() { "" } else { ", " }))
    }

    /// An entry of a hook, as it stands there.
    pub fn entry(mut self, event: &str, entry: &str) -> Self {
        self.hooks.push((event.to_owned(), entry.to_owned()));
        self
    }

    /// More of the AppSpec.
    pub fn more(mut self, text: &str) -> Self {
        self.more += text;
        self
    }

    /// The whole AppSpec.
    pub fn text(mut self, text: &str) -> Self {
        self.text = Some(text.to_owned());
        self
    }

    /// Under another name.
    pub fn named(mut self, name: &'static str) -> Self {
        self.appspec = name;
        self
    }

    pub fn flags(mut self, flags: &[&str]) -> Self {
        self.flags.extend(flags.iter().map(|f| self.world.fill(f)));
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    fn appspec(&self) -> String {
        if let Some(text) = &self.text {
            return self.world.fill(text);
        }
        let mut text = "version: 0.0\nos: linux\n".to_owned();
        if !self.files.is_empty() {
            text += &format!("files:\n{}", self.files);
        }
        if !self.hooks.is_empty() {
            text += "hooks:\n";
        }
        let mut done: Vec<&str> = Vec::new();
        for (event, _) in &self.hooks {
            if !done.contains(&event.as_str()) {
                done.push(event);
                text += &format!("  {event}:\n");
                text += &self.hooks.iter().filter(|(e, _)| e == event).map(|(_, entry)| format!("    - {entry}\n")).collect::<String>();
            }
        }
        self.world.fill(&(text + &self.more))
    }

    /// On disk.
    pub fn write(&self) -> PathBuf {
        if !self.appspec.is_empty() {
            fs::write(self.inside(self.appspec), self.appspec()).unwrap();
        }
        self.folder.clone()
    }

    /// Packed by a shell command in the bundle's folder; `$OUT` is the archive.
    pub fn packed(mut self, kind: &str, command: &str) -> Self {
        self.write();
        let archive = self.world.path(&format!("bundle-{}.archive", self.number));
        let output = Command::new("sh").args(["-ec", command]).env("OUT", &archive).current_dir(&self.folder).output().unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        self.archive = Some(archive);
        self.flags(&["-t", kind])
    }

    pub fn command(&self) -> Command {
        self.write();
        let mut command = self.world.command();
        command.arg("-l").arg(self.archive.as_ref().unwrap_or(&self.folder)).args(&self.flags);
        command.envs(self.environment.iter().map(|(k, v)| (k, v)));
        command
    }

    pub fn deploy(self) -> Ran {
        Ran::of(&self.command().stdin(Stdio::null()).output().unwrap())
    }

    /// Goes on in the background.
    pub fn start(self) -> Started {
        let mut child = self.command().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Started { child, output, said: String::new() }
    }
}

/// A command that runs.
pub struct Started {
    child: Child,
    output: BufReader<ChildStdout>,
    said: String,
}

impl Started {
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }

    /// Waits until it has said this.
    #[track_caller]
    pub fn until_says(&mut self, part: &str) {
        while !self.said.contains(part) {
            let read = self.output.read_line(&mut self.said).unwrap();
            assert!(read > 0, "it ended, and never said {part:?}:\n{}", self.said);
        }
    }

    pub fn wait(mut self) -> Ran {
        self.output.read_to_string(&mut self.said).unwrap();
        let mut output = self.child.wait_with_output().unwrap();
        output.stdout = self.said.into_bytes();
        Ran::of(&output)
    }

    /// Like kill -9, of the whole of it: the command first, then its deployer with all that works in the run's directory.
    pub fn kill(mut self, world: &World) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let runs = world.path("root/.pilotage/private/runs");
        for process in fs::read_dir("/proc").unwrap().flatten() {
            let here = fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(&runs));
            if let (true, Some(pid)) = (here, process.file_name().to_str().and_then(|p| p.parse().ok())) {
                // One that ended by itself meanwhile is what is wanted.
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
    }
}
