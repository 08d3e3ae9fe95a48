//! The log behind windows: accepted instants in ascending order, the oldest of them folded where memory is short.

use std::collections::VecDeque;

use super::{KEPT, MINUTE_MS, Room};

/// Capacity that a log may hold on to while it is empty.
pub(super) const IDLE_CAPACITY: usize = 64;

/// Accepted instants in ascending order, as milliseconds after a base that moves when they no longer fit 32 bits.
#[derive(Debug, Default)]
pub(super) struct InstantLog {
    base_ms: i64,
    /// What is older than all of `offsets`, folded.
    folded: VecDeque<Bucket>,
    /// How many that are.
    folded_count: usize,
    pub(super) offsets: VecDeque<u32>,
    /// How many instants were ever appended.
    pub(super) pushed: u64,
}

/// Instants of one minute that count as if all had been the last of them: they leave a window late, never early.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    last: u32,
    count: u32,
}

impl InstantLog {
    /// What a window of `length_ms` that ends now has left; `start` is where it once began.
    pub(super) fn room(&self, now_ms: i64, length_ms: i64, limit: u32, start: u64) -> Room {
        let used = self.used(now_ms, length_ms, start);
        let remaining = limit.saturating_sub(u32::try_from(used).unwrap_or(u32::MAX));
        // With more in the window than a lowered limit allows, room appears only when the limit-th newest leaves.
        let deciding = used.min(usize::try_from(limit).unwrap_or(usize::MAX));
        let reset_at_ms = match self.nth_newest(deciding) {
            Some(instant_ms) => instant_ms.saturating_add(length_ms),
            None if limit == 0 => now_ms.saturating_add(length_ms),
            None => now_ms,
        };
        Room { limit, remaining, reset_at_ms }
    }

    /// How many instants are younger than `length_ms`.
    fn used(&self, now_ms: i64, length_ms: i64, start: u64) -> usize {
        let horizon_ms = now_ms.saturating_sub(length_ms);
        if self.nth_newest(1).is_none_or(|newest_ms| newest_ms <= horizon_ms) {
            return 0;
        }
        let dropped = self.pushed - self.offsets.len() as u64;
        let start = usize::try_from(start.saturating_sub(dropped)).unwrap_or(usize::MAX);
        let exact = self.offsets.len() - self.expired(horizon_ms, start);
        exact + self.folded_after(horizon_ms)
    }

    /// How many of the folded instants lie after the horizon, summed from the end that is nearer to it.
    fn folded_after(&self, horizon_ms: i64) -> usize {
        let past = self.folded.partition_point(|bucket| self.instant(bucket.last) <= horizon_ms);
        let sum =
            |buckets: std::collections::vec_deque::Iter<'_, Bucket>| buckets.map(|bucket| bucket.count as usize).sum();
        if past < self.folded.len() / 2 {
            let gone: usize = sum(self.folded.range(..past));
            self.folded_count - gone
        } else {
            sum(self.folded.range(past..))
        }
    }

