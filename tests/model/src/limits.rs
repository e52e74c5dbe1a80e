//! How big a world is, and what may happen in it: every number and every kind multiplies the states.

use pilotage_shared::policy::Amount;

/// What goes wrong. Together they have one budget; that frames are late and overtake each other costs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A frame never arrives.
    Lose,
    /// A frame arrives again, later.
    Repeat,
    /// A session ends in the middle.
    Reconnect,
    /// A session begins of which the host does not know: its welcome is lost.
    Vain,
    /// The agent's process dies and begins anew.
    AgentCrash,
    /// The machine is made anew under its old name.
    Reimage,
    /// The coordinator dies and begins anew.
    CenterCrash,
    /// An old copy of the store is put in its place: by `restore` (it recovers, R34), and by hand (it does not).
    Restore,
    /// The new release fails, and its run goes back.
    Fail,
    /// An application dies, or comes up again, by itself.
    Death,
    /// A host is not heard for three heartbeats, as the coordinator sees it.
    Silence,
}

/// What a person asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wish {
    /// The second version; otherwise the world begins with this asked for.
    Deploy,
    /// To stop.
    Cancel,
    /// To go back.
    Rollback,
    /// The first version: it supersedes.
    Redeploy,
    /// To go on after a freeze.
    Resume,
    /// To go on after a restore, with what runs or with what the backup wants.
    Recover,
    /// A host in the other zone.
    Relabel,
    /// A host out of the fleet, and in it again.
    Leave,
    /// A host retired, and invited again.
    Retire,
}

/// A world.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Hosts; they alternate between two zones.
    pub hosts: usize,
    /// Of the fleet.
    pub floor: Amount,
    /// Of each zone.
    pub zone_floor: Option<Amount>,
    /// Frames under way at once.
    pub frames: usize,
    /// Faults, together.
    pub faults: u8,
    /// Of these kinds.
    pub kinds: &'static [Fault],
    /// Requests of a person.
    pub requests: u8,
    /// Of these kinds.
    pub wishes: &'static [Wish],
}

impl Limits {
    /// May this go wrong here?
    pub fn has(&self, fault: Fault) -> bool {
        self.kinds.contains(&fault)
    }

    /// May this be asked here?
    pub fn asks(&self, wish: Wish) -> bool {
        self.wishes.contains(&wish)
    }
}
