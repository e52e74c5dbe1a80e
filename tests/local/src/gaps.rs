//! Cases that fail, and why they still may. The one list: a case on it that passes fails the tests, until it is taken off.

/// A case's name, and what is missing.
const GAPS: &[(&str, &str)] = &[];

/// Why this case may fail; none: it may not.
pub fn of(name: &str) -> Option<&'static str> {
    GAPS.iter().find(|(gap, _)| *gap == name).map(|(_, why)| *why)
}

#[cfg(test)]
mod tests {
    use crate::cases;

    #[test]
    fn every_gap_is_a_case() {
        let names: Vec<String> = cases::all().iter().map(cases::Case::name).collect();
        for (gap, why) in super::GAPS {
            assert!(names.iter().any(|name| name == gap) && !why.is_empty(), "{gap}");
        }
    }
}
