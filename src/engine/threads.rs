//! The threads of a worker: those that queries run on, and the one that watches them.
//!
//! **Invariant:** nothing that has to happen in time waits for a thread that runs queries. A query can keep all of
//! them busy without a pause, and then no timer of their runtime fires; so the watching thread has a runtime, and with
//! it a timer, of its own.

use std::io;
use std::time::Duration;

use tokio::runtime::{Builder, EnterGuard, Handle, Runtime};
use tokio::task::AbortHandle;

use super::internal;
use crate::worker::protocol::Failure;

/// How often, and how many times, stopped work is asked whether it let go.
const ASKS: u32 = 50;
const BETWEEN_ASKS: Duration = Duration::from_millis(5);

/// Both kinds of threads.
pub struct Threads {
    work: Runtime,
    watch: Runtime,
}

/// Where queries are handed to.
#[derive(Debug, Clone)]
pub struct Hands(Handle);

impl Threads {
    /// Starts `cores` threads for queries; the caller's own thread is the one that watches.
    pub fn start(cores: usize) -> io::Result<Self> {
        let work = Builder::new_multi_thread()
            .thread_name("query")
            .worker_threads(cores)
            .max_blocking_threads(cores * 2)
            .enable_all()
            .build()?;
        Ok(Self { work, watch: Builder::new_current_thread().enable_time().build()? })
    }

    /// Where work is handed to.
    pub fn hands(&self) -> Hands {
        Hands(self.work.handle().clone())
    }

    /// Runs the future on the caller's thread; it is meant to wait for what it handed over.
    pub fn watch<T>(&self, future: impl Future<Output = T>) -> T {
        self.watch.block_on(future)
    }

    /// Waits a moment for stopped work to let go of its threads; `false` when some does not.
    pub fn settled(&self) -> bool {
        let metrics = self.work.metrics();
        self.watch(async {
            for _ in 0..ASKS {
                if metrics.num_alive_tasks() == 0 {
                    return true;
                }
                tokio::time::sleep(BETWEEN_ASKS).await;
            }
            false
        })
    }

    /// Ends without waiting: what still runs is of no use to anybody.
    pub fn abandon(self) {
        self.work.shutdown_background();
    }
}

impl Hands {
    /// Runs the future on the caller's own thread, with the sockets and timers of these threads.
    ///
    /// Not from within one of them.
    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.0.block_on(future)
    }

    /// Within the returned guard's life, the caller's thread counts as one of these.
    pub fn enter(&self) -> EnterGuard<'_> {
        self.0.enter()
    }

    /// Runs the future until it ends or is called off.
    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        self.0.spawn(future).abort_handle()
    }

    /// Runs the work until it is done, or until `stopped` says why it must not go on.
    ///
    /// The failure comes at once, even when the work cannot be stopped; [`Threads::settled`] tells whether it was.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Failure>> + Send + 'static,
        stopped: impl Future<Output = Failure>,
    ) -> Result<T, Failure> {
        let mut task = self.0.spawn(work);
        tokio::select! {
            joined = &mut task => match joined {
                Ok(result) => result,
                Err(error) => Err(internal("a query's task ended", &error)),
            },
            failure = stopped => {
                task.abort();
                Err(failure)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::channel;

    use tokio::sync::watch;

    use super::*;
    use crate::engine::control::Control;
    use crate::worker::protocol::FailureCode;

    #[test]
    fn a_deadline_holds_though_every_thread_is_kept_busy() {
        let threads = Threads::start(1).unwrap();
        let (begun, begins) = channel();
        let (release, released) = channel::<()>();
        // Blocks its thread outright, as a query does that never pauses.
        let hog = async move {
            begun.send(()).unwrap();
            Ok(released.recv().is_ok())
        };
        let (_keep, canceled) = watch::channel(false);
        let control = Control::new(canceled, Duration::from_millis(20), Arc::new(|_, _| {}));
        let result = threads.watch(threads.hands().run(hog, control.stopped()));
        assert_eq!(result.unwrap_err().code, FailureCode::Timeout);
        begins.recv().unwrap();
        assert!(!threads.settled(), "the thread is still held");
        release.send(()).unwrap();
        assert!(threads.settled());
        threads.abandon();
    }

    #[test]
    fn a_panic_of_the_work_is_a_failure_of_the_job() {
        let threads = Threads::start(1).unwrap();
        let work = async { if true { panic!("at row 7") } else { Ok(()) } };
        let result = threads.watch(threads.hands().run(work, std::future::pending()));
        assert_eq!(result.unwrap_err().code, FailureCode::Internal);
    }
}
