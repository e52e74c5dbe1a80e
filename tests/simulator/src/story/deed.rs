//! One thing that people or misfortune do to the simulated world. Seeds draw deeds, stories say them, the shrinker leaves
//! some out: whatever happened to a world can be said line by line and done again.

use pilotage_shared::fleet::{FleetSpec, Labels};
use pilotage_shared::name::{AppName, FleetName, HostName, LabelValue, Version};
use pilotage_shared::time::Millis;

use crate::agent::Wish;
use crate::network::{Cut, Rates};
use crate::simulation::Luck;
use crate::truth::Behaviour;

/// A package, as a story names it: `1.1.0`, or `api@1.1.0` where there are several apps.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// None: the app of the fleet that was declared last.
    pub app: Option<AppName>,
    /// Its version.
    pub version: Version,
}

/// One deed. An app that is not named is that of the fleet that was declared last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// `draws 17 heartbeat 3s`: the seed of everything that is drawn at random; only as the first line.
    Draws {
        /// Of the world's draws.
        seed: u64,
        /// How often hosts report.
        heartbeat: Millis,
    },
    /// `network seed 17 loses 3% repeats 2% delays 4% by 10s takes 5ms..300ms`, `network calm`
    Network {
        /// Of the network's draws.
        seed: u64,
        /// What becomes of frames.
        rates: Rates,
    },
    /// `luck before-commit 0.3% before-publish 0.1% agents 0.2% fetches 5% drains 40ms`, `luck even`
    Luck(Luck),
    /// `hosts 6 zones a,b,c [foreign]`
    Hosts(u32, Vec<LabelValue>, Already),
    /// `join h7 zone=a [foreign [web,api]]`
    Join(HostName, Labels, Vec<AppName>),
    /// `machine h1 [fast 3|slow 3] [no-init]`: its clock goes so many thousandths wrongly; its init starts no applications.
    Machine(HostName, i64, bool),
    /// `label h2 zone=b`, `label h2 no-env`
    Label(HostName, Labels),
    /// `fleet web floor 66% …`
    Fleet(Box<FleetSpec>),
    /// `unfleet web`
    Unfleet(FleetName),
    /// `package 1.1.0 [fails|hangs|falters|lies ValidateService]`, or `[fails back|dies 3s|unhealthy|flaps 4s/4s]`
    Package(Named, Behaviour),
    /// `fail h3 ValidateService on 1.1.0`, `fail all dies 3s on 1.1.0`, `fail h3 nothing on 1.1.0`
    Fail(Option<HostName>, Behaviour, Named),
    /// `deploy web 1.1.0`
    Deploy(FleetName, Version),
    /// `deploy web 1.1.0 c2`: with this configuration.
    DeployConfigured(FleetName, Version, u32),
    /// `config web quiet [fails ValidateService|…]`: a configuration of this content is pushed, and so deployed.
    Config(FleetName, String, Behaviour),
    /// `register web quiet`: it only gets its number.
    Register(FleetName, String),
    /// `release config 2`
    ReleaseConfig(u32),
    /// `restart web`
    Restart(FleetName),
    /// `once 17 restart web`: the same under a key, so that who asks twice gets one deployment.
    Once(u64, FleetName),
    /// `pause|resume|cancel|rollback web`
    Pause(FleetName),
    /// See above.
    Resume(FleetName),
    /// See above.
    Cancel(FleetName),
    /// See above.
    Rollback(FleetName),
    /// `release|block|unblock 1.1.0`
    Release(Named),
    /// `delete 1.1.0`
    Delete(Named),
    /// See above.
    Block(Named),
    /// See above.
    Unblock(Named),
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
    /// `pin h1 [api]`, `unpin h1`, `undo h1`: a person at the host; the last rolls it back.
    Hands(HostName, Option<AppName>, Wish),
    /// `fill h1`, `empty h1`: its disk.
    Disk(HostName, bool),
    /// `tick 30s`
    Tick(Millis),
    /// `crash coordinator`; with `restart coordinator` its service manager starts it again soon.
    CrashCoordinator {
        /// It is started again soon.
        again: bool,
    },
    /// `start coordinator`
    StartCoordinator,
    /// `backup`
    Backup,
    /// `swap backups`: the copy before the last one is the one that is restored.
    SwapBackups,
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
    /// `second coordinator`: another is started from the backup and takes over; the first lives on.
    SecondCoordinator,
    /// `swap coordinators`: the other one answers now.
    SwapCoordinators,
    /// `restart agents` or `restart agent h1`
    RestartAgents(Option<HostName>),
    /// `stall h1 3s`: its agent's process is stopped for so long.
    Stall(HostName, Millis),
    /// `kill h2`: power off.
    Kill(HostName),
    /// `boot h2`
    Boot(HostName),
    /// `reboot h2 15s`: power off for so long.
    Reboot(HostName, Millis),
    /// `reimage h2 15s`: a new disk under the old name; power is off for so long.
    Reimage(HostName, Millis),
    /// `jump clock h2 -3000`: its wall clock, by so many milliseconds.
    JumpClock(HostName, i64),
    /// `next frame-lost`, `next fetch-failed h2`: the next of its kind goes wrong.
    Next(Next),
    /// `crash app h2 [api]`
    CrashApp(HostName, Option<AppName>),
    /// `crash deployer h2`
    CrashDeployer(HostName),
    /// `lose ledger h2`
    LoseLedger(HostName),
    /// `clone h2`: a second machine comes up under its identity.
    Clone(HostName),
    /// `snapshot h2`, and `set back h2` to it.
    Snapshot(HostName),
    /// See above.
    SetBack(HostName),
    /// `starve h2 [api]` / `feed h2 [api]`: its application answers badly / well again.
    Starve(HostName, Option<AppName>, bool),
    /// `partition h3 [up|down]`
    Partition(HostName, Cut),
    /// `heal [h3]`
    Heal(Option<HostName>),
    /// `liar h1`: from now on it says anything.
    Liar(HostName),
    /// `lie to h1`: the coordinator asks it for anything.
    LieTo(HostName),
    /// `rest`: all that is broken is repaired, and the world must come to rest.
    Rest,
}

