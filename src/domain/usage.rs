//! What calls add up to, as it is asked for and told: windows of time in buckets, how long those are kept, and figures.

use super::audit::Call;
use super::audit::kind::Outcome;
use super::audit::latency::Latencies;
use super::error::{Error, Result};
use super::id::{KeyId, UserId};
use super::time::Timestamp;

const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;

/// The length of the spans that calls are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bucket {
    /// Kept for 48 hours.
    Minute,
    /// Kept for 90 days.
    Hour,
    /// Kept for two years.
    Day,
}

impl Bucket {
    /// All of them, the shortest first.
    pub const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    /// Its length in seconds.
    pub const fn seconds(self) -> i64 {
        match self {
            Self::Minute => MINUTE,
            Self::Hour => HOUR,
            Self::Day => DAY,
        }
    }

    /// How many seconds figures are kept by buckets of this length.
    pub const fn kept(self) -> i64 {
        match self {
            Self::Minute => 48 * HOUR,
            Self::Hour => 90 * DAY,
            Self::Day => 731 * DAY,
        }
    }

    /// The bucket that a second lies in, by the second that it begins with.
    pub const fn of(self, second: i64) -> i64 {
        second - second.rem_euclid(self.seconds())
    }

    /// The seconds that are told of unless somebody asks for others.
    const fn usual(self) -> i64 {
        match self {
            Self::Minute => HOUR,
            Self::Hour => DAY,
            Self::Day => 30 * DAY,
        }
    }

    /// What is said of how long they are kept.
    const fn said(self) -> (&'static str, &'static str) {
        match self {
            Self::Minute => ("Minutes are kept for 48 hours", "; or ask for `bucket=hour`"),
            Self::Hour => ("Hours are kept for 90 days", "; or ask for `bucket=day`"),
            Self::Day => ("Days are kept for two years", ""),
        }
    }
}

/// A window of time, in whole buckets. It never has more of them than are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The length of its buckets.
    pub bucket: Bucket,
    /// The second that the first bucket begins with.
    pub from: i64,
    /// The second after the last one.
    pub to: i64,
}

impl Window {
    /// The window between two instants, widened to whole buckets. It ends with the present bucket at the latest; unless
    /// told, it ends there, and has the usual length.
    ///
    /// # Errors
    /// One that is empty or reversed, lies in the future, or begins before the first bucket that is kept.
    pub fn of(bucket: Bucket, from: Option<Timestamp>, to: Option<Timestamp>, now: Timestamp) -> Result<Self> {
        let present = bucket.of(now.seconds());
        let end = present + bucket.seconds();
        let to = to.unwrap_or(Timestamp::from_seconds(end));
        let from = from.unwrap_or(Timestamp::from_seconds(to.seconds().saturating_sub(bucket.usual())));
        if from >= to {
            return Err(Error::parameter("to", "must be later than `from`."));
        }
        if from > now {
            return Err(Error::parameter("from", "lies in the future; give an instant that has been."));
        }
        let first = bucket.of(from.seconds());
        let oldest = present - bucket.kept();
        if first < oldest {
            let (kept, instead) = bucket.said();
            let oldest = Timestamp::from_seconds(oldest);
            return Err(Error::parameter("from", format!("{kept}: give {oldest} or later{instead}.")));
        }
        let last = bucket.of(to.millis().saturating_sub(1).div_euclid(1_000));
        Ok(Self { bucket, from: first, to: (last + bucket.seconds()).min(end) })
    }

    /// From the bucket of an instant on, without an end; by minutes as long as those are kept.
    pub fn since(since: Timestamp, now: Timestamp) -> Self {
        let seconds = since.seconds();
        let bucket = Bucket::ALL.into_iter().find(|bucket| bucket.of(now.seconds()) - bucket.kept() <= seconds);
        let bucket = bucket.unwrap_or(Bucket::Day);
        Self { bucket, from: bucket.of(seconds), to: i64::MAX }
    }

    /// The starts of its buckets.
    pub fn starts(&self) -> impl Iterator<Item = i64> + use<> {
        let (from, to, length) = (self.from, self.to, self.bucket.seconds());
        (0..).map(move |index| from + index * length).take_while(move |start| *start < to)
    }

