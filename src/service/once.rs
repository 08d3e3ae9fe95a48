//! Requests that happen once however often they are sent: those with an `Idempotency-Key` (`ARCHITECTURE.md`,
//! decision 13).
//!
//! Two places tell whether a request came before. Requests that are being served stand in memory, where a crash leaves
//! nothing behind. What a request did stands in `claribi.db`, written by the transaction of its effect: the answer
//! itself, which a use case has its caller [`Caller::answer`] in that transaction; or, for work that goes on in a child,
//! the run or source that it began. Whoever comes back while only that is known goes on with it instead of beginning
//! again, and its end is the answer.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::OnceLock;

use parking_lot::Mutex;

use super::app::App;
use super::caller::{Caller, Identity, Who};
use crate::domain::error::{Error, Result};
use crate::domain::time::Timestamp;
use crate::store::Tx;
use crate::store::main::idempotency::{self, Earlier, Outcome};
pub use crate::store::main::idempotency::{Claim, Effect, Fingerprint, StoredAnswer};

/// Bytes of an answer beyond which it is not kept where what was begun is: the answer of a source tells all its columns.
const LARGEST: usize = 64 << 10;

/// What a use case is answered with, as far as it can be given again.
pub trait Answer: Send + 'static {
    /// What is kept; `None` for what is never asked for again.
    ///
    /// # Errors
    /// When it cannot be written down.
    fn stored(&self) -> Result<Option<StoredAnswer>>;
}

/// The thing itself, for those who ask once: commands, and work in the background.
#[derive(Debug)]
pub struct Plain<T>(pub T);

impl<T: Send + 'static> Answer for Plain<T> {
    fn stored(&self) -> Result<Option<StoredAnswer>> {
        Ok(None)
    }
}

/// The claims that are being served, with what they ask for where that is known already.
#[derive(Default)]
pub struct InFlight(Mutex<HashMap<Claim, Option<Fingerprint>>>);

/// A place among them, given up when it is dropped.
pub struct Held {
    app: App,
    claim: Claim,
}

/// A request with an Idempotency-Key.
#[derive(Debug)]
pub struct Once {
    claim: Claim,
    fingerprint: OnceLock<Fingerprint>,
    earlier: Option<Earlier>,
}

impl App {
    /// Begins to serve a request with an Idempotency-Key; until the place is given up, no other with its claim is
    /// served. The fingerprint of an upload is told later, by [`Once::identify`].
    ///
    /// # Errors
    /// `IdempotencyMismatch` when the key came with another request, before `RequestInProgress` when that is still
    /// being served.
    pub fn once(
        &self,
        caller: &Caller,
        path: &str,
        key: String,
        fingerprint: Option<Fingerprint>,
    ) -> Result<(Held, Once)> {
        let owner = caller.identity().repeats_as().ok_or(Error::CredentialsMissing)?;
        let claim = Claim { org: caller.org(), owner, path: path.to_owned(), key };
        match self.in_flight.0.lock().entry(claim.clone()) {
            Entry::Vacant(free) => free.insert(fingerprint),
            Entry::Occupied(held) => {
                return Err(match held.get().zip(fingerprint) {
                    Some((other, own)) if other != own => Error::IdempotencyMismatch,
                    _ => Error::RequestInProgress,
                });
            }
        };
        let held = Held { app: self.clone(), claim: claim.clone() };
        // Only now: whoever had the place before has committed.
        let since = self.kept_since(caller.at);
        let earlier = self.store.read_now(|db| Ok(idempotency::find(db, &claim, since)?))?;
        let once = Once { claim, fingerprint: OnceLock::new(), earlier };
        if let Some(fingerprint) = fingerprint {
            once.identify(fingerprint)?;
        }
        Ok((held, once))
    }

    /// Keeps the answer to work that ended, or goes on, without its caller.
    ///
    /// # Errors
    /// When it cannot be kept. The work is done, and who asks again is given its answer.
    pub async fn answer<A: Answer>(&self, caller: &Caller, answer: A) -> Result<A> {
        if caller.once().is_none() {
            return Ok(answer);
        }
        let writer = caller.clone();
        self.store.write(move |tx| writer.answer(tx, answer)).await
    }

    /// Removes answers that are older than they are kept; gives how many.
    pub async fn forget_answers(&self) -> Result<usize> {
        let before = self.kept_since(self.clock.now());
        self.store.write(move |tx| Ok(idempotency::purge(tx, before)?)).await
    }

    fn kept_since(&self, now: Timestamp) -> Timestamp {
        now.minus(self.settings.idempotency_ttl)
    }
}

impl Once {
    /// Tells what the request asks for, once.
    ///
    /// # Errors
    /// `IdempotencyMismatch` when the key came with another request.
    pub fn identify(&self, fingerprint: Fingerprint) -> Result<()> {
        let _ = self.fingerprint.set(fingerprint);
        match &self.earlier {
            Some(earlier) if earlier.fingerprint != fingerprint => Err(Error::IdempotencyMismatch),
            _ => Ok(()),
        }
    }

    /// The answer that an earlier request had.
    pub fn answered(&self) -> Option<&StoredAnswer> {
        match &self.earlier.as_ref()?.outcome {
            Outcome::Answered(stored) => Some(stored),
            Outcome::Begun(_) => None,
        }
    }

    /// Whether what the request began is known: who asks again is then told of that, as it is by then.
    fn has_begun(&self, tx: &Tx<'_>) -> Result<bool> {
        let kept = idempotency::find(tx, &self.claim, Timestamp::from_seconds(0))?;
        Ok(kept.is_some_and(|kept| matches!(kept.outcome, Outcome::Begun(_))))
    }

    fn put(&self, tx: &Tx<'_>, outcome: Outcome, now: Timestamp) -> Result<()> {
        let fingerprint =
            self.fingerprint.get().ok_or_else(|| Error::internal("an effect before its request was read"))?;
        Ok(idempotency::put(tx, &self.claim, &Earlier { fingerprint: *fingerprint, outcome }, now)?)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.app.in_flight.0.lock().remove(&self.claim);
    }
}

impl Caller {
    /// Keeps the answer in the transaction of its effect, where the request may come again.
    pub fn answer<A: Answer>(&self, tx: &Tx<'_>, answer: A) -> Result<A> {
        if let Some(once) = self.once()
            && let Some(stored) = answer.stored()?
            && (stored.body.len() <= LARGEST || !once.has_begun(tx)?)
        {
            once.put(tx, Outcome::Answered(stored), self.at)?;
        }
        Ok(answer)
    }

    /// Notes work that goes on without the caller in the transaction that begins it.
    pub(super) fn begin(&self, tx: &Tx<'_>, effect: Effect) -> Result<()> {
        self.once().map_or(Ok(()), |once| once.put(tx, Outcome::Begun(effect), self.at))
    }

    /// The work that an earlier request began and was not answered for.
    pub(super) fn begun(&self) -> Option<Effect> {
        match self.once()?.earlier.as_ref()?.outcome {
            Outcome::Begun(effect) => Some(effect),
            Outcome::Answered(_) => None,
        }
    }
}

impl Identity {
    /// Whose requests are the same: those of a key and of its successors, or those of a person, whatever the session.
    fn repeats_as(&self) -> Option<i64> {
        match &self.who {
            Who::Key(key) => Some(key.lineage),
            Who::Session(_) => Some(-self.holder.user.raw()),
            Who::Operator(_) | Who::Link | Who::Job => None,
        }
    }
}
