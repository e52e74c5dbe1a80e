//! Understands the lines that say a deed; the inverse of [`super::say`].

use pilotage_shared::fleet::Labels;
use pilotage_shared::name::{AppName, FleetName, HostName, LabelKey, LabelValue};
use pilotage_shared::run::Event;
use pilotage_shared::time::Millis;

use super::command::{CommandError, bad, read};
use super::deed::{Already, Deed, Named, Next};
use super::fleet;
use crate::agent::Wish;
use crate::network::{Cut, Rates};
use crate::simulation::Luck;
use crate::truth::{Behaviour, Health, Wrong};

impl std::str::FromStr for Named {
    type Err = CommandError;
    fn from_str(text: &str) -> Result<Self, CommandError> {
        let (app, version) = match text.split_once('@') {
            Some((app, version)) => (Some(read(Some(app), "an app")?), version),
            None => (None, text),
        };
        Ok(Self { app, version: read(Some(version), "a version")? })
    }
}

/// Understands one line.
pub(super) fn understand(line: &str, words: &[&str]) -> Result<Deed, CommandError> {
    let word = |at: usize| words.get(at).copied();
    let host = || read::<HostName>(word(1), "a host");
    let second = || read::<HostName>(word(2), "a host");
    let fleet = || read::<FleetName>(word(1), "a fleet");
    let named = || read::<Named>(word(1), "a version");
    let span = |at| read::<Millis>(word(at), "a span");
    let app = |at| word(at).map(|app| read::<AppName>(Some(app), "an app")).transpose();
    Ok(match word(0).unwrap_or_default() {
        "draws" if word(2) == Some("heartbeat") => Deed::Draws { seed: read(word(1), "a seed")?, heartbeat: span(3)? },
        "network" => network(&words[1..])?,
        "luck" => luck(&words[1..])?,
        "hosts" => hosts(words)?,
        "join" => {
            let split = words.iter().position(|w| *w == "foreign").unwrap_or(words.len());
            let serves = match (split < words.len(), word(split + 1)) {
                (false, _) => Vec::new(),
                (true, None) => vec![read(Some("web"), "an app")?],
                (true, Some(apps)) => apps.split(',').map(|app| read(Some(app), "an app")).collect::<Result<_, _>>()?,
            };
            Deed::Join(host()?, labels(words.get(2..split).unwrap_or_default())?, serves)
        }
        "machine" => machine(host()?, &words[2..])?,
        "label" => Deed::Label(host()?, labels(&words[2..])?),
        "fleet" => Deed::Fleet(Box::new(fleet::understand(&words[1..])?)),
        "unfleet" => Deed::Unfleet(fleet()?),
        "package" => Deed::Package(named()?, behaviour(&words[2..])?),
        "fail" => {
            let on = words.iter().position(|w| *w == "on").ok_or_else(|| bad(line, "fail HOST|all HOW on VERSION"))?;
            let host = if word(1) == Some("all") { None } else { Some(host()?) };
            let how = words.get(2..on).ok_or_else(|| bad(line, "fail HOST|all HOW on VERSION"))?;
            Deed::Fail(host, behaviour(how)?, read(word(on + 1), "a version")?)
        }
        "deploy" => match word(3).and_then(|w| w.strip_prefix('c')) {
            Some(number) => Deed::DeployConfigured(fleet()?, read(word(2), "a version")?, read(Some(number), "a number")?),
            None => Deed::Deploy(fleet()?, read(word(2), "a version")?),
        },
        "config" => Deed::Config(fleet()?, read(word(2), "a content")?, behaviour(&words[3..])?),
        "register" => Deed::Register(fleet()?, read(word(2), "a content")?),
        "restart" => match word(1) {
            Some("agents") => Deed::RestartAgents(None),
            Some("agent") => Deed::RestartAgents(Some(second()?)),
            Some("coordinator") => Deed::CrashCoordinator { again: true },
            _ => Deed::Restart(fleet()?),
        },
        "once" if word(2) == Some("restart") => Deed::Once(read(word(1), "a number")?, read(word(3), "a fleet")?),
        "pause" => Deed::Pause(fleet()?),
        "resume" => Deed::Resume(fleet()?),
        "cancel" => Deed::Cancel(fleet()?),
        "rollback" => Deed::Rollback(fleet()?),
        "release" if word(1) == Some("config") => Deed::ReleaseConfig(read(word(2), "a number")?),
        "release" => Deed::Release(named()?),
        "delete" => Deed::Delete(named()?),
        "block" => Deed::Block(named()?),
        "unblock" => Deed::Unblock(named()?),
        "cordon" => Deed::Cordon(host()?),
        "uncordon" => Deed::Uncordon(host()?),
        "retire" => Deed::Retire(host()?),
        "retry" => Deed::Retry(host()?),
        "maintain" => Deed::Maintain(host()?, true),
        "unmaintain" => Deed::Maintain(host()?, false),
        "pin" => Deed::Hands(host()?, app(2)?, Wish::Pin),
        "unpin" => Deed::Hands(host()?, app(2)?, Wish::Unpin),
        "undo" => Deed::Hands(host()?, app(2)?, Wish::Rollback),
        "fill" => Deed::Disk(host()?, true),
        "empty" => Deed::Disk(host()?, false),
        "tick" => Deed::Tick(span(1)?),
        "backup" => Deed::Backup,
        "restore" => Deed::Restore { by_hand: words[1..] == ["by", "hand"] },
        "recover" => Deed::Recover { keep_backup: words.contains(&"keep-backup"), go_on: words.contains(&"go-on") },
        "kill" => Deed::Kill(host()?),
        "boot" => Deed::Boot(host()?),
        "reboot" => Deed::Reboot(host()?, span(2)?),
        "reimage" => Deed::Reimage(host()?, span(2)?),
        "jump" if word(1) == Some("clock") => Deed::JumpClock(second()?, read(word(3), "milliseconds")?),
        "next" => Deed::Next(next(line, word(1).unwrap_or_default(), second)?),
        "stall" => Deed::Stall(host()?, span(2)?),
        "starve" => Deed::Starve(host()?, app(2)?, true),
        "feed" => Deed::Starve(host()?, app(2)?, false),
        "crash" => match word(1) {
            Some("coordinator") => Deed::CrashCoordinator { again: false },
            Some("app") => Deed::CrashApp(second()?, app(3)?),
            Some("deployer") => Deed::CrashDeployer(second()?),
            _ => return Err(bad(line, "crash coordinator, crash app HOST, crash deployer HOST")),
        },
        "start" if word(1) == Some("coordinator") => Deed::StartCoordinator,
        "second" if word(1) == Some("coordinator") => Deed::SecondCoordinator,
        "swap" if word(1) == Some("backups") => Deed::SwapBackups,
        "swap" if word(1) == Some("coordinators") => Deed::SwapCoordinators,
        "lose" if word(1) == Some("ledger") => Deed::LoseLedger(second()?),
        "clone" => Deed::Clone(host()?),
        "snapshot" => Deed::Snapshot(host()?),
        "set" if word(1) == Some("back") => Deed::SetBack(second()?),
        "partition" => Deed::Partition(
            host()?,
            match word(2) {
                None => Cut::Both,
                Some("up") => Cut::Up,
                Some("down") => Cut::Down,
                Some(other) => return Err(bad(other, "up or down")),
            },
        ),
        "heal" => Deed::Heal(word(1).map(|_| host()).transpose()?),
        "liar" => Deed::Liar(host()?),
        "lie" if word(1) == Some("to") => Deed::LieTo(second()?),
        "rest" => Deed::Rest,
        other => return Err(bad(other, "no such command")),
    })
}

