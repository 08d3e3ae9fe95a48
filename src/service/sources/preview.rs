//! Files that are looked at before they are kept: a worker reads their first rows as an import would, and nothing stays.

use std::io;
use std::time::Duration;

use super::Room;
use super::failure::error_of;
use super::files::IncomingFiles;
use crate::datadir::left::{self, MOST_TOLD};
use crate::domain::access::Permission;
use crate::domain::error::Result;
use crate::domain::preview::FilePreview;
use crate::service::app::App;
use crate::service::caller::Caller;
use crate::worker::pool::{Errand, Reach};
use crate::worker::protocol::{Job, Outcome};

impl App {
    /// Room for files that are only looked at; while they are, they take it as others do.
    pub async fn begin_preview(&self, caller: &Caller) -> Result<Room> {
        caller.require(Permission::DataSourcesCreate)?;
        self.upload_room(caller).await
    }

    /// What the files look like.
    ///
    /// # Errors
    /// `InvalidFile` when one cannot be read.
    pub async fn preview_files(&self, caller: &Caller, incoming: IncomingFiles) -> Result<Vec<FilePreview>> {
        caller.require(Permission::DataSourcesCreate)?;
        let files = incoming.to_import()?;
        // Somebody waits for it as for a query, so it has its turn among these, and no longer than they.
        let errand = Errand {
            org: caller.org().raw(),
            read: files.iter().map(|file| file.path.clone()).collect(),
            deadline: Duration::from_millis(self.settings.query.millis),
        };
        self.pool
            .once(
                &errand,
                &Reach::default(),
                |directory| {
                    // Where this fails, the worker says so.
                    let _ = std::fs::create_dir(directory.join("look"));
                    Job::Preview { files, scratch: directory.join("look"), into: directory.join("preview.json") }
                },
                |done, directory| match done.outcome {
                    Outcome::Previewed => {
                        Ok(serde_json::from_slice(&left::read(&directory.join("preview.json"), MOST_TOLD)?)?)
                    }
                    other => Err(io::Error::other(format!("a preview gave {other:?}"))),
                },
            )
            .await
            .map_err(error_of)
    }
}
