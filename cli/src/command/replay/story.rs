//! A deployment as a story of the story language (`tests/stories`): the same fleet, the same faults, the same hands, on
//! the simulator's hosts. No reasons, no tokens, no text of hosts; the simulator tells at once whether it ends as it ended.

mod faults;
mod names;
mod script;

use std::ops::ControlFlow;

use pilotage_coordinator_core::replay::case::{self, Case};
use pilotage_coordinator_core::replay::{Played, Player, Turn};
use pilotage_coordinator_core::world::{Outcome, World};
use pilotage_shared::ids::DeploymentId;
use pilotage_simulator::story::tell;

use super::not_recorded;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::recording::{Watch, play};
use script::Script;

/// A story of more hosts is none.
const HOSTS: usize = 200;

/// Collects what a story needs.
struct Told<'a> {
    id: &'a DeploymentId,
    anonymous: bool,
    script: Option<Script>,
    case: Option<Case>,
    crowd: usize,
}

/// A story, and how it ends.
pub struct Story {
    /// As a file.
    pub text: String,
    /// What is otherwise than it was, for people.
    pub otherwise: Option<String>,
}

/// Prints the story.
pub fn run(bytes: &[u8], id: &DeploymentId, anonymous: bool) -> Result<Exit, Failure> {
    let story = write(bytes, id, anonymous)?;
    for line in story.text.lines() {
        output::whole_line(line);
    }
    match story.otherwise {
        None => Ok(Exit::Reached),
        Some(otherwise) => {
            output::complain(&otherwise);
            Ok(Exit::Differences)
        }
    }
}

/// Makes the story of a recording.
pub fn write(bytes: &[u8], id: &DeploymentId, anonymous: bool) -> Result<Story, Failure> {
    let mut told = Told { id, anonymous, script: None, case: None, crowd: 0 };
    let went = play(bytes, &mut told)?;
    if told.crowd > HOSTS {
        return Err(Failure::Usage(format!(
            "{id} is a deployment to {} hosts: a story has at most {HOSTS}; try --what-if or pilotage simulate",
            told.crowd
        )));
    }
    if let Some(difference) = &went.difference {
        return Err(Failure::Usage(format!(
            "the recording is not replayed as it was (pilotage replay {id} says where, at {}): no story can be made of it",
            pilotage_shared::api::v1::When(difference.0.at)
        )));
    }
    let (Some(script), Some(case)) = (told.script, told.case) else { return Err(not_recorded(id, went.from)) };
    let story = tell(&script.text(&case));
    let (fleet, outcome) = (script.names.fleet().to_owned(), case.ended.as_ref().map(|ended| ended.outcome));
    let otherwise =
        if story.broken { Some("a promise is broken in this story: report it".to_owned()) } else { ends_otherwise(&story.text, &fleet, outcome) };
    let note = otherwise.as_ref().map_or_else(String::new, |text| format!("# {text}\n\n"));
    Ok(Story { text: format!("{note}{}", story.text), otherwise })
}

/// Compares the last word of the story's status with what was recorded. (One that was superseded is followed by another.)
fn ends_otherwise(text: &str, fleet: &str, outcome: Option<Outcome>) -> Option<String> {
    let outcome = outcome.filter(|outcome| *outcome != Outcome::Superseded)?;
    let wanted = outcome.words();
    let last = text.lines().rev().find(|line| line.starts_with(&format!("{fleet}: ")))?;
    let found = last.split(';').next().unwrap_or_default();
    (!found.ends_with(wanted))
        .then(|| format!("it {wanted} as it was recorded, and here: {found}; the simulator's hosts are faster, times may matter"))
}

fn members(world: &World, id: &DeploymentId) -> usize {
    world.members(&id.fleet) as usize
}

impl Watch for Told<'_> {
    fn before(&mut self, player: &Player, turn: &Turn) -> ControlFlow<()> {
        if let Some(deployment) = case::begun(turn).find(|deployment| deployment.id == *self.id) {
            self.crowd = members(&player.world, self.id);
            if self.crowd > HOSTS {
                return ControlFlow::Break(());
            }
            self.script = Script::begin(&player.world, deployment, self.anonymous);
            self.case = Some(Case::new(deployment));
        }
        ControlFlow::Continue(())
    }

    fn after(&mut self, player: &Player, played: &Played) -> ControlFlow<()> {
        let (Some(script), Some(case)) = (&mut self.script, &mut self.case) else { return ControlFlow::Continue(()) };
        script.turn(&player.world, played);
        case.turn(player, played);
        if case.ended.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
