//! The one place of the agent that reads clocks: CLOCK_BOOTTIME decides, wall time is for display.

use nix::time::{ClockId, clock_gettime};
use pilotage_shared::ids::BootId;
use pilotage_shared::time::Uptime;

/// Milliseconds since boot, suspend included.
pub fn uptime() -> Uptime {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(0, |t| t.tv_sec() as u64 * 1000 + t.tv_nsec() as u64 / 1_000_000);
    Uptime(now)
}

/// The kernel's boot id.
pub fn boot() -> BootId {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: Vec<u8> = text.bytes().filter_map(|b| char::from(b).to_digit(16).map(|d| d as u8)).collect();
    let mut id = [0; 16];
    for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair[0] * 16 + pair[1];
    }
    BootId(id)
}
