//! New files for a source that is there: they take the place of its tables, or are added to them. The new extract is made
//! whole beside the old one and swapped in one transaction; whatever fails leaves the old one as it was.

use std::path::Path;

use serde_json::{Value, json};
use uuid::Uuid;

use super::Room;
use super::files::{self, IncomingFiles, Progress, bytes_of, check_names, names};
use super::syncs::asked_by;
use crate::datadir::DataDir;
use crate::domain::access::Permission;
use crate::domain::error::{Error, Result};
use crate::domain::id::{IdRef, Source as SourceKind, SourceId, SyncId};
use crate::domain::import::{FilesMode, ImportOptions};
use crate::domain::source::{Source, SourceStatus, SourceTable};
use crate::service::app::App;
use crate::service::caller::Caller;
use crate::service::conditions::Standing;
use crate::service::once::Answer;
use crate::store::main::sources::{self, Arrival};
use crate::store::main::syncs::{self, Ending};
use crate::worker::pool::{Errand, Reach};
use crate::worker::protocol::{BaseTable, ImportFile, ImportedColumn, ImportedTable, Job, Outcome};

impl App {
    /// Room for new files of a source that takes some: asked before the first byte of an upload is read.
    pub async fn begin_files(&self, caller: &Caller, id: &IdRef<SourceKind>, spelled: &str) -> Result<Room> {
        caller.require(Permission::DataSourcesUpdate)?;
        check_takes_files(&self.find_source(caller.org(), id, spelled)?)?;
        self.upload_room(caller).await
    }

    /// Replaces tables of a source by files of the same names, or adds their rows to them, and waits until it is done.
    /// Tables that no file is for stay. Files are read as the source's were, where nothing else is said.
    ///
    /// # Errors
    /// `InvalidFile` when one cannot be read, or its rows do not fit their table; `Conflict` for a source that is made of
    /// no files, or whose data others changed meanwhile. The source is as it was then.
    pub async fn put_files<A: Answer>(
        &self,
        caller: &Caller,
        (id, spelled): (&IdRef<SourceKind>, &str),
        (mut incoming, mode): (IncomingFiles, FilesMode),
        progress: Progress,
        answer: impl FnOnce(Source) -> A + Send + 'static,
    ) -> Result<A> {
        caller.require(Permission::DataSourcesUpdate)?;
        let source = self.find_source(caller.org(), id, spelled)?;
        check_takes_files(&source)?;
        let given = incoming.options.clone();
        if given.is_none() {
            let names: Vec<&str> = incoming.files.iter().map(|file| file.name.as_str()).collect();
            incoming.options = Some(source.options.clone().only_for(&names));
        }
        let files = incoming.to_import()?;
        let sync = self.begin_load(caller, source.id).await?;
        let mut watched = self.watched(sync, progress);
        let extracted = self.extract_beside(caller, &source, (files, mode), &mut watched.tell).await;
        let loaded = match extracted {
            Ok(extracted) => self.take_in(caller, (source, sync), extracted, given, answer).await,
            Err(error) => Err(error),
        };
        if let Err(error) = &loaded {
            self.fail_load(caller, sync, error).await?;
        }
        loaded
    }

    /// Takes the source's lease: one load of its data goes on at a time.
    async fn begin_load(&self, caller: &Caller, id: SourceId) -> Result<SyncId> {
        let (app, writer) = (self.clone(), caller.clone());
        self.reap_syncs().await?;
        self.store
            .write(move |tx| {
                let found = sources::find(tx, writer.org(), &IdRef::Number(id))?;
                let found = found.ok_or_else(|| Error::not_found::<SourceKind>(id.prefixed()))?;
                writer.expects(Standing::Source(&found))?;
                if app.running_sync(tx, (writer.org(), id), writer.at)?.is_some() {
                    return Err(being_read());
                }
                app.begin_run(tx, (writer.org(), id), (asked_by(&writer), 1), writer.at)
            })
            .await
    }

    async fn fail_load(&self, caller: &Caller, sync: SyncId, error: &Error) -> Result<()> {
        let ending = Ending::Failed(error.code(), error.to_string());
        let (org, boot, now) = (caller.org(), self.boot.clone(), self.clock.now());
        self.store.write(move |tx| Ok(syncs::finish(tx, org, sync, &ending, &boot, now).map(drop)?)).await
    }

