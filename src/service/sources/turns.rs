//! Whose turn it is: so many at once in all, and fewer of one organisation, so that whoever waits for slow servers holds up
//! nobody else.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::error::{Error, Result};
use crate::domain::id::OrgId;

/// The places.
pub struct Turns {
    all: Arc<Semaphore>,
    of_one: usize,
    each: Mutex<HashMap<OrgId, Arc<Semaphore>>>,
}

/// A place, given back with the value.
pub struct Turn {
    _own: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

impl Turns {
    /// So many places, and of one organisation so many at most.
    pub fn new(all: usize, of_one: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(all)), of_one, each: Mutex::default() }
    }

    /// Waits for a place.
    pub async fn take(&self, org: OrgId) -> Result<Turn> {
        let own = self.each.lock().entry(org).or_insert_with(|| Arc::new(Semaphore::new(self.of_one))).clone();
        // Its own first: who waits for that holds no place of all.
        let own = own.acquire_owned().await.map_err(Error::internal)?;
        let all = self.all.clone().acquire_owned().await.map_err(Error::internal)?;
        Ok(Turn { _own: own, _all: all })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn one_organisation_leaves_places_to_others_and_waits_for_its_own() {
        let turns = Turns::new(3, 2);
        let take = |org| turns.take(OrgId::new(org)).now_or_never().map(|turn| turn.unwrap());
        let (first, second) = (take(1).unwrap(), take(1));
        assert!(second.is_some() && take(1).is_none(), "two of one at most");
        let other = take(2);
        assert!(other.is_some() && take(3).is_none(), "three in all");
        drop(first);
        assert!(take(3).is_some());
    }
}
