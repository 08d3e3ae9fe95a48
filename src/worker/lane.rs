//! Who works next: a lane has so many places, and a free one goes to the organisation that has the fewest.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// Jobs that may wait in a lane.
const WAITING: usize = 512;

/// A lane. Clones share it.
#[derive(Clone)]
pub struct Lane(Arc<Mutex<State>>);

struct State {
    places: usize,
    running: usize,
    by_org: HashMap<i64, usize>,
    waiting: VecDeque<(i64, oneshot::Sender<Place>)>,
}

/// A place in a lane, given up when it is dropped.
pub struct Place {
    lane: Lane,
    org: i64,
    given_up: bool,
}

impl Lane {
    /// With so many places, at least one.
    pub fn new(places: usize) -> Self {
        let state = State { places: places.max(1), running: 0, by_org: HashMap::new(), waiting: VecDeque::new() };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Waits for a place; `None` when too many wait.
    pub async fn enter(&self, org: i64) -> Option<Place> {
        let turn = {
            let mut state = self.0.lock();
            if state.running < state.places {
                state.take(org);
                return Some(Place { lane: self.clone(), org, given_up: false });
            }
            if state.waiting.len() >= WAITING {
                return None;
            }
            let (sender, turn) = oneshot::channel();
            state.waiting.push_back((org, sender));
            turn
        };
        turn.await.ok()
    }

    /// Jobs that run and that wait.
    pub fn load(&self) -> (usize, usize) {
        let state = self.0.lock();
        (state.running, state.waiting.len())
    }

    fn leave(&self, org: i64) {
        let mut unwanted = Vec::new();
        let mut state = self.0.lock();
        state.give_up(org);
        while let Some((org, sender)) = state.next() {
            state.take(org);
            // A place that nobody waits for any more is given up here, and dropped outside the lock.
            match sender.send(Place { lane: self.clone(), org, given_up: false }) {
                Ok(()) => break,
                Err(place) => {
                    state.give_up(org);
                    unwanted.push(place);
                }
            }
        }
        drop(state);
        unwanted.iter_mut().for_each(|place| place.given_up = true);
    }
}

impl State {
    fn take(&mut self, org: i64) {
        self.running += 1;
        *self.by_org.entry(org).or_default() += 1;
    }

    fn give_up(&mut self, org: i64) {
        self.running -= 1;
        if let Some(count) = self.by_org.get_mut(&org) {
            *count -= 1;
            if *count == 0 {
                self.by_org.remove(&org);
            }
        }
    }

    fn next(&mut self) -> Option<(i64, oneshot::Sender<Place>)> {
        if self.running >= self.places {
            return None;
        }
        let running = |org: &i64| self.by_org.get(org).copied().unwrap_or(0);
        let (index, _) = self.waiting.iter().enumerate().min_by_key(|(_, (org, _))| running(org))?;
        self.waiting.remove(index)
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
    use super::*;

    #[tokio::test]
    async fn a_busy_organisation_does_not_starve_the_others() {
        let lane = Lane::new(1);
        let first = lane.enter(1).await.unwrap();
        let queue = |org| {
            let lane = lane.clone();
            tokio::spawn(async move { lane.enter(org).await.map(|place| (org, place)) })
        };
        let (busy, other) = (queue(1), queue(2));
        while lane.load().1 < 2 {
            tokio::task::yield_now().await;
        }
        drop(first);
        let (org, place) = busy.await.unwrap().unwrap();
        assert_eq!(org, 1);
        drop(place);
        assert_eq!(other.await.unwrap().unwrap().0, 2);
        while lane.load() != (0, 0) {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_place_goes_to_whoever_has_the_fewest() {
        let lane = Lane::new(2);
        let (one, two) = (lane.enter(1).await.unwrap(), lane.enter(1).await.unwrap());
        let waiters: Vec<_> = [1, 2]
            .into_iter()
            .map(|org| {
                let lane = lane.clone();
                tokio::spawn(async move { (org, lane.enter(org).await) })
            })
            .collect();
        while lane.load().1 < 2 {
            tokio::task::yield_now().await;
        }
        drop(one);
        let mut waiters = waiters.into_iter();
        let (busy, idle) = (waiters.next().unwrap(), waiters.next().unwrap());
        let (org, place) = idle.await.unwrap();
        assert_eq!(org, 2);
        drop((place, two));
        assert!(busy.await.unwrap().1.is_some());
    }

    #[tokio::test]
    async fn a_place_for_someone_who_left_goes_to_the_next() {
        let lane = Lane::new(1);
        let first = lane.enter(1).await.unwrap();
        let gone = tokio::spawn({
            let lane = lane.clone();
            async move { lane.enter(2).await }
        });
        while lane.load().1 < 1 {
            tokio::task::yield_now().await;
        }
        gone.abort();
        assert!(gone.await.is_err());
        drop(first);
        assert!(lane.enter(3).await.is_some());
    }
}
