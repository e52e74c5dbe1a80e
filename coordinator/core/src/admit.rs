//! What may come in, and what it changes. Every function here only reads the world.

pub(crate) mod config;
mod deploy;
mod fleet;
mod host;
mod operator;
mod package;
mod recovery;
mod session;
mod status;

use pilotage_shared::limits::{IDEMPOTENCY_KEYS, IDEMPOTENCY_MS};
use pilotage_shared::name::Why;
use pilotage_shared::planted::{Bug, planted};
use pilotage_shared::time::Time;

use crate::allowed::{action, allowed};
use crate::answer::Answer;
use crate::change::Change;
use crate::input::{Idempotency, Input, Request};
use crate::rejected::Rejected;
use crate::world::{IdempotencyKey, Note, Remembered, World};

/// What an admitted input changes (one unit), and what its sender is told once that is on disk (R1).
#[derive(Clone, Debug, PartialEq)]
pub struct Admitted {
    /// In order.
    pub changes: Vec<Change>,
    /// For the sender.
    pub answer: Answer,
}

impl Admitted {
    fn new(changes: Vec<Change>, answer: Answer) -> Result<Self, Rejected> {
        Ok(Self { changes, answer })
    }
}

/// Admits or refuses one input. O(log hosts), but for fleets, labels and packages' deletion: O(hosts).
pub fn admit(world: &World, input: &Input, now: Time) -> Result<Admitted, Rejected> {
    allowed(&input.by, &action(input))?;
    if world.epoch.is_none() && !matches!(input.request, Request::Start { .. }) {
        return Err(Rejected::NotStarted);
    }
    if let Some(remembered) = remembered(world, input)?.filter(|_| !planted(Bug::AskedTwice)) {
        return Admitted::new(Vec::new(), remembered);
    }
    let note = Note { by: input.by.clone(), reason: input.reason.clone(), at: now };
    let mut admitted = match &input.request {
        Request::Start { epoch } => Admitted::new(vec![Change::Started { epoch: *epoch, at: now }], Answer::Done),
        Request::PutPackage { digest, app, version, files, bytes } => package::put(world, note, *digest, app, version, (*files, *bytes)),
        Request::DeletePackage { digest } => package::delete(world, digest),
        Request::ReleasePackage { digest } => package::release(world, note, digest),
        Request::BlockPackage { digest } => package::block(world, digest, true),
        Request::UnblockPackage { digest } => package::block(world, digest, false),
        Request::PutConfiguration { fleet, digest, numbers, deploy } => config::put(world, note, fleet, *digest, *numbers, *deploy),
        Request::DeleteConfiguration { app, number } => config::delete(world, app, *number),
        Request::ReleaseConfiguration { app, number } => config::release(world, app, *number),
        Request::PutFleet { spec } => fleet::put(world, note, spec),
        Request::DeleteFleet { fleet } => fleet::delete(world, fleet),
        Request::AddHost { host, labels, token } => host::add(world, note, host, labels, *token),
        Request::LabelHost { host, labels } => host::label(world, host, labels),
        Request::CordonHost { host } => host::cordon(world, host, Some(note)),
        Request::UncordonHost { host } => host::cordon(world, host, None),
        Request::MaintainHost { host, on } => host::maintain(world, host, *on),
        Request::RetireHost { host } => host::retire(world, host),
        Request::RetryHost { host } => host::retry(world, host, now),
        Request::Deploy { fleet, what, file_exists } => deploy::deploy(world, note, fleet, (what, *file_exists)),
        Request::Pause { id } => operator::pause(world, note, id),
        Request::Resume { fleet } => operator::resume(world, fleet),
        Request::Cancel { id } => operator::cancel(world, note, id),
        Request::Rollback { id } => operator::rollback(world, note, id),
        Request::Recover { keep_backup, go_on } => recovery::recover(world, note, *keep_backup, *go_on),
        Request::Hello { hello } => session::hello(world, &input.by, hello, now),
        Request::Status { status } => status::status(world, &input.by, status, now),
        Request::Heartbeat { heartbeat } => session::heartbeat(world, &input.by, heartbeat, now),
        Request::Gone { session } => session::gone(&input.by, *session),
    }?;
    if let Some(idempotency) = &input.idempotency {
        remember(world, input, idempotency, now, &mut admitted);
    }
    Ok(admitted)
}

/// The answer to the same request made before; another request under the key is refused.
fn remembered(world: &World, input: &Input) -> Result<Option<Answer>, Rejected> {
    let Some(idempotency) = &input.idempotency else { return Ok(None) };
    let key = IdempotencyKey { by: input.by.clone(), key: idempotency.key.clone() };
    match world.remembered.get(&key) {
        None => Ok(None),
        Some(found) if found.request == idempotency.request => Ok(Some(found.answer.clone())),
        Some(_) => Err(Rejected::KeyReused(idempotency.key.clone())),
    }
}

/// In the same unit as the effect. Old answers go two at a time, so that a unit stays small and the set bounded.
fn remember(world: &World, input: &Input, idempotency: &Idempotency, now: Time, admitted: &mut Admitted) {
    let expired = |at: Time| now.0.saturating_sub(at.0) > IDEMPOTENCY_MS;
    let old = world.remembered_at.iter().take(2).filter(|(at, _)| expired(*at));
    admitted.changes.extend(old.map(|(_, key)| Change::Forgotten { key: key.clone() }));
    let first = IdempotencyKey { by: input.by.clone(), key: Why::default() };
    let mut mine = world.remembered.range(first..).take_while(|(k, _)| k.by == input.by).take(IDEMPOTENCY_KEYS);
    if let Some((oldest, _)) =
        mine.nth(IDEMPOTENCY_KEYS - 1).and_then(|_| world.remembered_at.iter().find(|(_, k)| k.by == input.by).map(|(at, k)| (k, at)))
    {
        admitted.changes.push(Change::Forgotten { key: oldest.clone() });
    }
    let key = IdempotencyKey { by: input.by.clone(), key: idempotency.key.clone() };
    let remembered = Remembered { request: idempotency.request, answer: admitted.answer.clone(), at: now };
    admitted.changes.push(Change::Remembered { key, remembered });
}
