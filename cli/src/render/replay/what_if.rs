//! Where another policy would have decided otherwise, and how it would have gone on.

use pilotage_coordinator_core::change::Change;
use pilotage_coordinator_core::replay::case::Ended;
use pilotage_coordinator_core::replay::course::{Guess, RUN};
use pilotage_coordinator_core::replay::what_if::Departure;
use pilotage_shared::api::v1::When;
use pilotage_shared::time::{Millis, Time};
use serde_json::{Value, json};

use super::super::words::names;
use super::said::{because, decision, request_refused};
use super::{NAMED, offset, waits};
use crate::recording::Policy;
use crate::recording::{GoesOn, Tried};

/// What kind of difference it is, in few words.
pub fn kind(tried: &Tried, departure: &Departure) -> String {
    if departure.refused.is_some() {
        return "it would have been refused".to_owned();
    }
    if departure.recorded.is_empty() && departure.instead.is_empty() {
        return "hosts would have judged by other times".to_owned();
    }
    let lent = |changes: &[Change]| changes.iter().filter(|change| matches!(change, Change::Lent { .. })).count();
    let turn = |changes: &[Change]| changes.iter().find_map(|change| course(tried, change));
    match (turn(&departure.recorded), turn(&departure.instead)) {
        (Some(was), Some(is)) if was == is => format!("{was} there too, for another reason"),
        (Some(was), Some(is)) => format!("{is} there, and not {was}"),
        (Some(was), None) => format!("not {was} there"),
        (None, Some(is)) => format!("{is} there"),
        (None, None) => match (lent(&departure.recorded), lent(&departure.instead)) {
            (was, 0) if was > 0 => "a wait".to_owned(),
            (0, is) if is > 0 => "earlier".to_owned(),
            (was, is) if is > was => format!("more at once: {is}, not {was}"),
            (was, is) if is < was => format!("fewer at once: {is}, not {was}"),
            _ => "other decisions".to_owned(),
        },
    }
}

fn course(tried: &Tried, change: &Change) -> Option<String> {
    let own = tried.case.id();
    match change {
        Change::Turned { id, .. } if id == own => Some("turned back".to_owned()),
        Change::Paused { id, .. } if id == own => Some("paused".to_owned()),
        Change::Ended { id, outcome: how, .. } if id == own => Some(how.words().to_owned()),
        _ => None,
    }
}

/// The verdict, and both sides of the first difference.
pub fn departure(tried: &Tried, policy: &Policy) -> Vec<String> {
    let id = tried.case.id();
    let Some(departure) = &tried.departure else {
        return vec![format!("{id} under {}  would have been decided the same, byte for byte", policy.words())];
    };
    let began = tried.case.deployment.started.at;
    let mut lines = vec![format!("{id} under {}  first difference at {}: {}", policy.words(), offset(departure.at - began), kind(tried, departure))];
    if departure.refused.is_none() && departure.recorded.is_empty() && departure.instead.is_empty() {
        return lines;
    }
    let world = &departure.other.world;
    lines.extend(side("as it went", &departure.recorded, world));
    match &departure.refused {
        Some(rejected) => lines.push(format!("instead    {}", request_refused(rejected))),
        None => lines.extend(side("instead", &departure.instead, world)),
    }
    lines.extend(waits(&departure.waiting).iter().map(|text| format!("           waits for {text}")));
    lines
}

fn side(lead: &str, changes: &[Change], world: &pilotage_coordinator_core::World) -> Vec<String> {
    let mut said: Vec<(Vec<String>, String)> = Vec::new();
    for (hosts, text) in changes.iter().filter_map(|change| decision(world, change)) {
        match said.iter_mut().find(|(_, t)| *t == text) {
            Some((all, _)) => all.extend(hosts),
            None => said.push((hosts, text)),
        }
    }
    if said.is_empty() {
        return vec![format!("{lead:<10} nothing")];
    }
    let line = |(i, (hosts, text)): (usize, &(Vec<String>, String))| {
        let lead = if i == 0 { lead } else { "" };
        format!("{lead:<10} {}", format!("{} {text}", names(hosts, hosts.len(), NAMED)).trim_start())
    };
    said.iter().enumerate().take(NAMED).map(line).collect()
}

