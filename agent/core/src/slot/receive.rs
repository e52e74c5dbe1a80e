//! An intent arrives: taken, or dropped by name (R3, R4, R5).

use pilotage_shared::ids::{Generation, SessionId};
use pilotage_shared::intent::Intent;
use pilotage_shared::limits::GENERATION_JUMP;
use pilotage_shared::planted::{Bug, planted};

use super::{Held, Slot};

/// What becomes of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Received {
    /// It is the newest; where a record is given it is written before anything is done about the intent (R5).
    Take {
        /// The slot with the generation seen, when it is a new one.
        record: Option<Box<Slot>>,
    },
    /// Dropped.
    Drop(Dropped),
}

/// Why an intent was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Dropped {
    /// R3.
    #[error("the intent is of another session")]
    Session,
    /// R5.
    #[error("the intent's generation is below {0}, which was seen")]
    Older(Generation),
    /// R4.
    #[error("a newer intent of this generation is known")]
    OlderAnswer,
    /// R5: no counter is bounded only by the peer's word.
    #[error("the intent's generation is more than 2^32 above {0}: refused")]
    Jump(Generation),
}

/// Looks at an intent.
pub fn receive(slot: &Slot, held: &Held, session: Option<&SessionId>, intent: &Intent) -> Received {
    if session != Some(&intent.session) && (session.is_none() || !planted(Bug::IntentAnySession)) {
        return Received::Drop(Dropped::Session);
    }
    if intent.generation < slot.seen && !planted(Bug::IntentOlder) {
        return Received::Drop(Dropped::Older(slot.seen));
    }
    if intent.generation.0 > slot.seen.0.saturating_add(GENERATION_JUMP) {
        return Received::Drop(Dropped::Jump(slot.seen));
    }
    let known = held.intent.as_ref().filter(|k| k.session == intent.session);
    if known.is_some_and(|k| {
        k.generation == intent.generation && intent.answers < k.answers || k.generation > intent.generation && !planted(Bug::IntentOlder)
    }) {
        return Received::Drop(Dropped::OlderAnswer);
    }
    let record = (intent.generation > slot.seen).then(|| Box::new(Slot { seen: intent.generation, ..slot.clone() }));
    Received::Take { record }
}
