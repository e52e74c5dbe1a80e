//! A reboot that a script has asked for (exit 194). The deployer is ended by it; after the next boot the agent starts another
//! on the same run, which goes on behind that script.

use std::thread;
use std::time::{Duration, Instant};

use pilotage_agent_core::run::HostOffers;
use pilotage_shared::name::Why;

use crate::service::systemctl;

/// A host that is still up then will not go down any more.
const PATIENCE: Duration = Duration::from_secs(600);

/// Why this host is not rebooted for a package.
pub fn refused(offers: &HostOffers) -> Option<Why> {
    (!offers.reboot).then(|| Why::lossy("this host does not allow it: reboot = \"allowed\" in its agent's file, and an agent under systemd, would"))
}

/// Asks for it, and waits to be ended. Returns only when nothing came of it: why.
pub fn reboot() -> Why {
    if let Err(why) = systemctl(&["reboot"], Duration::from_secs(60)) {
        return Why::lossy(&why);
    }
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        thread::sleep(until - Instant::now());
    }
    Why::lossy(&format!("the host did not go down within {} minutes", PATIENCE.as_secs() / 60))
}
