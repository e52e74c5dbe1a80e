//! Deliberate bugs: rules of the protocol that are not kept, so that the simulator can show that it would notice.
//!
//! They are compiled in with `--cfg pilotage_planted` only, never by a feature: without it [`planted`] is always false and
//! costs nothing. With it, each thread has its own bugs. The names up to [`Bug::FlappingNeverDown`] are those of the list
//! of planted bugs in the protocol between coordinator and host; the rest are of slot and run.

/// A rule that is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Bug {
    /// R1: a person is answered before the commit.
    AnswerBeforeCommit,
    /// R2: epochs repeat, so that a session id is used twice.
    SessionReused,
    /// R3: a host takes intents of any session.
    IntentAnySession,
    /// R3: the coordinator takes statuses of any session.
    StatusAnySession,
    /// R3: intents are derived before the first status of a session.
    IntentBeforeStatus,
    /// R4: the coordinator takes statuses in any order.
    StatusAnyOrder,
    /// R5: a host takes older generations.
    IntentOlder,
    /// R6: a permission outlives its session.
    PermissionSurvivesReconnect,
    /// R6: a permission is used though a run, or what runs, has changed since what it answers.
    PermissionDuringRun,
    /// R6: a permission may be of any age.
    LeaseUnchecked,
    /// R6, R15: what was lent because the host was down is used when it is up.
    NoWhileDown,
    /// R15: loans are not judged again.
    NoRejudge,
    /// R7: a used generation is forgotten at the end of its run.
    SpentNotKept,
    /// R8: a withdrawal takes no new generation.
    WithdrawSameGeneration,
    /// R8: hosts without a loan are told at the deployment's generation, though they have seen more.
    StageAtDeployment,
    /// R9: settling counts.
    SettlingCounts,
    /// R9, R10: settling is free of the floor, as if it were down.
    SettlingIsFree,
    /// R9: who is unreachable counts as it stood.
    UnreachableCounts,
    /// R16: after a start everybody counts as stored.
    StartKeepsStanding,
    /// R10: who is in change counts.
    CountInChange,
    /// R10: a run without a loan is not seen.
    RunNotSeen,
    /// R10: the floor is compared before the host is taken.
    FloorOffByOne,
    /// R10: floors of label values are not looked at.
    NoZoneFloor,
    /// R11: only who is heard is a member.
    DenominatorHeard,
    /// R11: a percentage is rounded down.
    RoundDown,
    /// R12: a status without a run returns a loan.
    CloseOnNoRun,
    /// R12: a loan that was seen is returned.
    CloseOnSeen,
    /// R12: cancelling returns unused loans.
    CancelDropsLoan,
    /// R12: superseding returns unused loans.
    SupersedeDropsLoan,
    /// R12, R15: only the end of a run returns a loan.
    NeverWithdraw,
    /// R13: a timer returns unused loans of connected hosts.
    TimerReturnsUnused,
    /// R13: silence returns a loan.
    TimerReturns,
    /// R13: a person who cordons a host makes its loan forgotten.
    ForgetHost,
    /// R13: retiring keeps the session.
    RetireKeepsSession,
    /// R14: leaving the fleet returns the loan.
    LeaveDropsLoan,
    /// R16: loans are not kept over a start.
    LoansForgottenAtStart,
    /// R17: the counter does not rise to what a host has seen.
    GenerationNotRaised,
    /// R17: a loan that the host has outlived keeps its generation.
    GenerationReused,
    /// R18: a host that is ahead of the store freezes nothing.
    NoFreeze,
    /// R18: what a host had seen is compared with the counter of the last start only.
    SecondStartForgets,
    /// R33: a host goes back to a coordinator that it has left.
    BackToOldEpoch,
    /// R28: two machines may use one identity.
    CloneUnchecked,
    /// R19: a refusal keeps nobody out.
    IgnoreRefused,
    /// R20: a first deployment turns back, to nothing.
    FirstInstallRollsBack,
    /// R21: who is unreachable has failed.
    UnreachableIsFailed,
    /// R21: who is down on the target has not failed.
    DeadOnTargetOk,
    /// R22: failures on the way back stop it.
    BackCountsFailures,
    /// R23: what failed is not held.
    NoHold,
    /// R24: after a cancel everybody is caught up.
    CatchUpAfterCancel,
    /// R25: members of the beginning are enough.
    FrozenMembers,
    /// R25: who was told is done.
    CommandedIsDone,
    /// R26: a second run begins beside the first.
    TwoRuns,
    /// R27: what fails its check is started again by its host.
    RestartUnpermitted,
    /// R7: the generation is spent in one write, the run named in another.
    SplitBegin,
    /// R14: the zone of a loan is that of its beginning.
    ZoneInLoan,
    /// R29: the blocked list is tested at receipt only.
    BlockedAtReceiptOnly,
    /// R30: a pinned host keeps its permission and says nothing.
    PinnedSilently,
    /// R10: hosts that are down ignore the batch.
    DownIgnoresBatch,
    /// R9: what flaps is never down.
    FlappingNeverDown,
    /// R9: an agent that has just started takes its application for healthy.
    StandingGuessed,
    /// Promise 5: a pin is not looked at.
    PinIgnored,
    /// R23: catch-up uses a held package.
    HeldIsCaughtUp,
    /// R23: a held package may be deployed.
    HeldIsDeployed,
    /// R24: a joiner of a stopped deployment's fleet is left as it is for ever.
    JoinerForgotten,
    /// R26: a second deployer is started beside a living one.
    SecondDeployer,
    /// R26: a run that nobody carries on is forgotten.
    LostRunForgotten,
    /// Promise 4: a journal entry is written after its step.
    JournalAfterStep,
    /// Promise 4: on the way back the old files are not put back.
    UndoForgotten,
    /// Promise 4: on the way back the old release is not started.
    BackNotStarted,
    /// Promise 4: a failed hook is passed over.
    FailurePassedOver,
    /// Promise 4: a failed run says that it has committed.
    FailureCommits,
    /// Promise 4: the run commits before its health check was good.
    HealthNotAwaited,
    /// Promise 5: a local rollback goes to a release that was never kept here.
    BackToUnproved,
    /// R6: the deployer does not test the permission again before it disturbs.
    NoLastTest,
    /// R27: a lost hook is started a second time.
    LostHookAgain,
    /// R9, R10: who is unreachable is lent as if it were down.
    UnreachableIsFree,
    /// R34: what was made of a backup commands before a person has gone on.
    BackupCommands,
    /// What was asked under a key is done again under it.
    AskedTwice,
}

