//! The rules of the protocol, counted where each of them bites: where without it something else would have happened.

use super::listed;

listed! {
    /// A rule, and what is counted of it.
    Rule {
        /// A commit was lost, and nobody had been answered.
        R1,
        /// A coordinator started again, under an epoch of its own.
        R2,
        /// A frame of another session was dropped, on either side.
        R3,
        /// A status that is not newer was dropped.
        R4,
        /// An intent of a generation that was left behind was dropped.
        R5,
        /// A permission was void before it was used.
        R6,
        /// A generation was spent, and its run is carried on, or closed, by another process.
        R7,
        /// A host without a loan was told above its deployment's generation.
        R8,
        /// What answers well is called down, because it was never good for long enough.
        R9,
        /// A host was lent free of the floor, because it was down.
        R10,
        /// A host was lent in a fleet of which members that nobody hears raise the floor.
        R11,
        /// A status without a run has not returned an unused loan.
        R12,
        /// A silent host's loan stays, or a retired host's is dropped.
        R13,
        /// A loan was given in another fleet than the host is in.
        R14,
        /// A loan that is still wanted was withdrawn, because the floor does not hold any more.
        R15,
        /// Nobody is lent to: members have not been heard since the start.
        R16,
        /// The counter rises to what a host has seen, or a loan that its host has outlived is numbered anew.
        R17,
        /// A fleet freezes.
        R18,
        /// What was refused in another deployment is lent again.
        R19,
        /// A first deployment stops, for there is nothing to go back to.
        R20,
        /// Failures turn a deployment.
        R21,
        /// A deployment on its way back ends with hosts that need hands.
        R22,
        /// A package is held because its deployment turned.
        R23,
        /// A host that runs neither is caught up after a deployment was stopped.
        R24,
        /// A deployment succeeds with exceptions that it names.
        R25,
        /// A run without a loan is reported.
        R26,
        /// What is gone is started again by its host.
        R27,
        /// Two machines under one identity, or one that was set back.
        R28,
        /// A permission for a blocked package is given up, or its run turns back.
        R29,
        /// A host gives its permission up, and says why.
        R30,
        /// A loan is replaced while its run is in course.
        R31,
        /// Something is waited for, and named.
        R32,
        /// A host closes the connection to a coordinator that it has left.
        R33,
        /// A restored coordinator waits for a person.
        R34,
    }
}
