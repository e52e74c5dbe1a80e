//! Deeds as a story says them; what is said here is understood by [`super::deeds`].

use std::fmt;

use pilotage_shared::fleet::Labels;
use pilotage_shared::name::AppName;
use pilotage_shared::time::Millis;

use super::deed::{Already, Deed, Named, Next};
use super::fleet;
use crate::agent::Wish;
use crate::network::{Cut, Rates};
use crate::simulation::Luck;
use crate::truth::{Behaviour, Health, Wrong};

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.app {
            Some(app) => write!(f, "{app}@{}", self.version),
            None => write!(f, "{}", self.version),
        }
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Deed::Draws { seed, heartbeat } => write!(f, "draws {seed} heartbeat {}", span(*heartbeat)),
            Deed::Network { seed, rates } => f.write_str(&network(*seed, rates)),
            Deed::Luck(luck) => f.write_str(&lucky(luck)),
            Deed::Hosts(count, zones, already) => {
                let zones: Vec<&str> = zones.iter().map(|z| z.as_str()).collect();
                let zones = if zones.is_empty() { String::new() } else { format!(" zones {}", zones.join(",")) };
                write!(f, "hosts {count}{zones}{}", if *already == Already::Foreign { " foreign" } else { "" })
            }
            Deed::Join(host, labels, serves) => write!(f, "join {host}{}{}", labelled(labels), foreign(serves)),
            Deed::Machine(host, drift, init) => {
                let drift = match drift {
                    1.. => format!(" fast {drift}"),
                    0 => String::new(),
                    ..0 => format!(" slow {}", drift.unsigned_abs()),
                };
                write!(f, "machine {host}{drift}{}", if *init { "" } else { " no-init" })
            }
            Deed::Label(host, labels) => write!(f, "label {host}{}", labelled(labels)),
            Deed::Fleet(spec) => write!(f, "fleet {}", fleet::say(spec)),
            Deed::Unfleet(fleet) => write!(f, "unfleet {fleet}"),
            Deed::Package(named, how) if *how == Behaviour::default() => write!(f, "package {named}"),
            Deed::Package(named, how) => write!(f, "package {named} {}", behaves(how)),
            Deed::Fail(Some(host), how, named) => write!(f, "fail {host} {} on {named}", behaves(how)),
            Deed::Fail(None, how, named) => write!(f, "fail all {} on {named}", behaves(how)),
            Deed::Deploy(fleet, version) => write!(f, "deploy {fleet} {version}"),
            Deed::DeployConfigured(fleet, version, number) => write!(f, "deploy {fleet} {version} c{number}"),
            Deed::Config(fleet, content, how) if *how == Behaviour::default() => write!(f, "config {fleet} {content}"),
            Deed::Config(fleet, content, how) => write!(f, "config {fleet} {content} {}", behaves(how)),
            Deed::Register(fleet, content) => write!(f, "register {fleet} {content}"),
            Deed::ReleaseConfig(number) => write!(f, "release config {number}"),
            Deed::Restart(fleet) => write!(f, "restart {fleet}"),
            Deed::Once(key, fleet) => write!(f, "once {key} restart {fleet}"),
            Deed::Pause(fleet) => write!(f, "pause {fleet}"),
            Deed::Resume(fleet) => write!(f, "resume {fleet}"),
            Deed::Cancel(fleet) => write!(f, "cancel {fleet}"),
            Deed::Rollback(fleet) => write!(f, "rollback {fleet}"),
            Deed::Release(named) => write!(f, "release {named}"),
            Deed::Delete(named) => write!(f, "delete {named}"),
            Deed::Block(named) => write!(f, "block {named}"),
            Deed::Unblock(named) => write!(f, "unblock {named}"),
            Deed::Cordon(host) => write!(f, "cordon {host}"),
            Deed::Uncordon(host) => write!(f, "uncordon {host}"),
            Deed::Retire(host) => write!(f, "retire {host}"),
            Deed::Retry(host) => write!(f, "retry {host}"),
            Deed::Maintain(host, true) => write!(f, "maintain {host}"),
            Deed::Maintain(host, false) => write!(f, "unmaintain {host}"),
            Deed::Hands(host, app, Wish::Pin) => write!(f, "pin {host}{}", also(app)),
            Deed::Hands(host, app, Wish::Unpin) => write!(f, "unpin {host}{}", also(app)),
            Deed::Hands(host, app, Wish::Rollback) => write!(f, "undo {host}{}", also(app)),
            Deed::Disk(host, true) => write!(f, "fill {host}"),
            Deed::Disk(host, false) => write!(f, "empty {host}"),
            Deed::Tick(pause) => write!(f, "tick {}", span(*pause)),
            Deed::CrashCoordinator { again: false } => f.write_str("crash coordinator"),
            Deed::CrashCoordinator { again: true } => f.write_str("restart coordinator"),
            Deed::StartCoordinator => f.write_str("start coordinator"),
            Deed::SwapBackups => f.write_str("swap backups"),
            Deed::Backup => f.write_str("backup"),
            Deed::Restore { by_hand } => write!(f, "restore{}", if *by_hand { " by hand" } else { "" }),
            Deed::Recover { keep_backup, go_on } => {
                write!(f, "recover{}{}", if *keep_backup { " keep-backup" } else { "" }, if *go_on { " go-on" } else { "" })
            }
            Deed::SecondCoordinator => f.write_str("second coordinator"),
            Deed::SwapCoordinators => f.write_str("swap coordinators"),
            Deed::RestartAgents(None) => f.write_str("restart agents"),
            Deed::RestartAgents(Some(host)) => write!(f, "restart agent {host}"),
            Deed::Stall(host, pause) => write!(f, "stall {host} {}", span(*pause)),
            Deed::Kill(host) => write!(f, "kill {host}"),
            Deed::Boot(host) => write!(f, "boot {host}"),
            Deed::Reboot(host, pause) => write!(f, "reboot {host} {}", span(*pause)),
            Deed::Reimage(host, pause) => write!(f, "reimage {host} {}", span(*pause)),
            Deed::JumpClock(host, by) => write!(f, "jump clock {host} {by}"),
            Deed::Next(next) => write!(f, "next {}", comes(next)),
            Deed::CrashApp(host, app) => write!(f, "crash app {host}{}", also(app)),
            Deed::CrashDeployer(host) => write!(f, "crash deployer {host}"),
            Deed::LoseLedger(host) => write!(f, "lose ledger {host}"),
            Deed::Clone(host) => write!(f, "clone {host}"),
            Deed::Snapshot(host) => write!(f, "snapshot {host}"),
            Deed::SetBack(host) => write!(f, "set back {host}"),
            Deed::Starve(host, app, true) => write!(f, "starve {host}{}", also(app)),
            Deed::Starve(host, app, false) => write!(f, "feed {host}{}", also(app)),
            Deed::Partition(host, Cut::Both) => write!(f, "partition {host}"),
            Deed::Partition(host, Cut::Up) => write!(f, "partition {host} up"),
            Deed::Partition(host, Cut::Down) => write!(f, "partition {host} down"),
            Deed::Heal(None) => f.write_str("heal"),
            Deed::Heal(Some(host)) => write!(f, "heal {host}"),
            Deed::Liar(host) => write!(f, "liar {host}"),
            Deed::LieTo(host) => write!(f, "lie to {host}"),
            Deed::Rest => f.write_str("rest"),
        }
    }
}

