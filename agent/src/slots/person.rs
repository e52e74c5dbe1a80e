//! What a person at this host wishes (`hands`): done at once, or, when it takes long, elsewhere, and looked at again when it is
//! done.

use anyhow::{Context as _, bail};
use pilotage_agent_core::slot::life::Life;
use pilotage_agent_core::slot::{Slot, hands as by_hand};
use pilotage_shared::name::{AppName, Why};
use tokio::sync::oneshot;
use tracing::info;

use super::Agent;
use super::app::App;
use crate::adopt::{self, Adopted};
use crate::clock;
use crate::hands::{Quick, Slow, Wish};

/// Where a person's answer goes.
pub type Reply = oneshot::Sender<Result<String, String>>;
/// A person's wish that takes long.
type Work = Box<dyn FnOnce() -> End + Send>;
/// It is done.
pub type Done = (End, Reply);

/// How a wish that takes long has ended.
pub enum End {
    /// It is a release now.
    Adopted(Adopted),
    /// Well.
    Told(String),
    /// Not.
    Failed(anyhow::Error),
    /// It was pinned for it; before it was pinned so.
    NotReleased {
        /// Which app.
        name: AppName,
        /// As it was pinned before.
        pinned: Option<Why>,
        /// Why not.
        error: anyhow::Error,
    },
}

fn answer(to: Reply, result: anyhow::Result<String>) {
    // Whoever asked may be gone.
    let _ = to.send(result.map_err(|e| format!("{e:#}")));
}

impl Agent {
    /// Does it, or begins to; the answer comes when it is done.
    pub fn asked(&mut self, wish: Wish, to: Reply) {
        let slow = match wish {
            Wish::Quick(wish) => return answer(to, self.wished(wish)),
            Wish::Slow(wish) => wish,
        };
        let work = match slow {
            Slow::Adopt(order) => self.adopting(order),
            Slow::Release(name) => self.releasing(&name),
        };
        match work {
            Err(error) => answer(to, Err(error)),
            Ok(work) => {
                let done = self.done.clone();
                tokio::spawn(async move {
                    let end = tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| End::Failed(anyhow::Error::new(e)));
                    // The loop is gone only when the agent stops.
                    let _ = done.send((end, to)).await;
                });
            }
        }
    }

    /// What takes long is looked at before it begins, and again when it is done.
    fn adopting(&mut self, order: adopt::Order) -> anyhow::Result<Work> {
        let empty = Slot::default();
        let slot = self.apps.get(&order.app).map_or(&empty, |app| &app.slot);
        if slot.running.is_some() || slot.run.is_some() {
            bail!("something is deployed to {} here already: only what is empty can adopt", order.app);
        }
        let layout = self.layout.clone();
        Ok(Box::new(move || adopt::adopt(&layout, &order).map_or_else(End::Failed, End::Adopted)))
    }

    /// Pinned first: nothing may begin while the records are written.
    fn releasing(&mut self, name: &AppName) -> anyhow::Result<Work> {
        let before = self.slot(name)?.clone();
        let (record, running) = by_hand::hand_back(&before, Why::lossy("handed back to CodeDeploy"))?;
        self.write_slot(name, record)?;
        let (layout, name) = (self.layout.clone(), name.clone());
        Ok(Box::new(move || match adopt::hand_back(&layout, &name, &running) {
            Ok(told) => End::Told(told),
            Err(error) => End::NotReleased { name, pinned: before.pinned, error },
        }))
    }

    /// What was done elsewhere.
    pub fn done(&mut self, (end, to): Done) {
        answer(
            to,
            match end {
                End::Adopted(adopted) => self.adopted(adopted),
                End::Told(told) => Ok(told),
                End::Failed(error) => Err(error),
                End::NotReleased { name, pinned, error } => {
                    let unpinned = self.slot(&name).map(|slot| Slot { pinned, ..slot.clone() });
                    match unpinned.and_then(|record| self.write_slot(&name, record)) {
                        Ok(()) => Err(error),
                        Err(also) => Err(error.context(format!("it stays pinned: {also:#}"))),
                    }
                }
            },
        );
    }

    fn adopted(&mut self, Adopted { app: name, release, told }: Adopted) -> anyhow::Result<String> {
        let empty = Slot::default();
        let record = by_hand::adopt(self.apps.get(&name).map_or(&empty, |app| &app.slot), release)?;
        self.write_slot(&name, record)?;
        info!(app = %name, package = %release.package.short(), "adopted");
        Ok(told)
    }

    fn write_slot(&mut self, name: &AppName, record: Slot) -> anyhow::Result<()> {
        self.ledger.write_slot(name, &record)?;
        self.apps.entry(name.clone()).or_insert_with(|| App::new(Slot::default(), Life::default())).slot = record;
        Ok(())
    }

    fn wished(&mut self, wish: Quick) -> anyhow::Result<String> {
        let (name, record, done) = match wish {
            Quick::Status => return Ok(self.said()),
            Quick::Explain => return Ok(self.explained()),
            Quick::Rollback(name, why) => {
                let record = by_hand::rollback(self.slot(&name)?, Why::lossy(&format!("rolled back by hand: {why}")))?;
                (name, record, "goes back to its previous release, and is pinned")
            }
            Quick::Pin(name, why) => {
                let record = by_hand::pin(self.slot(&name)?, why);
                (name, record, "pinned: it stays as it is")
            }
            Quick::Unpin(name) => {
                let record = by_hand::unpin(self.slot(&name)?)?;
                (name, record, "follows the coordinator again")
            }
        };
        self.ledger.write_slot(&name, &record)?;
        let begins = record.run.is_some();
        if let Some(app) = self.apps.get_mut(&name) {
            app.slot = record;
        }
        if begins {
            self.start(&name)?;
        }
        let silent = if self.telling.session().is_none() { "\n! the coordinator is silent: nobody checks the floor for you" } else { "" };
        Ok(format!("{name} {done}{silent}\nnext  pilotage-agent status"))
    }

    fn slot(&self, name: &AppName) -> anyhow::Result<&Slot> {
        self.apps.get(name).map(|a| &a.slot).with_context(|| format!("there is no app {name} on this host"))
    }

    fn explained(&self) -> String {
        let lines: Vec<String> = self
            .apps
            .iter()
            .map(|(name, app)| {
                let why = app.idle_because.as_ref().map_or("it is being worked on", |why| why.as_str());
                let declines = app.slot.declines.as_ref().map_or_else(String::new, |why| format!("; it declines: {why}"));
                format!("{name}  {why}{declines}")
            })
            .collect();
        let session = if self.telling.session().is_some() { "" } else { "\nno coordinator is heard: nothing new is begun, what runs goes on" };
        if lines.is_empty() { format!("nothing was ever wanted here{session}") } else { lines.join("\n") + session }
    }

    fn said(&mut self) -> String {
        let now = clock::uptime();
        let mut text = format!("{} · {}", self.config.host, if self.telling.session().is_some() { "in a session" } else { "no coordinator" });
        for (name, app) in &mut self.apps {
            text.push_str(&format!("\n{name}  {}", app.said(&self.layout, name, now)));
        }
        text
    }
}
