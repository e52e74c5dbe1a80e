//! The words of the story language: one command a line, parsed into what is to be done.

use pilotage_shared::fleet::{FleetSpec, Labels, OnFailure, OnLeave, Stragglers};
use pilotage_shared::health::{HealthCheck, Probe};
use pilotage_shared::name::{AppName, FleetName, HostName, LabelKey, LabelValue, Version};
use pilotage_shared::policy::Amount;
use pilotage_shared::run::Event;
use pilotage_shared::text::Text;
use pilotage_shared::time::Millis;

use crate::agent::Wish;
use crate::network::Cut;
use crate::truth::{Behaviour, Health};

/// Why a command was not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to understand {word:?}: {why}")]
pub struct CommandError {
    /// The word.
    pub word: String,
    /// What was expected.
    pub why: String,
}

/// What runs on new hosts before Pilotage does anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Already {
    /// Nothing.
    Nothing,
    /// An application that somebody else put there.
    Foreign,
}

/// What `until` waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Until {
    /// No deployment in course, no loan, no run, nobody to catch up.
    Done,
    /// The host is in a run.
    InChange(HostName),
    /// Its application serves and it counts.
    Available(HostName),
    /// The coordinator takes it for unreachable.
    Unreachable(HostName),
    /// A deployment in course waits for something of this kind.
    Waits(String),
}

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `hosts 6 zones a,b,c [foreign]`
    Hosts(u32, Vec<LabelValue>, Already),
    /// `join h7 zone=a`
    Join(HostName, Labels),
    /// `label h2 zone=b`
    Label(HostName, Labels),
    /// `fleet web floor 66% …`
    Fleet(Box<FleetSpec>),
    /// `unfleet web`
    Unfleet(FleetName),
    /// `package 1.1.0 [fails ValidateService|dies 3s|unhealthy|flaps 4s/4s]`
    Package(Version, Behaviour),
    /// `fail h3 ValidateService on 1.1.0`, `fail h3 dies 3s on 1.1.0`, `fail h3 nothing on 1.1.0`
    Fail(Option<HostName>, Behaviour, Version),
    /// `deploy web 1.1.0`
    Deploy(FleetName, Version),
    /// `restart web`
    Restart(FleetName),
    /// `deploy web 1.1.0 c2`
    DeployConfigured(FleetName, Version, u32),
    /// `config web quiet [fails …]`: a configuration of this content is pushed, and so deployed.
    Config(FleetName, String, Behaviour),
    /// `register web quiet`: it only gets its number.
    Register(FleetName, String),
    /// `release config 2`
    ReleaseConfig(u32),
    /// `pause|resume|cancel|rollback web`
    Pause(FleetName),
    /// See above.
    Resume(FleetName),
    /// See above.
    Cancel(FleetName),
    /// See above.
    Rollback(FleetName),
    /// `release 1.1.0`
    Release(Version),
    /// `block 1.1.0`
    Block(Version),
    /// `unblock 1.1.0`
    Unblock(Version),
    /// `cordon|uncordon|retire|retry|maintain|unmaintain h1`
    Cordon(HostName),
    /// See above.
    Uncordon(HostName),
    /// See above.
    Retire(HostName),
    /// See above.
    Retry(HostName),
    /// See above.
    Maintain(HostName, bool),
    /// `pin h1`, `unpin h1`, `undo h1`: a person at the host; the last rolls it back.
    Hands(HostName, Wish),
    /// `fill h1`, `empty h1`: its disk.
    Disk(HostName, bool),
    /// `tick 30s`
    Tick(Millis),
    /// `until done [within 10m]`
    Until(Until, Millis),
    /// `status [web]`
    Status,
    /// `explain web`
    Explain(FleetName),
    /// `lowest web`: the fewest that truly served since the last `lowest`.
    Lowest(FleetName),
    /// `crash coordinator`
    CrashCoordinator,
    /// `start coordinator`
    StartCoordinator,
    /// `backup`
    Backup,
    /// `restore`, `restore by hand`: the latter copies the store's folder back.
    Restore {
        /// By hand: it does not know that it is a restored one.
        by_hand: bool,
    },
    /// `recover [keep-backup] [go-on]`: a person goes on after a restore.
    Recover {
        /// With what the backup wants.
        keep_backup: bool,
        /// Although hosts are missing.
        go_on: bool,
    },
    /// `restart agents` or `restart agent h1`
    RestartAgents(Option<HostName>),
    /// `kill h2`: power off.
    Kill(HostName),
    /// `boot h2`
    Boot(HostName),
    /// `crash app h2`
    CrashApp(HostName),
    /// `crash deployer h2`
    CrashDeployer(HostName),
    /// `lose ledger h2`
    LoseLedger(HostName),
    /// `starve h2` / `feed h2`: its application answers badly / well again.
    Starve(HostName, bool),
    /// `partition h3 [up|down]`
    Partition(HostName, Cut),
    /// `heal [h3]`
    Heal(Option<HostName>),
}

