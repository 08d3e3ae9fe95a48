//! Calls that end with their client, because nobody else wants what they make.

use crate::http::listener::Departure;

/// Ends the task of a call when its client leaves. Its row is written by what it drops; a task that has ended is not
/// touched.
pub(super) struct Leaving(pub(super) tokio::task::AbortHandle);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Returns when the client of a call that ends with it has left; never for other calls.
pub(super) async fn leaving(departure: &Departure, ends_with_client: bool) {
    if ends_with_client {
        departure.left().await;
    } else {
        std::future::pending::<()>().await;
    }
}
