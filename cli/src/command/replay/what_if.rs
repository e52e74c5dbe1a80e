//! One deployment under another policy.

use std::ops::ControlFlow;

use pilotage_coordinator_core::replay::case;
use pilotage_coordinator_core::replay::{Played, Player, Turn};
use pilotage_shared::ids::DeploymentId;

use super::not_recorded;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Form};
use crate::recording::{Policy, Tried, Watch, play};
use crate::render::replay as render;

struct WhatIf<'a> {
    id: &'a DeploymentId,
    policy: &'a Policy,
    tried: Option<Tried>,
    failed: Option<Failure>,
}

/// Replays, and compares.
pub fn run(bytes: &[u8], id: &DeploymentId, policy: &Policy, form: Form) -> Result<Exit, Failure> {
    let mut what_if = WhatIf { id, policy, tried: None, failed: None };
    let went = play(bytes, &mut what_if)?;
    if let Some(failure) = what_if.failed {
        return Err(failure);
    }
    if let Some(difference) = &went.difference {
        // What is not replayed as it was is no ground for anything else.
        output::line(&render::verdict(&id.to_string(), &went, 0));
        for line in render::difference(&difference.0, &difference.1.world, went.from.unwrap_or_default()) {
            output::whole_line(&line);
        }
        return Ok(Exit::Differences);
    }
    let Some(tried) = what_if.tried else { return Err(not_recorded(id, went.from)) };
    let goes_on = tried.goes_on(policy);
    match form {
        Form::Json => output::json(&render::what_if_json(&tried, goes_on.as_ref(), policy)),
        Form::Text => {
            output::lines(render::departure(&tried, policy));
            output::lines(render::after(&tried, goes_on.as_ref()));
            output::lines(policy.not_told().iter().map(|text| format!("not told  {text}")));
            output::line(&format!("next  pilotage replay --since 30d --what-if '{}' · pilotage simulate FLEET-FILE", policy.words()));
        }
    }
    Ok(if tried.departure.is_some() { Exit::Differences } else { Exit::Reached })
}

impl Watch for WhatIf<'_> {
    fn before(&mut self, player: &Player, turn: &Turn) -> ControlFlow<()> {
        let Some(deployment) = case::begun(turn).find(|deployment| deployment.id == *self.id) else { return ControlFlow::Continue(()) };
        match Tried::new(player, deployment, self.policy) {
            Ok(tried) => self.tried = Some(tried),
            Err(failure) => {
                self.failed = Some(failure.into());
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    fn after(&mut self, player: &Player, played: &Played) -> ControlFlow<()> {
        let Some(tried) = &mut self.tried else { return ControlFlow::Continue(()) };
        tried.turn(player, played, self.policy);
        if tried.case.ended.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
