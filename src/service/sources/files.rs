//! Sources of files: uploads are parsed in a worker of their own, and the extract is moved to its place whole.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::Room;
use crate::domain::access::Permission;
use crate::domain::connection::Mode;
use crate::domain::error::{Error, Result};
use crate::domain::id::{IdRef, OrgId, SourceId, SyncId};
use crate::domain::import::ImportOptions;
use crate::domain::org::name;
use crate::domain::result::Column;
use crate::domain::source::{self, Source, SourceColumn, SourceStatus, SourceTable, is_table_name};
use crate::domain::sync::Trigger;
use crate::service::app::App;
use crate::service::caller::Caller;
use crate::service::once::Effect;
use crate::store::Tx;
use crate::store::main::sources::{self, Arrival, NewSource};
use crate::store::main::syncs::{self, Ending};
use crate::worker::pool::{Errand, Reach};
use crate::worker::protocol::{ImportFile, ImportedTable, Job, Outcome};

/// A file to import.
#[derive(Debug)]
pub struct IncomingFile {
    /// Where it lies.
    pub path: PathBuf,
    /// What its owner calls it.
    pub name: String,
}

/// A source to be made of files.
#[derive(Debug)]
pub struct Incoming {
    /// The source's name.
    pub name: String,
    /// Its SQL name, when it is not made of the name.
    pub slug: Option<String>,
    /// The files.
    pub files: IncomingFiles,
}

/// Files, how they are to be read, and the directory that holds them while that lasts.
#[derive(Debug)]
pub struct IncomingFiles {
    /// The files.
    pub files: Vec<IncomingFile>,
    /// What is not left to detection; `None` where nothing was said.
    pub options: Option<ImportOptions>,
    /// Removed when they were read.
    pub holder: Option<Room>,
}

impl IncomingFiles {
    /// What a worker is to read, and as what.
    ///
    /// # Errors
    /// `InvalidField` for no file at all and for options that contradict themselves, `InvalidFile` for files of one name.
    pub fn to_import(&self) -> Result<Vec<ImportFile>> {
        if self.files.is_empty() {
            return Err(Error::field("file", "is missing; send at least one file."));
        }
        let names: Vec<&str> = self.files.iter().map(|file| file.name.as_str()).collect();
        let options = self.options.clone().unwrap_or_default();
        options.check(&names)?;
        let files = self.files.iter().zip(source::table_names(&names)?);
        let files = files.map(|(file, table)| ImportFile {
            path: file.path.clone(),
            name: file.name.clone(),
            table,
            options: options.of_file(&file.name),
        });
        Ok(files.collect())
    }
}

/// A source whose files are being read.
#[derive(Debug, Clone, Copy)]
struct Loading {
    source: SourceId,
    uuid: Uuid,
    sync: SyncId,
}

/// Told how far an import is: a fraction and rows.
pub type Progress = Box<dyn FnMut(f64, u64) + Send>;

impl App {
    /// Room for the files of a source to be, for those who may make one and have quota left: asked before the first byte
    /// of an upload is read.
    pub async fn begin_upload(&self, caller: &Caller) -> Result<Room> {
        caller.require(Permission::DataSourcesCreate)?;
        self.upload_room(caller).await
    }

    /// Makes a source of files, and waits up to `wait` for its data.
    ///
    /// Gives a source that is active, or still `syncing` when the wait was too short: the import then goes on.
    ///
    /// # Errors
    /// `InvalidFile` when a file cannot be read: nothing is left of the source then.
    pub async fn create_source(
        &self,
        caller: &Caller,
        incoming: Incoming,
        wait: Option<Duration>,
        progress: Progress,
    ) -> Result<Source> {
        let (id, mut import) = match caller.begun() {
            Some(Effect::Source(id)) => self.resume_source(caller, id, incoming, progress).await?,
            _ => self.begin_source(caller, incoming, progress).await?,
        };
        let done = match wait {
            None => Some((&mut import).await),
            Some(wait) => tokio::time::timeout(wait, &mut import).await.ok(),
        };
        if let Some(done) = done {
            done.map_err(Error::internal)??;
        }
        self.find_source(caller.org(), &IdRef::Number(id), &id.prefixed())
    }