/// How both went on.
pub fn after(tried: &Tried, goes_on: Option<&GoesOn>) -> Vec<String> {
    let went = format!(
        "as it went {}, lowest {} of {}",
        ended(tried.case.ended.as_ref(), tried.case.deployment.started.at),
        tried.case.lowest,
        tried.members
    );
    let Some(goes_on) = goes_on else { return vec![went] };
    let mut lines = vec![
        "from here on the hosts would have been told other things, so what they said does not follow: an estimate".to_owned(),
        went,
        estimated(tried, goes_on),
    ];
    lines.extend(waits(&goes_on.estimate.waiting).iter().map(|text| format!("           waits for {text}")));
    lines.push("assumed    each host takes as long as it took, and comes through as it did; people ask for the same".to_owned());
    for guess in [Guess::AsMostOthers, Guess::AsOtherRuns, Guess::Invented] {
        let of: Vec<&str> = goes_on.estimate.guessed.iter().filter(|(_, found)| **found == guess).map(|(host, _)| host.as_str()).collect();
        if !of.is_empty() {
            lines.push(format!("not known  {}: {}", names(&of, of.len(), NAMED), ground(guess)));
        }
    }
    lines
}

/// What stands in the place of a recorded run.
pub fn ground(guess: Guess) -> String {
    match guess {
        Guess::AsMostOthers => "no run of theirs was recorded; taken to do as most others did".to_owned(),
        Guess::AsOtherRuns => "nobody was brought there in the recording; taken to come through, in the time of the other runs".to_owned(),
        Guess::Invented => format!("no run at all was recorded; taken to come through in {RUN}"),
    }
}

fn estimated(tried: &Tried, goes_on: &GoesOn) -> String {
    format!("estimated  {}, lowest {} of {}", ended(goes_on.estimate.ended.as_ref(), tried.case.deployment.started.at), goes_on.lowest, tried.members)
}

/// `succeeded after 3m12s`
pub fn ended(ended: Option<&Ended>, began: Time) -> String {
    match ended {
        None => "does not end by itself".to_owned(),
        Some(Ended { at, outcome: how, because: why }) => {
            let why = why.as_ref().map_or_else(String::new, |why| format!(" ({})", because(why)));
            format!("{} after {}{why}", how.words(), Millis((*at - began).0))
        }
    }
}

/// For programs.
pub fn what_if_json(tried: &Tried, goes_on: Option<&GoesOn>, policy: &Policy) -> Value {
    let end = |ended: Option<&Ended>| ended.map(|ended| json!({ "at": When(ended.at), "outcome": ended.outcome.words() }));
    json!({
        "deployment": tried.case.id(),
        "what_if": policy.words(),
        "began": When(tried.case.deployment.started.at),
        "went": { "ended": end(tried.case.ended.as_ref()), "lowest": tried.case.lowest, "members": tried.members },
        "first_difference": tried.departure.as_ref().map(|d| json!({
            "at": When(d.at), "kind": kind(tried, d), "recorded": d.recorded, "instead": d.instead, "refused": d.refused.as_ref().map(ToString::to_string),
            "waits_for": waits(&d.waiting),
        })),
        "estimate": goes_on.map(|g| json!({
            "ended": end(g.estimate.ended.as_ref()), "lowest": g.lowest, "waits_for": waits(&g.estimate.waiting), "not_known": g.estimate.guessed.iter().map(|(host, guess)| (host.to_string(), json!(ground(*guess)))).collect::<serde_json::Map<_, _>>(),
        })),
        "not_told": policy.not_told(),
    })
}
