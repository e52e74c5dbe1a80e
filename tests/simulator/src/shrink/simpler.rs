//! Simpler deeds: calm networks, plain policies, good versions, short pauses.

use pilotage_shared::fleet::{FleetSpec, OnFailure};
use pilotage_shared::health::HealthCheck;
use pilotage_shared::name::AppName;
use pilotage_shared::policy::Amount;
use pilotage_shared::time::Millis;

use super::{Shrinker, with_draws};
use crate::network::{Cut, Rates};
use crate::simulation::Luck;
use crate::story::deed::{Deed, Named};
use crate::story::fleet;
use crate::truth::Behaviour;

/// Draws that a person would write.
const PLAIN_DRAWS: u64 = 40;

impl Shrinker<'_> {
    /// Without chance, or with less of it.
    pub(super) fn calm(&mut self) {
        let chance = |deed: &Deed| matches!(deed, Deed::Network { .. } | Deed::Luck(_) | Deed::Machine(..));
        let calm: Vec<Deed> = self.best.iter().filter(|deed| !chance(deed)).cloned().collect();
        if calm.len() == self.best.len() || self.attempt_with_other_draws(&calm) {
            return;
        }
        for at in (0..self.best.len()).rev() {
            for deed in self.best.get(at).map(calmer).unwrap_or_default() {
                self.replace(at, deed);
            }
        }
    }

    /// Each deed as plain as may be.
    pub(super) fn simpler(&mut self) {
        for at in (0..self.best.len()).rev() {
            // Each success may make others possible: what is left is asked again.
            let mut tried = 0;
            while let Some(deed) = self.best.get(at).and_then(|deed| plainer(deed).into_iter().nth(tried)) {
                if !self.replace(at, deed) {
                    tried += 1;
                }
            }
        }
    }

    /// The same where nothing helped but chance.
    pub(super) fn simpler_by_other_draws(&mut self) {
        for at in (0..self.best.len()).rev() {
            let plainer = self.best.get(at).map(plainer).unwrap_or_default();
            for deed in plainer.into_iter().filter(|deed| !matches!(deed, Deed::Draws { .. })) {
                let mut candidate = self.best.clone();
                if let Some(place) = candidate.get_mut(at) {
                    *place = deed;
                    if self.attempt_with_other_draws(&candidate) {
                        break;
                    }
                }
            }
        }
    }

    /// Small numbers for draws that matter.
    pub(super) fn plain_draws(&mut self) {
        let large = |deed: &Deed| matches!(deed, Deed::Draws { seed, .. } | Deed::Network { seed, .. } if *seed > PLAIN_DRAWS);
        if self.best.iter().any(large) {
            let best = self.best.clone();
            let _ = (1..=PLAIN_DRAWS).any(|seed| self.attempt(with_draws(&best, seed)));
        }
    }

    /// Each pause as short as may be, and if possible of whole seconds.
    pub(super) fn pauses(&mut self) {
        for at in (0..self.best.len()).rev() {
            let Some(Deed::Tick(Millis(whole))) = self.best.get(at).cloned() else { continue };
            let up = |ms: u64, unit: u64| ms.div_ceil(unit) * unit;
            let shorter = [whole / 16, whole / 8, whole / 4, whole / 2, whole * 3 / 4, whole.saturating_sub(1000)];
            let seconds = shorter.map(|ms| up(ms, 1000)).into_iter().filter(|ms| *ms > 0 && *ms < whole);
            if seconds.chain((whole % 1000 > 0).then(|| up(whole, 1000))).any(|ms| self.replace(at, Deed::Tick(Millis(ms))))
                || whole.is_multiple_of(1000)
            {
                continue;
            }
            let tens = shorter.map(|ms| up(ms, 100)).into_iter().chain([up(whole, 100), up(whole, 10)]);
            let _ = tens.filter(|ms| *ms > 0 && ms.to_string().len() <= whole.to_string().len()).any(|ms| self.replace(at, Deed::Tick(Millis(ms))));
        }
    }

    fn replace(&mut self, at: usize, deed: Deed) -> bool {
        let mut candidate = self.best.clone();
        match candidate.get_mut(at) {
            Some(place) if *place != deed => *place = deed,
            Some(_) | None => return false,
        }
        self.attempt(candidate)
    }
}

/// The same with less chance in it, the calmest first.
fn calmer(deed: &Deed) -> Vec<Deed> {
    match deed {
        Deed::Network { seed, rates } => {
            let ways = Rates { fastest: Rates::CALM.fastest, slowest: Rates::CALM.slowest, ..*rates };
            let less = [ways, Rates { lost: 0, ..*rates }, Rates { repeated: 0, ..*rates }, Rates { late: 0, late_by: Millis(0), ..*rates }];
            less.into_iter().map(|rates| Deed::Network { seed: *seed, rates }).collect()
        }
        Deed::Luck(luck) => {
            let less = [
                Luck { crash_before_commit: 0, ..*luck },
                Luck { crash_before_publish: 0, ..*luck },
                Luck { crash_agent: 0, ..*luck },
                Luck { fetch_fails: 0, ..*luck },
                Luck { drain_within: 0, ..*luck },
            ];
            less.into_iter().map(Deed::Luck).collect()
        }
        _ => Vec::new(),
    }
}