    /// Makes the row of a source and begins its import, which goes on when the client leaves.
    pub(in crate::service) async fn begin_source(
        &self,
        caller: &Caller,
        incoming: Incoming,
        progress: Progress,
    ) -> Result<(SourceId, JoinHandle<Result<()>>)> {
        caller.require(Permission::DataSourcesCreate)?;
        let source_name = name("name", &incoming.name, 200)?;
        let slug = incoming.slug.clone().unwrap_or_else(|| source::sql_name(&source_name));
        let files = incoming.files.to_import()?;
        self.check_quota(caller.org())?;
        let uuid = self.entropy.uuid(caller.at);
        let loading = self.insert_source(caller, uuid, (source_name, slug), incoming.files.options.clone()).await?;
        Ok((loading.source, self.begin_import(caller, loading, incoming.files, files, progress)))
    }

    /// Begins the import of a source whose first one was cut off; it stays the same source.
    pub(in crate::service) async fn begin_again(
        &self,
        caller: &Caller,
        source: &Source,
        incoming: Incoming,
        progress: Progress,
    ) -> Result<JoinHandle<Result<()>>> {
        caller.require(Permission::DataSourcesCreate)?;
        let files = incoming.files.to_import()?;
        let (app, org, id, now) = (self.clone(), caller.org(), source.id, caller.at);
        let sync = self
            .store
            .write(move |tx| {
                sources::restart(tx, org, id, &app.boot, now)?;
                syncs::give_up(tx, id, &app.boot, now, now)?;
                app.begin_run(tx, (org, id), (Trigger::Create, 1), now)
            })
            .await?;
        let loading = Loading { source: id, uuid: source.uuid, sync };
        Ok(self.begin_import(caller, loading, incoming.files, files, progress))
    }

    /// Goes on with the source that an earlier request began: from its start where the server ended before its data
    /// was read, and not at all where it is there or on its way.
    async fn resume_source(
        &self,
        caller: &Caller,
        id: SourceId,
        incoming: Incoming,
        progress: Progress,
    ) -> Result<(SourceId, JoinHandle<Result<()>>)> {
        let source = self.find_source(caller.org(), &IdRef::Number(id), &id.prefixed())?;
        let import = match source.status {
            SourceStatus::Error => self.begin_again(caller, &source, incoming, progress).await?,
            SourceStatus::Active | SourceStatus::Syncing => tokio::spawn(async { Ok(()) }),
        };
        Ok((id, import))
    }

    fn begin_import(
        &self,
        caller: &Caller,
        loading: Loading,
        incoming: IncomingFiles,
        files: Vec<ImportFile>,
        progress: Progress,
    ) -> JoinHandle<Result<()>> {
        let (app, importer) = (self.clone(), caller.clone());
        tokio::spawn(async move {
            let done = app.import(&importer, loading, files, progress).await;
            drop(incoming);
            done
        })
    }

    async fn insert_source(
        &self,
        caller: &Caller,
        uuid: Uuid,
        (name, slug): (String, String),
        options: Option<ImportOptions>,
    ) -> Result<Loading> {
        let (app, writer) = (self.clone(), caller.clone());
        self.store
            .write(move |tx| {
                app.check_number(tx, writer.org())?;
                let new = NewSource { uuid, name: &name, slug: &slug, mode: Mode::Extract, connection: None };
                let source = sources::create(tx, writer.org(), &new, &app.boot, writer.at)?;
                if let Some(options) = options {
                    sources::keep_options(tx, writer.org(), source, &options)?;
                }
                let sync = app.begin_run(tx, (writer.org(), source), (Trigger::Create, 1), writer.at)?;
                let after = json!({"name": name, "slug": slug, "kind": "file"});
                writer.record(tx, "data_source.create", &source.prefixed(), None, Some(after))?;
                writer.begin(tx, Effect::Source(source))?;
                Ok(Loading { source, uuid, sync })
            })
            .await
    }

