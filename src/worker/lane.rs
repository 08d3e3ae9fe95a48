//! Who works next: a lane has so many places, and a free one goes to the organisation that has the fewest.
//!
//! Those of equally many take turns, however many jobs of one wait. In a lane with guests nobody waits for the work of
//! others alone: an organisation that has nothing running is let in beyond the places, as long as the guests are no more
//! than there are places. Where jobs mostly wait, there are many places, and an organisation has at most a share of them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// Jobs that may wait in a lane.
const WAITING: usize = 512;
/// Of these, jobs of one organisation.
const WAITING_OF_ONE: usize = 128;

/// A lane. Clones share it.
#[derive(Clone)]
pub struct Lane(Arc<Mutex<State>>);

struct State {
    places: usize,
    /// Places beyond these, for organisations that have none.
    guests: usize,
    /// Places that one organisation may have.
    of_one: usize,
    running: usize,
    orgs: HashMap<i64, Org>,
    waiting: usize,
    /// Counts the places that were given, which tells whose turn is longest ago.
    turn: u64,
}

/// An organisation that has or wants places.
#[derive(Default)]
struct Org {
    running: usize,
    waiting: VecDeque<oneshot::Sender<Place>>,
    /// When it was last given a place.
    last: u64,
}

/// A place in a lane, given up when it is dropped.
pub struct Place {
    lane: Lane,
    org: i64,
    given_up: bool,
}

impl Lane {
    /// With so many places, at least one.
    #[cfg(test)]
    pub fn new(places: usize) -> Self {
        Self::made(places, 0, usize::MAX)
    }

    /// With so many places, at least one, and as many again for organisations that have nothing running.
    pub fn with_guests(places: usize) -> Self {
        Self::made(places, places.max(1), usize::MAX)
    }

    /// As many guests, and of one organisation a quarter of the places at most, though always one.
    pub fn in_shares(places: usize) -> Self {
        Self::made(places, places.max(1), (places / 4).max(1))
    }

    fn made(places: usize, guests: usize, of_one: usize) -> Self {
        let state =
            State { places: places.max(1), guests, of_one, running: 0, orgs: HashMap::new(), waiting: 0, turn: 0 };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Waits for a place; `None` when too many wait.
    pub async fn enter(&self, org: i64) -> Option<Place> {
        let turn = {
            let mut state = self.0.lock();
            // Nobody overtakes those of their own who wait.
            if state.orgs.get(&org).is_none_or(|org| org.waiting.is_empty()) && state.has_place(org) {
                state.take(org);
                return Some(Place { lane: self.clone(), org, given_up: false });
            }
            state.forget_gone();
            if state.waiting >= WAITING || state.orgs.get(&org).is_some_and(|org| org.waiting.len() >= WAITING_OF_ONE) {
                return None;
            }
            let (sender, turn) = oneshot::channel();
            state.orgs.entry(org).or_default().waiting.push_back(sender);
            state.waiting += 1;
            turn
        };
        turn.await.ok()
    }

    /// Jobs that run and that wait.
    pub fn load(&self) -> (usize, usize) {
        let state = self.0.lock();
        (state.running, state.waiting)
    }

    fn leave(&self, org: i64) {
        let mut unwanted = Vec::new();
        let mut state = self.0.lock();
        state.give_up(org);
        while let Some((org, sender)) = state.next() {
            state.take(org);
            // A place that nobody waits for any more is given up here, and dropped outside the lock.
            if let Err(place) = sender.send(Place { lane: self.clone(), org, given_up: false }) {
                state.give_up(org);
                unwanted.push(place);
            }
        }
        drop(state);
        unwanted.iter_mut().for_each(|place| place.given_up = true);
    }
}

impl State {
    fn running_of(&self, org: i64) -> usize {
        self.orgs.get(&org).map_or(0, |org| org.running)
    }

    /// Whether the organisation may begin now.
    fn has_place(&self, org: i64) -> bool {
        let own = self.running_of(org);
        let is_guest = own == 0 && self.running < self.places + self.guests;
        own < self.of_one && (self.running < self.places || is_guest)
    }

    fn take(&mut self, org: i64) {
        self.running += 1;
        self.turn += 1;
        let turn = self.turn;
        let entry = self.orgs.entry(org).or_default();
        entry.running += 1;
        entry.last = turn;
    }

    fn give_up(&mut self, org: i64) {
        self.running -= 1;
        if let Some(entry) = self.orgs.get_mut(&org) {
            entry.running -= 1;
            if entry.running == 0 && entry.waiting.is_empty() {
                self.orgs.remove(&org);
            }
        }
    }

