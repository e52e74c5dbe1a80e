//! The planted bugs of PROTOCOL §9 that belong to these worlds: each in the smallest world in which it shows, with the number of
//! steps of the protocol's own model (whose steps are coarser: it grants in one, we send, deliver, tell and act).

use pilotage_shared::planted::Bug;
use pilotage_shared::policy::Amount;

use crate::limits::Fault::{AgentCrash, CenterCrash, Death, Fail, Reconnect, Repeat, Restore, Silence};
use crate::limits::Limits;
use crate::limits::Wish::{Cancel, Deploy, Leave, Redeploy, Resume, Retire};

/// One of them, or two that show only together.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Planted.
    pub bugs: &'static [Bug],
    /// Where it shows.
    pub limits: Limits,
    /// In the protocol's model.
    pub steps: usize,
}

const TWO: Limits = Limits { hosts: 2, floor: Amount::Count(1), zone_floor: None, frames: 1, faults: 0, kinds: &[], requests: 0, wishes: &[] };
const RESTORED: Limits = Limits { frames: 2, faults: 1, kinds: &[Restore], requests: 1, wishes: &[Deploy], ..TWO };
const ASKED: Limits = Limits { frames: 2, requests: 1, wishes: &[Cancel, Redeploy], ..TWO };
const DYING: Limits = Limits { frames: 2, faults: 2, kinds: &[Death], ..TWO };

const HALF: Limits = Limits { hosts: 3, floor: Amount::Percent(50), ..TWO };

const fn case(bugs: &'static [Bug], limits: Limits, steps: usize) -> Case {
    Case { bugs, limits, steps }
}

/// All of them, in the protocol's order.
pub const BUGS: &[Case] = &[
    case(&[Bug::SessionReused], Limits { frames: 3, requests: 2, wishes: &[Deploy, Redeploy], ..RESTORED }, 10),
    case(&[Bug::IntentAnySession], RESTORED, 8),
    case(&[Bug::StatusAnySession], RESTORED, 7),
    case(&[Bug::IntentBeforeStatus], Limits { frames: 2, faults: 3, kinds: &[Silence, Death], ..TWO }, 9),
    case(&[Bug::StatusAnyOrder], Limits { frames: 3, ..TWO }, 10),
    case(&[Bug::IntentOlder], ASKED, 7),
    case(&[Bug::PermissionSurvivesReconnect], RESTORED, 7),
    case(&[Bug::PermissionDuringRun], Limits { requests: 1, wishes: &[Redeploy], ..DYING }, 8),
    case(&[Bug::NoWhileDown], DYING, 4),
    case(&[Bug::NoRejudge], DYING, 5),
    case(&[Bug::SpentNotKept], Limits { faults: 1, kinds: &[Fail], ..TWO }, 8),
    case(&[Bug::WithdrawSameGeneration], ASKED, 5),
    case(&[Bug::UnreachableCounts], Limits { faults: 2, kinds: &[Silence, AgentCrash], ..TWO }, 5),
    case(&[Bug::StartKeepsStanding], RESTORED, 5),
    case(&[Bug::CountInChange], TWO, 5),
    case(&[Bug::RunNotSeen], Limits { frames: 2, faults: 1, kinds: &[Restore], requests: 2, wishes: &[Deploy, Redeploy, Resume], ..TWO }, 14),
    case(&[Bug::FloorOffByOne, Bug::NoRejudge], TWO, 5),
    case(&[Bug::NoZoneFloor], Limits { hosts: 3, zone_floor: Some(Amount::AllBut(1)), ..TWO }, 4),
    case(&[Bug::DenominatorHeard], Limits { faults: 1, kinds: &[Silence], ..HALF }, 6),
    case(&[Bug::RoundDown], HALF, 5),
    case(&[Bug::CloseOnNoRun], Limits { frames: 2, ..TWO }, 5),
    case(&[Bug::CloseOnSeen], Limits { frames: 2, ..TWO }, 5),
    case(&[Bug::CancelDropsLoan], ASKED, 4),
    case(&[Bug::SupersedeDropsLoan], ASKED, 4),
    case(&[Bug::NeverWithdraw], DYING, 4),
    case(&[Bug::RetireKeepsSession], Limits { requests: 1, wishes: &[Retire], ..TWO }, 5),
    case(&[Bug::LeaveDropsLoan], Limits { requests: 2, wishes: &[Leave], ..TWO }, 5),
    case(&[Bug::GenerationNotRaised], Limits { requests: 2, wishes: &[Deploy, Redeploy], ..RESTORED }, 8),
    case(&[Bug::GenerationReused], Limits { frames: 2, faults: 2, kinds: &[Restore, CenterCrash], requests: 3, wishes: &[Deploy, Redeploy, Resume], ..TWO }, 21),
    case(&[Bug::NoFreeze], Limits { faults: 1, kinds: &[Restore], requests: 1, wishes: &[Deploy], ..TWO }, 14),
    case(&[Bug::UnreachableIsFailed], Limits { faults: 1, kinds: &[Silence], ..TWO }, 2),
    case(&[Bug::NoHold], Limits { faults: 2, kinds: &[Fail, Reconnect], requests: 1, wishes: &[Deploy], ..TWO }, 6),
    case(&[Bug::TwoRuns], Limits { faults: 1, kinds: &[Repeat], ..ASKED }, 5),
];
