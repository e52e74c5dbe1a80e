//! Tags → a selector. There: any of a list, one of each list, instances and own machines apart. Here: all conditions, one set.

use std::collections::{BTreeMap, BTreeSet};

use pilotage_shared::name::LabelKey;
use pilotage_shared::selector::Selector;

use super::ImportError;
use super::description::{Group, TagFilter};
use super::name;

/// What the tags have become.
pub struct Found {
    /// The selector.
    pub selector: Selector,
    /// It came from tags; else from Auto Scaling groups.
    pub tags: bool,
    /// Labels of a host that it matches.
    pub labels: String,
    /// Keys that are written in another way here.
    pub renamed: Vec<String>,
}

/// The selector of a group.
pub fn of(group: &Group) -> Result<Found, ImportError> {
    let sets = [
        lists(&group.ec2_tag_filters, group.ec2_tag_set.as_ref().map(|s| &s.ec2_tag_set_list)),
        lists(&group.on_premises_instance_tag_filters, group.on_premises_tag_set.as_ref().map(|s| &s.on_premises_tag_set_list)),
    ];
    let mut found: Vec<Terms> = Vec::new();
    for set in sets.iter().filter(|set| !set.is_empty()) {
        let terms = Terms::of(set)?;
        if !found.iter().any(|other| other.by_key == terms.by_key) {
            found.push(terms);
        }
    }
    match (found.pop(), found.pop()) {
        (None, _) if group.auto_scaling_groups.is_empty() => Err(ImportError::NoHosts),
        (None, _) => Terms::of_scaling_groups(group).found(false),
        (Some(terms), None) => terms.found(true),
        (Some(own), Some(ec2)) => Err(ImportError::Tags(format!(
            "instances are chosen by {}, own machines by {}: one fleet has one selector. Give all of them one label, or make two fleets",
            ec2.text(),
            own.text()
        ))),
    }
}

/// The old form is one list: any of its tags.
fn lists<'a>(filters: &'a [TagFilter], sets: Option<&'a Vec<Vec<TagFilter>>>) -> Vec<&'a [TagFilter]> {
    let sets = sets.into_iter().flatten().map(Vec::as_slice);
    sets.chain([filters]).filter(|list| !list.is_empty()).collect()
}

/// Values by key, all of which must hold; no values: it must be there.
#[derive(Default)]
struct Terms {
    by_key: BTreeMap<String, BTreeSet<String>>,
    renamed: Vec<String>,
}

impl Terms {
    fn of(lists: &[&[TagFilter]]) -> Result<Self, ImportError> {
        let mut terms = Terms::default();
        for list in lists {
            let (key, values) = one_key(list)?;
            let label = name(key);
            if label != key && !terms.renamed.iter().any(|r| r.starts_with(&format!("{key} "))) {
                terms.renamed.push(format!("{key} → {label}"));
            }
            let again = terms.by_key.get(&label).filter(|known| **known != values && !known.is_empty() && !values.is_empty());
            if again.is_some() {
                return Err(ImportError::Tags(format!("the tag {key:?} is asked for in two lists with different values: no host has both")));
            }
            terms.by_key.entry(label).or_default().extend(values);
        }
        Ok(terms)
    }

    /// Without tags the hosts of a scaling group need a label that says so.
    fn of_scaling_groups(group: &Group) -> Self {
        let names = group.auto_scaling_groups.iter().map(|g| g.name.clone()).collect();
        Terms { by_key: [("scaling-group".to_owned(), names)].into(), renamed: Vec::new() }
    }

    fn text(&self) -> String {
        let term = |(key, values): (&String, &BTreeSet<String>)| match values.iter().collect::<Vec<_>>().as_slice() {
            [] => key.clone(),
            [one] => format!("{key}={one}"),
            many => format!("{key} in ({})", many.iter().map(|v| v.as_str()).collect::<Vec<_>>().join(",")),
        };
        self.by_key.iter().map(term).collect::<Vec<_>>().join(",")
    }

    fn found(self, tags: bool) -> Result<Found, ImportError> {
        for key in self.by_key.keys() {
            LabelKey::new(key).map_err(|e| ImportError::Tags(format!("a tag's key cannot be a label: {e}")))?;
        }
        // What a selector reads as its own signs.
        if let Some(value) = self.by_key.values().flatten().find(|v| v.contains([',', '(', ')', '=', '!']) || v.trim() != *v) {
            return Err(ImportError::Tags(format!("the tag's value {value:?} cannot be a label's in a selector: give those hosts another label")));
        }
        let selector: Selector = self.text().parse().map_err(|e| ImportError::Tags(format!("a tag's value cannot be a label's: {e}")))?;
        let label = |(key, values): (&String, &BTreeSet<String>)| format!("{key}={}", values.first().map_or("…", String::as_str));
        let labels = self.by_key.iter().map(label).collect::<Vec<_>>().join(" ");
        Ok(Found { selector, tags, labels, renamed: self.renamed })
    }
}

/// Any of a list can be said when all of it is about one key.
fn one_key(list: &[TagFilter]) -> Result<(&str, BTreeSet<String>), ImportError> {
    let mut keys = BTreeSet::new();
    let mut values = Some(BTreeSet::new());
    for tag in list {
        let key = tag.key.as_deref().filter(|k| !k.is_empty() && tag.r#type.as_deref() != Some("VALUE_ONLY"));
        let Some(key) = key else {
            let value = tag.value.as_deref().unwrap_or_default();
            return Err(ImportError::Tags(format!("a tag with the value {value:?} and any key: a selector needs a key. Give those hosts a label")));
        };
        keys.insert(key);
        match (tag.r#type.as_deref(), tag.value.clone(), &mut values) {
            // Any value will do, whatever else stands in the list.
            (Some("KEY_ONLY"), _, _) | (_, None, _) => values = None,
            (_, Some(value), Some(values)) => {
                values.insert(value);
            }
            (_, Some(_), None) => {}
        }
    }
    match keys.iter().copied().collect::<Vec<_>>().as_slice() {
        [key] => Ok((key, values.unwrap_or_default())),
        many => Err(ImportError::Tags(format!(
            "hosts with any of the tags {} are in the group: a selector joins by AND. Give all of them one label, or make two fleets",
            many.join(", ")
        ))),
    }
}