    /// How many of `offsets` lie at or before the horizon: strides that double from `start`, then halving.
    fn expired(&self, horizon_ms: i64, start: usize) -> usize {
        let is_expired =
            |index: usize| self.offsets.get(index).is_some_and(|&offset| self.instant(offset) <= horizon_ms);
        let start = start.min(self.offsets.len());
        // What is before `low` has expired, what is at `high` has not.
        let (mut low, mut high, mut stride) = (0, start, 1);
        if start == 0 || is_expired(start - 1) {
            (low, high) = (start, start);
            while is_expired(high) {
                low = high + 1;
                high = low + stride;
                stride *= 2;
            }
            high = high.min(self.offsets.len());
        }
        while low < high {
            let middle = low.midpoint(high);
            if is_expired(middle) { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// The `nth` newest instant, the newest being the first; there is no zeroth.
    fn nth_newest(&self, nth: usize) -> Option<i64> {
        if nth == 0 {
            return None;
        }
        if let Some(index) = self.offsets.len().checked_sub(nth) {
            return self.offsets.get(index).map(|&offset| self.instant(offset));
        }
        // Counted from the oldest, which is what is mostly asked for.
        let mut before = self.folded_count.checked_sub(nth - self.offsets.len())?;
        let bucket = self.folded.iter().find(|bucket| match before.checked_sub(bucket.count as usize) {
            None => true,
            Some(rest) => {
                before = rest;
                false
            }
        });
        bucket.map(|bucket| self.instant(bucket.last))
    }

    fn instant(&self, offset: u32) -> i64 {
        self.base_ms.saturating_add(i64::from(offset))
    }

    /// Appends an instant that is not before the newest. What is older than `length_ms` goes, as does what exceeds
    /// both `limit` and [`KEPT`]; two at a time, so that no request pays for a whole day.
    pub(super) fn push(&mut self, at_ms: i64, length_ms: i64, limit: u32) {
        let horizon_ms = at_ms.saturating_sub(length_ms);
        if self.nth_newest(1).is_none_or(|newest_ms| newest_ms <= horizon_ms) {
            self.offsets.clear();
            self.offsets.shrink_to(IDLE_CAPACITY);
            self.folded = VecDeque::new();
            self.folded_count = 0;
            self.base_ms = at_ms;
        }
        let kept = usize::try_from(limit).unwrap_or(usize::MAX).max(KEPT);
        for _ in 0..2 {
            let is_past = |offset: u32| self.instant(offset) <= horizon_ms;
            match (self.folded.front(), self.offsets.front()) {
                (Some(oldest), _) if is_past(oldest.last) => {
                    self.folded_count -= oldest.count as usize;
                    self.folded.pop_front();
                }
                (None, Some(&oldest)) if is_past(oldest) || self.offsets.len() >= kept => {
                    self.offsets.pop_front();
                }
                _ => break,
            }
        }
        self.give_back();
        let offset = match u32::try_from(at_ms.saturating_sub(self.base_ms)) {
            Ok(offset) => offset,
            Err(_) => self.rebase(at_ms, horizon_ms),
        };
        self.offsets.push_back(offset);
        self.pushed += 1;
    }

    /// Folds the oldest instants at or before the horizon, so many at most.
    pub(super) fn fold(&mut self, horizon_ms: i64, most: usize) {
        for _ in 0..most {
            let Some(&oldest) = self.offsets.front() else { break };
            if self.instant(oldest) > horizon_ms {
                break;
            }
            self.offsets.pop_front();
            self.folded_count += 1;
            match self.folded.back_mut() {
                Some(bucket) if minute(bucket.last) == minute(oldest) && bucket.count < u32::MAX => {
                    bucket.last = oldest;
                    bucket.count += 1;
                }
                _ => self.folded.push_back(Bucket { last: oldest, count: 1 }),
            }
        }
        self.give_back();
    }

    /// Bytes on the heap.
    pub(super) fn bytes(&self) -> usize {
        self.offsets.capacity() * size_of::<u32>() + self.folded.capacity() * size_of::<Bucket>()
    }

    /// Gives memory back when most of it is unused.
    fn give_back(&mut self) {
        let roomy = self.offsets.len().max(IDLE_CAPACITY).saturating_mul(2);
        if self.offsets.capacity() > roomy.saturating_mul(2) {
            self.offsets.shrink_to(roomy);
        }
    }

    /// Moves the base to the oldest instant that still counts and gives the offset of `at_ms` from it. Happens once
    /// in 49 days of steady use; the windows are shorter than that, so what is kept always fits.
    fn rebase(&mut self, at_ms: i64, horizon_ms: i64) -> u32 {
        let folded = self.folded.iter().take_while(|bucket| self.instant(bucket.last) <= horizon_ms).count();
        let gone: usize = self.folded.drain(..folded).map(|bucket| bucket.count as usize).sum();
        self.folded_count -= gone;
        let expired = self.expired(horizon_ms, 0);
        self.offsets.drain(..expired);
        let oldest = self.folded.front().map(|bucket| bucket.last).or_else(|| self.offsets.front().copied());
        self.base_ms = oldest.map_or(at_ms, |offset| self.instant(offset));
        let shift = oldest.unwrap_or(0);
        for bucket in &mut self.folded {
            bucket.last -= shift;
        }
        for offset in &mut self.offsets {
            *offset -= shift;
        }
        u32::try_from(at_ms.saturating_sub(self.base_ms)).unwrap_or(u32::MAX)
    }
}

fn minute(offset: u32) -> i64 {
    i64::from(offset) / MINUTE_MS
}