fn bad(word: &str, why: impl Into<String>) -> CommandError {
    CommandError { word: word.into(), why: why.into() }
}

fn read<T: std::str::FromStr>(word: Option<&str>, what: &str) -> Result<T, CommandError>
where
    T::Err: std::fmt::Display,
{
    let word = word.ok_or_else(|| bad("", format!("{what} is missing")))?;
    word.parse().map_err(|e: T::Err| bad(word, e.to_string()))
}

/// Parses a line.
pub fn parse(line: &str) -> Result<Command, CommandError> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let word = |at: usize| words.get(at).copied();
    let host = || read::<HostName>(word(1), "a host");
    let fleet = || read::<FleetName>(word(1), "a fleet");
    let version = |at| read::<Version>(word(at), "a version");
    Ok(match word(0).unwrap_or_default() {
        "hosts" => hosts(&words)?,
        "join" => Command::Join(host()?, labels(&words[2..])?),
        "label" => Command::Label(host()?, labels(&words[2..])?),
        "fleet" => Command::Fleet(Box::new(spec(&words[1..])?)),
        "unfleet" => Command::Unfleet(fleet()?),
        "package" => Command::Package(version(1)?, behaviour(&words[2..])?),
        "fail" => {
            let on = words.iter().position(|w| *w == "on").ok_or_else(|| bad(line, "fail HOST|all HOW on VERSION"))?;
            let host = if word(1) == Some("all") { None } else { Some(host()?) };
            let how = words.get(2..on).ok_or_else(|| bad(line, "fail HOST|all HOW on VERSION"))?;
            Command::Fail(host, behaviour(how)?, version(on + 1)?)
        }
        "deploy" => match word(3).and_then(|w| w.strip_prefix('c')) {
            Some(number) => Command::DeployConfigured(fleet()?, version(2)?, read(Some(number), "a number")?),
            None => Command::Deploy(fleet()?, version(2)?),
        },
        "config" => Command::Config(fleet()?, read(word(2), "a content")?, behaviour(&words[3..])?),
        "register" => Command::Register(fleet()?, read(word(2), "a content")?),
        "release" if word(1) == Some("config") => Command::ReleaseConfig(read(word(2), "a number")?),
        "restart" => match word(1) {
            Some("agents") => Command::RestartAgents(None),
            Some("agent") => Command::RestartAgents(Some(read(word(2), "a host")?)),
            _ => Command::Restart(fleet()?),
        },
        "pause" => Command::Pause(fleet()?),
        "resume" => Command::Resume(fleet()?),
        "cancel" => Command::Cancel(fleet()?),
        "rollback" => Command::Rollback(fleet()?),
        "release" => Command::Release(version(1)?),
        "block" => Command::Block(version(1)?),
        "unblock" => Command::Unblock(version(1)?),
        "cordon" => Command::Cordon(host()?),
        "uncordon" => Command::Uncordon(host()?),
        "retire" => Command::Retire(host()?),
        "retry" => Command::Retry(host()?),
        "maintain" => Command::Maintain(host()?, true),
        "unmaintain" => Command::Maintain(host()?, false),
        "pin" => Command::Hands(host()?, Wish::Pin),
        "unpin" => Command::Hands(host()?, Wish::Unpin),
        "undo" => Command::Hands(host()?, Wish::Rollback),
        "fill" => Command::Disk(host()?, true),
        "empty" => Command::Disk(host()?, false),
        "tick" => Command::Tick(read(word(1), "a span")?),
        "until" => until(&words)?,
        "status" => Command::Status,
        "explain" => Command::Explain(fleet()?),
        "lowest" => Command::Lowest(fleet()?),
        "backup" => Command::Backup,
        "restore" => Command::Restore { by_hand: words[1..] == ["by", "hand"] },
        "recover" => Command::Recover { keep_backup: words.contains(&"keep-backup"), go_on: words.contains(&"go-on") },
        "kill" => Command::Kill(host()?),
        "boot" => Command::Boot(host()?),
        "starve" => Command::Starve(host()?, true),
        "feed" => Command::Starve(host()?, false),
        "crash" => match word(1) {
            Some("coordinator") => Command::CrashCoordinator,
            Some("app") => Command::CrashApp(read(word(2), "a host")?),
            Some("deployer") => Command::CrashDeployer(read(word(2), "a host")?),
            _ => return Err(bad(line, "crash coordinator, crash app HOST, crash deployer HOST")),
        },
        "start" if word(1) == Some("coordinator") => Command::StartCoordinator,
        "lose" if word(1) == Some("ledger") => Command::LoseLedger(read(word(2), "a host")?),
        "partition" => Command::Partition(host()?, match word(2) {
            None => Cut::Both,
            Some("up") => Cut::Up,
            Some("down") => Cut::Down,
            Some(other) => return Err(bad(other, "up or down")),
        }),
        "heal" => Command::Heal(word(1).map(|_| host()).transpose()?),
        other => return Err(bad(other, "no such command")),
    })
}