/// What runs on new hosts before Pilotage does anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Already {
    /// Nothing.
    Nothing,
    /// An application that somebody else put there.
    Foreign,
}

/// What goes wrong the next time that it can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// A frame.
    FrameLost,
    /// A frame.
    FrameLate,
    /// A frame.
    FrameRepeated,
    /// The coordinator dies before its next commit.
    DiedBeforeCommit,
    /// The commit fails.
    CommitFailed,
    /// The coordinator dies in its next commit.
    CommitTorn,
    /// The coordinator dies after its next commit, and tells nobody.
    DiedBeforeAnswer,
    /// The next package that this host fetches.
    FetchFailed(HostName),
    /// The agent dies while this host begins its next run.
    DiedInBegin(HostName),
}

/// The names that a deed mentions.
#[derive(Default)]
pub struct Mentions<'a> {
    /// A host.
    pub host: Option<&'a mut HostName>,
    /// A fleet.
    pub fleet: Option<&'a mut FleetName>,
    /// A package's version.
    pub version: Option<&'a mut Version>,
    /// A host's labels.
    pub labels: Option<&'a mut Labels>,
}

impl Deed {
    /// The names that it mentions, to be read or changed.
    pub fn mentions(&mut self) -> Mentions<'_> {
        let none = Mentions::default();
        match self {
            Deed::Join(host, labels, _) | Deed::Label(host, labels) => Mentions { host: Some(host), labels: Some(labels), ..none },
            Deed::Machine(host, ..)
            | Deed::Cordon(host)
            | Deed::Uncordon(host)
            | Deed::Retire(host)
            | Deed::Retry(host)
            | Deed::Maintain(host, _)
            | Deed::Hands(host, ..)
            | Deed::Disk(host, _)
            | Deed::Stall(host, _)
            | Deed::Kill(host)
            | Deed::Boot(host)
            | Deed::Reboot(host, _)
            | Deed::Reimage(host, _)
            | Deed::JumpClock(host, _)
            | Deed::Next(Next::FetchFailed(host) | Next::DiedInBegin(host))
            | Deed::CrashApp(host, _)
            | Deed::CrashDeployer(host)
            | Deed::LoseLedger(host)
            | Deed::Clone(host)
            | Deed::Snapshot(host)
            | Deed::SetBack(host)
            | Deed::Starve(host, ..)
            | Deed::Partition(host, _)
            | Deed::Liar(host)
            | Deed::LieTo(host) => Mentions { host: Some(host), ..none },
            Deed::RestartAgents(host) | Deed::Heal(host) => Mentions { host: host.as_mut(), ..none },
            Deed::Fleet(spec) => Mentions { fleet: Some(&mut spec.name), ..none },
            Deed::Unfleet(fleet)
            | Deed::Config(fleet, ..)
            | Deed::Register(fleet, _)
            | Deed::Restart(fleet)
            | Deed::Once(_, fleet)
            | Deed::Pause(fleet)
            | Deed::Resume(fleet)
            | Deed::Cancel(fleet)
            | Deed::Rollback(fleet) => Mentions { fleet: Some(fleet), ..none },
            Deed::Deploy(fleet, version) | Deed::DeployConfigured(fleet, version, _) => {
                Mentions { fleet: Some(fleet), version: Some(version), ..none }
            }
            Deed::Package(named, _) | Deed::Release(named) | Deed::Delete(named) | Deed::Block(named) | Deed::Unblock(named) => {
                Mentions { version: Some(&mut named.version), ..none }
            }
            Deed::Fail(host, _, named) => Mentions { host: host.as_mut(), version: Some(&mut named.version), ..none },
            Deed::Draws { .. }
            | Deed::Network { .. }
            | Deed::Luck(_)
            | Deed::Hosts(..)
            | Deed::ReleaseConfig(_)
            | Deed::Tick(_)
            | Deed::CrashCoordinator { .. }
            | Deed::StartCoordinator
            | Deed::Backup
            | Deed::SwapBackups
            | Deed::Next(
                Next::FrameLost
                | Next::FrameLate
                | Next::FrameRepeated
                | Next::DiedBeforeCommit
                | Next::CommitFailed
                | Next::CommitTorn
                | Next::DiedBeforeAnswer,
            )
            | Deed::Restore { .. }
            | Deed::Recover { .. }
            | Deed::SecondCoordinator
            | Deed::SwapCoordinators
            | Deed::Rest => none,
        }
    }
}
