//! Calls that end with their client, because nobody else wants what they make.

use crate::http::listener::Departure;

/// Returns when the client of a call that ends with it has left; never for other calls.
pub(super) async fn leaving(departure: &Departure, ends_with_client: bool) {
    if ends_with_client {
        departure.left().await;
    } else {
        std::future::pending::<()>().await;
    }
}