fn hosts(words: &[&str]) -> Result<Deed, CommandError> {
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
    Ok(Deed::Hosts(count, zones, already))
}

fn machine(host: HostName, words: &[&str]) -> Result<Deed, CommandError> {
    let (mut drift, mut init) = (0, true);
    let mut rest = words.iter().copied();
    while let Some(word) = rest.next() {
        match word {
            "fast" => drift = read::<u16>(rest.next(), "thousandths")?.into(),
            "slow" => drift = -i64::from(read::<u16>(rest.next(), "thousandths")?),
            "no-init" => init = false,
            other => return Err(bad(other, "fast THOUSANDTHS, slow THOUSANDTHS, or no-init")),
        }
    }
    Ok(Deed::Machine(host, drift, init))
}

/// `3%` or `0.4%`, in thousandths.
fn share(word: Option<&str>) -> Result<u64, CommandError> {
    let word = word.ok_or_else(|| bad("", "a share is missing"))?;
    let (whole, tenths) = word.strip_suffix('%').map(|n| n.split_once('.').unwrap_or((n, "0"))).ok_or_else(|| bad(word, "a share, as 3% or 0.4%"))?;
    let (whole, tenths) = (read::<u64>(Some(whole), "a share")?, read::<u64>(Some(tenths), "a share")?);
    if whole > 100 || tenths > 9 { Err(bad(word, "0% to 100%, with one digit after the point at most")) } else { Ok(whole * 10 + tenths) }
}

