//! What the kernel tells of processes that are not ours to ask: whose children they are, what they may, how they are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};

/// A process, by its number: there, or no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process(pub u32);

impl Process {
    /// This one.
    pub fn own() -> Self {
        Self(std::process::id())
    }

    /// The processes that it has started, and that run.
    pub fn children(self) -> Vec<Self> {
        let entries = std::fs::read_dir("/proc").unwrap().flatten();
        let processes = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).map(Self);
        processes.filter(|process| process.parent() == Some(self)).collect()
    }

    /// A file of its directory below `/proc`.
    pub fn path(self, name: &str) -> PathBuf {
        Path::new("/proc").join(self.0.to_string()).join(name)
    }

    /// What such a file says; `None` where the process is no more.
    pub fn says(self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.path(name)).ok()
    }

    /// A field of its `stat`, by the number that proc(5) has for it; not the first two.
    pub fn stat(self, field: usize) -> Option<i64> {
        self.field(field)?.parse().ok()
    }

    /// Whether it runs: nobody may have asked yet how one ended that does not.
    pub fn is_there(self) -> bool {
        self.field(3).is_some_and(|state| state != "Z" && state != "X")
    }

    /// The time that it has used, in the kernel's ticks.
    pub fn ticks(self) -> i64 {
        [14, 15].into_iter().filter_map(|field| self.stat(field)).sum()
    }

    /// The fields of its status.
    pub fn status(self) -> BTreeMap<String, String> {
        status(&self.path("status"))
    }

    /// The fields of the status of each of its threads. One that ends meanwhile has none.
    pub fn threads(self) -> Vec<BTreeMap<String, String>> {
        let tasks = std::fs::read_dir(self.path("task")).unwrap().flatten();
        tasks.map(|task| status(&task.path().join("status"))).filter(|status| !status.is_empty()).collect()
    }

    /// Sends it a signal, where it is still there.
    pub fn signal(self, signal: Signal) {
        let _ = kill_process(Pid::from_raw(self.0.cast_signed()).unwrap(), signal);
    }

    fn parent(self) -> Option<Self> {
        let parent = self.is_there().then(|| self.stat(4))??;
        parent.try_into().ok().map(Self)
    }

    fn field(self, field: usize) -> Option<String> {
        let told = self.says("stat")?;
        let (_, fields) = told.rsplit_once(") ")?;
        fields.split(' ').nth(field - 3).map(str::to_owned)
    }
}

fn status(file: &Path) -> BTreeMap<String, String> {
    let status = std::fs::read_to_string(file).unwrap_or_default();
    status.lines().filter_map(|line| line.split_once(":\t")).map(|(name, value)| (name.into(), value.into())).collect()
}
