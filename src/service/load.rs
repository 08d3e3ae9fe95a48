//! What the server is doing, in numbers: for metrics.

use super::app::App;
use super::limits::LimiterLoad;
use super::limits::shared::{Shared, SharedLoad};
use crate::store::StoreLoad;

/// The numbers of one moment; counts are since the start.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Both databases.
    pub store: StoreLoad,
    /// Running and waiting jobs of the lanes of queries, of background work, and of connectors.
    pub lanes: [(usize, usize); 3],
    /// Workers that were started.
    pub workers_started: u64,
    /// Workers that died or had to be killed.
    pub workers_killed: u64,
    /// Windows in memory.
    pub limiter: LimiterLoad,
    /// Windows that are shared with other servers, where the settings have them.
    pub shared: Option<SharedLoad>,
    /// Looks for commits of other processes.
    pub looks: u64,
    /// Those that found one.
    pub commits_seen: u64,
}

impl App {
    /// What the server is doing now.
    pub fn load(&self) -> Load {
        let (workers_started, workers_killed) = self.pool.counts();
        Load {
            store: self.store.load(),
            lanes: self.pool.load(),
            workers_started,
            workers_killed,
            limiter: self.limiter.load(),
            shared: self.shared_windows().map(Shared::load),
            looks: self.store.watch().looks(),
            commits_seen: self.store.watch().commits_seen(),
        }
    }
}
