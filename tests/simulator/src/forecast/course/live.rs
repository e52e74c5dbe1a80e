//! What happens to one host, moment by moment.

use pilotage_coordinator_core::{Change, Rejected};
use pilotage_shared::health::Standing;
use pilotage_shared::name::Why;
use pilotage_shared::release::Release;
use pilotage_shared::run::Event;
use pilotage_shared::time::{Millis, Time};

use super::{Happens, Live};
use crate::forecast::fault::Badness;
use crate::forecast::host::{Act, Run};
use crate::forecast::pace::{BACK, RUN};

impl Live<'_> {
    /// It happens now.
    pub(super) fn happen(&mut self, n: u32, happens: Happens) -> Result<(), Box<Rejected>> {
        let Some(host) = self.hosts.get_mut(n as usize) else { return Ok(()) };
        if host.lost && !matches!(happens, Happens::Silent | Happens::Returns | Happens::Lost(_)) {
            self.postpone(n, happens);
            return Ok(());
        }
        match happens {
            Happens::Told(wish) => {
                if host.hear(*wish) {
                    self.act(n);
                }
            }
            Happens::Fetched(release) => {
                if host.fetching == Some(release) {
                    (host.fetching, host.slot.staged) = (None, Some(release));
                    self.news.push(n);
                    self.act(n);
                }
            }
            Happens::Serves(run) if run == host.runs => self.started(n),
            Happens::Over(run) if run == host.runs => self.over(n),
            Happens::Available(start) if start == host.starts => {
                if host.run.is_none() && host.serving {
                    host.slot.standing = Standing::Available;
                    self.news.push(n);
                }
            }
            Happens::Dies(start) if start == host.starts => self.dies(n),
            Happens::Fails(start) if start == host.starts => {
                if host.run.is_none() && host.slot.standing == Standing::Available {
                    host.slot.standing = Standing::Settling;
                    self.news.push(n);
                }
            }
            Happens::Falls(start) if start == host.starts => {
                if host.run.is_none() {
                    host.slot.standing = Standing::Down;
                    host.slot.health.last = Why::lossy("it does not answer");
                    self.news.push(n);
                }
            }
            Happens::Lost(until) => {
                if !host.lost {
                    host.lost = true;
                    self.serve(n, false);
                    self.away.insert(n, (self.now, until));
                    // Three heartbeats after the last one (R9), which was up to one before now.
                    let heartbeat = self.scenario.heartbeat.0;
                    let missed = Millis(heartbeat * 3 - self.rng.below(heartbeat));
                    self.at(self.now + missed, n, Happens::Silent);
                    if let Some(until) = until {
                        self.at(until, n, Happens::Returns);
                    }
                }
            }
            Happens::Silent => {
                if host.lost {
                    let host = host.id.name.clone();
                    self.center.apply(&Change::Silent { host });
                }
            }
            Happens::Returns => self.returns(n)?,
            // Of a run or a start that is not the newest any more.
            Happens::Serves(_) | Happens::Over(_) | Happens::Available(_) | Happens::Dies(_) | Happens::Fails(_) | Happens::Falls(_) => {}
        }
        Ok(())
    }

    /// What was to happen on a lost host happens as much later as it is away, or never.
    fn postpone(&mut self, n: u32, happens: Happens) {
        let Some((since, Some(until))) = self.away.get(&n).copied() else { return };
        // What it was told on an older connection is void (R3).
        if !matches!(happens, Happens::Told(_)) {
            self.at(until + (self.now - since), n, happens);
        }
    }

    fn act(&mut self, n: u32) {
        let Some(host) = self.hosts.get_mut(n as usize) else { return };
        match host.act() {
            Act::Idle => {}
            Act::Say => self.news.push(n),
            Act::Fetch(release) => {
                // Whoever ever ran it has its bits (promise 7).
                let here = host.slot.previous == Some(release);
                host.fetching = Some(release);
                let takes = if here { Millis(0) } else { self.scenario.pace.stage.draw(&mut self.rng) };
                self.at(self.now + takes, n, Happens::Fetched(release));
            }
            Act::Begin(release) => self.begin(n, release),
            Act::TurnBack => {
                if let Some(run) = &mut host.run {
                    (run.asked, run.why) = (true, Some(Why::lossy("asked to go back")));
                    let boundary = run.ends.iter().map(|(_, end)| *end).find(|end| *end > self.now).unwrap_or(self.now);
                    run.ends.retain(|(_, end)| *end <= boundary);
                    // Its other times are void; the start, if it comes before the boundary, is not.
                    host.runs += 1;
                    let number = host.runs;
                    let starts = run.ends.iter().find(|(event, end)| *event == Event::ApplicationStart && *end > self.now).map(|(_, end)| *end);
                    if let Some(at) = starts {
                        self.at(at, n, Happens::Serves(number));
                    }
                    self.at(boundary, n, Happens::Over(number));
                }
            }
        }
    }

    /// Plans a run's times to its end, or to where it fails, and begins it.
    fn begin(&mut self, n: u32, to: Release) {
        let bad = self.bad.get(n as usize).copied().flatten().filter(|_| self.target == Some(to));
        let mut ends: Vec<(Event, Time)> = Vec::with_capacity(RUN.len());
        let (mut at, mut why, mut started) = (self.now, None, None);
        for event in RUN {
            let spec = &self.scenario.spec;
            let mut takes = self.scenario.pace.draw(event, &mut self.rng);
            if bad == Some(Badness::Hangs(event)) {
                takes = spec.hook_timeout;
                why = Some(Why::lossy(&format!("{event} did not end within {takes}")));
            } else if bad == Some(Badness::Fails(event)) {
                why = Some(Why::lossy(&format!("{event} failed")));
            } else if let (Event::HealthCheck, Some(health)) = (event, &spec.health) {
                let dead = match bad {
                    Some(Badness::NeverHealthy) => true,
                    Some(Badness::Crashes(after)) => started.is_some_and(|started: Time| started + after <= at + takes),
                    Some(Badness::Fails(_) | Badness::Hangs(_)) | None => false,
                };
                if dead {
                    takes = health.deadline;
                    why = Some(Why::lossy(&format!("not healthy within {takes}")));
                }
            }
            at = at + takes;
            ends.push((event, at));
            if event == Event::ApplicationStart && why.is_none() {
                started = Some(at);
            }
            if why.is_some() {
                break;
            }
        }
        let Some(host) = self.hosts.get_mut(n as usize) else { return };
        let Some(wish) = &host.wish else { return };
        let run = Run {
            generation: wish.generation,
            to,
            from: host.slot.running,
            deployment: wish.deployment.clone(),
            back: false,
            ends,
            why,
            asked: false,
        };
        host.begin(run);
        if self.target == Some(to) && !host.tried {
            host.tried = true;
            self.measure.tried += 1;
        }
        let number = host.runs;
        if let Some(started) = started {
            self.at(started, n, Happens::Serves(number));
        }
        self.at(at, n, Happens::Over(number));
        self.serve(n, false);
        self.news.push(n);
    }

    /// The application of a run, or of a machine that came back, has been started.
    pub(super) fn started(&mut self, n: u32) {
        let now = self.now;
        let Some(host) = self.hosts.get_mut(n as usize) else { return };
        let release = match &host.run {
            Some(run) if run.back => run.from,
            Some(run) => Some(run.to),
            None => host.slot.running,
        };
        host.starts += 1;
        let (start, in_run) = (host.starts, host.run.is_some());
        self.process(n, release);
        let bad = self.bad.get(n as usize).copied().flatten().filter(|_| self.target.is_some() && release == self.target);
        let answers = release.is_some() && bad != Some(Badness::NeverHealthy);
        self.serve(n, answers);
        let health = self.scenario.spec.health.as_ref();
        let first = now + Millis(health.map_or(0, |health| self.rng.below(health.every.0)));
        let Some(host) = self.hosts.get_mut(n as usize) else { return };
        host.good_since = answers.then_some(first);
        if let Some(Badness::Crashes(after)) = bad {
            self.at(now + after, n, Happens::Dies(start));
        }
        if !in_run {
            self.settles(n);
        }
    }

    /// Nobody runs anything here: it counts by its own check from now on.
    fn settles(&mut self, n: u32) {
        let Some(host) = self.hosts.get_mut(n as usize) else { return };
        let (start, since) = (host.starts, host.good_since);
        host.slot.standing = match (&self.scenario.spec.health, host.slot.running) {
            (Some(_), None) => Standing::Down,
            (Some(_), Some(_)) => Standing::Settling,
            (None, None) => Standing::Unknown,
            (None, Some(_)) => Standing::Available,
        };
        self.news.push(n);
        let empty = host.slot.running.is_none();
        match (&self.scenario.spec.health, since) {
            (Some(health), Some(since)) => self.at(since + health.healthy_for, n, Happens::Available(start)),
            (Some(health), None) if !empty => self.at(self.now + health.unhealthy_for, n, Happens::Falls(start)),
            (Some(_), None) | (None, _) => {}
        }
    }

    fn dies(&mut self, n: u32) {
        self.serve(n, false);
        let Some(host) = self.hosts.get_mut(n as usize) else { return };
        let start = host.starts;
        host.good_since = None;
        if let Some(health) = &self.scenario.spec.health {
            let missed = self.now + Millis(self.rng.below(health.every.0));
            let falls = missed + health.unhealthy_for;
            self.at(missed, n, Happens::Fails(start));
            self.at(falls, n, Happens::Falls(start));
        }
    }

    /// A run has come to the end of its times: it goes back, or it is over.
    fn over(&mut self, n: u32) {
        let Some(host) = self.hosts.get_mut(n as usize) else { return };
        let Some(run) = &host.run else { return };
        if run.why.is_some() && !run.back {
            let (mut at, mut started, mut ends) = (self.now, None, Vec::new());
            for event in BACK {
                let nothing_runs = run.from.is_none() && matches!(event, Event::ApplicationStart | Event::ValidateService);
                let takes = if nothing_runs { Millis(0) } else { self.scenario.pace.draw(event, &mut self.rng) };
                at = at + takes;
                ends.push((event, at));
                if event == Event::ApplicationStart {
                    started = Some(at);
                }
            }
            host.turn(ends);
            host.starts += 1;
            let number = host.runs;
            self.process(n, None);
            self.serve(n, false);
            if let Some(started) = started {
                self.at(started, n, Happens::Serves(number));
            }
            self.at(at, n, Happens::Over(number));
            self.news.push(n);
            return;
        }
        host.close();
        self.settles(n);
        self.act(n);
    }

    fn serve(&mut self, n: u32, serving: bool) {
        if let Some(host) = self.hosts.get_mut(n as usize).filter(|host| host.serving != serving) {
            host.serving = serving;
            self.measure.serves(serving);
        }
    }

    fn process(&mut self, n: u32, release: Option<Release>) {
        if let Some(host) = self.hosts.get_mut(n as usize) {
            let (had, has) = (host.process == self.target, release == self.target);
            host.process = release;
            self.measure.has(had, has);
        }
    }
}