    /// Whose turn it is, if anybody's. Of equals it is theirs who had theirs longest ago.
    fn next(&mut self) -> Option<(i64, oneshot::Sender<Place>)> {
        let waiting = self.orgs.iter().filter(|(org, entry)| !entry.waiting.is_empty() && self.has_place(**org));
        let (org, _) = waiting.min_by_key(|(_, entry)| (entry.running, entry.last))?;
        let org = *org;
        let sender = self.orgs.get_mut(&org)?.waiting.pop_front()?;
        self.waiting -= 1;
        Some((org, sender))
    }

    /// Those who left without their turn take up no room.
    fn forget_gone(&mut self) {
        for entry in self.orgs.values_mut() {
            entry.waiting.retain(|sender| !sender.is_closed());
        }
        self.orgs.retain(|_, entry| entry.running > 0 || !entry.waiting.is_empty());
        self.waiting = self.orgs.values().map(|entry| entry.waiting.len()).sum();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.given_up {
            self.lane.leave(self.org);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinHandle;

    use super::*;

    /// Somebody who waits, and is in line when this returns.
    async fn waits(lane: &Lane, org: i64) -> JoinHandle<Option<Place>> {
        let before = lane.load().1;
        let waiting = tokio::spawn({
            let lane = lane.clone();
            async move { lane.enter(org).await }
        });
        while lane.load().1 == before {
            tokio::task::yield_now().await;
        }
        waiting
    }

    #[tokio::test]
    async fn one_place_is_taken_in_turns_however_many_jobs_of_one_wait() {
        let lane = Lane::new(1);
        let first = lane.enter(1).await.unwrap();
        let mut busy = Vec::new();
        for _ in 0..50 {
            busy.push(waits(&lane, 1).await);
        }
        let other = waits(&lane, 2).await;
        drop(first);
        drop(other.await.unwrap().unwrap());
        for waiting in busy {
            drop(waiting.await.unwrap().unwrap());
        }
        assert_eq!(lane.load(), (0, 0));
    }

    #[tokio::test]
    async fn a_place_goes_to_whoever_has_the_fewest() {
        let lane = Lane::new(2);
        let (one, two) = (lane.enter(1).await.unwrap(), lane.enter(1).await.unwrap());
        let (busy, idle) = (waits(&lane, 1).await, waits(&lane, 2).await);
        drop(one);
        drop((idle.await.unwrap().unwrap(), two));
        assert!(busy.await.unwrap().is_some());
    }

    #[tokio::test]
    async fn nobody_waits_for_others_alone_and_guests_have_their_bound() {
        let lane = Lane::with_guests(2);
        let busy = [lane.enter(1).await.unwrap(), lane.enter(1).await.unwrap()];
        let more = waits(&lane, 1).await;
        let guests = [lane.enter(2).await.unwrap(), lane.enter(3).await.unwrap()];
        assert_eq!(lane.load(), (4, 1));
        let late = waits(&lane, 4).await;
        drop(guests);
        drop(late.await.unwrap().unwrap());
        // A guest that has left is not made up for while the places are taken.
        assert_eq!(lane.load(), (2, 1));
        drop(busy);
        assert!(more.await.unwrap().is_some());
    }

    #[tokio::test]
    async fn one_organisation_has_no_more_than_its_share_though_places_are_free() {
        let lane = Lane::in_shares(8);
        let own = [lane.enter(1).await.unwrap(), lane.enter(1).await.unwrap()];
        let third = waits(&lane, 1).await;
        let others = [lane.enter(2).await.unwrap(), lane.enter(3).await.unwrap()];
        assert_eq!(lane.load(), (4, 1));
        drop(others);
        assert_eq!(lane.load(), (2, 1), "free places of others are not for those who have their share");
        drop(own);
        assert!(third.await.unwrap().is_some());
    }

    #[tokio::test]
    async fn one_organisation_fills_no_more_than_its_part_of_the_line() {
        let lane = Lane::new(1);
        let _first = lane.enter(1).await.unwrap();
        let mut waiting = Vec::new();
        for _ in 0..WAITING_OF_ONE {
            waiting.push(waits(&lane, 1).await);
        }
        assert!(lane.enter(1).await.is_none());
        let _other = waits(&lane, 2).await;
        // Those who leave make room.
        let gone = waiting.pop().unwrap();
        gone.abort();
        assert!(gone.await.is_err());
        let again = tokio::spawn({
            let lane = lane.clone();
            async move { lane.enter(1).await.is_some() }
        });
        tokio::task::yield_now().await;
        assert!(!again.is_finished());
        assert_eq!(lane.load(), (1, WAITING_OF_ONE + 1));
        again.abort();
    }

    #[tokio::test]
    async fn a_place_for_someone_who_left_goes_to_the_next() {
        let lane = Lane::new(1);
        let first = lane.enter(1).await.unwrap();
        let gone = waits(&lane, 2).await;
        gone.abort();
        assert!(gone.await.is_err());
        drop(first);
        assert!(lane.enter(3).await.is_some());
    }
}