    /// The same time in as few buckets as it can be covered with: days where it has whole ones, hours before and after.
    pub fn pieces(&self) -> Vec<Self> {
        let longer = match self.bucket {
            Bucket::Minute => Bucket::Hour,
            Bucket::Hour => Bucket::Day,
            Bucket::Day => return vec![*self],
        };
        let up = |second: i64| longer.of(second.saturating_add(longer.seconds() - 1));
        let inner = Self { bucket: longer, from: up(self.from), to: longer.of(self.to) };
        if inner.from >= inner.to {
            return vec![*self];
        }
        let mut pieces = inner.pieces();
        pieces.push(Self { to: inner.from, ..*self });
        pieces.push(Self { from: inner.to, ..*self });
        pieces.retain(|piece| piece.from < piece.to);
        pieces
    }
}

/// Whose calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Callers {
    /// Everyone's in the organisation, as one.
    Everyone,
    /// These keys'.
    Keys(Vec<KeyId>),
    /// A user's: by these keys, which are all that the user has, and in sessions.
    User(UserId, Vec<KeyId>),
    /// Everyone's, told apart: by these keys, which are all that there are, and in sessions.
    Each(Vec<KeyId>),
}

/// What calls add up to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// Calls by outcome, in the order of [`Outcome::ALL`].
    pub outcomes: [i64; Outcome::ALL.len()],
    /// Credits that the calls took; work in the background takes its own.
    pub credits: i64,
    /// Bytes of the requests' bodies.
    pub bytes_in: i64,
    /// Bytes of the answers' bodies.
    pub bytes_out: i64,
    /// How long they took.
    pub latency: Latencies,
}

impl Figures {
    /// Counts a call.
    pub fn add(&mut self, call: &Call) {
        self.outcomes[call.outcome as usize] += 1;
        self.credits += call.credits;
        self.bytes_in = self.bytes_in.saturating_add_unsigned(call.bytes_in);
        self.bytes_out = self.bytes_out.saturating_add_unsigned(call.bytes_out);
        self.latency.add(call.latency_us);
    }

