//! SELinux ranges: `s#[-s#][:c#[.c#][,…]]`.

use std::collections::BTreeSet;

/// Highest category.
const CATEGORY_MAX: u32 = 1023;

/// The range with its categories in ascending order, or what is wrong with it.
pub fn canonical_range(text: &str) -> Result<String, String> {
    let bad = |why: &str| Err(format!("the range {text:?} {why}"));
    let (levels, categories) = match text.split_once(':') {
        Some((levels, categories)) => (levels, Some(categories)),
        None => (text, None),
    };
    let level = |t: &str| number('s', t);
    let pair = match levels.split_once('-') {
        Some((low, high)) => level(low).zip(level(high)),
        None => level(levels).map(|n| (n, n)),
    };
    let levels = match pair {
        None => return bad("must begin with a sensitivity, as s0 or s0-s3"),
        Some((low, high)) if low > high => return bad("has sensitivities in descending order"),
        Some((low, high)) if low == high => format!("s{low}"),
        Some((low, high)) => format!("s{low}-s{high}"),
    };
    let Some(categories) = categories else { return Ok(levels) };
    let mut seen = BTreeSet::new();
    for part in categories.split(',') {
        let category = |t: &str| number('c', t).filter(|n| *n <= CATEGORY_MAX);
        let span = match part.split_once('.') {
            Some((low, high)) => category(low).zip(category(high)),
            None => category(part).map(|n| (n, n)),
        };
        let Some((low, high)) = span else { return bad("must have categories c0 to c1023, as c0.c3,c7") };
        if low > high {
            return bad("has categories in descending order");
        }
        if !(low..=high).all(|n| seen.insert(n)) {
            return bad("has a category twice");
        }
    }
    Ok(format!("{levels}:{}", spans(&seen)))
}

/// Neighbours joined: `c0.c3,c7`.
fn spans(categories: &BTreeSet<u32>) -> String {
    let mut spans: Vec<(u32, u32)> = Vec::new();
    for n in categories {
        match spans.last_mut() {
            Some((_, high)) if *high + 1 == *n => *high = *n,
            _ => spans.push((*n, *n)),
        }
    }
    let spans: Vec<String> = spans.iter().map(|(low, high)| if low == high { format!("c{low}") } else { format!("c{low}.c{high}") }).collect();
    spans.join(",")
}

fn number(letter: char, text: &str) -> Option<u32> {
    let digits = text.strip_prefix(letter)?;
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) { None } else { digits.parse().ok() }
}
