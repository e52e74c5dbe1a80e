//! The story language: an operator's script with golden output, run through both cores on the simulated clock.

pub mod command;
pub mod deed;
mod deeds;
pub(crate) mod fleet;
pub mod runner;
mod say;
pub mod script;
pub mod stage;

use script::Part;

/// What became of a story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The file as it would be with the output found.
    pub text: String,
    /// What is different from the golden output, for people; none when nothing is.
    pub difference: Option<String>,
    /// A promise was broken on the way.
    pub broken: bool,
    /// How many commands it has.
    pub commands: usize,
}

/// Runs a story.
pub fn tell(text: &str) -> Told {
    let mut runner = runner::Runner::new();
    let mut parts = script::parse(text);
    let mut difference = String::new();
    let (mut broken, mut commands) = (false, 0);
    for part in &mut parts {
        let Part::Command { line, command, expected } = part else { continue };
        commands += 1;
        let found = match command::parse(command) {
            Ok(command) => runner.run(command),
            Err(error) => vec![format!("error: {error}")],
        };
        broken |= found.iter().any(|l| l.starts_with("BROKEN"));
        if let Some(text) = script::difference(expected, &found) {
            difference.push_str(&format!("line {line}: > {command}\n{text}"));
        }
        *expected = found;
    }
    let difference = (!difference.is_empty()).then_some(difference);
    Told { text: script::render(&parts), difference, broken, commands }
}
