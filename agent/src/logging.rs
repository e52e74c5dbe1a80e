//! What is logged, and in which form.

use anyhow::Context as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Logs to stderr: text on a terminal, JSON elsewhere.
pub fn start(level: &str) -> anyhow::Result<()> {
    let targets = targets(level)?;
    let registry = tracing_subscriber::registry().with(targets);
    if std::io::IsTerminal::is_terminal(&std::io::stderr()) {
        registry.with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr)).init();
    } else {
        registry.with(tracing_subscriber::fmt::layer().json().with_writer(std::io::stderr)).init();
    }
    Ok(())
}

/// What is named wins over what we know to be noise.
fn targets(text: &str) -> anyhow::Result<Targets> {
    let wanted: Targets = text.parse().with_context(|| format!("--log {text}: expected LEVEL[,target=LEVEL] of error, warn, info, debug"))?;
    let level = wanted.default_level().with_context(|| format!("--log {text}: no level for everything else"))?;
    let quiet = Targets::new().with_default(level).with_target("sled", tracing::Level::WARN).with_target("h2", tracing::Level::WARN);
    Ok(quiet.with_targets(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_levels_are_by_target() {
        for good in ["info", "debug,pilotage_agent::link=warn"] {
            assert!(targets(good).is_ok(), "{good}");
        }
        for bad in ["loud", "sled=debug"] {
            assert!(targets(bad).is_err(), "{bad}");
        }
        assert!(!targets("debug").unwrap().would_enable("sled", &tracing::Level::INFO));
        assert!(targets("info,sled=debug").unwrap().would_enable("sled", &tracing::Level::DEBUG));
    }
}
