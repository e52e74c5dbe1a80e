//! Fewer deeds: whole hosts, fleets and versions are left out, then runs of deeds of every length, down to one.

use std::collections::BTreeSet;

use super::Shrinker;
use crate::story::deed::Deed;

impl Shrinker<'_> {
    /// Leaves out all that mentions one host, one fleet, or one version.
    pub(super) fn without_names(&mut self) {
        for name in self.names() {
            let mut left = self.best.clone();
            left.retain_mut(|deed| !named(deed).contains(&name));
            if left.len() < self.best.len() {
                self.attempt(left);
            }
        }
    }

    /// Names no app, so that all is about one.
    pub(super) fn of_one_app(&mut self) {
        let mut one = self.best.clone();
        for deed in &mut one {
            match deed {
                Deed::Package(named, _)
                | Deed::Fail(_, _, named)
                | Deed::Release(named)
                | Deed::Delete(named)
                | Deed::Block(named)
                | Deed::Unblock(named) => named.app = None,
                Deed::Hands(_, app, _) | Deed::CrashApp(_, app) | Deed::Starve(_, app, _) => *app = None,
                Deed::Fleet(spec) => spec.app = "web".parse().unwrap_or_else(|_| spec.app.clone()),
                _ => {}
            }
        }
        if one != self.best {
            self.attempt(one);
        }
    }

    fn names(&self) -> BTreeSet<String> {
        self.best.clone().iter_mut().flat_map(named).collect()
    }

    /// Leaves out halves, quarters, eighths … and single deeds (delta debugging).
    pub(super) fn without_some(&mut self) {
        let mut length = self.best.len() / 2;
        while length > 0 && !self.is_spent() {
            let mut place = 0;
            while place < self.best.len() {
                let start = if self.from_the_end { self.best.len().saturating_sub(place + length) } else { place };
                if !self.attempt(without(&self.best, start, start + length)) {
                    place += length;
                }
            }
            length /= 2;
        }
    }

    /// What could not be left out may be, if chance falls otherwise.
    pub(super) fn without_one_by_other_draws(&mut self) {
        let mut at = self.best.len();
        while at > 0 && !self.is_spent() {
            at = (at - 1).min(self.best.len().saturating_sub(1));
            if !matches!(self.best.get(at), None | Some(Deed::Draws { .. })) {
                self.attempt_with_other_draws(&without(&self.best, at, at + 1));
            }
        }
    }

    /// Two that need each other.
    pub(super) fn without_pairs(&mut self) {
        let mut first = self.best.len();
        while first > 1 && !self.is_spent() {
            first = (first - 1).min(self.best.len().saturating_sub(1));
            let left = without(&self.best, first, first + 1);
            for second in (0..first).rev() {
                if self.attempt(without(&left, second, second + 1)) {
                    break;
                }
            }
        }
    }
}

fn without(deeds: &[Deed], start: usize, end: usize) -> Vec<Deed> {
    let kept = |(at, deed): (usize, &Deed)| (!(start..end).contains(&at)).then(|| deed.clone());
    deeds.iter().enumerate().filter_map(kept).collect()
}

fn named(deed: &mut Deed) -> Vec<String> {
    let mentions = deed.mentions();
    let host = mentions.host.map(|name| format!("host {name}"));
    let fleet = mentions.fleet.map(|name| format!("fleet {name}"));
    let version = mentions.version.map(|name| format!("version {name}"));
    [host, fleet, version].into_iter().flatten().collect()
}
