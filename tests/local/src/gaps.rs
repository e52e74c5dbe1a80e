//! Cases that fail, and why they still may. The one list: a case on it that passes fails the tests, until it is taken off.

/// What the text says, this host cannot do: a SELinux context needs SELinux.
const CONTEXT: &str = "a context is refused before anything begins where SELinux is not on";

/// A case's name, and what is missing.
const GAPS: &[(&str, &str)] = &[
    ("A: recorded A028: With permissions with acl without default ace", CONTEXT),
    ("A: recorded A029: With permissions with acl with default ace", CONTEXT),
    ("A: recorded A030: With valid permission object", CONTEXT),
    ("A: recorded A039: With permission with acl with valid ace with 4 parts", CONTEXT),
    ("A: recorded A040: With permission with acl with valid ace with 3 parts", CONTEXT),
    ("A: recorded A041: With permission with acl with valid ace with 2 parts", CONTEXT),
    ("A: recorded A044: With single sensitivity", CONTEXT),
    ("A: recorded A052: With valid category", CONTEXT),
    ("A: recorded A066: When acl is present with existing aces", CONTEXT),
];

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
