//! Files that are looked at before they are kept: a worker reads their first rows as an import would, and nothing stays.

use std::io;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::Room;
use super::failure::error_of;
use super::fetch::unavailable;
use super::files::{IncomingFile, IncomingFiles};
use super::repointed::masked_for_another;
use crate::datadir::left::{self, MOST_TOLD};
use crate::domain::access::Permission;
use crate::domain::connection::{Connection, Credentials, Kind};
use crate::domain::error::{Error, Result};
use crate::domain::import::ImportOptions;
use crate::domain::preview::FilePreview;
use crate::outbound::client;
use crate::service::app::App;
use crate::service::caller::Caller;
use crate::worker::pool::{Errand, Reach};
use crate::worker::protocol::{Job, Outcome};

/// A file that is looked at before it is kept, where it is elsewhere.
#[derive(Debug)]
pub struct LookRequest {
    /// Its kind, of which files and URLs are looked at.
    pub kind: Kind,
    /// The fields of its connection.
    pub connection: Value,
    /// What opens it.
    pub credentials: Credentials,
    /// How it is read, where that is not left to detection.
    pub options: ImportOptions,
}

impl App {
    /// Room for files that are only looked at; while they are, they take it as others do.
    pub async fn begin_preview(&self, caller: &Caller) -> Result<Room> {
        caller.require(Permission::DataSourcesCreate)?;
        self.upload_room(caller).await
    }

    /// What a file looks like that is on the web or on this machine, and is brought into `room`. Somebody waits for it, so it
    /// has the time of a query.
    ///
    /// # Errors
    /// `InvalidField` for what is no such place, `SourceUnavailable` when the file cannot be had, `InvalidFile` when it cannot
    /// be read.
    pub async fn preview_place(&self, caller: &Caller, request: LookRequest, room: Room) -> Result<Vec<FilePreview>> {
        caller.require(Permission::DataSourcesCreate)?;
        if !matches!(request.kind, Kind::File | Kind::Url) {
            return Err(of_no_file());
        }
        let connection = self.placed(caller, Connection::parse(request.kind, request.connection)?).await?;
        connection.check_options(&request.options)?;
        request.credentials.check(request.kind)?;
        let path = room.path().join("0");
        let (name, room) = self.brought(caller, connection, request.credentials, (&path, room)).await?;
        let files = vec![IncomingFile { path, name }];
        self.preview_files(caller, IncomingFiles { files, options: Some(request.options), holder: Some(room) }).await
    }

    /// Brings a file into a room, whose bytes are counted as they come; gives its name.
    async fn brought(
        &self,
        caller: &Caller,
        from: Connection,
        credentials: Credentials,
        (into, mut room): (&Path, Room),
    ) -> Result<(String, Room)> {
        let patience = Duration::from_millis(self.settings.query.millis);
        let turns = if matches!(from, Connection::File(_)) { &self.copying } else { &self.fetching };
        let turn = tokio::time::timeout(patience, turns.take(caller.org())).await;
        let busy = "Other files of the organization are on their way and take long; try again later.";
        let _turn = turn.map_err(|_| Error::SourceUnavailable(busy.to_owned()))??;
        match from {
            Connection::File(file) => {
                let (_, room) = self.copied(&file, into, (patience, None), Some(room)).await?;
                Ok((file.name(), room.ok_or_else(|| Error::internal("a room is gone"))?))
            }
            Connection::Url(file) if file.is_masked() => Err(masked_for_another()),
            Connection::Url(file) => {
                let asked = self.request(&file, credentials, into.to_owned());
                let asked = client::Request { deadline: patience, ..asked };
                let (mut counted, mut full) = (0, Ok(()));
                let mut count = |bytes: u64, _: Option<u64>| {
                    full = room.take(bytes - counted);
                    counted = bytes;
                    full.is_ok()
                };
                let fetched = client::fetch(&self.settings.outbound.guard, asked, &mut count).await;
                full?;
                fetched.map_err(unavailable)?;
                Ok((file.name(), room))
            }
            Connection::Sqlite(_) | Connection::Postgres(_) | Connection::Mysql(_) => Err(of_no_file()),
        }
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

fn of_no_file() -> Error {
    Error::field("kind", "must be `file` or `url`; only files are looked at before they are kept.")
}