/// A span to the millisecond, in one unit, as it is read again.
pub(super) fn span(span: Millis) -> String {
    match span.0 {
        ms if ms > 0 && ms.is_multiple_of(60_000) => format!("{}m", ms / 60_000),
        ms if ms.is_multiple_of(1000) => format!("{}s", ms / 1000),
        ms => format!("{ms}ms"),
    }
}

/// Thousandths, as people say them: `3%`, `0.4%`.
fn share(thousandths: u64) -> String {
    match thousandths % 10 {
        0 => format!("{}%", thousandths / 10),
        rest => format!("{}.{rest}%", thousandths / 10),
    }
}

fn network(seed: u64, rates: &Rates) -> String {
    if (seed, *rates) == (1, Rates::CALM) {
        return "network calm".into();
    }
    let mut out = format!("network seed {seed}");
    for (word, rate) in [("loses", rates.lost), ("repeats", rates.repeated), ("delays", rates.late)] {
        if rate > 0 {
            out.push_str(&format!(" {word} {}", share(rate)));
        }
    }
    if rates.late_by != Rates::CALM.late_by {
        out.push_str(&format!(" by {}", span(rates.late_by)));
    }
    if (rates.fastest, rates.slowest) != (Rates::CALM.fastest, Rates::CALM.slowest) {
        out.push_str(&format!(" takes {}..{}", span(rates.fastest), span(rates.slowest)));
    }
    out
}

fn lucky(luck: &Luck) -> String {
    let mut out = String::from("luck");
    let rates = [
        ("before-commit", luck.crash_before_commit),
        ("before-publish", luck.crash_before_publish),
        ("agents", luck.crash_agent),
        ("fetches", luck.fetch_fails),
    ];
    for (word, rate) in rates.into_iter().filter(|(_, rate)| *rate > 0) {
        out.push_str(&format!(" {word} {}", share(rate)));
    }
    if luck.drain_within > 0 {
        out.push_str(&format!(" drains {}ms", luck.drain_within));
    }
    if *luck == Luck::default() {
        out.push_str(" even");
    }
    out
}

/// `env=prod` is what a host has of which nothing else is said.
fn labelled(labels: &Labels) -> String {
    let said = labels.iter().filter(|(key, value)| (key.as_str(), value.as_str()) != ("env", "prod"));
    let none = if labels.keys().any(|key| key.as_str() == "env") { "" } else { " no-env" };
    said.map(|(key, value)| format!(" {key}={value}")).chain([none.to_owned()]).collect()
}