fn hosts(words: &[&str]) -> Result<Command, CommandError> {
    let count = read(words.get(1).copied(), "how many")?;
    let (mut zones, mut already) = (Vec::new(), Already::Nothing);
    let mut rest = words[2..].iter();
    while let Some(word) = rest.next() {
        match *word {
            "zones" => {
                let list = rest.next().ok_or_else(|| bad("zones", "names are missing"))?;
                zones = list.split(',').map(|z| read(Some(z), "a zone")).collect::<Result<_, _>>()?;
            }
            "foreign" => already = Already::Foreign,
            other => return Err(bad(other, "zones A,B or foreign")),
        }
    }
    Ok(Command::Hosts(count, zones, already))
}

fn until(words: &[&str]) -> Result<Command, CommandError> {
    let split = words.iter().position(|w| *w == "within").unwrap_or(words.len());
    let limit = if split < words.len() { read(words.get(split + 1).copied(), "a span")? } else { Millis::seconds(1800) };
    let what = match &words[1..split] {
        ["done"] => Until::Done,
        ["waits", kind] => Until::Waits((*kind).into()),
        [host, "in", "change"] => Until::InChange(read(Some(host), "a host")?),
        [host, "available"] => Until::Available(read(Some(host), "a host")?),
        [host, "unreachable"] => Until::Unreachable(read(Some(host), "a host")?),
        _ => return Err(bad(&words[1..].join(" "), "done, waits KIND, HOST in change, HOST available, HOST unreachable")),
    };
    Ok(Command::Until(what, limit))
}

