//! Data sources: uploaded files become tables (PRODUCT 8.7).

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::app::App;
use super::caller::Caller;
use super::conditions::Standing;
use super::once::Effect;
use crate::datadir::DataDir;
/// Where an upload lies until it is read, and a result until it is sent.
pub use crate::datadir::Scratch;
use crate::domain::access::Permission;
use crate::domain::error::{Error, Result};
use crate::domain::id::{IdRef, OrgId, Source as SourceKind, SourceId};
use crate::domain::org::name;
use crate::domain::page::{ListRequest, Page};
use crate::domain::result::Column;
use crate::domain::source::{self, Source, SourceColumn, SourceFilter, SourceStatus, SourceTable};
use crate::store::Slice;
use crate::store::main::sources;
use crate::worker::pool::{Errand, Refused};
use crate::worker::protocol::{Failure, FailureCode, ImportFile, ImportedTable, Job, Outcome, TableFile};

/// How many of those who use a source are named in a refusal to take it away.
const REFERRERS_NAMED: usize = 10;

/// A file to import.
#[derive(Debug)]
pub struct IncomingFile {
    /// Where it lies.
    pub path: PathBuf,
    /// What its owner calls it.
    pub name: String,
}

/// Files to import, with the directory that holds them while that lasts.
#[derive(Debug)]
pub struct Incoming {
    /// The source's name.
    pub name: String,
    /// Its SQL name, when it is not made of the name.
    pub slug: Option<String>,
    /// The files.
    pub files: Vec<IncomingFile>,
    /// Removed when the import is over.
    pub holder: Option<Scratch>,
}

/// Told how far an import is: a fraction and rows.
pub type Progress = Box<dyn FnMut(f64, u64) + Send>;

impl App {
    /// Room for the files of a source to be, for those who may make one and have quota left: asked before the first byte
    /// of an upload is read.
    pub fn begin_upload(&self, caller: &Caller) -> Result<Scratch> {
        caller.require(Permission::DataSourcesCreate)?;
        self.check_quota(caller)?;
        let name = format!("upload-{}", self.entropy.uuid(caller.at).simple());
        self.data.scratch(&name).map_err(Error::internal)
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
    pub(super) async fn begin_source(
        &self,
        caller: &Caller,
        incoming: Incoming,
        progress: Progress,
    ) -> Result<(SourceId, JoinHandle<Result<()>>)> {
        caller.require(Permission::DataSourcesCreate)?;
        let source_name = name("name", &incoming.name, 200)?;
        let slug = incoming.slug.clone().unwrap_or_else(|| source::sql_name(&source_name));
        if incoming.files.is_empty() {
            return Err(Error::field("file", "is missing; send at least one file."));
        }
        let tables = table_names(&incoming)?;
        self.check_quota(caller)?;
        let uuid = self.entropy.uuid(caller.at);
        let id = self.insert_source(caller, uuid, source_name, slug).await?;
        Ok((id, self.begin_import(caller, (id, uuid), incoming, tables, progress)))
    }

    /// Begins the import of a source whose first one was cut off; it stays the same source.
    pub(super) fn begin_again(
        &self,
        caller: &Caller,
        source: &Source,
        incoming: Incoming,
        progress: Progress,
    ) -> Result<JoinHandle<Result<()>>> {
        caller.require(Permission::DataSourcesCreate)?;
        let tables = table_names(&incoming)?;
        Ok(self.begin_import(caller, (source.id, source.uuid), incoming, tables, progress))
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
            SourceStatus::Error => {
                let (org, boot, now) = (caller.org(), self.boot.clone(), caller.at);
                self.store.write(move |tx| Ok(sources::restart(tx, org, id, &boot, now)?)).await?;
                self.begin_again(caller, &source, incoming, progress)?
            }
            SourceStatus::Active | SourceStatus::Syncing => tokio::spawn(async { Ok(()) }),
        };
        Ok((id, import))
    }

    fn begin_import(
        &self,
        caller: &Caller,
        source: (SourceId, Uuid),
        incoming: Incoming,
        tables: Vec<String>,
        progress: Progress,
    ) -> JoinHandle<Result<()>> {
        let (app, importer) = (self.clone(), caller.clone());
        tokio::spawn(async move { app.import(&importer, source, incoming, tables, progress).await })
    }

    fn check_quota(&self, caller: &Caller) -> Result<()> {
        let org = caller.org();
        let all = self.store.read_now(|db| Ok(sources::list(db, org, &SourceFilter::default(), &Slice::all())?))?;
        let used: u64 = all.iter().flat_map(|source| &source.tables).map(|table| table.bytes).sum();
        if used < self.settings.source_quota {
            return Ok(());
        }
        Err(Error::Conflict(format!(
            "The organization's data sources take {used} bytes, which is all it may keep; delete one, or raise `sources.quota`."
        )))
    }

