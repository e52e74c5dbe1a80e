//! Deployments beside another policy, one line each.

use super::super::columns::{Align, columns};
use super::super::words::plural;
use super::offset;
use super::what_if::{ended, kind};
use crate::recording::Policy;
use crate::recording::{GoesOn, Tried};

/// One deployment.
pub struct Row {
    /// Which.
    pub deployment: String,
    /// A decision differs.
    pub differs: bool,
    went: String,
    would: String,
    first: String,
}

/// Of one deployment.
pub fn row(tried: &Tried, goes_on: Option<&GoesOn>) -> Row {
    let began = tried.case.deployment.started.at;
    let short = |text: String| text.split(" (").next().unwrap_or_default().to_owned();
    let in_all = |lowest: u32| format!(", lowest {lowest} of {}", tried.members);
    let would = match (&tried.departure, goes_on) {
        (None, _) => "the same".to_owned(),
        (Some(departure), _) if departure.refused.is_some() => "refused".to_owned(),
        (Some(_), None) => String::new(),
        (Some(_), Some(goes_on)) => {
            let sure = if goes_on.estimate.guessed.is_empty() { "" } else { " ?" };
            format!("{}{}{sure}", short(ended(goes_on.estimate.ended.as_ref(), began)), in_all(goes_on.lowest))
        }
    };
    Row {
        deployment: tried.case.id().to_string(),
        differs: tried.departure.is_some(),
        went: match &tried.case.ended {
            None => "in course".to_owned(),
            went => format!("{}{}", short(ended(went.as_ref(), began)), in_all(tried.case.lowest)),
        },
        would,
        first: tried.departure.as_ref().map_or_else(String::new, |departure| format!("{} {}", offset(departure.at - began), kind(tried, departure))),
    }
}

/// All of them.
pub fn table(rows: &[Row], policy: &Policy) -> Vec<String> {
    let differ = rows.iter().filter(|row| row.differs).count();
    let mut lines = vec![format!(
        "{} under {}: {differ} would have been decided otherwise",
        plural(rows.len(), "recorded deployment", "recorded deployments"),
        policy.words()
    )];
    if rows.is_empty() {
        return lines;
    }
    let head = ["DEPLOYMENT", "AS IT WENT", "ESTIMATED", "FIRST DIFFERENCE"].map(str::to_owned).to_vec();
    let cells = rows.iter().map(|row| vec![row.deployment.clone(), row.went.clone(), row.would.clone(), row.first.clone()]);
    let all: Vec<Vec<String>> = std::iter::once(head).chain(cells).collect();
    lines.extend(columns(&[Align::Left; 4], &all));
    if rows.iter().any(|row| row.would.ends_with('?')) {
        lines.push("? hosts without a recorded run are taken to do as most others did".to_owned());
    }
    lines
}