    /// Points the source at its new extract.
    async fn take_in<A: Answer>(
        &self,
        caller: &Caller,
        (source, sync): (Source, SyncId),
        (extract, tables, mode): (Uuid, Vec<SourceTable>, FilesMode),
        given: Option<ImportOptions>,
        answer: impl FnOnce(Source) -> A + Send + 'static,
    ) -> Result<A> {
        let (app, writer, now) = (self.clone(), caller.clone(), self.clock.now());
        self.store
            .write(move |tx| {
                let (org, found) = (writer.org(), sources::find(tx, writer.org(), &IdRef::Number(source.id))?);
                let found = found.ok_or_else(|| Error::not_found::<SourceKind>(source.id.prefixed()))?;
                app.check_fits(tx, org, found.id, bytes_of(&tables))?;
                let ending = Ending::of_new(&tables);
                if !syncs::finish(tx, org, sync, &ending, &app.boot, now)? || found.extract != source.extract {
                    return Err(Error::Conflict(
                        "The source's data was changed meanwhile; send the files again.".to_owned(),
                    ));
                }
                let arrival = Arrival { extract, tables: &tables, state: None };
                sources::swap(tx, org, found.id, &arrival, now)?;
                if let Some(options) = given {
                    sources::keep_options(tx, org, found.id, &options)?;
                }
                let (before, after) = (rows(&found.tables), rows(&tables));
                let what = format!("data_source.{}", mode.as_str());
                writer.record(tx, &what, &found.id.prefixed(), Some(before), Some(after))?;
                if let Some(old) = found.extract {
                    let old = app.data.extract(writer.identity().holder.org_uuid, found.uuid, old);
                    tx.after_commit(move || DataDir::retire(&old, now.into()));
                }
                let stored = sources::find(tx, org, &IdRef::Number(found.id))?;
                let stored = stored.ok_or_else(|| Error::internal("a source went while it was changed"))?;
                writer.answer(tx, answer(stored))
            })
            .await
    }

    /// Makes the new extract, with the tables that no file is for.
    async fn extract_beside(
        &self,
        caller: &Caller,
        source: &Source,
        (files, mode): (Vec<ImportFile>, FilesMode),
        progress: &mut Progress,
    ) -> Result<(Uuid, Vec<SourceTable>, FilesMode)> {
        let org_uuid = caller.identity().holder.org_uuid;
        let old = source.extract.map(|extract| self.data.extract(org_uuid, source.uuid, extract));
        let bases = match (mode, &old) {
            (FilesMode::Replace, _) => Vec::new(),
            (FilesMode::Append, Some(old)) => source.tables.iter().map(|table| base(old, table)).collect(),
            (FilesMode::Append, None) => Vec::new(),
        };
        let read = files.iter().map(|file| file.path.clone()).chain(bases.iter().map(|base| base.path.clone()));
        let errand = Errand { org: caller.org().raw(), read: read.collect(), deadline: self.settings.job_timeout };
        let extract = self.entropy.uuid(self.clock.now());
        let target = self.data.extract(org_uuid, source.uuid, extract);
        let (data, known, names) = (self.data.clone(), source.tables.clone(), names(&files));
        let job = |into| {
            let append_to = (mode == FilesMode::Append).then_some(bases);
            Job::Import { files, into, append_to }
        };
        let take = move |outcome: Outcome, made: &Path| {
            let Outcome::Imported { tables } = outcome else {
                return Err(std::io::Error::other("an import gave another outcome"));
            };
            check_names(&tables)?;
            let tables = merged(known, files::made(tables, &names));
            data.adopt(made, &target)?;
            keep_others(&tables, old.as_deref(), &target).inspect_err(|_| {
                // What cannot be removed is collected, as nothing points at it.
                let _ = std::fs::remove_dir_all(&target);
            })?;
            Ok((extract, tables, mode))
        };
        let to = (caller.org(), source.id);
        self.make_extract(to, (&errand, &Reach::default()), job, progress.as_mut(), take).await
    }
}

fn check_takes_files(source: &Source) -> Result<()> {
    if !source.is_uploaded() {
        return Err(Error::Conflict("The data source is not of uploaded files; sync it instead.".to_owned()));
    }
    if source.status == SourceStatus::Syncing {
        return Err(being_read());
    }
    Ok(())
}

fn being_read() -> Error {
    Error::Conflict("The data source is being read; send the files when that is over.".to_owned())
}

fn base(extract: &Path, table: &SourceTable) -> BaseTable {
    let columns = table.columns.iter().map(|column| ImportedColumn {
        name: column.column.name.clone(),
        kind: column.column.kind,
        nullable: column.nullable,
    });
    let (rows, bytes, columns) = (table.rows.unwrap_or(0), table.bytes, columns.collect());
    let path = extract.join(format!("{}.parquet", table.name));
    BaseTable { path, table: ImportedTable { name: table.name.clone(), rows, bytes, columns } }
}

/// The tables that there were, those that were made in their place, and new ones behind them.
fn merged(known: Vec<SourceTable>, made: Vec<SourceTable>) -> Vec<SourceTable> {
    let mut tables = known;
    for table in made {
        match tables.iter_mut().find(|known| known.name == table.name) {
            Some(known) => *known = table,
            None => tables.push(table),
        }
    }
    tables
}

/// Extracts never change, so a table that stays is the same file in both. After the extract was taken over: files that a
/// worker leaves have one name.
fn keep_others(tables: &[SourceTable], old: Option<&Path>, made: &Path) -> std::io::Result<()> {
    for table in tables {
        let name = format!("{}.parquet", table.name);
        if let Some(old) = old
            && !made.join(&name).exists()
        {
            std::fs::hard_link(old.join(&name), made.join(&name))?;
        }
    }
    std::fs::File::open(made)?.sync_all()
}

fn rows(tables: &[SourceTable]) -> Value {
    json!({"tables": tables.iter().map(|table| json!({"name": table.name, "rows": table.rows})).collect::<Vec<_>>()})
}
