//! One application on one machine: what is installed, which process runs, and who is to blame for its last outage.

use pilotage_shared::name::HostName;
use pilotage_shared::release::Release;
use pilotage_shared::time::Time;

use super::Behaviours;

/// A running process of the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// What it was started from; none when somebody else put it there before Pilotage came.
    pub release: Option<Release>,
    /// When.
    pub started: Time,
}

/// One application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Application {
    /// The release whose files are switched in; survives everything but a re-image.
    pub installed: Option<Release>,
    /// Files of two releases lie there: only in the middle of a switch.
    pub mixed: bool,
    /// Its process.
    pub process: Option<Process>,
    /// A dependency that it shares with others is away: it answers badly, whatever it is.
    pub starved: bool,
    /// When it stopped serving by itself (a crash, a reboot, a flap), newest last.
    pub own_deaths: Vec<Time>,
    /// When its process last ended by its own behaviour, in the middle of a run too.
    pub exited: Option<Time>,
    /// When a run had last taken it out of service.
    pub disturbed: Option<Time>,
    /// When it had begun to serve again after the last disturbance by a run.
    pub restored: Option<Time>,
    /// Whether it served when it was last looked at; to notice deaths that no event announces.
    pub served: bool,
}

impl Application {
    /// Does it answer well now?
    pub fn serves(&self, host: &HostName, behaviours: &Behaviours, now: Time) -> bool {
        !self.starved
            && self.process.is_some_and(|p| match p.release {
                Some(release) => behaviours.of(&release, host).answers(p.started, now),
                None => true,
            })
    }

    /// Ends a process that its own behaviour has ended.
    pub fn settle(&mut self, host: &HostName, behaviours: &Behaviours, now: Time) {
        let gone = self.process.is_some_and(|p| p.release.is_some_and(|r| behaviours.of(&r, host).gone(p.started, now)));
        if gone {
            self.process = None;
            self.exited = Some(now);
        }
    }

    /// It dies by itself.
    pub fn die(&mut self, now: Time) {
        self.process = None;
        self.own_deaths.push(now);
        self.served = false;
    }
}
