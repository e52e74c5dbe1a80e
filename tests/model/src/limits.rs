//! How big a world is, and what may happen in it: every number and every kind multiplies the states.

use std::fmt;

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
    /// After a start of the coordinator the time passes in which it waits for who was not heard yet (R16).
    Unheard,
}

const FAULTS: usize = Fault::Unheard as usize + 1;

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

const WISHES: usize = Wish::Retire as usize + 1;

/// A world.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Hosts; they alternate between two zones.
    pub hosts: usize,
    /// Of the fleet.
    pub floor: Amount,
    /// Of each zone.
    pub zone_floor: Option<Amount>,
    /// At most so many in change at once.
    pub batch: Option<u32>,
    /// Frames that are late at once, each for as long as it may be; all others arrive when they are sent, before or after them.
    pub late: usize,
    /// Health checks take time: whoever was started must prove itself before it counts, who is stopped passes them for a while, and an
    /// agent that begins anew knows nothing of its application.
    pub settling: bool,
    /// The old copy of the store is of the coordinator's life before, which has just ended; otherwise it is of any moment.
    pub first_copy: bool,
    /// Faults, together.
    pub faults: u8,
    /// Of these kinds, and of each so many.
    pub kinds: &'static [(Fault, u8)],
    /// Requests of a person, together.
    pub requests: u8,
    /// Of these kinds, and of each so many.
    pub wishes: &'static [(Wish, u8)],
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} hosts, floor {}", self.hosts, self.floor)?;
        if let Some(floor) = self.zone_floor {
            write!(f, ", of each zone {floor}")?;
        }
        if let Some(batch) = self.batch {
            write!(f, ", batch {batch}")?;
        }
        if self.settling {
            write!(f, ", health checks take time")?;
        }
        write!(f, "; {} late", self.late)?;
        some(f, self.faults, self.kinds)?;
        some(f, self.requests, self.wishes)?;
        if self.first_copy { write!(f, "; copy of the life before") } else { Ok(()) }
    }
}

/// As `2 of Death ×2 Fail`.
fn some<T: fmt::Debug>(f: &mut fmt::Formatter<'_>, together: u8, kinds: &[(T, u8)]) -> fmt::Result {
    if together == 0 {
        return Ok(());
    }
    write!(f, "; {together} of")?;
    kinds.iter().try_for_each(|(kind, n)| if *n == 1 { write!(f, " {kind:?}") } else { write!(f, " {kind:?} ×{n}") })
}

impl Limits {
    /// May this be asked here?
    pub fn asks(&self, wish: Wish) -> bool {
        self.wishes.iter().any(|(asked, _)| *asked == wish)
    }

    /// All of it, before anything has happened.
    pub fn budget(&self) -> Budget {
        let mut budget = Budget { faults: self.faults, requests: self.requests, ..Budget::default() };
        self.kinds.iter().for_each(|(fault, n)| budget.kinds[*fault as usize] = *n);
        self.wishes.iter().for_each(|(wish, n)| budget.wishes[*wish as usize] = *n);
        budget
    }
}

/// How much more may go wrong and be asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Budget {
    faults: u8,
    kinds: [u8; FAULTS],
    requests: u8,
    wishes: [u8; WISHES],
}

impl Budget {
    /// May this go wrong now?
    pub fn has(&self, fault: Fault) -> bool {
        self.faults > 0 && self.kinds[fault as usize] > 0
    }

    /// May this be asked now?
    pub fn asks(&self, wish: Wish) -> bool {
        self.requests > 0 && self.wishes[wish as usize] > 0
    }

    /// It went wrong. None: that was too much.
    pub fn spend(&mut self, fault: Fault) -> Option<()> {
        self.has(fault).then_some(())?;
        self.faults -= 1;
        self.kinds[fault as usize] -= 1;
        self.forget();
        Some(())
    }

    /// It was asked for.
    pub fn spend_wish(&mut self, wish: Wish) -> Option<()> {
        self.asks(wish).then_some(())?;
        self.requests -= 1;
        self.wishes[wish as usize] -= 1;
        self.forget();
        Some(())
    }

    /// What is left of each kind when nothing is left of all tells states apart that are the same.
    fn forget(&mut self) {
        if self.faults == 0 {
            self.kinds = [0; FAULTS];
        }
        if self.requests == 0 {
            self.wishes = [0; WISHES];
        }
        self.kinds.iter_mut().for_each(|n| *n = (*n).min(self.faults));
        self.wishes.iter_mut().for_each(|n| *n = (*n).min(self.requests));
    }
}
