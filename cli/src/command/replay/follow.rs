//! The replay itself: every decision, and whether it is the one that was recorded.

use std::ops::ControlFlow;

use jiff::tz::TimeZone;
use pilotage_coordinator_core::change::Change;
use pilotage_coordinator_core::explain;
use pilotage_coordinator_core::replay::case::{self, Case, concerns};
use pilotage_coordinator_core::replay::{Played, Player, Turn};
use pilotage_shared::ids::DeploymentId;
use pilotage_shared::time::Time;
use serde_json::{Value, json};

use super::not_recorded;
use super::until::Until;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Form};
use crate::recording::{Watch, Went, play};
use crate::render::replay::{self as render, Line};

struct Follow<'a> {
    id: &'a DeploymentId,
    until: Option<&'a Until>,
    facts: bool,
    case: Option<Case>,
    decisions: usize,
    lines: Vec<Line>,
    json: Vec<Value>,
    stopped: Option<Player>,
}

/// Replays, and prints.
pub fn run(bytes: &[u8], id: &DeploymentId, until: Option<&Until>, facts: bool, form: Form) -> Result<Exit, Failure> {
    let mut follow = Follow { id, until, facts, case: None, decisions: 0, lines: Vec::new(), json: Vec::new(), stopped: None };
    let went = play(bytes, &mut follow)?;
    let Some(case) = follow.case.take() else {
        return match went.difference {
            // It differs before it came so far.
            Some(_) => tell(&follow, &went, went.from.unwrap_or_default(), form),
            None => Err(not_recorded(id, went.from)),
        };
    };
    let began = case.deployment.started.at;
    follow.case = Some(case);
    tell(&follow, &went, began, form)
}

fn tell(follow: &Follow<'_>, went: &Went, began: Time, form: Form) -> Result<Exit, Failure> {
    let id = follow.id;
    let exit = if went.difference.is_some() { Exit::Differences } else { Exit::Reached };
    match form {
        Form::Json => output::json(&json!({
            "deployment": id, "identical": went.difference.is_none(), "inputs": went.inputs, "turns": went.turns, "decisions": follow.json,
            "difference": went.difference.as_ref().map(|d| json!({ "at": d.0.at, "place": format!("{:?}", d.0.place), "recorded": d.0.recorded, "replayed": d.0.replayed })),
        })),
        Form::Text => {
            output::line(&render::verdict(&id.to_string(), went, follow.decisions));
            output::lines(render::lines(&follow.lines));
            output::lines(render::rifts(went, began));
            if let Some(difference) = &went.difference {
                for line in render::difference(&difference.0, &difference.1.world, began) {
                    output::whole_line(&line);
                }
            } else if let Some(player) = &follow.stopped {
                output::line(&format!("there   {:>10}  {}", render::offset(player.now - began), render::standing(&player.world, &id.fleet)));
                output::lines(render::waits(&explain(&player.world, id, player.now)).iter().map(|line| format!("        waits for {line}")));
            } else {
                let over = follow.case.as_ref().is_some_and(|case| case.ended.is_some());
                let still = if over { "" } else { "; it was still in course" };
                output::line(&format!(
                    "next  pilotage replay {id} --what-if floor=80% · --until '#{}' · --as-story{still}",
                    follow.decisions.div_ceil(2).max(1)
                ));
            }
        }
    }
    Ok(exit)
}

impl Watch for Follow<'_> {
    fn before(&mut self, player: &Player, turn: &Turn) -> ControlFlow<()> {
        if let Some(deployment) = case::begun(turn).find(|deployment| deployment.id == *self.id) {
            self.case = Some(Case::new(deployment));
            return ControlFlow::Continue(());
        }
        let moment = self.case.as_ref().and_then(|case| self.until?.moment(case.deployment.started.at, &TimeZone::system()));
        match moment.zip(case::moment(turn)) {
            Some((moment, at)) if at > moment => self.stop(player),
            Some(_) | None => ControlFlow::Continue(()),
        }
    }

    fn after(&mut self, player: &Player, played: &Played) -> ControlFlow<()> {
        let Some(case) = &mut self.case else { return ControlFlow::Continue(()) };
        case.turn(player, played);
        let began = case.deployment.started.at;
        let over = case.ended.is_some();
        let inputs = played.inputs.iter().map(|took| (took.at, &took.decided.changes));
        for (at, changes) in inputs.chain(played.plan.as_ref().map(|(at, changes)| (*at, changes))) {
            for change in changes {
                self.see(player, at, began, change);
                if self.until == Some(&Until::Decision(self.decisions)) {
                    return self.stop(player);
                }
            }
        }
        if over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

impl Follow<'_> {
    fn stop(&mut self, player: &Player) -> ControlFlow<()> {
        self.stopped = Some(player.clone());
        ControlFlow::Break(())
    }

    fn see(&mut self, player: &Player, at: Time, began: Time, change: &Change) {
        let decided = render::decision(&player.world, change).filter(|_| concerns(player, change, self.id));
        let fact = || render::fact(&player.world, change).filter(|_| self.facts);
        let number = decided.is_some().then(|| self.decisions + 1);
        let Some((hosts, text)) = decided.or_else(fact) else { return };
        if let Some(number) = number {
            self.decisions = number;
            self.json.push(json!({ "number": number, "at": at, "decision": change }));
        }
        render::join(&mut self.lines, Line { number, at: at - began, hosts, text });
    }
}
