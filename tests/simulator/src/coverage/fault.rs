//! What can go wrong in the simulated world.

/// One list of all faults: those that have a moment of their own, and behind them those that have none, as an enum in the enum.
macro_rules! faults {
    ($(#[$outer:meta])* $name:ident {
        $($(#[$meta:meta])* $variant:ident),* $(,)? ;
        $(#[$of:meta])* $inner:ident { $($(#[$within:meta])* $inborn:ident),* $(,)? }
    }) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$meta])* $variant,)* $(#[$of])* $inner($inner) }

        $(#[$of])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $inner { $($(#[$within])* $inborn),* }

        impl $name {
            /// All of them.
            pub const ALL: &'static [$name] = &[$($name::$variant,)* $($name::$inner($inner::$inborn)),*];

            /// Its name.
            pub fn name(self) -> &'static str {
                match self {
                    $($name::$variant => stringify!($variant),)*
                    $($name::$inner($inner::$inborn) => stringify!($inborn)),*
                }
            }
        }
    };
}

faults! {
    /// A misfortune.
    Fault {
        /// The agent's process.
        AgentDied,
        /// The agent's process stands still, as on a machine that swaps.
        AgentStalled,
        /// The agent dies between the ledger's write and the run directory.
        DiedInBegin,
        /// The deployer's process.
        DeployerDied,
        /// Off, and on again.
        PowerLost,
        /// A new disk under the old name.
        Reimaged,
        /// The agent's state directory is gone.
        LedgerLost,
        /// The machine is as it was at an earlier time.
        SetBack,
        /// A second machine under the same identity.
        Cloned,
        /// The machine's wall clock jumps.
        ClockJumped,
        /// No room to begin.
        DiskFull,
        /// A package is not fetched.
        FetchFailed,
        /// The application's process.
        ApplicationDied,
        /// A dependency of the application is away.
        Starved,
        /// A person at the host says: stay.
        Pinned,
        /// A person at the host goes back.
        WentBack,
        /// Both ways.
        CutBoth,
        /// It is not heard.
        CutUp,
        /// It hears nothing.
        CutDown,
        /// One frame.
        FrameLost,
        /// One frame, much later than the others.
        FrameLate,
        /// One frame, twice.
        FrameRepeated,
        /// The coordinator's process.
        CoordinatorDied,
        /// It dies before a commit.
        DiedBeforeCommit,
        /// A commit fails, and with it the process.
        CommitFailed,
        /// It dies in a commit: a part of it is on the disk.
        CommitTorn,
        /// It dies after a commit, before anybody is told.
        DiedBeforeAnswer,
        /// An old copy of the store, with a person's word.
        Restored,
        /// An old copy of the store, by hand.
        CopiedBack,
        /// One made of a copy takes over, the first lives on.
        SecondCoordinator,
        /// The other one answers.
        CoordinatorsSwapped,
        ;
        /// It belongs to a package, a hook, or a machine from the beginning.
        Inborn {
            /// A hook says that it has failed.
            HookFailed,
            /// A hook does not end by itself.
            HookHung,
            /// A hook fails by turns.
            HookFlapped,
            /// A hook says that it is done, and has done nothing.
            HookLied,
            /// The application ends by itself.
            DiedLater,
            /// An application serves before Pilotage knows of it.
            ServedBefore,
            /// The machine's clock goes too fast.
            ClockFast,
            /// The machine's clock goes too slowly.
            ClockSlow,
            /// A host says anything.
            HostLied,
            /// The coordinator asks for anything.
            CoordinatorLied,
            /// A host comes back with a world of long ago.
            LongAway,
        }
    }
}

/// Whom a fault strikes at its moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strikes {
    /// One host.
    Host,
    /// Every host, by way of the coordinator.
    Everybody,
    /// Nobody at a moment of its own: it belongs to a package, a hook, or a machine from the beginning.
    Nobody,
}

impl Fault {
    /// Whom it strikes.
    pub fn strikes(self) -> Strikes {
        match self {
            Fault::AgentDied
            | Fault::AgentStalled
            | Fault::DiedInBegin
            | Fault::DeployerDied
            | Fault::PowerLost
            | Fault::Reimaged
            | Fault::LedgerLost
            | Fault::SetBack
            | Fault::Cloned
            | Fault::ClockJumped
            | Fault::DiskFull
            | Fault::FetchFailed
            | Fault::ApplicationDied
            | Fault::Starved
            | Fault::Pinned
            | Fault::WentBack
            | Fault::CutBoth
            | Fault::CutUp
            | Fault::CutDown
            | Fault::FrameLost
            | Fault::FrameLate
            | Fault::FrameRepeated => Strikes::Host,
            Fault::CoordinatorDied
            | Fault::DiedBeforeCommit
            | Fault::CommitFailed
            | Fault::CommitTorn
            | Fault::DiedBeforeAnswer
            | Fault::Restored
            | Fault::CopiedBack
            | Fault::SecondCoordinator
            | Fault::CoordinatorsSwapped => Strikes::Everybody,
            Fault::Inborn(_) => Strikes::Nobody,
        }
    }
}
