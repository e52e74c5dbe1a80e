//! Lists in pages: a cursor is opaque (the last item's key), a page bounded.

use pilotage_shared::api::v1::Page;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::problem::Refused;

/// Items of a page when nobody says.
const DEFAULT: usize = 100;
/// At most.
const MOST: usize = 500;

/// Where in a list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// At most so many items; 100 when not given, never more than 500
    pub limit: Option<usize>,
    /// `next` of the page before
    pub cursor: Option<String>,
}

/// A checked place in a list.
#[derive(Clone, Debug)]
pub struct Place {
    /// Items.
    pub limit: usize,
    /// Key of the last item of the page before.
    pub after: Option<String>,
}

/// Checks limit and cursor.
pub fn place(limit: Option<usize>, cursor: Option<&str>) -> Result<Place, Refused> {
    let limit = limit.unwrap_or(DEFAULT);
    if limit == 0 || limit > MOST {
        return Err(Refused::bad(format!("limit: {limit} is not between 1 and {MOST}")));
    }
    let after = cursor.map(|c| decode(c).ok_or_else(|| Refused::bad("the cursor is not one of ours"))).transpose()?;
    Ok(Place { limit, after })
}

fn decode(cursor: &str) -> Option<String> {
    let digits = cursor.is_ascii() && cursor.len().is_multiple_of(2) && cursor.len() < 1000;
    let pairs = cursor.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    String::from_utf8(pairs.collect::<Option<Vec<u8>>>()?).ok().filter(|_| digits)
}

fn encode(key: &str) -> String {
    key.bytes().map(|b| format!("{b:02x}")).collect()
}

/// A page of items that come in the order of their keys, from behind the cursor on.
pub fn page<T>(items: impl Iterator<Item = (String, T)>, place: &Place) -> Page<T> {
    let mut taken = Vec::new();
    let mut last = None;
    for (key, item) in items {
        if taken.len() == place.limit {
            return Page { items: taken, next: last };
        }
        last = Some(encode(&key));
        taken.push(item);
    }
    Page { items: taken, next: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_join_without_loss_or_repetition() {
        let all: Vec<String> = (0..7).map(|i| format!("h{i}")).collect();
        let (mut found, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let place = place(Some(3), cursor.as_deref()).unwrap();
            let rest = all.iter().filter(|k| place.after.as_ref().is_none_or(|a| *k > a)).map(|k| (k.clone(), k.clone()));
            let page = page(rest, &place);
            found.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(found, all);
        assert!(
            place(Some(0), None).is_err() && place(Some(501), None).is_err() && place(None, Some("zz")).is_err() && place(None, Some("é1")).is_err()
        );
    }
}