    /// Counts all of another's.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.outcomes.iter_mut().zip(other.outcomes) {
            *count += more;
        }
        self.credits += other.credits;
        self.bytes_in = self.bytes_in.saturating_add(other.bytes_in);
        self.bytes_out = self.bytes_out.saturating_add(other.bytes_out);
        self.latency.merge(&other.latency);
    }

    /// Calls of whatever outcome.
    pub fn calls(&self) -> i64 {
        self.outcomes.iter().sum()
    }

    /// Calls of one outcome.
    pub const fn of(&self, outcome: Outcome) -> i64 {
        self.outcomes[outcome as usize]
    }

    /// The share of calls that were refused, wrong or failed; `None` without calls. What limits refuse is told apart.
    pub fn error_ratio(&self) -> Option<f64> {
        self.share(self.of(Outcome::Refused) + self.of(Outcome::Client) + self.of(Outcome::Server))
    }

    /// The share of calls that limits refused; `None` without calls.
    pub fn limited_ratio(&self) -> Option<f64> {
        self.share(self.of(Outcome::Limited))
    }

    /// In ten-thousandths.
    fn share(&self, count: i64) -> Option<f64> {
        let calls = self.calls();
        #[expect(clippy::cast_precision_loss, reason = "a ratio of counts")]
        (calls > 0).then(|| (count as f64 / calls as f64 * 10_000.0).round() / 10_000.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    const NOW: &str = "2026-04-06T09:14:22Z";

    fn window(bucket: Bucket, from: Option<&str>, to: Option<&str>) -> Result<(String, String)> {
        let window = Window::of(bucket, from.map(at), to.map(at), at(NOW))?;
        assert_eq!(window.starts().count() as i64, (window.to - window.from) / bucket.seconds());
        let text = |second| Timestamp::from_seconds(second).to_string();
        Ok((text(window.from), text(window.to)))
    }

    #[test]
    fn a_window_is_widened_to_whole_buckets_and_ends_with_the_present_one() {
        let found = |bucket, from, to| window(bucket, from, to).unwrap();
        let texts = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        let hour = found(Bucket::Minute, None, None);
        assert_eq!(hour, texts("2026-04-06T08:15:00Z", "2026-04-06T09:15:00Z"));
        let day = found(Bucket::Hour, None, None);
        assert_eq!(day, texts("2026-04-05T10:00:00Z", "2026-04-06T10:00:00Z"));
        let given = found(Bucket::Hour, Some("2026-04-01T10:20:30Z"), Some("2026-04-02T10:00:01Z"));
        assert_eq!(given, texts("2026-04-01T10:00:00Z", "2026-04-02T11:00:00Z"));
        let whole = found(Bucket::Hour, Some("2026-04-01T10:00:00Z"), Some("2026-04-02T10:00:00Z"));
        assert_eq!(whole, texts("2026-04-01T10:00:00Z", "2026-04-02T10:00:00Z"));
        let month = found(Bucket::Day, Some("2026-04-01T00:00:00Z"), Some("2026-05-01T00:00:00Z"));
        assert_eq!(month, texts("2026-04-01T00:00:00Z", "2026-04-07T00:00:00Z"), "what is to come is not told of");
    }

    #[test]
    fn empty_reversed_endless_and_future_windows_are_refused_saying_what_would_be_right() {
        for (bucket, from, to, name, said) in [
            (Bucket::Hour, Some(NOW), Some(NOW), "to", "later than `from`"),
            (Bucket::Hour, Some(NOW), Some("2026-04-06T09:14:21Z"), "to", "later than `from`"),
            (Bucket::Hour, None, Some("0001-01-01T00:00:00Z"), "from", "90 days"),
            (Bucket::Hour, Some("2026-04-06T09:14:23Z"), Some("2026-04-06T09:20:00Z"), "from", "future"),
            (Bucket::Minute, Some("2026-04-04T09:13:59Z"), None, "from", "2026-04-04T09:14:00Z or later"),
            (Bucket::Hour, Some("2026-01-06T08:59:59Z"), None, "from", "2026-01-06T09:00:00Z or later"),
            (Bucket::Day, Some("1026-04-06T00:00:00Z"), None, "from", "two years"),
            (Bucket::Day, Some("1026-04-06T00:00:00Z"), Some("2026-04-06T00:00:00Z"), "from", "two years"),
            (Bucket::Day, Some("3026-04-06T00:00:00Z"), Some("4026-04-06T00:00:00Z"), "from", "future"),
        ] {
            match window(bucket, from, to).unwrap_err() {
                Error::InvalidParameter { name: found, reason } => {
                    assert_eq!(found, name, "{reason}");
                    assert!(reason.contains(said), "{reason}");
                }
                other => panic!("{other}"),
            }
        }
        for (bucket, from) in [
            (Bucket::Minute, "2026-04-04T09:14:00Z"),
            (Bucket::Hour, "2026-01-06T09:00:00Z"),
            (Bucket::Day, "2024-04-05T00:00:00Z"),
        ] {
            let kept = Window::of(bucket, Some(at(from)), None, at(NOW)).unwrap();
            assert!((700..3_000).contains(&kept.starts().count()), "all that is kept can be asked for: {kept:?}");
        }
    }

    proptest! {
        #[test]
        fn pieces_cover_a_window_without_gap_or_overlap(minute in 0_i64..200_000, minutes in 1_i64..100_000) {
            let whole = Window { bucket: Bucket::Minute, from: minute * 60, to: (minute + minutes) * 60 };
            let mut pieces = whole.pieces();
            pieces.sort_by_key(|piece| piece.from);
            let mut end = whole.from;
            for piece in &pieces {
                prop_assert!(piece.from == end && piece.to > piece.from);
                prop_assert!(piece.bucket.of(piece.from) == piece.from && piece.bucket.of(piece.to) == piece.to);
                end = piece.to;
            }
            prop_assert_eq!(end, whole.to);
            let buckets: usize = pieces.iter().map(|piece| piece.starts().count()).sum();
            prop_assert!(buckets <= 2 * 59 + 2 * 23 + 70);
        }
    }
}
