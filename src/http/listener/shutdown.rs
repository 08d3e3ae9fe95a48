//! The word that the server stops, said once and heard by every connection. What stops in which order is decided in
//! `cli/serve`.

use tokio::sync::watch;

/// Says that the server stops. Dropping it says so too: whoever could have said it is gone.
#[derive(Debug)]
pub struct ShutdownHandle {
    sender: watch::Sender<bool>,
}

impl ShutdownHandle {
    /// Begins the shutdown. Calling it again changes nothing.
    pub fn begin(&self) {
        self.sender.send_replace(true);
    }
}

/// Hears that the server stops. Clones hear the same word.
#[derive(Debug, Clone)]
pub struct Shutdown {
    receiver: watch::Receiver<bool>,
}

impl Shutdown {
    /// A shutdown that has not begun, and the handle that begins it.
    pub fn new() -> (ShutdownHandle, Self) {
        let (sender, receiver) = watch::channel(false);
        (ShutdownHandle { sender }, Self { receiver })
    }

    /// Whether the shutdown has begun.
    pub fn has_begun(&self) -> bool {
        *self.receiver.borrow()
    }

    /// Returns when the shutdown has begun, at once if it did before.
    pub async fn begun(&mut self) {
        // An error means that the handle is gone, which is the same word.
        let _ = self.receiver.wait_for(|begun| *begun).await;
    }
}
