//! Loans that are out: judged again, replaced, or withdrawn (R8, R14, R15, R31).

use pilotage_shared::name::{AppName, HostName};
use pilotage_shared::planted::{Bug, planted};
use pilotage_shared::release::Release;
use pilotage_shared::time::Millis;

use super::budget::Budget;
use super::{Decision, Goal, ROUND, View};
use crate::change::Change;
use crate::world::facts::{Counted, Facts};
use crate::world::{Loan, World};

/// What becomes of one loan.
enum Verdict {
    Keep,
    Withdraw,
    Replace(Release),
}

/// Judges every loan of the fleet's members.
pub fn judge(view: &View) -> Decision {
    let mut decision = Decision::default();
    for (facts, hosts) in view.groups {
        if facts.loan.is_none() {
            continue;
        }
        match verdict(view, view.budget(), facts) {
            Verdict::Keep if planted(Bug::TimerReturnsUnused) => timed_out(view, &mut decision, facts, hosts.iter()),
            Verdict::Keep => {}
            Verdict::Withdraw if planted(Bug::NeverWithdraw) => {}
            Verdict::Withdraw => {
                for host in hosts.iter().take(ROUND - decision.changes.len()) {
                    let generation = match view.world.slot(&view.fleet.spec.app, host).and_then(|s| s.loan.as_ref()) {
                        Some(loan) if planted(Bug::WithdrawSameGeneration) => loan.generation,
                        Some(_) | None => view.generation(&decision),
                    };
                    decision.changes.push(Change::Withdrawn { host: host.clone(), app: view.fleet.spec.app.clone(), generation });
                }
            }
            Verdict::Replace(release) => {
                for host in hosts.iter().take(ROUND - decision.changes.len()) {
                    decision.changes.extend(replacement(view, &decision, host, facts, release));
                }
            }
        }
    }
    decision
}

fn timed_out<'a>(view: &View, decision: &mut Decision, facts: &Facts, hosts: impl Iterator<Item = &'a HostName>) {
    let app = &view.fleet.spec.app;
    let old = |host: &&HostName| view.world.slot(app, host).and_then(|s| s.loan.as_ref()).is_some_and(|l| view.now - l.at > Millis(100));
    let hosts = hosts.filter(|_| !facts.run).filter(old);
    decision.changes.extend(hosts.map(|host| Change::Returned { host: host.clone(), app: app.clone() }));
}

fn verdict(view: &View, budget: &Budget, facts: &Facts) -> Verdict {
    let Some(loan) = &facts.loan else { return Verdict::Keep };
    let goal = view.goal(facts);
    if facts.run {
        // In change: the run finishes; what it is to be next is said under the replaced loan (R31).
        return match goal {
            Goal::Run(release) if release != loan.release && view.mode.lends() => Verdict::Replace(release),
            Goal::Run(_) | Goal::Stay => Verdict::Keep,
        };
    }
    // Withdrawn: ends when the host has seen it (R12). Not told in this session: judged at its first status (R3).
    if loan.withdrawn || !facts.told {
        return Verdict::Keep;
    }
    let Goal::Run(release) = goal else { return Verdict::Withdraw };
    if facts.running == Some(release) {
        // Nothing to do there: the host spends the generation without a run, or sees the withdrawal.
        return if release == loan.release { Verdict::Keep } else { Verdict::Withdraw };
    }
    if !view.mode.lends() || facts.bar.is_some() || facts.staged != Some(release) {
        return Verdict::Withdraw;
    }
    let free = facts.standing == Counted::Down;
    let short = budget.has_too_many() || !free && (loan.while_down || budget.still_keeps(facts).is_err());
    if short && !planted(Bug::NoRejudge) {
        return Verdict::Withdraw;
    }
    if release == loan.release { Verdict::Keep } else { Verdict::Replace(release) }
}

fn replacement(view: &View, decision: &Decision, host: &HostName, facts: &Facts, release: Release) -> Option<Change> {
    let app = view.fleet.spec.app.clone();
    let old = view.world.slot(&app, host)?.loan.as_ref()?;
    let free = facts.standing == Counted::Down && !facts.run;
    let loan = Loan {
        generation: view.generation(decision),
        release,
        deployment: view.newest?.id.clone(),
        while_down: free,
        was_down: old.was_down || free,
        withdrawn: false,
        at: view.now,
    };
    Some(Change::Lent { host: host.clone(), app, loan })
}

/// R14: the loan of a host that is in no fleet of that app stays until it is used up; unused, it is withdrawn.
pub fn stray_to_withdraw(world: &World, app: &AppName, host: &HostName) -> bool {
    let told = world.live.get(host).is_some_and(|l| l.told && l.reachable);
    let slot = world.slot(app, host);
    let runs = slot.and_then(|s| s.status.as_ref()).is_some_and(|s| s.run.is_some());
    told && !runs && !planted(Bug::NeverWithdraw) && slot.and_then(|s| s.loan.as_ref()).is_some_and(|l| !l.withdrawn)
}
