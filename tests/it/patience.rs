//! Waiting for what comes by itself: it is asked for again and again, so many times that a hang fails instead of lasting.

use std::time::Duration;

/// Times that something is asked for: two minutes of pauses, and what the asking takes.
const TURNS: u64 = 4_800;
/// The longest pause, in milliseconds. The first ones are shorter, for what is there soon.
const PAUSE: u64 = 25;
/// How long to wait for what is not asked for again: a reader's next bytes.
pub const LONGEST: Duration = Duration::from_secs(120);

fn pause(turn: u64) -> Duration {
    Duration::from_millis(turn.min(PAUSE))
}

/// Asks until there is an answer; `what` says what never came.
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    for turn in 0..TURNS {
        if let Some(found) = ask().await {
            return found;
        }
        tokio::time::sleep(pause(turn)).await;
    }
    panic!("it never came: {what}");
}

/// Asks until it is so.
pub async fn until_so(what: &str, mut is_so: impl FnMut() -> bool) {
    until(what, async || is_so().then_some(())).await;
}

/// The same where nothing else runs.
pub fn until_so_here(what: &str, is_so: impl FnMut() -> bool) {
    assert!(comes_true_here(is_so), "it never came: {what}");
}

/// Whether it comes to be so: for those who know more to say where it does not.
pub fn comes_true_here(mut is_so: impl FnMut() -> bool) -> bool {
    for turn in 0..TURNS {
        if is_so() {
            return true;
        }
        std::thread::park_timeout(pause(turn));
    }
    false
}
