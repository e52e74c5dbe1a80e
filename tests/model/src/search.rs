//! Searches a world.

use std::time::{Duration, Instant};

use stateright::{Checker, HasDiscoveries, Model};

use crate::action::Action;
use crate::protocol::{GOOD_END, PROMISES, Protocol};

/// How far to search.
#[derive(Clone, Copy, Debug)]
pub struct Search {
    /// Stop after so many states; none: all.
    pub at_most: Option<usize>,
    /// In breadth the first path that breaks a promise is the shortest; in depth memory stays small.
    pub breadth: bool,
    /// At once.
    pub threads: usize,
}

/// What breaks.
#[derive(Clone, Debug)]
pub struct Broken {
    /// Which promise.
    pub what: &'static str,
    /// What happened, in order.
    pub path: Vec<Action>,
}

/// What a search has found.
#[derive(Clone, Debug)]
pub struct Found {
    /// States that differ.
    pub states: usize,
    /// States, those that were met before again.
    pub generated: usize,
    /// Steps of the longest path.
    pub depth: usize,
    /// It is the whole world.
    pub complete: bool,
    /// Something is wrong.
    pub broken: Option<Broken>,
    /// The deployment can be made.
    pub good_end: bool,
    /// It took so long.
    pub took: Duration,
}

/// Searches.
pub fn search(model: Protocol, how: Search) -> Found {
    let begun = Instant::now();
    let mut checker = model.checker().threads(how.threads).finish_when(HasDiscoveries::AnyFailures);
    if let Some(most) = how.at_most {
        checker = checker.target_state_count(most);
    }
    if how.breadth { found(&checker.spawn_bfs().join(), how, begun) } else { found(&checker.spawn_dfs().join(), how, begun) }
}

fn found(checker: &impl Checker<Protocol>, how: Search, begun: Instant) -> Found {
    let broken = checker.discovery(PROMISES).map(|path| {
        let what = path.last_state().broken.unwrap_or("a promise");
        Broken { what, path: path.into_actions() }
    });
    let (states, generated) = (checker.unique_state_count(), checker.state_count());
    Found {
        states,
        generated,
        depth: checker.max_depth(),
        complete: broken.is_none() && how.at_most.is_none_or(|most| generated < most),
        broken,
        good_end: checker.discovery(GOOD_END).is_some(),
        took: begun.elapsed(),
    }
}
