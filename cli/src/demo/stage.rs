//! The demo's stage: the folder, the processes, the fleet. Everything a person would do by hand on real hosts, once.
//!
//! ```text
//! bin/app             this program under a neutral name: the application that the packages start
//! coordinator/        its state          coordinator.sock
//! h1/                 port, token, agent.toml, state/, app.pid, app.log
//! packages/1.0.0/     the bundles        logs/   what every process says
//! ```

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pilotage_client::Address;
use pilotage_shared::api::v1::{AddHost, FleetBody, FleetStatus, StandingWord};
use pilotage_shared::limits::SOCKET_PATH_MAX;
use pilotage_shared::name::{FleetName, HostName, Reason};

use super::DemoError;
use super::build::Programs;
use super::prober::Prober;
use super::supervisor::{Service, Supervisor};
use crate::context::Context;
use crate::failure::Failure;
use crate::fleet_file;
use crate::session::Session;

/// The fleet as a person would write it; spans are short so that the story is.
const FLEET: &str = "\
fleet: demo
app: web
select: env=demo
floor: 66%
health: { http: \"http://127.0.0.1:${PORT}/healthz\", every: 250ms, timeout: 1s, healthy_for: 5s, unhealthy_for: 1s, deadline: 15s }
hooks: { timeout: 30s }
";

/// A killed coordinator is back within a second; this is patience for a very slow machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long the hosts may take to be heard, or to settle.
const SETTLE: Duration = Duration::from_secs(60);

/// The running stage.
#[derive(Debug)]
pub struct Stage {
    /// The witness.
    pub prober: Prober,
    /// The coordinator, as a person on this machine.
    pub session: Session,
    /// The fleet's name.
    pub fleet: FleetName,
    /// How many hosts must answer.
    pub floor: u32,
    /// Host names, in the order of the ports.
    pub hosts: Vec<HostName>,
    /// Where the bundles are written.
    pub packages: PathBuf,
    ports: Vec<u16>,
    folder: PathBuf,
    supervisor: Supervisor,
}

impl Stage {
    /// Builds it up: until every host was heard.
    pub async fn begin(folder: &Path, programs: &Programs, count: usize) -> Result<Self, DemoError> {
        let socket = folder.join("coordinator.sock");
        if socket.as_os_str().len() > SOCKET_PATH_MAX {
            return Err(Failure::Usage(format!("TMPDIR is too long: the path of a socket has at most {SOCKET_PATH_MAX} bytes")).into());
        }
        for name in ["bin", "logs", "packages"] {
            std::fs::create_dir(folder.join(name)).map_err(DemoError::system("make a folder"))?;
        }
        let own = std::env::current_exe().map_err(DemoError::system("find this program"))?;
        std::fs::copy(own, folder.join("bin/app")).map_err(DemoError::system("copy this program"))?;

        let mut supervisor = Supervisor::new().map_err(DemoError::system("become a child subreaper"))?;
        supervisor.start(coordinator(folder, programs, &socket)).map_err(DemoError::system("start the coordinator"))?;
        let context = Context { name: "demo".to_owned(), address: Address::Unix(socket.clone()), token_file: None };
        let session = Session::new(context, PATIENCE)?;
        watched(&supervisor, session.status()).await?;

        let ports = free_ports(count)?;
        let mut hosts = Vec::new();
        for (i, port) in ports.iter().enumerate() {
            let host: HostName = format!("h{}", i + 1).parse().map_err(|_| Failure::Usage("host names".to_owned()))?;
            let service = add_host(folder, programs, &session, &host, i, *port).await?;
            supervisor.start(service).map_err(DemoError::system("start an agent"))?;
            hosts.push(host);
        }
        let spec = fleet_file::parse(FLEET).map_err(|source| Failure::FleetFile { path: "demo".into(), source })?;
        let applied = session.put_fleet(&FleetBody::from(&spec), false, &because("the demo")).await?;
        let prober = Prober::start(&ports).map_err(DemoError::system("start the prober"))?;
        let packages = folder.join("packages");
        let stage = Self { prober, session, fleet: spec.name, floor: applied.floor, hosts, packages, ports, folder: folder.to_owned(), supervisor };
        stage.until("hearing every host", async || Ok(stage.all_heard().await?.then_some(()))).await?;
        Ok(stage)
    }

    async fn all_heard(&self) -> Result<bool, Failure> {
        let hosts = self.session.hosts("").await?;
        let heard = |word: StandingWord| !matches!(word, StandingWord::Unheard | StandingWord::Unreachable);
        Ok(hosts.len() == self.hosts.len() && hosts.iter().all(|host| heard(host.standing) && host.agent.is_some()))
    }

    /// Until every member counts and nothing is in change.
    pub async fn settled(&self) -> Result<FleetStatus, DemoError> {
        self.until("settling", async || {
            let fleet = self.session.fleet_status(&self.fleet).await?;
            Ok((fleet.hosts.available == fleet.hosts.total && fleet.hosts.in_change == 0).then_some(fleet))
        })
        .await
    }

    /// Asks until there is an answer, with a bound, while every process stays up.
    pub async fn until<T>(&self, what: &str, ask: impl AsyncFn() -> Result<Option<T>, Failure>) -> Result<T, DemoError> {
        let begin = Instant::now();
        loop {
            if let Some(answer) = watched(&self.supervisor, ask()).await? {
                return Ok(answer);
            }
            if begin.elapsed() > SETTLE {
                return Err(DemoError::Late { what: what.to_owned(), seconds: SETTLE.as_secs() });
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// How often a process had to be started again.
    pub fn restarts(&self) -> u32 {
        self.supervisor.restarts()
    }

    /// `coordinator on a socket · hosts h1…h6 in zones a b c · fleet demo, floor 4 of 6 · prober 20 requests/s per host`
    pub fn headline(&self) -> String {
        let count = self.hosts.len();
        format!(
            "coordinator on its socket · hosts h1…h{count} in zones a b c · fleet demo, floor {} of {count} · prober 20 requests/s per host",
            self.floor
        )
    }

    /// What to try while everything is left running.
    pub fn invitation(&self, program: &str) -> Vec<String> {
        let urls: Vec<String> = self.ports.iter().take(4).map(|port| format!("http://127.0.0.1:{port}/")).collect();
        let folder = self.folder.display();
        vec![
            String::new(),
            "everything is left running; Ctrl-C ends it and removes it".to_owned(),
            format!("apps   {}", urls.join(" ")),
            format!("logs   {folder}/logs"),
            format!("try    export PILOTAGE_COORDINATOR=unix:{folder}/coordinator.sock"),
            format!("       {program} status demo"),
            format!("       {program} hosts"),
            format!("       {program} runs demo --failed"),
            format!("       {program} deploy demo 1.0.0 --watch --reason 'let me see'"),
        ]
    }

    /// Ends everything; true when nothing is left.
    pub fn end(&mut self) -> bool {
        self.prober.stop();
        self.supervisor.stop()
    }
}

/// A request, unless a process has given up meanwhile.
async fn watched<T>(supervisor: &Supervisor, ask: impl Future<Output = Result<T, Failure>>) -> Result<T, DemoError> {
    let broken = async {
        loop {
            if let Some(service) = supervisor.broken() {
                return service;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        biased;
        answer = ask => Ok(answer?),
        service = broken => Err(DemoError::Broken { name: service.name.clone(), log: tail(&service.log) }),
    }
}

fn tail(log: &Path) -> String {
    let bytes = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<String> = text.lines().map(crate::output::safe).collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}

/// A reason that is known to be good.
pub fn because(text: &str) -> Reason {
    Reason::lossy(text)
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn coordinator(folder: &Path, programs: &Programs, socket: &Path) -> Service {
    let args = ["--state", &text(&folder.join("coordinator")), "--socket", &text(socket), "--heartbeat", "1s"];
    Service {
        name: "coordinator".to_owned(),
        program: programs.coordinator.clone(),
        args: args.map(str::to_owned).to_vec(),
        log: folder.join("logs/coordinator.log"),
    }
}

/// Invites a host, and prepares its agent.
async fn add_host(folder: &Path, programs: &Programs, session: &Session, host: &HostName, i: usize, port: u16) -> Result<Service, DemoError> {
    let label = |key: &str, value: &str| key.parse().ok().zip(value.parse().ok());
    let labels = [label("env", "demo"), label("zone", ["a", "b", "c"][i % 3])].into_iter().flatten().collect();
    let added = session.add_host(&AddHost { name: host.clone(), labels, reason: because("the demo") }).await?;
    let home = folder.join(host.as_str());
    let write = |name: &str, content: String| {
        let mut options = std::fs::OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(home.join(name));
        file.and_then(|mut file| std::io::Write::write_all(&mut file, content.as_bytes()))
    };
    std::fs::create_dir(&home)
        .and_then(|()| write("port", format!("{port}\n")))
        .and_then(|()| write("token", format!("{}\n", added.token)))
        .and_then(|()| write("agent.toml", format!("[variables]\nPORT = \"{port}\"\n")))
        .map_err(DemoError::system("prepare a host"))?;
    let flags = [
        ("--host", host.to_string()),
        ("--coordinator", format!("unix:{}", text(&folder.join("coordinator.sock")))),
        ("--token-file", text(&home.join("token"))),
        ("--state", text(&home.join("state"))),
        ("--deployer", text(&programs.deployer)),
        ("--listen", "127.0.0.1:0".to_owned()),
        ("--launch", "plain".to_owned()),
        ("--config", text(&home.join("agent.toml"))),
    ];
    let args = flags.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]).collect();
    Ok(Service { name: host.to_string(), program: programs.agent.clone(), args, log: folder.join("logs").join(format!("{host}.log")) })
}

/// Free ports below those that the kernel gives to outgoing connections: a prober that asks a closed port there could connect
/// to itself, and an application could find its port taken by somebody's connection.
fn free_ports(count: usize) -> Result<Vec<u16>, DemoError> {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let end = range.split_whitespace().next().and_then(|low| low.parse::<u16>().ok()).filter(|low| *low > 2048).unwrap_or(32_768);
    let begin = end / 3;
    let span = u32::from(end - begin);
    let mut random = [0; 4];
    getrandom::fill(&mut random)
        .map_err(|error| DemoError::System { what: "draw a random number", source: std::io::Error::other(error.to_string()) })?;
    let first = u32::from_be_bytes(random) % span;
    // All are held until all are found, so that none is found twice.
    let held: Vec<(u16, TcpListener)> = (0..span)
        .filter_map(|i| u16::try_from((first + i) % span).ok())
        .filter_map(|i| Some((begin + i, TcpListener::bind((Ipv4Addr::LOCALHOST, begin + i)).ok()?)))
        .take(count)
        .collect();
    match held.len() == count {
        true => Ok(held.into_iter().map(|(port, _)| port).collect()),
        false => Err(DemoError::System { what: "find free ports", source: std::io::ErrorKind::AddrInUse.into() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_fleet_is_a_good_fleet_file() {
        let spec = fleet_file::parse(FLEET).unwrap();
        assert_eq!([3, 6, 20].map(|members| spec.floor.round_up(members)), [2, 4, 14]);
    }

    #[test]
    fn ports_are_all_different() {
        let ports = free_ports(20).unwrap();
        let different: std::collections::BTreeSet<_> = ports.iter().collect();
        assert_eq!(different.len(), 20);
    }
}
