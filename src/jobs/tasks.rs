//! What recurs while a server runs, as a list. A task that fails is logged once for each reason and goes on.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::{Stop, described};
use crate::domain::error::{Error, Result};
use crate::service::adopt::Adopt;
use crate::service::app::App;
use crate::service::audit::Counted;
use crate::worker::pool::Idle;

type Work = Box<dyn Fn(App) -> Pin<Box<dyn Future<Output = Result<()>> + Send>> + Send + Sync>;

/// Something that is done again and again.
pub(super) struct Task {
    name: &'static str,
    every: Duration,
    work: Work,
}

/// All of them.
pub(super) fn all() -> Vec<Task> {
    let seen = Arc::new(AtomicU64::new(u64::MAX));
    vec![
        Task::new("forget_answers", Duration::from_secs(600), |app| async move {
            let forgotten = app.forget_answers().await?;
            tracing::debug!(forgotten, "answers to requests with an Idempotency-Key are past their time");
            Ok(())
        }),
        Task::new("forget_logins", Duration::from_secs(600), |app| async move {
            let forgotten = app.forget_logins().await?;
            tracing::debug!(forgotten, "rows of logins are past their time");
            Ok(())
        }),
        Task::new("adopt_changes", Duration::from_secs(1), move |app| look_for_changes(app, seen.clone())),
        Task::new("let_go_of_snapshots", Duration::from_secs(1), |app| async move {
            blocking(move || {
                app.store.let_go();
                Ok(())
            })
            .await
        }),
        Task::new("fit_windows", Duration::from_secs(1), |app| async move {
            blocking(move || {
                app.fit_windows();
                Ok(())
            })
            .await
        }),
        Task::new("mend_shared_windows", Duration::from_secs(1), |app| async move {
            app.mend_shared_windows().await;
            Ok(())
        }),
        Task::new("forget_windows", Duration::from_secs(600), |app| async move {
            let forgotten = blocking(move || Ok(app.forget_windows())).await?;
            tracing::debug!(forgotten, "windows in which nothing counts any more are forgotten");
            Ok(())
        }),
        Task::new("write_floods", Duration::from_secs(10), |app| async move {
            blocking(move || app.write_floods(Counted::Before)).await
        }),
        Task::new("sign_audit", Duration::from_secs(1), |app| async move {
            blocking(move || app.checkpoint_when_due()).await
        }),
        Task::new("forget_entries", Duration::from_secs(3_600), |app| async move {
            blocking(move || app.forget_entries()).await
        }),
        Task::new("sync_sources", Duration::from_secs(1), |app| async move {
            let begun = app.sync_due().await?;
            if !begun.is_empty() {
                tracing::debug!(begun = begun.len(), "data sources are read again by their schedules");
            }
            Ok(())
        }),
        Task::new("tidy_workers", Duration::from_secs(60), |app| async move {
            app.pool.tidy(Idle::Old).await;
            Ok(())
        }),
        Task::new("collect_garbage", Duration::from_secs(600), |app| async move {
            let removed = blocking(move || app.collect_garbage()).await?;
            if removed > 0 {
                tracing::info!(removed, "removed extracts that nothing points at");
            }
            Ok(())
        }),
    ]
}

impl Task {
    fn new<F>(name: &'static str, every: Duration, work: impl Fn(App) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        Self { name, every, work: Box::new(move |app| Box::pin(work(app))) }
    }

    /// Does it each time its time has come, until the stop. A slot that was missed is not made up for.
    pub(super) async fn repeat(self, app: App, mut stop: Stop) {
        let mut ticks = tokio::time::interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut last_error = None;
        loop {
            tokio::select! {
                biased;
                () = stop.begun() => return,
                _ = ticks.tick() => {}
            }
            let done = tokio::select! {
                biased;
                () = stop.begun() => return,
                done = (self.work)(app.clone()) => done,
            };
            last_error = self.note(done, last_error);
        }
    }

    /// Logs what is new about the outcome, and gives the error to compare the next one with.
    fn note(&self, done: Result<()>, last: Option<String>) -> Option<String> {
        match (done, last) {
            (Ok(()), None) => None,
            (Ok(()), Some(error)) => {
                tracing::info!(task = self.name, last_error = error, "a recurring task works again");
                None
            }
            (Err(error), last) => {
                let error = described(&error);
                if last.as_ref() != Some(&error) {
                    tracing::error!(task = self.name, error, "a recurring task failed");
                }
                Some(error)
            }
        }
    }
}

/// Brings what commands beside this server did into the chain, and wakes the runner: they may have queued a run.
async fn look_for_changes(app: App, seen: Arc<AtomicU64>) -> Result<()> {
    // Asking for the version is what makes the watch look.
    app.store.watch().version();
    let commits = app.store.watch().commits_seen();
    if seen.load(Ordering::Relaxed) == commits {
        return Ok(());
    }
    app.queued.notify_one();
    let adopted = blocking(move || app.adopt_changes(Adopt::WithoutRequest)).await?;
    // Only now: what failed is tried again.
    seen.store(commits, Ordering::Relaxed);
    if adopted > 0 {
        tracing::debug!(adopted, "changes without a call are in the chain");
    }
    Ok(())
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
}
