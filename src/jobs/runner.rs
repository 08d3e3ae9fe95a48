//! Takes queued report runs, the organisations in turns, and makes their files. Beyond those that are made at once there
//! is room for as many of organisations that have none under way: nobody waits for the reports of others alone.

use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tracing::Instrument;

use super::{Stop, described};
use crate::domain::id::OrgId;
use crate::service::app::App;
use crate::store::main::runs::{Leased, Turn};

/// The pause after the queue could not be read.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs until the stop, at most `at_once` runs at a time and as many guests; those that are under way then are cut off.
pub(super) async fn run(app: App, at_once: usize, mut stop: Stop) {
    let mut running = JoinSet::new();
    let mut last = OrgId::new(0);
    let turn = |running: usize| match running {
        running if running < at_once => Some(Turn::Anyone),
        running if running < 2 * at_once => Some(Turn::Guest),
        _ => None,
    };
    loop {
        // Not beside the waiting below: a lease that is dropped between its commit and its answer would be lost.
        let leased = match turn(running.len()) {
            Some(turn) => lease(&app, turn, last).await,
            None => Lease::Nothing,
        };
        match leased {
            Lease::Run(leased) => {
                last = leased.org;
                running.spawn(execute(app.clone(), *leased));
                continue;
            }
            Lease::Failed => {
                tokio::select! {
                    () = stop.begun() => break,
                    () = tokio::time::sleep(PAUSE) => continue,
                }
            }
            Lease::Nothing => {}
        }
        tokio::select! {
            biased;
            () = stop.begun() => break,
            Some(done) = running.join_next(), if !running.is_empty() => tell(done),
            () = app.queued.notified(), if turn(running.len()).is_some() => {}
        }
    }
    running.shutdown().await;
}

/// What the queue gave.
enum Lease {
    Run(Box<Leased>),
    Nothing,
    Failed,
}

async fn lease(app: &App, turn: Turn, last: OrgId) -> Lease {
    match app.lease_run(turn, last).await {
        Ok(Some(leased)) => Lease::Run(Box::new(leased)),
        Ok(None) => Lease::Nothing,
        Err(error) => {
            tracing::error!(error = described(&error), "the queue of report runs cannot be read");
            Lease::Failed
        }
    }
}

async fn execute(app: App, leased: Leased) {
    let span = tracing::info_span!("run", run = %leased.run.id.prefixed(), org = %leased.org.prefixed());
    let made = async move {
        // The run stays as it is, and the next start repeats it.
        if let Err(error) = app.execute_run(leased).await {
            tracing::error!(error = described(&error), "a report run could not be ended");
        }
    };
    made.instrument(span).await;
}

fn tell(done: Result<(), JoinError>) {
    if let Err(error) = done {
        tracing::error!(%error, "a report run was cut off");
    }
}
