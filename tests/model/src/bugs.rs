//! The planted bugs that concern promises 1, 2, 6 and 8 (and the batch), each with the smallest kind of world in which it shows.
//!
//! `FloorOffByOne` and `SettlingIsFree` show with `NoRejudge` only: R15 withdraws at once what they lend, for ever (P11).
//!
//! Not here, and why:
//! - `RetireKeepsSession` (P2): whoever is invited again loses his session a second time by that, so a retired host that still
//!   listens is no member, and in no scope.
//! - `GenerationReused` (P8): needs two old copies of the store. `BackToOldEpoch` (P1): needs a second coordinator that lives on.
//!   `CloneUnchecked` (P2): needs a clone. `SecondStartForgets` (P8): needs a second fleet that raises the counter.
//! - `LeaseUnchecked` (P1-lease), `TimerReturnsUnused` (P2): time stands still here.
//! - `RestartUnpermitted` (P2), `NoLastTest` (P1): in parts of the host's core that this model does not drive (`life`, `run`).
//! - `DownIgnoresBatch` (the batch): R15 withdraws at once what it lends, before it can be begun; the simulator sees the loan.
//! - All others break promises that are not looked at here (3–5, 7, 9–11). The simulator finds each of these and of all others.

use pilotage_shared::planted::Bug;
use pilotage_shared::policy::Amount;

use crate::limits::Fault::{AgentCrash, CenterCrash, Death, Fail, Reconnect, Repeat, Restore, Silence, Unheard};
use crate::limits::Limits;
use crate::limits::Wish::{Cancel, Deploy, Leave, Redeploy, Relabel, Resume};
use crate::worlds::SMALL;

/// One of them, or two that show only together.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Planted.
    pub bugs: &'static [Bug],
    /// Where it shows.
    pub limits: Limits,
}

/// Put back is a store of before the loans.
const RESTORED: Limits = Limits { first_copy: true, faults: 1, kinds: &[(Restore, 1)], ..SMALL };
const ASKED: Limits = Limits { requests: 1, wishes: &[(Cancel, 1), (Redeploy, 1)], ..SMALL };
const DYING: Limits = Limits { faults: 2, kinds: &[(Death, 2)], ..SMALL };
const SETTLING: Limits = Limits { settling: true, ..SMALL };
const SILENT: Limits = Limits { faults: 1, kinds: &[(Silence, 1)], ..SMALL };
const HALF: Limits = Limits { hosts: 3, floor: Amount::Percent(50), ..SMALL };
const ZONES: Limits = Limits { hosts: 3, zone_floor: Some(Amount::AllBut(1)), ..SMALL };
const BATCH: Limits = Limits { hosts: 3, batch: Some(1), ..SMALL };

const fn case(bugs: &'static [Bug], limits: Limits) -> Case {
    Case { bugs, limits }
}

/// All of them, in the protocol's order.
pub const BUGS: &[Case] = &[
    case(&[Bug::SessionReused], Limits { late: 1, faults: 2, kinds: &[(Restore, 1), (Repeat, 1)], ..RESTORED }),
    case(&[Bug::IntentAnySession], Limits { late: 1, ..RESTORED }),
    case(&[Bug::StatusAnySession], Limits { late: 1, faults: 1, kinds: &[(Reconnect, 1)], ..SETTLING }),
    case(&[Bug::IntentBeforeStatus], Limits { late: 1, faults: 2, kinds: &[(Reconnect, 1), (Death, 1)], ..SMALL }),
    case(&[Bug::StatusAnyOrder], Limits { late: 1, ..SETTLING }),
    case(&[Bug::IntentOlder], Limits { late: 1, ..ASKED }),
    case(&[Bug::PermissionSurvivesReconnect], RESTORED),
    case(&[Bug::PermissionDuringRun], Limits { requests: 1, wishes: &[(Redeploy, 1)], ..DYING }),
    case(&[Bug::NoWhileDown], DYING),
    case(&[Bug::NoRejudge], DYING),
    case(&[Bug::SpentNotKept], DYING),
    case(&[Bug::WithdrawSameGeneration], ASKED),
    case(&[Bug::SettlingCounts], SETTLING),
    case(&[Bug::SettlingIsFree, Bug::NoRejudge], Limits { faults: 3, kinds: &[(Death, 3)], ..SETTLING }),
    case(&[Bug::UnreachableCounts], Limits { faults: 2, kinds: &[(Silence, 1), (Death, 1)], ..SMALL }),
    case(&[Bug::StartKeepsStanding], Limits { faults: 2, kinds: &[(Restore, 1), (Unheard, 1)], ..RESTORED }),
    case(&[Bug::CountInChange], SMALL),
    case(&[Bug::RunNotSeen], Limits { settling: true, requests: 1, wishes: &[(Resume, 1)], ..RESTORED }),
    case(&[Bug::FloorOffByOne, Bug::NoRejudge], SMALL),
    case(&[Bug::NoZoneFloor], ZONES),
    case(&[Bug::DenominatorHeard], Limits { faults: 1, kinds: &[(Silence, 1)], ..HALF }),
    case(&[Bug::RoundDown], HALF),
    case(&[Bug::CloseOnNoRun], SMALL),
    case(&[Bug::CloseOnSeen], SMALL),
    case(&[Bug::CancelDropsLoan], ASKED),
    case(&[Bug::SupersedeDropsLoan], ASKED),
    case(&[Bug::NeverWithdraw], DYING),
    case(&[Bug::TimerReturns], Limits { faults: 1, kinds: &[(Silence, 1)], ..BATCH }),
    case(&[Bug::LeaveDropsLoan], Limits { hosts: 3, requests: 2, wishes: &[(Leave, 2)], ..SMALL }),
    case(&[Bug::LoansForgottenAtStart], Limits { faults: 2, kinds: &[(CenterCrash, 1), (Unheard, 1)], ..BATCH }),
    case(&[Bug::GenerationNotRaised], Limits { requests: 2, wishes: &[(Deploy, 1), (Redeploy, 1)], ..RESTORED }),
    case(&[Bug::NoFreeze], Limits { requests: 1, wishes: &[(Deploy, 1)], ..RESTORED }),
    case(&[Bug::UnreachableIsFailed], SILENT),
    case(&[Bug::BackCountsFailures], Limits { faults: 2, kinds: &[(Fail, 2)], ..SMALL }),
    case(&[Bug::NoHold], Limits { faults: 2, kinds: &[(Fail, 2)], requests: 2, wishes: &[(Deploy, 2)], ..SMALL }),
    case(&[Bug::HeldIsDeployed], Limits { faults: 2, kinds: &[(Fail, 2)], requests: 2, wishes: &[(Deploy, 2)], ..SMALL }),
    case(&[Bug::CatchUpAfterCancel], Limits { requests: 1, wishes: &[(Cancel, 1)], ..SMALL }),
    case(&[Bug::SplitBegin], SMALL),
    case(&[Bug::ZoneInLoan], Limits { faults: 1, kinds: &[(Death, 1)], requests: 1, wishes: &[(Relabel, 1)], ..ZONES }),
    case(&[Bug::StandingGuessed], Limits { faults: 1, kinds: &[(AgentCrash, 1)], ..SETTLING }),
    case(&[Bug::UnreachableIsFree, Bug::NoRejudge], SILENT),
    case(&[Bug::BackupCommands], RESTORED),
];
