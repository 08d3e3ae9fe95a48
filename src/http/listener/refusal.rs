//! How a connection is refused before anything of it was read: a bare 503, without request id and without a line in
//! the audit log, as no request was received.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::connection::drain;

/// The whole answer. It is an error of the server's own making, so it has no face whose shape it could take.
const ANSWER: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 70\r\n\
    Retry-After: 1\r\n\
    Connection: close\r\n\
    \r\n\
    Too many connections from this address: close some, then try it again\n";

/// How long a refused client may take to accept its answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// Refusals under way. A client that reads slowly must not make them a new way to exhaust the server: past
/// [`Desk::AT_ONCE`] connections are closed without a word.
#[derive(Clone)]
pub(super) struct Desk {
    places: Arc<Semaphore>,
}

impl Default for Desk {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(Self::AT_ONCE)) }
    }
}

impl Desk {
    const AT_ONCE: usize = 64;

    /// Tells the client to come back later, in a task of its own, and closes the connection.
    pub(super) fn refuse(&self, mut stream: TcpStream) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return };
        tokio::spawn(async move {
            let _place = place;
            let told = async {
                stream.write_all(ANSWER).await?;
                stream.shutdown().await
            };
            if let Ok(Ok(())) = tokio::time::timeout(PATIENCE, told).await {
                drain(&mut stream).await;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bare_refusal_states_its_true_length() {
        let text = std::str::from_utf8(ANSWER).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "the body has {} bytes", body.len());
    }
}