    async fn insert_source(&self, caller: &Caller, uuid: Uuid, name: String, slug: String) -> Result<SourceId> {
        let (writer, boot) = (caller.clone(), self.boot.clone());
        self.store
            .write(move |tx| {
                let id = sources::create(tx, writer.org(), uuid, &name, &slug, &boot, writer.at)?;
                let after = json!({"name": name, "slug": slug, "kind": "file"});
                writer.record(tx, "data_source.create", &id.prefixed(), None, Some(after))?;
                writer.begin(tx, Effect::Source(id))?;
                Ok(id)
            })
            .await
    }

    async fn import(
        &self,
        caller: &Caller,
        (id, uuid): (SourceId, Uuid),
        incoming: Incoming,
        tables: Vec<String>,
        mut progress: Progress,
    ) -> Result<()> {
        let org = caller.org();
        let outcome = self.extract(caller, uuid, &incoming, tables, &mut progress).await;
        let now = self.clock.now();
        match outcome {
            Ok((extract, tables)) => {
                self.store.write(move |tx| sources::swap(tx, org, id, extract, &tables, now)).await
            }
            Err(error) => {
                let (writer, reason) = (caller.clone(), error.to_string());
                self.store
                    .write(move |tx| {
                        sources::delete(tx, org, id)?;
                        writer.record(tx, "data_source.discard", &id.prefixed(), None, Some(json!({"reason": reason})))
                    })
                    .await?;
                Err(error)
            }
        }
    }

    /// Parses the files in a worker and moves the extract to its place.
    async fn extract(
        &self,
        caller: &Caller,
        source: Uuid,
        incoming: &Incoming,
        tables: Vec<String>,
        progress: &mut Progress,
    ) -> Result<(Uuid, Vec<SourceTable>)> {
        let now = self.clock.now();
        let extract = self.entropy.uuid(now);
        let errand = Errand {
            org: caller.org().raw(),
            read: incoming.files.iter().map(|file| file.path.clone()).collect(),
            deadline: self.settings.job_timeout,
        };
        let files: Vec<ImportFile> = incoming
            .files
            .iter()
            .zip(tables)
            .map(|(file, table)| ImportFile { path: file.path.clone(), name: file.name.clone(), table })
            .collect();
        let target = self.data.extract(caller.identity().holder.org_uuid, source, extract);
        let data = self.data.clone();
        let imported = self
            .pool
            .background(
                &errand,
                |scratch| {
                    // Where this fails, the worker says so.
                    let _ = std::fs::create_dir(scratch.join("extract"));
                    Job::Import { files, into: scratch.join("extract") }
                },
                progress.as_mut(),
                move |done, scratch| {
                    // Whole and durable at its place before the row points at it.
                    data.adopt(&scratch.join("extract"), &target)?;
                    Ok(done.outcome)
                },
            )
            .await
            .map_err(error_of)?;
        match imported {
            Outcome::Imported { tables } => Ok((extract, tables.into_iter().map(table_of).collect())),
            other => Err(Error::internal(format!("an import gave {other:?}"))),
        }
    }

    /// A page of sources.
    pub fn sources(&self, caller: &Caller, request: &ListRequest<SourceFilter>) -> Result<Page<Source>> {
        caller.require(Permission::DataSourcesRead)?;
        let org = caller.org();
        self.page(
            caller,
            "sources",
            request,
            |db, filter, slice| Ok(sources::list(db, org, filter, slice)?),
            |db, filter| Ok(sources::count(db, org, filter)?),
        )
    }

    /// One source.
    pub fn source(&self, caller: &Caller, id: &IdRef<SourceKind>, spelled: &str) -> Result<Source> {
        caller.require(Permission::DataSourcesRead)?;
        self.find_source(caller.org(), id, spelled)
    }

    /// Changes what people call a source; its name in SQL stays.
    pub async fn update_source(
        &self,
        caller: &Caller,
        id: &IdRef<SourceKind>,
        spelled: &str,
        new_name: String,
    ) -> Result<Source> {
        caller.require(Permission::DataSourcesUpdate)?;
        let new_name = name("name", &new_name, 200)?;
        let (writer, id, spelled) = (caller.clone(), *id, spelled.to_owned());
        let source = self
            .store
            .write(move |tx| {
                let found = sources::find(tx, writer.org(), &id)?;
                let found = found.ok_or_else(|| Error::not_found::<SourceKind>(spelled))?;
                writer.expects(Standing::Source(&found))?;
                sources::rename(tx, writer.org(), found.id, &new_name, writer.at)?;
                let (before, after) = (json!({"name": found.name}), json!({"name": new_name}));
                writer.record(tx, "data_source.update", &found.id.prefixed(), Some(before), Some(after))?;
                Ok(found.id)
            })
            .await?;
        self.find_source(caller.org(), &IdRef::Number(source), &source.prefixed())
    }