    async fn import(
        &self,
        caller: &Caller,
        loading: Loading,
        files: Vec<ImportFile>,
        progress: Progress,
    ) -> Result<()> {
        let org = (caller.org(), caller.identity().holder.org_uuid);
        let mut watched = self.watched(loading.sync, progress);
        let outcome = self.extract(org, (loading.source, loading.uuid), files, &mut watched.tell).await;
        let (now, boot, org) = (self.clock.now(), self.boot.clone(), caller.org());
        match outcome {
            Ok((extract, tables)) => {
                let app = self.clone();
                let write = move |tx: &Tx<'_>| {
                    app.check_fits(tx, org, loading.source, bytes_of(&tables))?;
                    syncs::finish(tx, org, loading.sync, &Ending::of_new(&tables), &boot, now)?;
                    sources::swap(tx, org, loading.source, &Arrival { extract, tables: &tables, state: None }, now)
                };
                match self.store.write(write).await {
                    Err(error @ Error::Conflict(_)) => self.fail_import(caller, loading.source, error).await,
                    done => done,
                }
            }
            Err(error) => self.fail_import(caller, loading.source, error).await,
        }
    }

    /// Takes a source away whose data cannot be had, and says why.
    async fn fail_import(&self, caller: &Caller, source: SourceId, error: Error) -> Result<()> {
        self.discard(caller, source, &error).await?;
        Err(error)
    }

    /// Parses the files in a worker and moves the extract to its place.
    pub(super) async fn extract(
        &self,
        (org, org_uuid): (OrgId, Uuid),
        (id, source): (SourceId, Uuid),
        files: Vec<ImportFile>,
        progress: &mut (dyn FnMut(f64, u64) + Send),
    ) -> Result<(Uuid, Vec<SourceTable>)> {
        let now = self.clock.now();
        let extract = self.entropy.uuid(now);
        let errand = Errand {
            org: org.raw(),
            read: files.iter().map(|file| file.path.clone()).collect(),
            deadline: self.settings.job_timeout,
        };
        let target = self.data.extract(org_uuid, source, extract);
        let (data, names) = (self.data.clone(), names(&files));
        let take = move |outcome: Outcome, made: &Path| {
            if let Outcome::Imported { tables } = &outcome {
                check_names(tables)?;
            }
            // Whole and durable at its place before the row points at it.
            data.adopt(made, &target)?;
            Ok(outcome)
        };
        let job = |into| Job::Import { files, into, append_to: None };
        let imported = self.make_extract((org, id), (&errand, &Reach::default()), job, progress, take).await?;
        match imported {
            Outcome::Imported { tables } => Ok((extract, made(tables, &names))),
            other => Err(Error::internal(format!("an import gave {other:?}"))),
        }
    }
}

/// Bytes of the files of tables.
pub(super) fn bytes_of(tables: &[SourceTable]) -> u64 {
    tables.iter().map(|table| table.bytes).sum()
}

/// What files are called, and the tables that they are to become.
pub(super) fn names(files: &[ImportFile]) -> Vec<(String, String)> {
    files.iter().map(|file| (file.name.clone(), file.table.clone())).collect()
}

/// The tables that were made of files.
pub(super) fn made(tables: Vec<ImportedTable>, files: &[(String, String)]) -> Vec<SourceTable> {
    let names = || files.iter().map(|(file, table)| (file.as_str(), table.as_str()));
    tables.into_iter().map(|table| table_of(table).made_of(names())).collect()
}

/// That a worker names tables as we do, before anything is looked for under a name of its choice: it has read what people
/// sent, and may not be itself any more.
pub(super) fn check_names(tables: &[ImportedTable]) -> io::Result<()> {
    match tables.iter().find(|table| !is_table_name(&table.name)) {
        Some(table) => {
            Err(io::Error::other(format!("a worker gave a table the name {:?}", Error::clipped(&table.name))))
        }
        None => Ok(()),
    }
}

pub(super) fn table_of(table: ImportedTable) -> SourceTable {
    SourceTable {
        name: table.name,
        rows: Some(table.rows),
        bytes: table.bytes,
        loaded_at: None,
        file: None,
        columns: table
            .columns
            .into_iter()
            .map(|column| SourceColumn {
                column: Column { name: column.name, kind: column.kind },
                nullable: column.nullable,
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_names_a_table_like_a_path_is_not_believed() {
        let tables = |name: &str| [ImportedTable { name: name.to_owned(), rows: 1, bytes: 1, columns: Vec::new() }];
        assert!(check_names(&tables("t_2013_flights")).is_ok());
        for name in ["../../secrets/pepper", "/etc/passwd", "", ".", "a/b", "a.b", "A", "a\0", &"a".repeat(248)] {
            assert!(check_names(&tables(name)).is_err(), "{name:?}");
        }
    }
}
