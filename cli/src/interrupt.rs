//! Ctrl-C and its kin as a level that async code can wait for.

use std::io;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tokio::sync::watch;

/// Becomes true when somebody wants this program to end.
#[derive(Clone, Debug)]
pub struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// Takes SIGINT, SIGTERM and SIGHUP over for the rest of this process's life.
    pub fn listen() -> io::Result<Self> {
        let (sender, receiver) = watch::channel(false);
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for _ in signals.forever() {
                sender.send_replace(true);
            }
        })?;
        Ok(Self(receiver))
    }

    /// True from the first signal on.
    pub fn came(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns when it has come.
    pub async fn wait(&self) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|came| *came).await.is_err() {
            // The thread that hears signals has gone: none can come any more.
            std::future::pending::<()>().await;
        }
    }
}
