//! Keys that came over a connection on which others could read along: each is written down, so that whoever reads the
//! audit log knows what to revoke. Deliberately not here: revoking it, which is its organisation's to decide.

use std::net::IpAddr;

use serde_json::json;

use super::app::App;
use crate::domain::audit::{Entry, Event};
use crate::domain::id::RequestId;
use crate::domain::key_text::KeyText;
use crate::domain::time::Timestamp;

/// The kind of the event.
pub const KEY_SENT_IN_CLEAR: &str = "key_sent_in_clear";

impl App {
    /// Writes down that a key was sent in the clear: its prefix, and its row and organisation when the secret matches,
    /// however the key stands by now. The sender is told nothing of that.
    pub fn note_key_in_clear(&self, text: &KeyText, request: RequestId, address: IpAddr, at: Timestamp) {
        let Some(appender) = self.store.appender() else { return };
        let owner = self.owner_of_key(text).unwrap_or_else(|error| {
            tracing::error!(?error, "a key that was sent in the clear could not be looked up");
            None
        });
        let key = owner.as_ref().and_then(|owner| owner.key()).map(|key| key.id.prefixed());
        let prefix = text.prefix();
        tracing::warn!(prefix, %address, known = key.is_some(), "an API key was sent in the clear: revoke or rotate it");
        appender.append_unwatched(Entry::Event(Event {
            at_ms: at.millis(),
            org: owner.map(|owner| owner.holder.org.raw()),
            kind: KEY_SENT_IN_CLEAR.into(),
            actor: address.to_string(),
            detail: json!({"object": prefix, "key": key, "request_id": request.to_string()}).to_string(),
            digest: None,
        }));
    }
}