fn foreign(serves: &[AppName]) -> String {
    match serves {
        [] => String::new(),
        [app] if app.as_str() == "web" => " foreign".into(),
        apps => format!(" foreign {}", apps.iter().map(|a| a.as_str()).collect::<Vec<_>>().join(",")),
    }
}

fn also(app: &Option<AppName>) -> String {
    app.as_ref().map(|app| format!(" {app}")).unwrap_or_default()
}

fn comes(next: &Next) -> String {
    match next {
        Next::FrameLost => "frame-lost".into(),
        Next::FrameLate => "frame-late".into(),
        Next::FrameRepeated => "frame-repeated".into(),
        Next::DiedBeforeCommit => "died-before-commit".into(),
        Next::CommitFailed => "commit-failed".into(),
        Next::CommitTorn => "commit-torn".into(),
        Next::DiedBeforeAnswer => "died-before-answer".into(),
        Next::FetchFailed(host) => format!("fetch-failed {host}"),
        Next::DiedInBegin(host) => format!("died-in-begin {host}"),
    }
}

fn behaves(how: &Behaviour) -> String {
    match (how.fails_at, how.fails_back, how.health) {
        (Some(event), _, _) => {
            let wrong = match how.wrong {
                Wrong::Fails => "fails",
                Wrong::Hangs => "hangs",
                Wrong::Flaps => "falters",
                Wrong::Lies => "lies",
            };
            format!("{wrong} {event}")
        }
        (None, true, _) => "fails back".into(),
        (None, false, Health::Good) => "nothing".into(),
        (None, false, Health::DiesAfter(after)) => format!("dies {}", span(after)),
        (None, false, Health::Never) => "unhealthy".into(),
        (None, false, Health::Flaps { good, bad }) => format!("flaps {}/{}", span(good), span(bad)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::command::{Command, parse};
    use crate::seed;

    fn check(line: &str) {
        match parse(line) {
            Ok(Command::Do(deed)) => assert_eq!(deed.to_string(), line),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn what_is_understood_is_said_the_same_way() {
        let fleet = "fleet api app api select env floor 66% per zone all-1 parallel 2 tolerate 10% on-failure stop stragglers 30s 10%";
        for line in [
            "draws 17 heartbeat 3s",
            "network calm",
            "network seed 17 loses 3% repeats 0.4% delays 25% by 40s takes 5ms..300ms",
            "luck before-commit 0.3% before-publish 0.1% agents 0.2% fetches 5% drains 40ms",
            "luck even",
            "hosts 6 zones a,b,c foreign",
            "join h7 zone=a",
            "join h7 env=test zone=a foreign web,api",
            "join h7 no-env",
            "machine h1 fast 3 no-init",
            "machine h1 slow 3",
            "label h2 zone=b no-env",
            "package 1.1.0 hangs ApplicationStart",
            "package 1.1.0 falters ValidateService",
            "package 1.1.0 lies Install",
            "once 17 restart web",
            "delete api@1.1.0",
            "swap backups",
            "reimage h2 15s",
            "jump clock h2 -3000",
            "next frame-lost",
            "next frame-late",
            "next frame-repeated",
            "next died-before-commit",
            "next commit-failed",
            "next commit-torn",
            "next died-before-answer",
            "next fetch-failed h2",
            "next died-in-begin h2",
            fleet,
            "fleet web floor 0 on-failure pause every 800ms timeout 500ms healthy-for 2s unhealthy-for 1500ms deadline 30s",
            "fleet web floor 1 no-health first-install",
            "package api@1.1.0 flaps 4s/2500ms",
            "fail all dies 3s on 1.1.0",
            "fail h3 fails ValidateService on api@1.1.0",
            "fail h3 fails back on 1.1.0",
            "fail h3 nothing on 1.1.0",
            "deploy web 1.1.0 c2",
            "config web quiet",
            "config web bad fails ValidateService",
            "register web quiet",
            "release config 2",
            "restart web",
            "restart coordinator",
            "restart agents",
            "restart agent h1",
            "crash coordinator",
            "pin h1 api",
            "restore by hand",
            "recover keep-backup go-on",
            "second coordinator",
            "swap coordinators",
            "stall h1 3s",
            "reboot h2 90500ms",
            "set back h2",
            "starve h2 api",
            "feed h2",
            "partition h3 up",
            "heal",
            "lie to h1",
            "rest",
        ] {
            check(line);
        }
    }

    #[test]
    fn whatever_happens_in_a_seed_can_be_said() {
        for deed in (1..=60).flat_map(|number| seed::run(number, 0).deeds) {
            assert_eq!(parse(&deed.to_string()), Ok(Command::Do(deed.clone())), "{deed}");
        }
    }
}
