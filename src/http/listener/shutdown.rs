//! The word that the server stops, said once and heard by every connection. What stops in which order is decided in
//! `cli/serve`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

/// Says that the server stops. Dropping it says so too: nobody else could.
#[derive(Debug)]
pub struct ShutdownHandle {
    said: Arc<AtomicBool>,
    sender: watch::Sender<()>,
}

impl ShutdownHandle {
    /// Begins the shutdown. Calling it again changes nothing.
    pub fn begin(&self) {
        self.said.store(true, Ordering::Release);
        self.sender.send_replace(());
    }
}

impl Drop for ShutdownHandle {
    fn drop(&mut self) {
        self.begin();
    }
}

/// Hears that the server stops. Clones hear the same word.
#[derive(Debug, Clone)]
pub struct Shutdown {
    /// The word itself, apart from the channel that wakes: every connection looks at it each time it is polled, and
    /// looking into the channel takes locks that all connections share.
    said: Arc<AtomicBool>,
    receiver: watch::Receiver<()>,
}

impl Shutdown {
    /// A shutdown that has not begun, and the handle that begins it.
    pub fn new() -> (ShutdownHandle, Self) {
        let said = Arc::new(AtomicBool::new(false));
        let (sender, receiver) = watch::channel(());
        (ShutdownHandle { said: Arc::clone(&said), sender }, Self { said, receiver })
    }

    /// Whether the shutdown has begun.
    pub fn has_begun(&self) -> bool {
        self.said.load(Ordering::Acquire)
    }

    /// Returns when the shutdown has begun, at once if it did before.
    pub async fn begun(&mut self) {
        let Self { said, receiver } = self;
        // An error means that the handle is gone, which is the same word.
        let _ = receiver.wait_for(|()| said.load(Ordering::Acquire)).await;
    }
}
