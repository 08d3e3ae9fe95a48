//! How a running job learns that it has to stop, and how it tells how far it is.
//!
//! The only place of the engine that looks at a clock: a worker has no other use for time than its own deadlines.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::worker::protocol::{Failure, FailureCode};

/// Receives the progress of a job: the fraction from 0 to 1, and rows so far.
pub type Report = Arc<dyn Fn(f64, u64) + Send + Sync>;

/// The reins of one job: its deadline, whether it was called off, and where its progress goes.
#[derive(Clone)]
pub struct Control {
    canceled: watch::Receiver<bool>,
    deadline: Instant,
    report: Report,
}

impl Control {
    /// A job that may run for `within` from now, and stops early when `canceled` turns true.
    pub fn new(canceled: watch::Receiver<bool>, within: Duration, report: Report) -> Self {
        Self { canceled, deadline: deadline_in(within), report }
    }

    /// The same job with the nearer of its deadline and `within` from now: for one query among several.
    pub fn within(&self, within: Duration) -> Self {
        Self { deadline: self.deadline.min(deadline_in(within)), ..self.clone() }
    }

    /// Fails when the job has to stop; for loops that never wait.
    pub fn check(&self) -> Result<(), Failure> {
        if *self.canceled.borrow() {
            return Err(canceled());
        }
        if now() >= self.deadline {
            return Err(timeout());
        }
        Ok(())
    }

    /// What is left until the deadline: for others that stop by themselves.
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(now())
    }

    /// Tells how far the job is.
    pub fn progress(&self, fraction: f64, rows: u64) {
        (self.report)(fraction, rows);
    }

    /// Waits until the job has to stop, and says why.
    pub async fn stopped(&self) -> Failure {
        let mut signal = self.canceled.clone();
        let called_off = async {
            // Without a sender nobody can cancel any more; then only the deadline counts.
            if signal.wait_for(|stop| *stop).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = called_off => canceled(),
            () = tokio::time::sleep_until(self.deadline.into()) => timeout(),
        }
    }
}

/// Measures how long something takes.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Self {
        Self(now())
    }

    /// Whole milliseconds since the start.
    pub fn millis(self) -> u64 {
        u64::try_from(now().saturating_duration_since(self.0).as_millis()).unwrap_or(u64::MAX)
    }
}

fn canceled() -> Failure {
    Failure::new(FailureCode::Canceled, "The job was canceled.")
}

fn timeout() -> Failure {
    Failure::new(
        FailureCode::Timeout,
        "It took longer than it may; ask for less at once: filter rows, aggregate earlier, or join on fewer rows.",
    )
}

/// `within` from now, or a day from now where that is out of the clock's range.
fn deadline_in(within: Duration) -> Instant {
    now().checked_add(within).unwrap_or_else(|| now() + Duration::from_secs(86_400))
}

#[expect(clippy::disallowed_methods, reason = "a worker has no clock to be passed: its own deadlines are all it times")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_stops_at_its_deadline_and_when_it_is_canceled() {
        let (cancel, canceled) = watch::channel(false);
        let report: Report = Arc::new(|_, _| {});
        let control = Control::new(canceled, Duration::from_secs(3_600), report);
        assert_eq!(control.check(), Ok(()));
        assert_eq!(control.within(Duration::ZERO).check().map_err(|failure| failure.code), Err(FailureCode::Timeout));
        assert!(cancel.send(true).is_ok());
        assert_eq!(control.check().map_err(|failure| failure.code), Err(FailureCode::Canceled));
    }
}
