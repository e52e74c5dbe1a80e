//! Capacity is lent to members that want it: hosts observed `down` first, then those that may be serving, then those that
//! count (R10, R16). Says what stopped it, from the same arithmetic.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pilotage_shared::name::HostName;
use pilotage_shared::planted::{Bug, planted};
use pilotage_shared::release::Release;

use super::budget::FLEET;
use super::forward::named;
use super::goal::{Goal, may_hide_something};
use super::{Decision, ROUND, Told, View};
use crate::change::Change;
use crate::waiting::{Absence, Cause, Missing, Waiting};
use crate::world::Loan;
use crate::world::facts::{Counted, Facts};

/// Lends what may be lent now.
pub fn lend(view: &View, decision: &mut Decision) {
    if !view.mode.lends() {
        return;
    }
    let mut wanting: Vec<(&Arc<Facts>, _, Release)> = Vec::new();
    for (facts, hosts) in view.groups {
        let Goal::Run(to) = view.goal(facts) else { continue };
        let ready = facts.running != Some(to) && facts.staged == Some(to) && !may_hide_something(view.fleet, facts);
        if ready && may_begin(facts) {
            wanting.push((facts, hosts, to));
        }
    }
    if wanting.is_empty() {
        return;
    }
    let unheard = |f: &Facts| f.standing == Counted::Unheard;
    let count = if view.world.startup_over { 0 } else { view.count(unheard) };
    if count > 0 {
        let lifts_at = view.world.startup_at;
        return decision.waiting.push(Waiting { cause: Cause::Unheard, count, hosts: named(view, unheard), lifts_at, missing: Vec::new() }); // R16
    }
    // `Facts` orders by standing first: down, unknown, settling, available.
    wanting.sort_by(|a, b| a.0.cmp(b.0));
    let mut budget = view.budget().clone();
    let mut short: BTreeMap<Cause, Vec<HostName>> = BTreeMap::new();
    let mut counts: BTreeMap<Cause, u32> = BTreeMap::new();
    for (facts, hosts, to) in wanting {
        let mut left = hosts.len() as u32;
        for host in hosts {
            if decision.changes.len() == ROUND {
                return;
            }
            if let Err(cause) = budget.take(facts) {
                // The whole group has the same facts: it is short for all that are left of it.
                *counts.entry(cause.clone()).or_default() += left;
                let named = short.entry(cause).or_default();
                named.extend(hosts.iter().skip(hosts.len() - left as usize).take(view.named() - named.len().min(view.named())).cloned());
                break;
            }
            left -= 1;
            let Some(newest) = view.newest else { return };
            let free = facts.standing == Counted::Down;
            let loan = Loan {
                generation: view.generation(decision),
                release: to,
                deployment: newest.id.clone(),
                while_down: free,
                // An empty slot is down because nothing is there, not because the machine is broken.
                was_down: free && facts.running.is_some(),
                withdrawn: false,
                at: view.now,
            };
            decision.changes.push(Change::Lent { host: host.clone(), app: view.fleet.spec.app.clone(), loan });
        }
    }
    for (cause, hosts) in short {
        let count = counts.get(&cause).copied().unwrap_or(0);
        let missing = match &cause {
            Cause::Floor { scope, .. } if view.told == Told::Somebody => missing(view, scope),
            _ => Vec::new(),
        };
        decision.waiting.push(Waiting { cause, count, hosts, lifts_at: None, missing });
    }
}

/// The members of a scope that do not count, by why. O(groups).
fn missing(view: &View, scope: &str) -> Vec<Missing> {
    let within = |f: &Facts| scope == FLEET || f.scopes.iter().any(|(key, value)| scope.split_once('=') == Some((key.as_str(), value.as_str())));
    let absences: BTreeSet<Absence> = view.groups.keys().filter(|f| within(f)).filter_map(|f| f.absence()).collect();
    let of = |why| {
        let such = |f: &Facts| within(f) && f.absence() == Some(why);
        Missing { why, count: view.count(such), hosts: named(view, such) }
    };
    absences.into_iter().map(of).collect()
}

/// Heard and told in this session, at rest, not to be left alone (R10).
fn may_begin(facts: &Facts) -> bool {
    let speaks = facts.told && facts.is_heard() || facts.standing == Counted::Unreachable && planted(Bug::UnreachableIsFree);
    speaks && !facts.in_change() && facts.bar.is_none()
}