fn network(words: &[&str]) -> Result<Deed, CommandError> {
    let (mut seed, mut rates) = (1, Rates::CALM);
    let mut rest = words.iter().copied();
    while let Some(word) = rest.next() {
        match word {
            "calm" => {}
            "seed" => seed = read(rest.next(), "a seed")?,
            "loses" => rates.lost = share(rest.next())?,
            "repeats" => rates.repeated = share(rest.next())?,
            "delays" => rates.late = share(rest.next())?,
            "by" => rates.late_by = read(rest.next(), "a span")?,
            "takes" => {
                let way = rest.next().unwrap_or_default();
                let (fastest, slowest) = way.split_once("..").ok_or_else(|| bad(way, "FASTEST..SLOWEST, as 5ms..300ms"))?;
                (rates.fastest, rates.slowest) = (read(Some(fastest), "a span")?, read(Some(slowest), "a span")?);
            }
            other => return Err(bad(other, "calm, seed N, loses P, repeats P, delays P, by SPAN, takes SPAN..SPAN")),
        }
    }
    Ok(Deed::Network { seed, rates })
}

fn luck(words: &[&str]) -> Result<Deed, CommandError> {
    let mut luck = Luck::default();
    let mut rest = words.iter().copied();
    while let Some(word) = rest.next() {
        match word {
            "even" => {}
            "before-commit" => luck.crash_before_commit = share(rest.next())?,
            "before-publish" => luck.crash_before_publish = share(rest.next())?,
            "agents" => luck.crash_agent = share(rest.next())?,
            "fetches" => luck.fetch_fails = share(rest.next())?,
            "drains" => luck.drain_within = read::<Millis>(rest.next(), "a span")?.0,
            other => return Err(bad(other, "even, before-commit P, before-publish P, agents P, fetches P, drains SPAN")),
        }
    }
    Ok(Deed::Luck(luck))
}

fn next(line: &str, what: &str, host: impl FnOnce() -> Result<HostName, CommandError>) -> Result<Next, CommandError> {
    Ok(match what {
        "frame-lost" => Next::FrameLost,
        "frame-late" => Next::FrameLate,
        "frame-repeated" => Next::FrameRepeated,
        "died-before-commit" => Next::DiedBeforeCommit,
        "commit-failed" => Next::CommitFailed,
        "commit-torn" => Next::CommitTorn,
        "died-before-answer" => Next::DiedBeforeAnswer,
        "fetch-failed" => Next::FetchFailed(host()?),
        "died-in-begin" => Next::DiedInBegin(host()?),
        _ => {
            return Err(bad(
                line,
                "next frame-lost|frame-late|frame-repeated|died-before-commit|commit-failed|commit-torn|died-before-answer, next fetch-failed|died-in-begin HOST",
            ));
        }
    })
}

/// A host of which nothing else is said is in `env=prod`; with `no-env` it has no such label.
fn labels(words: &[&str]) -> Result<Labels, CommandError> {
    let pair = |word: &&str| {
        let (key, value) = word.split_once('=').ok_or_else(|| bad(word, "key=value"))?;
        Ok((read::<LabelKey>(Some(key), "a label")?, read::<LabelValue>(Some(value), "a value")?))
    };
    let mut labels: Labels = words.iter().filter(|word| **word != "no-env").map(pair).collect::<Result<_, CommandError>>()?;
    if !words.contains(&"no-env") {
        labels.entry(read(Some("env"), "a label")?).or_insert_with(|| LabelValue::lossy("prod"));
    }
    Ok(labels)
}

fn behaviour(words: &[&str]) -> Result<Behaviour, CommandError> {
    let good = Behaviour::default();
    Ok(match words {
        [] | ["nothing"] => good,
        ["fails", "back"] => Behaviour { fails_back: true, ..good },
        ["hangs", event] if Event::named(event).is_some() => Behaviour { fails_at: Event::named(event), wrong: Wrong::Hangs, ..good },
        ["falters", event] if Event::named(event).is_some() => Behaviour { fails_at: Event::named(event), wrong: Wrong::Flaps, ..good },
        ["lies", event] if Event::named(event).is_some() => Behaviour { fails_at: Event::named(event), wrong: Wrong::Lies, ..good },
        ["fails", event] | [event] if Event::named(event).is_some() => Behaviour { fails_at: Event::named(event), ..good },
        ["dies", span] => Behaviour { health: Health::DiesAfter(read(Some(span), "a span")?), ..good },
        ["unhealthy"] => Behaviour { health: Health::Never, ..good },
        ["flaps", spans] => {
            let (up, down) = spans.split_once('/').ok_or_else(|| bad(spans, "GOOD/BAD, as 4s/2s"))?;
            Behaviour { health: Health::Flaps { good: read(Some(up), "a span")?, bad: read(Some(down), "a span")? }, ..good }
        }
        other => {
            return Err(bad(&other.join(" "), "an event, fails|hangs|falters|lies EVENT, fails back, dies SPAN, unhealthy, flaps GOOD/BAD, nothing"));
        }
    })
}