fn labels(words: &[&str]) -> Result<Labels, CommandError> {
    let pair = |word: &&str| {
        let (key, value) = word.split_once('=').ok_or_else(|| bad(word, "key=value"))?;
        Ok((read::<LabelKey>(Some(key), "a label")?, read::<LabelValue>(Some(value), "a value")?))
    };
    words.iter().map(pair).collect()
}

fn behaviour(words: &[&str]) -> Result<Behaviour, CommandError> {
    let good = Behaviour::default();
    Ok(match words {
        [] | ["nothing"] => good,
        ["fails", event] | [event] if Event::named(event).is_some() => Behaviour { fails_at: Event::named(event), ..good },
        ["fails", "back"] => Behaviour { fails_back: true, ..good },
        ["dies", span] => Behaviour { health: Health::DiesAfter(read(Some(span), "a span")?), ..good },
        ["unhealthy"] => Behaviour { health: Health::Never, ..good },
        ["flaps", spans] => {
            let (up, down) = spans.split_once('/').ok_or_else(|| bad(spans, "GOOD/BAD, as 4s/2s"))?;
            Behaviour { health: Health::Flaps { good: read(Some(up), "a span")?, bad: read(Some(down), "a span")? }, ..good }
        }
        other => return Err(bad(&other.join(" "), "an event, fails EVENT, fails back, dies SPAN, unhealthy, flaps GOOD/BAD, nothing")),
    })
}

/// A fleet's declaration: `web floor 66% [per zone 50%] [parallel 2] [tolerate 1] [on-failure stop] [stragglers 30s 10%] …`.
fn spec(words: &[&str]) -> Result<FleetSpec, CommandError> {
    let name: FleetName = read(words.first().copied(), "a fleet")?;
    let probe = Probe::Http { url: Text::lossy("http://localhost:8080/healthz") };
    let mut check = HealthCheck::of(probe);
    (check.every, check.timeout) = (Millis::seconds(1), Millis::seconds(1));
    (check.healthy_for, check.unhealthy_for, check.deadline) = (Millis::seconds(5), Millis::seconds(3), Millis::seconds(60));
    let mut spec = FleetSpec {
        app: AppName::new("web").map_err(|e| bad("web", e.to_string()))?,
        name,
        select: "env=prod".parse().map_err(|e: pilotage_shared::selector::SelectorError| bad("env=prod", e.to_string()))?,
        expect: None,
        floor: Amount::Count(0),
        floor_per: Default::default(),
        parallel: None,
        tolerate: Amount::Count(0),
        on_failure: OnFailure::Rollback,
        stragglers: None,
        health: Some(check),
        hook_timeout: Millis::seconds(60),
        leave: OnLeave::Keep,
        first_install: false,
    };
    let mut rest = words.iter().copied().skip(1);
    while let Some(word) = rest.next() {
        match word {
            "app" => spec.app = read(rest.next(), "an app")?,
            "select" => spec.select = read(rest.next(), "a selector")?,
            "floor" => spec.floor = read(rest.next(), "a floor")?,
            "per" => {
                let key = read(rest.next(), "a label")?;
                spec.floor_per.insert(key, read(rest.next(), "a floor")?);
            }
            "parallel" => spec.parallel = Some(read(rest.next(), "an amount")?),
            "tolerate" => spec.tolerate = read(rest.next(), "an amount")?,
            "on-failure" => {
                spec.on_failure = match rest.next() {
                    Some("rollback") => OnFailure::Rollback,
                    Some("stop") => OnFailure::Stop,
                    Some("pause") => OnFailure::Pause,
                    other => return Err(bad(other.unwrap_or_default(), "rollback, stop or pause")),
                }
            }
            "stragglers" => spec.stragglers = Some(Stragglers { after: read(rest.next(), "a span")?, at_most: read(rest.next(), "an amount")? }),
            "no-health" => spec.health = None,
            "first-install" => spec.first_install = true,
            other => return Err(bad(other, "no such setting of a fleet")),
        }
    }
    Ok(spec)
}
