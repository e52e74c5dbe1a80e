//! What the hosts of an estimate do: what they did, or what most others did.

use pilotage_shared::health::Standing;
use pilotage_shared::ids::SessionId;
use pilotage_shared::name::{HostName, Reason, Why};
use pilotage_shared::principal::Principal;
use pilotage_shared::release::Release;
use pilotage_shared::run::{Outcome as RunOutcome, Phase};
use pilotage_shared::status::{Heartbeat, RunStatus, SlotStatus, Status};
use pilotage_shared::time::{Millis, Time};

use super::{Event, Guess, RUN, SOON, Stage, Way};
use crate::admit::admit;
use crate::change::Change;
use crate::input::{Input, Request, Via};
use crate::replay::course::Run;
use crate::world::Loan;

/// By how long they took.
fn median(mut runs: Vec<&Run>) -> Option<&Run> {
    runs.sort_by_key(|run| run.took());
    runs.get(runs.len() / 2).copied()
}

impl Stage<'_> {
    /// What comes of lending it this release: what came of it, or what came of most others, or a weaker guess.
    pub(super) fn way(&self, host: &HostName, to: &Release) -> (Way, Option<Guess>) {
        let profile = &self.case.profile;
        let own = profile.run(host, to);
        let run = own.or_else(|| {
            let mut runs: Vec<&Run> = profile.runs(to).collect();
            let good = runs.iter().filter(|run| run.committed).count() * 2 >= runs.len();
            runs.retain(|run| run.committed == good);
            median(runs)
        });
        let guess = match (own, run) {
            (Some(_), _) => None,
            (None, Some(_)) => Some(Guess::AsMostOthers),
            (None, None) if profile.all().next().is_some() => Some(Guess::AsOtherRuns),
            (None, None) => Some(Guess::Invented),
        };
        let as_it_was = |run: &Run| {
            let ended = run.ended.unwrap_or(run.lent);
            Way {
                begins: run.began.unwrap_or(run.lent) - run.lent,
                takes: run.took().unwrap_or(RUN),
                committed: run.committed,
                refusal: run.refusal.clone(),
                standings: run.standings.iter().map(|(at, standing)| (*at - ended, *standing)).collect(),
            }
        };
        let mut way = run.map_or_else(
            || {
                // Nobody went there; stopping one release and starting another takes as long as it does the other way.
                let times = median(profile.all().collect()).map(as_it_was);
                let (begins, takes) = times.map_or((SOON, RUN), |way| (way.begins, way.takes));
                Way { begins, takes, committed: true, refusal: None, standings: Vec::new() }
            },
            as_it_was,
        );
        if way.standings.iter().all(|(_, standing)| *standing == Standing::Settling) {
            way.standings.push((self.settles_before(), Standing::Available));
        }
        if let Some((was, is)) = &self.check {
            for (after, standing) in &mut way.standings {
                let (was, is) =
                    if *standing == Standing::Available { (was.healthy_for, is.healthy_for) } else { (was.unhealthy_for, is.unhealthy_for) };
                if after.0 > 0 && matches!(standing, Standing::Available | Standing::Down) {
                    after.0 = (after.0 + is.0).saturating_sub(was.0);
                }
            }
        }
        (way, guess)
    }

    fn settles_before(&self) -> Millis {
        self.check.as_ref().map_or_else(|| self.settles(), |(was, _)| was.healthy_for)
    }

    /// It comes, and says what it said, as long as nothing else was made of it.
    fn came(&mut self, host: &HostName, change: &Change) {
        let connected = self.player.world.live.get(host).is_some_and(|live| live.told);
        // After a start of the coordinator in the recording: here it lives on, and so do its sessions.
        let this_life = |session: &SessionId| Some(session.epoch) == self.player.world.epoch;
        match change {
            Change::SessionBegan { session, .. } | Change::Confirmed { session, .. } if connected || !this_life(session) => {}
            Change::Observed { .. } if self.lent.contains(host) => {}
            Change::Observed { host, app, status, refused, at } => {
                // What it had made ready was what it was told then; here it keeps what it is told to have.
                let here = self.player.world.slot(app, host).and_then(|slot| slot.status.as_ref()?.staged);
                let staged = here.filter(|here| self.to_stage(host) == Some(*here)).or(status.staged);
                let status = Box::new(SlotStatus { staged, ..(**status).clone() });
                self.player.apply(&[Change::Observed { host: host.clone(), app: app.clone(), status, refused: refused.clone(), at: *at }]);
            }
            _ => self.player.apply(std::slice::from_ref(change)),
        }
    }

    pub(super) fn event(&mut self, now: Time, host: &HostName, event: Event) {
        if let Event::Came(change) = &event {
            return self.came(host, change);
        }
        let Some(status) = self.player.world.slot(&self.app, host).and_then(|slot| slot.status.clone()) else { return };
        match event {
            Event::Came(_) => {}
            Event::Staged(release) => self.fetched(host, release, status),
            Event::Sees(generation) => self.says(host, SlotStatus { seen: status.seen.max(generation), ..status }),
            Event::Stands(standing) => self.says(host, SlotStatus { standing, ..status }),
            Event::Begins(loan, at, tries) => {
                let holds = |l: &Loan| l.generation == loan.generation && !l.withdrawn;
                let still = self.player.world.slot(&self.app, host).and_then(|slot| slot.loan.as_ref()).is_some_and(holds);
                if !still || tries > 10_000 {
                    return;
                }
                if status.run.is_some() && status.run.as_ref().is_some_and(|run| run.generation != Some(loan.generation)) {
                    return self.push(now + SOON, host, Event::Begins(loan, now + SOON, tries + 1));
                }
                if status.running == Some(loan.release) {
                    // It went back there by itself meanwhile: nothing is left to do.
                    return self.says(host, SlotStatus { seen: loan.generation, spent: loan.generation, ..status });
                }
                let (way, guess) = self.way(host, &loan.release);
                if let Some(guess) = guess {
                    // The weakest ground of all that a host's course stands on is told.
                    let told = self.guessed.entry(host.clone()).or_insert(guess);
                    *told = (*told).max(guess);
                }
                let run = RunStatus { generation: Some(loan.generation), release: loan.release, phase: Phase::Beginning };
                self.says(host, SlotStatus { seen: loan.generation, spent: loan.generation, run: Some(run), ..status });
                let ends = at + Millis(way.takes.0.saturating_sub(way.begins.0));
                self.push(ends, host, Event::Ends(loan.generation, loan.release, Box::new(way)));
            }
            Event::Ends(generation, release, way) => {
                let mut next = SlotStatus { run: None, ..status };
                next.spent = next.spent.max(generation);
                next.standing = way.standings.first().filter(|(after, _)| after.0 == 0).map_or(Standing::Settling, |(_, standing)| *standing);
                if way.committed {
                    (next.previous, next.running) = (next.running, Some(release));
                    next.last_ended = Some((generation, RunOutcome::Committed));
                } else {
                    let why = way.refusal.as_ref().map_or_else(Why::default, |refusal| refusal.why.clone());
                    next.last_ended = Some((generation, RunOutcome::RolledBack { why }));
                    next.refused.extend(way.refusal.clone());
                }
                self.says(host, next);
                for (after, standing) in way.standings.iter().filter(|(after, _)| after.0 > 0) {
                    self.push(now + *after, host, Event::Stands(*standing));
                }
            }
        }
    }

    pub(super) fn says(&mut self, host: &HostName, new: SlotStatus) {
        let world = &self.player.world;
        let Some(live) = world.live.get(host).filter(|live| live.reachable) else { return };
        let known = world.host_slots(host).filter_map(|(app, slot)| Some((app.clone(), slot.status.clone()?)));
        let slots = known.chain([(self.app.clone(), new)]).collect();
        let status =
            Status { session: live.session, seq: live.seq + 1, beat: live.beat + 1, blocked_version: world.blocked.version, slots, metrics: None };
        self.hears(host, Request::Status { status: Box::new(status) });
    }

    pub(super) fn beat(&mut self, host: &HostName) {
        let Some(live) = self.player.world.live.get(host) else { return };
        let heartbeat = Heartbeat { session_n: live.session.n, seq: live.seq, beat: live.beat + 1 };
        self.hears(host, Request::Heartbeat { heartbeat });
    }

    fn hears(&mut self, host: &HostName, request: Request) {
        let Some(id) = self.player.world.hosts.get(host).map(|host| host.id.clone()) else { return };
        let by = Principal::Host(id);
        self.take(&Input { by, via: Via::Agent, reason: Reason::default(), at: self.player.now, idempotency: None, request });
    }

    /// What would be refused changes nothing.
    pub(super) fn take(&mut self, input: &Input) {
        if let Ok(admitted) = admit(&self.player.world, input, input.at) {
            self.player.apply(&admitted.changes);
        }
    }
}