/// The same in plainer words.
fn plainer(deed: &Deed) -> Vec<Deed> {
    let spans = |span: &Millis| [1000, 5000, 15_000].into_iter().filter(|ms| ms < &span.0).map(Millis).collect::<Vec<_>>();
    let fitting = match deed {
        Deed::Draws { seed, heartbeat } => {
            let seeds = (1..=4).filter(|plain| plain < seed).map(|seed| Deed::Draws { seed, heartbeat: *heartbeat });
            seeds.chain([Deed::Draws { seed: *seed, heartbeat: Millis::seconds(5) }]).collect()
        }
        Deed::Network { seed, rates } => {
            let seeds = (1..=8).filter(|plain| plain < seed).map(|seed| Deed::Network { seed, rates: *rates }).collect();
            [calmer(deed), seeds].concat()
        }
        Deed::Luck(_) => calmer(deed),
        Deed::Fleet(spec) => policies(spec).into_iter().map(|spec| Deed::Fleet(Box::new(spec))).collect(),
        Deed::Package(named, _) => {
            vec![Deed::Package(Named { app: None, ..named.clone() }, Behaviour::default()), Deed::Package(named.clone(), Behaviour::default())]
        }
        Deed::Machine(host, drift, init) => vec![Deed::Machine(host.clone(), 0, *init), Deed::Machine(host.clone(), *drift, true)],
        Deed::Join(host, labels, serves) => {
            let mut bare = labels.clone();
            bare.retain(|key, _| key.as_str() == "env");
            let mut prod = labels.clone();
            prod.iter_mut().filter(|(key, _)| key.as_str() == "env").for_each(|(_, value)| *value = pilotage_shared::name::LabelValue::lossy("prod"));
            let joins = [(labels.clone(), Vec::new()), (bare, serves.clone()), (prod, serves.clone())];
            joins.into_iter().map(|(labels, serves)| Deed::Join(host.clone(), labels, serves)).collect()
        }
        Deed::Reboot(host, span) => spans(span).into_iter().map(|span| Deed::Reboot(host.clone(), span)).collect(),
        Deed::Reimage(host, span) => spans(span).into_iter().map(|span| Deed::Reimage(host.clone(), span)).collect(),
        Deed::JumpClock(host, _) => vec![Deed::JumpClock(host.clone(), 60_000), Deed::JumpClock(host.clone(), -60_000)],
        Deed::Once(_, fleet) => vec![Deed::Restart(fleet.clone())],
        Deed::Stall(host, span) => spans(span).into_iter().map(|span| Deed::Stall(host.clone(), span)).collect(),
        Deed::Partition(host, _) => vec![Deed::Partition(host.clone(), Cut::Both)],
        Deed::Recover { .. } => vec![Deed::Recover { keep_backup: false, go_on: false }, Deed::Recover { keep_backup: false, go_on: true }],
        _ => Vec::new(),
    };
    fitting.into_iter().filter(|plain| plain != deed && plain.to_string().len() <= deed.to_string().len()).collect()
}

/// A declaration with one setting less.
fn policies(spec: &FleetSpec) -> Vec<FleetSpec> {
    let web = "web".parse::<AppName>().unwrap_or_else(|_| spec.app.clone());
    let prod = "env=prod".parse().unwrap_or_else(|_| spec.select.clone());
    let plain = fleet::check();
    let mut out = vec![
        FleetSpec { parallel: None, ..spec.clone() },
        FleetSpec { tolerate: Amount::Count(0), ..spec.clone() },
        FleetSpec { on_failure: OnFailure::Rollback, ..spec.clone() },
        FleetSpec { stragglers: None, ..spec.clone() },
        FleetSpec { app: web, ..spec.clone() },
        FleetSpec { select: prod, ..spec.clone() },
        FleetSpec { health: Some(plain.clone()), first_install: false, ..spec.clone() },
        FleetSpec { floor: Amount::Count(0), ..spec.clone() },
    ];
    if spec.floor != Amount::Count(0) {
        out.push(FleetSpec { floor: Amount::Count(1), ..spec.clone() });
    }
    for key in spec.floor_per.keys() {
        let mut less = spec.clone();
        less.floor_per.remove(key);
        out.push(less);
    }
    if let Some(check) = &spec.health {
        let second = |span: Millis| Millis(span.0.div_ceil(1000) * 1000);
        let rounded = HealthCheck {
            every: second(check.every),
            timeout: second(check.timeout),
            healthy_for: second(check.healthy_for),
            unhealthy_for: second(check.unhealthy_for),
            deadline: second(check.deadline),
            ..check.clone()
        };
        out.push(FleetSpec { health: Some(rounded), ..spec.clone() });
        let mut less = [check.clone(), check.clone(), check.clone(), check.clone(), check.clone()];
        (less[0].every, less[1].timeout, less[2].healthy_for) = (plain.every, plain.timeout, plain.healthy_for);
        (less[3].unhealthy_for, less[4].deadline) = (plain.unhealthy_for, plain.deadline);
        out.extend(less.into_iter().map(|check| FleetSpec { health: Some(check), ..spec.clone() }));
    }
    out.retain(|less| less != spec);
    out
}