impl Bug {
    /// All of them.
    pub const ALL: [Bug; 78] = [
        Bug::AnswerBeforeCommit,
        Bug::SessionReused,
        Bug::IntentAnySession,
        Bug::StatusAnySession,
        Bug::IntentBeforeStatus,
        Bug::StatusAnyOrder,
        Bug::IntentOlder,
        Bug::PermissionSurvivesReconnect,
        Bug::PermissionDuringRun,
        Bug::LeaseUnchecked,
        Bug::NoWhileDown,
        Bug::NoRejudge,
        Bug::SpentNotKept,
        Bug::WithdrawSameGeneration,
        Bug::StageAtDeployment,
        Bug::SettlingCounts,
        Bug::SettlingIsFree,
        Bug::UnreachableCounts,
        Bug::StartKeepsStanding,
        Bug::CountInChange,
        Bug::RunNotSeen,
        Bug::FloorOffByOne,
        Bug::NoZoneFloor,
        Bug::DenominatorHeard,
        Bug::RoundDown,
        Bug::CloseOnNoRun,
        Bug::CloseOnSeen,
        Bug::CancelDropsLoan,
        Bug::SupersedeDropsLoan,
        Bug::NeverWithdraw,
        Bug::TimerReturnsUnused,
        Bug::TimerReturns,
        Bug::ForgetHost,
        Bug::RetireKeepsSession,
        Bug::LeaveDropsLoan,
        Bug::LoansForgottenAtStart,
        Bug::GenerationNotRaised,
        Bug::GenerationReused,
        Bug::NoFreeze,
        Bug::SecondStartForgets,
        Bug::BackToOldEpoch,
        Bug::CloneUnchecked,
        Bug::IgnoreRefused,
        Bug::FirstInstallRollsBack,
        Bug::UnreachableIsFailed,
        Bug::DeadOnTargetOk,
        Bug::BackCountsFailures,
        Bug::NoHold,
        Bug::CatchUpAfterCancel,
        Bug::FrozenMembers,
        Bug::CommandedIsDone,
        Bug::TwoRuns,
        Bug::RestartUnpermitted,
        Bug::SplitBegin,
        Bug::ZoneInLoan,
        Bug::BlockedAtReceiptOnly,
        Bug::PinnedSilently,
        Bug::DownIgnoresBatch,
        Bug::FlappingNeverDown,
        Bug::StandingGuessed,
        Bug::PinIgnored,
        Bug::HeldIsCaughtUp,
        Bug::HeldIsDeployed,
        Bug::JoinerForgotten,
        Bug::SecondDeployer,
        Bug::LostRunForgotten,
        Bug::JournalAfterStep,
        Bug::UndoForgotten,
        Bug::BackNotStarted,
        Bug::FailurePassedOver,
        Bug::FailureCommits,
        Bug::HealthNotAwaited,
        Bug::BackToUnproved,
        Bug::NoLastTest,
        Bug::LostHookAgain,
        Bug::UnreachableIsFree,
        Bug::BackupCommands,
        Bug::AskedTwice,
    ];
}

#[cfg(pilotage_planted)]
thread_local! {
    static PLANTED: std::cell::Cell<u128> = const { std::cell::Cell::new(0) };
}

/// Has this bug been planted in this thread? Always false in a program that people use.
#[cfg(pilotage_planted)]
pub fn planted(bug: Bug) -> bool {
    PLANTED.get() >> (bug as u8) & 1 == 1
}

/// Has this bug been planted in this thread? Always false in a program that people use.
#[cfg(not(pilotage_planted))]
#[inline(always)]
pub const fn planted(_: Bug) -> bool {
    false
}

/// Plants these in this thread, and no others.
#[cfg(pilotage_planted)]
pub fn plant(bugs: &[Bug]) {
    PLANTED.set(bugs.iter().fold(0, |all, bug| all | 1 << (*bug as u8)));
}
