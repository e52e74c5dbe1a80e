//! A policy beside every deployment that was recorded.

use std::ops::ControlFlow;

use pilotage_coordinator_core::replay::case;
use pilotage_coordinator_core::replay::{Played, Player, Turn};
use pilotage_shared::time::Time;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Form};
use crate::recording::{Policy, Tried, Watch, play};
use crate::render::replay as render;

struct Backtest<'a> {
    policy: &'a Policy,
    since: Time,
    open: Vec<Tried>,
    over: Vec<Tried>,
    unfit: Vec<String>,
}

/// Replays all of a recording, and compares each deployment that began in it.
pub fn run(bytes: &[u8], since: Time, policy: &Policy, form: Form) -> Result<Exit, Failure> {
    let mut backtest = Backtest { policy, since, open: Vec::new(), over: Vec::new(), unfit: Vec::new() };
    let went = play(bytes, &mut backtest)?;
    if let Some(difference) = &went.difference {
        output::line(&render::verdict("the recording", &went, 0));
        for line in render::difference(&difference.0, &difference.1.world, went.from.unwrap_or_default()) {
            output::whole_line(&line);
        }
        return Ok(Exit::Differences);
    }
    let Backtest { open, mut over, unfit, .. } = backtest;
    over.extend(open);
    over.sort_by_key(|tried| tried.case.deployment.started.at);
    let rows: Vec<render::Row> = over.iter().map(|tried| render::row(tried, tried.goes_on(policy).as_ref())).collect();
    let differs = over.iter().any(|tried| tried.departure.is_some());
    match form {
        Form::Json => {
            let all: Vec<_> = over.iter().map(|tried| render::what_if_json(tried, tried.goes_on(policy).as_ref(), policy)).collect();
            output::json(&serde_json::json!({ "what_if": policy.words(), "deployments": all, "unfit": unfit }));
        }
        Form::Text => {
            output::lines(render::table(&rows, policy));
            output::lines(unfit.iter().map(|text| format!("not tried  {}", output::safe(text))));
            output::lines(policy.not_told().iter().map(|text| format!("not told   {text}")));
            if let Some(row) = rows.iter().find(|row| row.differs) {
                output::line(&format!("next  pilotage replay {} --what-if '{}'", row.deployment, policy.words()));
            }
        }
    }
    Ok(if differs { Exit::Differences } else { Exit::Reached })
}

impl Watch for Backtest<'_> {
    fn before(&mut self, player: &Player, turn: &Turn) -> ControlFlow<()> {
        for deployment in case::begun(turn).filter(|deployment| deployment.started.at >= self.since) {
            match Tried::new(player, deployment, self.policy) {
                Ok(tried) => self.open.push(tried),
                Err(failure) => self.unfit.push(format!("{}: {failure}", deployment.id)),
            }
        }
        ControlFlow::Continue(())
    }

    fn after(&mut self, player: &Player, played: &Played) -> ControlFlow<()> {
        for tried in &mut self.open {
            tried.turn(player, played, self.policy);
        }
        let (over, open) = std::mem::take(&mut self.open).into_iter().partition(|tried: &Tried| tried.case.ended.is_some());
        self.open = open;
        self.over.extend::<Vec<Tried>>(over);
        ControlFlow::Continue(())
    }
}
