//! The host's clocks: CLOCK_BOOTTIME with the boot's id for decisions, wall time for display.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::tz::TimeZone;
use nix::time::{ClockId, clock_gettime};
use pilotage_shared::ids::BootId;
use pilotage_shared::time::Uptime;

/// Why the clocks could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ClockError {
    /// CLOCK_BOOTTIME.
    #[error("failed to read the time since boot")]
    Uptime(#[source] nix::Error),
    /// `/proc/sys/kernel/random/boot_id`.
    #[error("failed to read the boot id")]
    Boot(#[source] std::io::Error),
    /// It is not a UUID.
    #[error("failed to understand the boot id {0:?}")]
    Form(String),
}

/// Milliseconds since boot, suspended time included.
pub fn uptime() -> Result<Uptime, ClockError> {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).map_err(ClockError::Uptime)?;
    Ok(Uptime(now.tv_sec() as u64 * 1000 + now.tv_nsec() as u64 / 1_000_000))
}

/// The kernel's boot id.
pub fn boot() -> Result<BootId, ClockError> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").map_err(ClockError::Boot)?;
    let hex: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let digit = |c: u8| (c as char).to_digit(16).unwrap_or(0) as u8;
    let bytes: Vec<u8> = hex.chunks_exact(2).map(|pair| digit(pair[0]) * 16 + digit(pair[1])).collect();
    bytes.try_into().map(BootId).map_err(|_| ClockError::Form(text.chars().take(80).collect()))
}

/// This host's time zone; for display. To find the name of `/etc/localtime`, for which we have no use, the library would walk the whole
/// database of zones for it, in each hook's supervisor. Who sets TZ for the agent means its logs, as ever.
pub fn zone() -> TimeZone {
    let local = || TimeZone::tzif("local", &fs::read("/etc/localtime").ok()?).ok();
    if std::env::var_os("TZ").is_some() { TimeZone::system() } else { local().unwrap_or_else(TimeZone::system) }
}

/// Milliseconds since 1970; for display.
pub fn wall() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}
