//! Did an act go as it should, by the prober's own record?

use std::collections::BTreeMap;

use pilotage_shared::api::v1::OutcomeWord;

use super::app::Behaviour;
use super::story::Act;
use crate::render::deployment::outcome;

/// What did not go as it should; empty is good. `answers`: what how many hosts say at the end.
pub fn problems(act: &Act, expected_answer: &str, answers: &BTreeMap<Option<String>, usize>, hosts: usize) -> Vec<String> {
    let mut problems = Vec::new();
    let expected = expected_outcome(act.version.behaviour);
    if act.outcome != expected {
        let because = act.because.as_ref().map_or_else(String::new, |why| format!(": {}", crate::output::safe(why)));
        problems.push(format!("it {}, expected {}{because}", outcome(act.outcome), outcome(expected)));
    }
    let floor = usize::try_from(act.floor).unwrap_or(usize::MAX);
    if !act.first && act.seen.min_answering < floor {
        problems.push(format!("only {} answered at one moment, floor {floor}", act.seen.min_answering));
    }
    if answers.get(&Some(expected_answer.to_owned())) != Some(&hosts) {
        let found: Vec<String> = answers
            .iter()
            .map(|(said, count)| format!("{count} say {}", said.as_deref().map_or_else(|| "nothing".to_owned(), crate::output::safe)))
            .collect();
        problems.push(format!("all {hosts} should say \"{expected_answer}\", but {}", found.join(", ")));
    }
    if (expected == OutcomeWord::RolledBack) != act.held {
        problems.push(if act.held { "it is held".to_owned() } else { "it is not held".to_owned() });
    }
    problems
}

fn expected_outcome(behaviour: Behaviour) -> OutcomeWord {
    match behaviour {
        Behaviour::Good => OutcomeWord::Succeeded,
        Behaviour::CannotValidate | Behaviour::DiesAfter(_) => OutcomeWord::RolledBack,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::package::VERSIONS;
    use crate::demo::prober::Seen;

    fn act(i: usize, outcome: OutcomeWord, min_answering: usize) -> Act {
        let seen = Seen { min_answering, ..Seen::default() };
        Act {
            version: VERSIONS[i],
            outcome,
            seconds: 1.0,
            floor: 4,
            seen,
            runs: Vec::new(),
            held: i >= 2,
            because: None,
            first: i == 0,
            problems: Vec::new(),
        }
    }

    #[test]
    fn only_the_prober_is_believed() {
        let check = |act: Act, answer: &str, count, expected: &[&str]| {
            let answers = [(Some(answer.to_owned()), count), (None, 6 - count)].into_iter().filter(|(_, count)| *count > 0).collect();
            assert_eq!(problems(&act, "web 1.1.0", &answers, 6), expected);
        };
        check(act(1, OutcomeWord::Succeeded, 4), "web 1.1.0", 6, &[]);
        check(act(1, OutcomeWord::Succeeded, 3), "web 1.1.0", 6, &["only 3 answered at one moment, floor 4"]);
        check(act(0, OutcomeWord::Succeeded, 0), "web 1.1.0", 6, &[]);
        check(act(1, OutcomeWord::Succeeded, 5), "web 1.1.0", 5, &["all 6 should say \"web 1.1.0\", but 1 say nothing, 5 say web 1.1.0"]);
        check(act(2, OutcomeWord::Succeeded, 5), "web 1.1.0", 6, &["it succeeded, expected rolled back"]);
        let free = Act { held: false, ..act(3, OutcomeWord::RolledBack, 4) };
        check(free, "web 1.1.0", 6, &["it is not held"]);
    }
}
