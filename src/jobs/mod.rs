//! Work that no request waits for: making the files of report runs, and what recurs.
//!
//! All of it begins with [`Jobs::start`] and ends with [`Jobs::end`], which leaves no run half done: what was under way
//! is queued again. What the work does is the services' business.

mod runner;
mod tasks;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::domain::error::{Error, Result};
use crate::service::app::App;

/// The work in the background of one server.
pub struct Jobs {
    app: App,
    stop: watch::Sender<bool>,
    running: Vec<JoinHandle<()>>,
}

impl Jobs {
    /// Begins. `at_once` is how many report runs are made at once.
    pub fn start(app: &App, at_once: usize) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut running = vec![tokio::spawn(runner::run(app.clone(), at_once, Stop(stopped.clone())))];
        running.push(tokio::spawn(tell(app.clone(), Stop(stopped.clone()))));
        running
            .extend(tasks::all().into_iter().map(|task| tokio::spawn(task.repeat(app.clone(), Stop(stopped.clone())))));
        Self { app: app.clone(), stop, running }
    }

    /// Ends the work: what is under way is cut off, its workers end, and its runs are queued again.
    ///
    /// # Errors
    /// When the runs cannot be queued again; the next start does it then.
    pub async fn end(self) -> Result<()> {
        self.stop.send_replace(true);
        for task in self.running {
            // A task that panicked has ended too, and said so in the log.
            let _ = task.await;
        }
        self.app.release_syncs().await?;
        self.app.release_runs().await
    }
}

/// Tells requests that their entries are in the chain; without this the chain's own thread does.
async fn tell(app: App, mut stop: Stop) {
    let Some(appender) = app.store.appender() else { return };
    tokio::select! {
        () = stop.begun() => {}
        () = appender.tell() => {}
    }
}

/// Hears that the work ends.
#[derive(Clone)]
struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Returns when the work ends, at once if it did before.
    async fn begun(&mut self) {
        // An error means that nobody can say it any more, which is the same word.
        let _ = self.0.wait_for(|stopped| *stopped).await;
    }
}

/// An error with its cause: the log may know it.
fn described(error: &Error) -> String {
    error.cause().map_or_else(|| error.to_string(), ToString::to_string)
}
