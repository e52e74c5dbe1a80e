//! The one question whether a release may run on this host (DESIGN §5), asked at staging, at begin, and by the deployer at
//! begin and when it goes back. Proofs (signed statements about a digest) come later; the question is asked from the first day.

use pilotage_shared::digest::Digest;
use pilotage_shared::intent::Blocked;
use pilotage_shared::release::Release;

/// Statements about one release that are looked at, at most.
pub const MAX_PROOFS: usize = 64;

/// What this host's owner demands, from the host's own file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostPolicy {
    /// What must be proved.
    pub proofs: Demand,
}

/// What must be proved of a release.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Demand {
    /// Nothing: its digest is enough, because it was asked for by an authenticated coordinator.
    #[default]
    Nothing,
}

/// What this host has ever heard that speaks against releases. Only grows, but by a person's word (R29).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The newest blocked list.
    pub blocked: Blocked,
}

/// Why a release may not run here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unacceptable {
    /// On the blocked list (promise 9, R29).
    #[error("its package is blocked (list {version})")]
    Blocked {
        /// Version of the list that says so.
        version: u64,
    },
    /// More statements than are looked at.
    #[error("{0} proofs are listed, at most {MAX_PROOFS} are looked at")]
    TooManyProofs(usize),
}

/// May this release run here? Pure: the same answer at every place that asks with the same knowledge.
pub fn acceptable(release: &Release, proofs: &[Digest], policy: &HostPolicy, seen: &Seen) -> Result<(), Unacceptable> {
    if seen.blocked.packages.contains(&release.package) {
        return Err(Unacceptable::Blocked { version: seen.blocked.version });
    }
    if proofs.len() > MAX_PROOFS {
        return Err(Unacceptable::TooManyProofs(proofs.len()));
    }
    match policy.proofs {
        Demand::Nothing => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocked_packages_are_not_acceptable_and_others_are() {
        let (good, bad) = (Digest::of(b"good"), Digest::of(b"bad"));
        let seen = Seen { blocked: Blocked { version: 3, packages: vec![bad] } };
        let check = |package, proofs: usize, expected| {
            assert_eq!(acceptable(&Release::of(package), &vec![good; proofs], &HostPolicy::default(), &seen), expected);
        };
        check(good, 0, Ok(()));
        check(good, MAX_PROOFS, Ok(()));
        check(good, MAX_PROOFS + 1, Err(Unacceptable::TooManyProofs(MAX_PROOFS + 1)));
        check(bad, 0, Err(Unacceptable::Blocked { version: 3 }));
    }
}
