//! The table of faults by phases of a host, short enough for a terminal.

use std::fmt;

use super::{Coverage, Fault, HostPhase, Strikes, except};

/// One line for each fault that strikes hosts, one column for each phase.
pub fn write(coverage: &Coverage, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "pairs    a fault while a host is … (- cannot be, 0! was never met)")?;
    write!(f, "{:<20}", "")?;
    for phase in HostPhase::ALL {
        write!(f, " {:>5}", short(phase.name()))?;
    }
    writeln!(f)?;
    for fault in Fault::ALL.iter().filter(|fault| fault.strikes() != Strikes::Nobody) {
        write!(f, "{:<20}", fault.name())?;
        for phase in HostPhase::ALL {
            let cell = match (coverage.struck(*phase, *fault), except::pair(*phase, *fault)) {
                (0, Some(_)) => "-".to_owned(),
                (0, None) => "0!".to_owned(),
                (n, _) => few_letters(n),
            };
            write!(f, " {cell:>5}")?;
        }
        writeln!(f)?;
    }
    Ok(())
}

/// `BackStopping` as `BStop`.
fn short(name: &str) -> String {
    match name.strip_prefix("Back") {
        Some(rest) => format!("B{}", rest.chars().take(4).collect::<String>()),
        None => name.chars().take(5).collect(),
    }
}

/// `12345` as `12k`.
fn few_letters(n: u64) -> String {
    match n {
        0..10_000 => n.to_string(),
        10_000..1_000_000 => format!("{}k", n / 1000),
        _ => format!("{}M", n / 1_000_000),
    }
}
