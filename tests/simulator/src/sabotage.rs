//! Rules taken out one by one, at the seams between the cores and the world: a simulator that does not notice is of no use.
//! The names are those of the list of planted bugs in the protocol between coordinator and host.

/// One rule that is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// R1: a person is answered before the commit.
    AnswerBeforeCommit,
    /// R3: a host takes intents of any session.
    IntentAnySession,
    /// R3: the coordinator takes statuses of any session.
    StatusAnySession,
    /// R4: the coordinator takes statuses in any order.
    StatusAnyOrder,
    /// R5: a host takes older generations.
    IntentOlder,
    /// R6: a permission outlives its session.
    PermissionSurvivesReconnect,
    /// R6: a permission may be of any age.
    LeaseUnchecked,
    /// R7: a used generation is forgotten at the end of its run.
    SpentNotKept,
    /// R9: an agent that has just started takes its application for healthy.
    StandingGuessed,
    /// R12: cancelling returns loans.
    CancelDropsLoan,
    /// R13: a timer returns unused loans.
    TimerReturnsUnused,
    /// R16: loans are not stored.
    LoansForgottenAtStart,
    /// R26: a run that has failed leaves half of the new release behind.
    HalfWayBack,
}

impl Sabotage {
    /// All of them.
    pub const ALL: [Sabotage; 13] = [
        Sabotage::AnswerBeforeCommit,
        Sabotage::IntentAnySession,
        Sabotage::StatusAnySession,
        Sabotage::StatusAnyOrder,
        Sabotage::IntentOlder,
        Sabotage::PermissionSurvivesReconnect,
        Sabotage::LeaseUnchecked,
        Sabotage::SpentNotKept,
        Sabotage::StandingGuessed,
        Sabotage::CancelDropsLoan,
        Sabotage::TimerReturnsUnused,
        Sabotage::LoansForgottenAtStart,
        Sabotage::HalfWayBack,
    ];
}
