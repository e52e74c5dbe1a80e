//! A deployment's progress while it is watched: a bar on a terminal, a line for each change elsewhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use pilotage_shared::api::v1::DeploymentView;
use pilotage_shared::ids::DeploymentId;

use super::{line, moves, safe};
use crate::render::deployment::state;

/// One moving line on a terminal; nothing elsewhere.
#[derive(Debug)]
pub struct Bar(Option<ProgressBar>);

impl Bar {
    /// Begins it with its first words.
    pub fn new(prefix: &str) -> Self {
        Self(moves().then(|| {
            let bar = ProgressBar::new(0);
            // The template is a constant of ours: a mistake in it shows a plain bar.
            if let Ok(style) = ProgressStyle::with_template("{prefix}  {bar:12}  {pos}/{len}  {wide_msg}") {
                bar.set_style(style.progress_chars("██░"));
            }
            bar.set_prefix(prefix.to_owned());
            bar.enable_steady_tick(Duration::from_millis(250));
            bar
        }))
    }

    /// Shows how far it is; false when there is no terminal to show it on.
    pub fn show(&self, view: &DeploymentView) -> bool {
        let Some(bar) = &self.0 else { return false };
        let (hosts, new) = far(view);
        bar.set_length(hosts.into());
        bar.set_position(new.into());
        bar.set_message(message(view));
        true
    }

    /// Takes it away, so that the verdict stands alone.
    pub fn end(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.end();
    }
}

/// A watched deployment: a bar on a terminal, a line for each change elsewhere.
#[derive(Debug)]
pub struct Progress {
    bar: Option<Bar>,
    last: String,
}

impl Progress {
    /// Of this deployment; `quiet` shows nothing.
    pub fn new(quiet: bool, id: &DeploymentId) -> Self {
        Self { bar: (!quiet).then(|| Bar::new(&id.to_string())), last: String::new() }
    }

    /// Shows where it is now.
    pub fn show(&mut self, view: &DeploymentView) {
        let Some(bar) = &self.bar else { return };
        if bar.show(view) {
            return;
        }
        let (hosts, new) = far(view);
        let text = format!("{}  {new}/{hosts}  {}", view.id, message(view));
        if text != self.last {
            line(&text);
            self.last = text;
        }
    }

    /// Takes the bar away.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.end();
        }
    }
}

fn far(view: &DeploymentView) -> (u32, u32) {
    view.waves.iter().fold((0, 0), |(hosts, new), wave| (hosts + wave.hosts, new + wave.new))
}

fn message(view: &DeploymentView) -> String {
    let sum = |of: fn(&pilotage_shared::api::v1::WaveView) -> u32| view.waves.iter().map(of).sum::<u32>();
    let mut parts = vec![state(view.state).to_owned()];
    let counts = [("in change", sum(|wave| wave.in_change)), ("failed", sum(|wave| wave.failed))];
    parts.extend(counts.into_iter().filter(|(_, count)| *count > 0).map(|(word, count)| format!("{count} {word}")));
    let staged = sum(|wave| wave.staged);
    if staged < sum(|wave| wave.hosts) {
        parts.push(format!("{staged} staged"));
    }
    if let Some(blocker) = view.waiting.iter().find(|waiting| waiting.blocks) {
        parts.push(safe(&blocker.text));
    }
    parts.join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples;

    #[test]
    fn a_message_says_what_moves_and_what_blocks() {
        assert_eq!(
            message(&samples::waiting_deployment()),
            "WAITING · 1 in change · 3 failed · zone=b has 69 available, floor 69: nobody can be taken"
        );
        assert_eq!(message(&samples::succeeded()), "ended");
    }
}