    /// Takes a source away. Its extract follows when no query can be reading it any more.
    ///
    /// # Errors
    /// `Conflict` while a dashboard or a report refers to it, or while its first data is on the way.
    pub async fn delete_source(&self, caller: &Caller, id: &IdRef<SourceKind>, spelled: &str) -> Result<Source> {
        caller.require(Permission::DataSourcesDelete)?;
        let (writer, id, spelled, data) = (caller.clone(), *id, spelled.to_owned(), self.data.clone());
        self.store
            .write(move |tx| {
                let found = sources::find(tx, writer.org(), &id)?;
                let found = found.ok_or_else(|| Error::not_found::<SourceKind>(spelled))?;
                writer.expects(Standing::Source(&found))?;
                check_unused(&found, &sources::referrers(tx, writer.org(), found.id)?)?;
                sources::delete(tx, writer.org(), found.id)?;
                let before = json!({"name": found.name, "slug": found.slug});
                writer.record(tx, "data_source.delete", &found.id.prefixed(), Some(before), None)?;
                if let Some(extract) = found.extract {
                    let extract = data.extract(writer.identity().holder.org_uuid, found.uuid, extract);
                    tx.after_commit(move || DataDir::retire(&extract, writer.at.into()));
                }
                Ok(found)
            })
            .await
    }

    /// The source of this SQL name or id: for the command line.
    pub fn source_named(&self, caller: &Caller, text: &str) -> Result<Source> {
        caller.require(Permission::DataSourcesRead)?;
        let org = caller.org();
        let found = self.store.read_now(|db| Ok(sources::find_by_slug(db, org, text)?))?;
        match found {
            Some(source) => Ok(source),
            None => self.find_source(org, &IdRef::parse(text, crate::domain::id::BareIntegers::Accepted), text),
        }
    }

    pub(super) fn find_source(&self, org: OrgId, id: &IdRef<SourceKind>, spelled: &str) -> Result<Source> {
        let found = self.store.read_now(|db| Ok(sources::find(db, org, id)?))?;
        found.ok_or_else(|| Error::not_found::<SourceKind>(spelled))
    }

    /// The files of a source's tables.
    pub(super) fn table_files(&self, org_uuid: Uuid, source: &Source) -> Vec<TableFile> {
        let Some(extract) = source.extract else { return Vec::new() };
        let directory = self.data.extract(org_uuid, source.uuid, extract);
        source
            .tables
            .iter()
            .map(|table| TableFile {
                source: source.slug.clone(),
                table: table.name.clone(),
                path: directory.join(format!("{}.parquet", table.name)),
            })
            .collect()
    }

    /// The files of all tables of an organisation.
    pub(super) fn all_table_files(&self, caller: &Caller) -> Result<Vec<TableFile>> {
        let (org, org_uuid) = (caller.org(), caller.identity().holder.org_uuid);
        let all = self.store.read_now(|db| Ok(sources::list(db, org, &SourceFilter::active(), &Slice::all())?))?;
        Ok(all.iter().flat_map(|source| self.table_files(org_uuid, source)).collect())
    }
}

/// Refuses to take away what is in use, naming who uses it.
fn check_unused(source: &Source, referrers: &[String]) -> Result<()> {
    if source.status == SourceStatus::Syncing {
        return Err(Error::Conflict("The data source is being read; delete it when it is active.".to_owned()));
    }
    let named = referrers.iter().take(REFERRERS_NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match referrers.len().saturating_sub(REFERRERS_NAMED) {
        _ if referrers.is_empty() => Ok(()),
        0 => Err(Error::Conflict(format!("The data source is used by {named}; delete or change them first."))),
        more => Err(Error::Conflict(format!(
            "The data source is used by {named} and {more} more; delete or change them first."
        ))),
    }
}

fn table_names(incoming: &Incoming) -> Result<Vec<String>> {
    source::table_names(&incoming.files.iter().map(|file| file.name.clone()).collect::<Vec<_>>())
}

fn table_of(table: ImportedTable) -> SourceTable {
    SourceTable {
        name: table.name,
        rows: table.rows,
        bytes: table.bytes,
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

/// A worker's refusal in the words of the table of codes.
pub(super) fn error_of(refused: Refused) -> Error {
    match refused {
        Refused::Full => Error::Overloaded,
        Refused::Failed(failure) => failure_of(failure),
    }
}

/// A job's failure in the words of the table of codes.
pub(super) fn failure_of(failure: Failure) -> Error {
    let Failure { code, message, position } = failure;
    match code {
        FailureCode::InvalidSql => {
            Error::InvalidSql { message, position: position.map(|place| (place.line, place.column)) }
        }
        FailureCode::InvalidFile => Error::InvalidFile(message),
        FailureCode::Timeout => Error::QueryTimeout(message),
        FailureCode::TooLarge => Error::QueryTooLarge(message),
        FailureCode::Canceled => Error::Overloaded,
        FailureCode::Internal => Error::internal(message),
    }
}
